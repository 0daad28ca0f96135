package statuscode

import (
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// Contrary to house style, this file is longer than others: it is a table.

// substatus is a row of the substatuses of IIS and of Application Request Routing (ARR): all that sets one apart. The rest
// follows from its code.
type substatus struct {
	code, title, meaning string
	causes               []fault.Cause
}

// substatuses are those that somebody meets who runs IIS as a web server or, with ARR, as a gateway. Left out are those of
// its WebDAV methods (400.1 to 400.9), of Passport and of client licences.
var substatuses = []substatus{
	{"400.10", "Invalid X-Forwarded-For Header", "IIS is told to take the client's address from X-Forwarded-For, and what stands there is no address.", []fault.Cause{fault.CauseRequestMalformed}},
	{"400.11", "Invalid WebSocket Request", "The upgrade to WebSocket breaks RFC 6455: a Sec-WebSocket header is missing or wrong.", []fault.Cause{fault.CauseUpgradeRefused}},
	{"400.601", "Bad Client Request", "Application Request Routing could not make a request to its server out of the client's.", []fault.Cause{fault.CauseRequestMalformed}},
	{"400.602", "Invalid Time Format", "Application Request Routing could not read a date in the request.", []fault.Cause{fault.CauseRequestMalformed}},
	{"400.603", "Parse Range Error", "Application Request Routing could not read the request's Range.", []fault.Cause{fault.CauseRequestMalformed}},
	{"400.604", "Client Gone", "The client left while Application Request Routing worked on its request: what others log as 499.", []fault.Cause{fault.CauseClientLeft}},
	{"400.605", "Maximum Number of Forwards", "The request passed more proxies than Max-Forwards allows: as a rule a loop.", []fault.Cause{fault.CauseProxyLoop}},
	{"400.606", "Asynchronous Completion Error", "Application Request Routing met an error while it read from or wrote to the client.", []fault.Cause{fault.CauseClientLeft}},

	{"401.1", "Logon Failed", "The name or the password is wrong, or Kerberos failed: a missing service principal name does that as well.", nil},
	{"401.2", "Logon Failed Due to Server Configuration", "The client and the site have no way of authentication in common, or the client sent no credentials yet.", nil},
	{"401.3", "Unauthorized Due to ACL on Resource", "The user is known, and the file's permissions in NTFS do not let it in.", nil},
	{"401.4", "Authorization Failed by Filter", "An ISAPI filter turned the user away.", nil},
	{"401.5", "Authorization Failed by ISAPI or CGI Application", "The application behind ISAPI or CGI turned the user away.", nil},

	{"403.1", "Execute Access Forbidden", "Scripts or programs may not run in this directory.", nil},
	{"403.2", "Read Access Forbidden", "The directory has no read permission in IIS, or its default document is missing.", nil},
	{"403.3", "Write Access Forbidden", "The directory may not be written to, by IIS or by NTFS.", nil},
	{"403.4", "SSL Required", "The site wants HTTPS and the request came by plain HTTP. Behind a gateway that ends TLS, every request does.", []fault.Cause{fault.CauseRedirectLoop}},
	{"403.6", "IP Address Rejected", "The client's address is on a list. Behind a gateway, everybody has the gateway's.", []fault.Cause{fault.CauseRequestDenied}},
	{"403.7", "Client Certificate Required", "The site wants a client certificate and none was shown.", []fault.Cause{fault.CauseTLSClientCertificateRequired}},
	{"403.8", "Site Access Denied", "The client's host name is on a list.", []fault.Cause{fault.CauseRequestDenied}},
	{"403.9", "Concurrent Connections Exceeded", "The site has as many connections as it may.", []fault.Cause{fault.CauseUpstreamOverloaded}},
	{"403.13", "Client Certificate Revoked", "The client certificate was revoked, or its list of revoked certificates cannot be reached.", []fault.Cause{fault.CauseTLSClientCertificateRefused}},
	{"403.14", "Directory Listing Denied", "The URL is a directory without a default document. For an ASP.NET application, its routing was not installed or does not run.", nil},
	{"403.16", "Client Certificate Is Untrusted or Invalid", "IIS does not trust who issued the client certificate: it belongs in the computer's store of trusted roots.", []fault.Cause{fault.CauseTLSClientCertificateRefused}},
	{"403.17", "Client Certificate Has Expired or Is Not Yet Valid", "The client certificate's time is over, or has not begun.", []fault.Cause{fault.CauseTLSClientCertificateRefused}},
	{"403.18", "Cannot Execute Requested URL in the Current Application Pool", "A custom error page lies in another application pool than the page that failed.", nil},
	{"403.501", "Too Many Concurrent Requests from a Client", "Dynamic IP Restrictions: one address has too many requests under way. Behind a gateway, everybody has the gateway's.", []fault.Cause{fault.CauseRateLimited}},
	{"403.502", "Maximum Request Rate Reached by a Client", "Dynamic IP Restrictions: one address sent too many requests in a time. Behind a gateway, everybody has the gateway's.", []fault.Cause{fault.CauseRateLimited}},
	{"403.503", "IP Address Denied", "IP Restrictions: the client's address is on the list of those denied.", []fault.Cause{fault.CauseRequestDenied}},

	{"404.0", "Not Found", "The file was moved or does not exist.", nil},
	{"404.1", "Site Not Found", "No site has this host name, address and port in its bindings. Behind a gateway, look at the Host that it sends.", []fault.Cause{fault.CauseWrongHost}},
	{"404.2", "ISAPI or CGI Restriction", "The list of ISAPI and CGI restrictions does not allow this program.", nil},
	{"404.3", "MIME Type Restriction", "The file's extension has no MIME type, or its handler is not installed.", nil},
	{"404.4", "No Handler Configured", "No handler is configured for this extension.", nil},
	{"404.5", "Denied by Request Filtering", "Request filtering: the URL has a sequence of characters that is blocked.", []fault.Cause{fault.CauseContentFilter}},
	{"404.6", "Verb Denied", "Request filtering: the method is not allowed.", []fault.Cause{fault.CauseContentFilter}},
	{"404.7", "File Extension Denied", "Request filtering: the extension is not allowed.", []fault.Cause{fault.CauseContentFilter}},
	{"404.8", "Hidden Namespace", "Request filtering: the directory (bin, App_Data) is hidden.", []fault.Cause{fault.CauseContentFilter}},
	{"404.10", "Request Header Too Long", "Request filtering: a header of the request is longer than its limit.", []fault.Cause{fault.CauseRequestHeadTooLarge}},
	{"404.11", "Double Escape Sequence", "Request filtering: the URL is escaped twice. A gateway that escapes again what was escaped makes that.", []fault.Cause{fault.CauseContentFilter}},
	{"404.12", "High-Bit Characters", "Request filtering: the URL has bytes above 127 and they are not allowed.", []fault.Cause{fault.CauseContentFilter}},
	{"404.13", "Content Length Too Large", "Request filtering: the body is larger than maxAllowedContentLength (30,000,000 bytes unless set). It is IIS's 413.", []fault.Cause{fault.CauseRequestBodyTooLarge}},
	{"404.14", "Request URL Too Long", "Request filtering: the URL is longer than maxUrl (4,096 bytes unless set).", []fault.Cause{fault.CauseRequestTargetTooLong}},
	{"404.15", "Query String Too Long", "Request filtering: the query is longer than maxQueryString (2,048 bytes unless set).", []fault.Cause{fault.CauseRequestTargetTooLong}},
	{"404.17", "Dynamic Content Mapped to the Static File Handler", "The handler of the application's pages is not installed, so that IIS would send their source.", nil},
	{"404.18", "Query String Sequence Denied", "Request filtering: the query has a sequence of characters that is blocked.", []fault.Cause{fault.CauseContentFilter}},
	{"404.19", "Denied by Filtering Rule", "Request filtering: a rule matched the request.", []fault.Cause{fault.CauseContentFilter}},

	{"500.0", "Module or ISAPI Error", "A module or an ISAPI extension failed. With the ASP.NET Core module, the application did not start or crashed.", []fault.Cause{fault.CauseApplicationError, fault.CauseServiceFailed}},
	{"500.11", "Application Is Shutting Down", "The application pool ends just now: a recycle or a deploy.", []fault.Cause{fault.CauseServiceStopped}},
	{"500.12", "Application Is Restarting", "The application pool starts anew just now.", []fault.Cause{fault.CauseServiceStopped}},
	{"500.13", "Web Server Is Too Busy", "IIS has as many requests as it takes at once.", []fault.Cause{fault.CauseUpstreamOverloaded, fault.CauseWorkersBusy}},
	{"500.19", "Configuration Data Is Invalid", "web.config or applicationHost.config is broken, locked or not readable; the page names file and line.", []fault.Cause{fault.CauseServiceFailed}},
	{"500.21", "Module Not Recognized", "A handler names a module that is not installed: a missing ASP.NET or hosting bundle.", []fault.Cause{fault.CauseServiceFailed}},
	{"500.22", "httpModules Do Not Apply in This Pipeline Mode", "web.config has httpModules of the classic mode, and the pool runs in the integrated one.", nil},
	{"500.23", "httpHandlers Do Not Apply in This Pipeline Mode", "web.config has httpHandlers of the classic mode, and the pool runs in the integrated one.", nil},
	{"500.24", "Impersonation Does Not Apply in This Pipeline Mode", "web.config asks for impersonation, which the pool's integrated mode does not do.", nil},
	{"500.30", "ASP.NET Core In-Process Start Failure", "The application did not start inside of IIS: an exception in its start, a missing runtime.", []fault.Cause{fault.CauseServiceFailed}},
	{"500.50", "Rewrite Error at the Beginning of the Request", "URL Rewrite: an inbound rule, or reading the rules, failed.", nil},
	{"500.51", "Rewrite Error in a Global Rule", "URL Rewrite: a global rule, or reading the global rules, failed.", nil},
	{"500.52", "Rewrite Error While Sending the Response", "URL Rewrite: an outbound rule failed, mostly on a body that the server behind had compressed.", []fault.Cause{fault.CauseBadContentCoding}},
	{"500.53", "Rewrite Error Before the Output Cache", "URL Rewrite: an outbound rule that runs before the output cache failed.", nil},

	{"502.1", "CGI Application Timeout", "The CGI process did not answer in time.", []fault.Cause{fault.CauseHeadTimeout}},
	{"502.2", "Map Request Failure", "Application Request Routing 3.0 from build 1916 on could not map the request. Without it: the CGI process ended before it had answered.", []fault.Cause{fault.CauseNoRoute, fault.CauseClosedBeforeAnswer}},
	{"502.3", "WinHTTP Asynchronous Completion Failure", "Application Request Routing lost or did not get the connection to the server behind it; the number in sc-win32-status says how: 12002 is a timeout, 12029 no connection, 12030 a connection that was cut, 12152 an answer that is not HTTP, 12175 TLS. It is ARR's commonest 502.", []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseHeadTimeout, fault.CauseResetBeforeAnswer, fault.CauseTLSHandshakeClosed}},
	{"502.4", "No Server", "Application Request Routing has no server in the farm that it may use.", []fault.Cause{fault.CauseNobodyAvailable, fault.CauseNoEndpoints}},
	{"502.5", "WebSocket Failure", "Application Request Routing could not make or keep the WebSocket connection. The ASP.NET Core module gives 502.5 to an application whose process did not start.", []fault.Cause{fault.CauseUpgradeRefused, fault.CauseServiceFailed}},
	{"502.6", "Forwarded Request Failure", "Application Request Routing could not forward the request.", []fault.Cause{fault.CauseConnectionRefused, fault.CauseUploadCut}},
	{"502.7", "Execute Request Failure", "Application Request Routing failed while it executed the request.", []fault.Cause{fault.CauseUpstreamStatus, fault.CauseInternalError}},

	{"503.0", "Application Pool Unavailable", "The application pool is stopped, often after too many crashes in a row.", []fault.Cause{fault.CauseServiceStopped, fault.CauseServiceFailed}},
	{"503.2", "Concurrent Request Limit Exceeded", "More requests at once than appConcurrentRequestLimit allows (5,000 unless set).", []fault.Cause{fault.CauseUpstreamOverloaded, fault.CauseWorkersBusy}},
	{"503.3", "ASP.NET Queue Full", "The queue of ASP.NET is full: requests take too long or there are too many.", []fault.Cause{fault.CauseUpstreamOverloaded, fault.CauseWorkersBusy}},
	{"503.4", "FastCGI Queue Full", "The queue of FastCGI (mostly PHP) is full.", []fault.Cause{fault.CauseUpstreamOverloaded, fault.CauseWorkersBusy}},
}

// substatusRelated are related codes beyond the code before the point.
var substatusRelated = map[string][]string{
	"400.604": {"499"}, "403.7": {"496"}, "403.501": {"429"}, "403.502": {"429"}, "404.1": {"421"}, "404.10": {"431"}, "404.13": {"413"}, "404.14": {"414"},
	"500.13": {"503.2"}, "502.1": {"504"}, "502.3": {"504"}, "502.4": {"503"}, "502.5": {"101"}, "503.2": {"500.13"},
}

// stepPool comes first for a pool that is stopped.
var stepPool = Step{"Start the pool", "See its state, and why it stopped, before you start it.", "Get-IISAppPool; Start-WebAppPool -Name NAME"}

// entriesSubstatus makes entries of the rows.
func entriesSubstatus() []Entry {
	all := make([]Entry, 0, len(substatuses))
	for _, s := range substatuses {
		base, _, _ := strings.Cut(s.code, ".")
		e := Entry{
			Code: s.code, Title: s.title, Kind: Substatus, Owner: iis, Source: sourceIIS, Meaning: s.meaning, Causes: s.causes, Steps: stepsIIS,
			Related: append([]string{base}, substatusRelated[s.code]...),
		}
		if e.Causes == nil {
			e.Causes = []fault.Cause{} // none, rather than those of a gateway's own answer
		}
		if s.code == "503.0" {
			e.Steps = append([]Step{stepPool}, stepsIIS...)
		}
		all = append(all, e)
	}
	return all
}

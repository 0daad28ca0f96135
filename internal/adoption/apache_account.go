package adoption

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Which lines of Apache are translated, which need no counterpart, and which may keep people out.

// apacheHandled are directives that are translated, or told of, where they hold. Names are in lower case.
var apacheHandled = words(`virtualhost location locationmatch directory directorymatch files filesmatch proxy proxymatch listen servername serveralias serverroot documentroot directoryindex
	proxypass proxypassmatch balancermember proxyset proxypreservehost proxytimeout timeout redirect redirectmatch redirectpermanent redirecttemp rewriteengine rewritecond rewriterule alias aliasmatch scriptalias
	require requireall requireany requirenone authtype authname authuserfile authbasicprovider order allow deny limit limitexcept satisfy header requestheader errordocument proxyerroroverride sslengine sslcertificatefile sslcertificatekeyfile sslverifyclient
	sslcacertificatefile sslcacertificatepath sslcarevocationfile sslcarevocationpath sslocspenable sslverifydepth mdomain mdomainset mdcontactemail mdcertificateauthority addtype allowoverride limitrequestbody
	remoteiptrustedproxy remoteipinternalproxy remoteipheader remoteiptrustedproxylist remoteipinternalproxylist remoteipproxyprotocol sslproxyverify sslproxycacertificatefile sslproxymachinecertificatefile setoutputfilter addoutputfilterbytype fallbackresource proxypassreverse authgroupfile sslrequiressl`)

// apacheNeedless are directives that need no counterpart.
var apacheNeedless = words(`serveradmin serversignature servertokens errorlog customlog loglevel logformat transferlog hostnamelookups user group pidfile mutex defaultruntimedir loadmodule define undefine usecanonicalname
	keepalive keepalivetimeout maxkeepaliverequests startservers minsparethreads maxsparethreads threadlimit threadsperchild maxrequestworkers maxconnectionsperchild serverlimit minspareservers maxspareservers
	sslproxyengine sslciphersuite sslhonorcipherorder sslsessioncache sslsessioncachetimeout sslsessiontickets sslusestapling sslstaplingcache sslcompression sslopensslconfcmd sslrandomseed sslpassphrasedialog ssloptions sslinsecurerenegotiation sslproxyprotocol sslproxyciphersuite
	sslstaplingresponsertimeout sslstaplingreturnrespondererrors protocols protocolshonororder h2direct h2push h2upgrade traceenable fileetag accessfilename typesconfig addcharset addlanguage languagepriority forcelanguagepriority mdcertificateagreement mdrenewmode
	proxyaddheaders proxyiobuffersize proxyreceivebuffersize proxybadheader proxystatus balancergrowth balancerpersist balancerinherit addicon addiconbytype addiconbyencoding defaulticon readmename headername indexoptions indexignore addencoding allowencodedslashes
	browsermatch browsermatchnocase deflatecompressionlevel deflatefilternote deflatememlevel deflatewindowsize ifmodule authzprovideralias setenvif setenvifnocase unsetenv serverpath gracefulshutdowntimeout listenbacklog`)

// apacheOnly are directives that need no counterpart where they say this.
var apacheOnly = map[string]string{
	"proxyrequests": "off", "proxyvia": "off", "dav": "off", "sslprotocol": "", "authmerging": "off", "rewriteoptions": "", "rewritebase": "", "secruleengine": "off", "mdprivatekeys": "",
}

// apacheOptions are those that change what is answered.
var apacheOptions = words(`indexes execcgi includes includesnoexec multiviews all`)

// readTimeout is how long a head may take: header=20-40.
var readTimeout = regexp.MustCompile(`header=([0-9]+)(?:-([0-9]+))?`)

// account tells of what has no counterpart in a block, and in what stands in it.
func (a *apache) account(block []*node, notes *[]Note) {
	for _, k := range block {
		name := strings.ToLower(k.Name)
		only, some := apacheOnly[name]
		switch {
		case name == "virtualhost":
		case unreadApache(k):
			a.d.note(notes, k, "what may stand in it is not known; what it may guard is answered 501")
		case some && strings.EqualFold(k.Text(), only), apacheNeedless[name]:
			a.d.needless[k.Name] = true
		case (name == "setoutputfilter" || name == "addoutputfilterbytype") && !apacheCompresses(k.Text()):
			a.d.note(notes, k, "only what compresses")
		case apacheHandled[name]:
			if len(k.Kids) > 0 {
				a.within(k, notes)
				a.account(k.Kids, notes)
			}
		case name == "sethandler" || name == "addhandler":
			if text := strings.ToLower(k.Text()); !strings.Contains(text, "fcgi") && !strings.Contains(text, "php") && text != "none" && text != "default-handler" && text != "type-map" {
				a.d.note(notes, k, "")
			}
		case name == "options":
			if slices.ContainsFunc(k.Args, func(o string) bool { return apacheOptions[strings.ToLower(strings.TrimPrefix(o, "+"))] }) {
				a.d.note(notes, k, "only files, and those of DirectoryIndex")
			}
		case name == "requestreadtimeout":
			if head := readTimeout.FindStringSubmatch(strings.Join(k.Args, " ")); head != nil {
				a.d.limitTime(notes, k, "head_time", cmp.Or(head[2], head[1]), time.Second)
			}
			if strings.Contains(strings.Join(k.Args, " "), "body=") {
				a.d.note(notes, k, "a time for the whole of a body; write limits: {idle: ...}")
			}
		case (name == "setenv" || name == "passenv") && !strings.HasPrefix(k.Text(), "proxy-") && !strings.HasPrefix(k.Text(), "force-"):
			a.d.note(notes, k, "write it to fastcgi: {params: ...}")
		case name == "setenv":
			a.d.needless[k.Name+" "+k.Text()] = true
		case name == "sslprotocol":
			if k.Has("all") || k.Has("+TLSv1.2") || k.Has("TLSv1.2") {
				a.d.needless[k.Name] = true
			} else {
				a.d.note(notes, k, "TLS 1.2 is spoken too; write min_version: 1.3")
			}
		default:
			a.d.note(notes, k, "")
		}
	}
}

// within tells of directives that are translated for a host, and not in a block of it. Of blocks for files that is all but who may ask, and programs.
func (a *apache) within(block *node, notes *[]Note) {
	files := strings.HasPrefix(strings.ToLower(block.Name), "files")
	for _, k := range block.Kids {
		switch strings.ToLower(k.Name) {
		case "redirect", "redirectmatch", "redirectpermanent", "redirecttemp", "alias", "aliasmatch", "scriptalias":
			a.d.note(notes, k, "within a block")
		case "header", "requestheader", "errordocument", "directoryindex", "fallbackresource", "setoutputfilter", "addoutputfilterbytype", "limitrequestbody":
			if files {
				a.d.note(notes, k, "for files by name")
			}
		}
	}
}

// apacheGuards are directives that may turn clients away, and have no counterpart.
var apacheGuards = words(`secruleengine secrule authformprovider authldapurl oidcprovidermetadataurl mellonenable casauthnheader sslrequire authopenidenabled luahookaccesschecker luahookauthchecker dosenabled doshashtablesize qs_srvmaxconn wsgiaccessscript allowmethods authmerging secaction modsecurity
	nssverifyclient gnutlsclientverify perlaccesshandler perlauthenhandler perlauthzhandler perlheaderparserhandler pythonaccesshandler pythonauthenhandler luahookcheckuserid qs_denyrequestline qs_denypath qs_denyquery qs_denyquerybody qs_permiturl`)

// apacheUnread is a line of a block in whose place others stand that are not known, guards perhaps among them; nil if there is none.
func apacheUnread(block []*node) *node {
	if i := slices.IndexFunc(block, unreadApache); i >= 0 {
		return block[i]
	}
	return nil
}

// unreadApache reports whether a line is one of those: a file that could not be read, a macro that is not known, a section whose condition is not.
func unreadApache(k *node) bool {
	switch strings.ToLower(k.Name) {
	case "include", "includeoptional", "use":
		return true
	case "iffile", "ifdirective", "ifsection":
		return apacheMayGuard(k.Kids)
	}
	return false
}

// apacheMayGuard reports whether lines, or what stands in them, may keep somebody out.
func apacheMayGuard(block []*node) bool {
	return slices.ContainsFunc(block, func(k *node) bool {
		name := strings.ToLower(k.Name)
		return apacheGuards[name] || apacheTurnsAway[name] || unreadApache(k) || len(a2all([]*node{k}, apacheSays...)) > 0 || apacheMayGuard(k.Kids)
	})
}

// apacheTurnsAway are lines that may answer clients before, or instead of, what they ask for.
var apacheTurnsAway = words(`rewriterule redirect redirectmatch redirectpermanent redirecttemp allowoverride virtualhost authtype`)

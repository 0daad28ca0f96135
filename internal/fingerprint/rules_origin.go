package fingerprint

import (
	"strconv"
	"strings"
)

// The marks of application servers and frameworks, from their sources: gunicorn/util.py write_error, uvicorn and Starlette,
// Tomcat's ErrorReportValve, Jetty's ErrorHandler, finalhandler of Express, Werkzeug, Go's net/http, Spring's white label page. X-Powered-By says who stands there
// and not who made the answer: a framework adds it to what it relays as well.

var originRules = []rule{
	{product: "gunicorn", title: "gunicorn", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 500 && v.says("<html>\n  <head>\n    <title>", "</title>\n  </head>\n  <body>\n    <h1><p>", "</p></h1>"), "its own error page")
	}},
	{product: "gunicorn", title: "gunicorn", layer: Origin, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return or(v.is("Server", "gunicorn"), v.starts("Server", "gunicorn/")) }},
	{product: "uvicorn", title: "uvicorn", layer: Origin, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return v.is("Server", "uvicorn") }},
	{product: "werkzeug", title: "Flask (Werkzeug)", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 700 && strings.HasPrefix(v.lower, "<!doctype html>\n<html lang=en>\n<title>"+strconv.Itoa(v.status)+" "), "its own error page")
	}},
	{product: "app-server", title: "an application's server", layer: Origin, part: PartHeader, certainty: Likely, own: true, calls: appServer, knows: func(v *view) string {
		return page(appServer(v) != "", quote("Server", v.first("Server")))
	}},
	{product: "tomcat", title: "Tomcat", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.titled("HTTP Status "+strconv.Itoa(v.status)) && (v.says("apache tomcat") || v.says("<h1>http status ", `<hr class="line" />`)), "its own error page")
	}},
	{product: "tomcat", title: "Tomcat", layer: Origin, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return v.starts("Server", "Apache-Coyote/") }},
	{product: "jetty", title: "Jetty", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("<h2>http error "+strconv.Itoa(v.status)) && (v.says("powered by jetty") || v.says("<th>uri:</th>", "<th>status:</th>")), "its own error page")
	}},
	{product: "jetty", title: "Jetty", layer: Origin, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string { return v.starts("Server", "Jetty(") }},
	{product: "express", title: "Express", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 4000 && v.says("<title>error</title>", "<body>\n<pre>") && v.starts("X-Powered-By", "Express") != "", "its own error page")
	}},
	{product: "express", title: "Express", layer: Origin, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.starts("X-Powered-By", "Express") }},
	{product: "next.js", title: "Next.js", layer: Origin, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.starts("X-Powered-By", "Next.js") }},
	{product: "php", title: "PHP", layer: Origin, part: PartHeader, certainty: Likely, knows: func(v *view) string { return v.starts("X-Powered-By", "PHP/") }},
	{product: "asp.net", title: "ASP.NET", layer: Origin, part: PartHeader, certainty: Likely, own: true, knows: func(v *view) string {
		return or(v.there("X-AspNet-Version"), v.is("Server", "Kestrel"))
	}},
	{product: "asp.net", title: "ASP.NET", layer: Origin, part: PartHeader, certainty: Hint, knows: func(v *view) string { return v.is("X-Powered-By", "ASP.NET") }},
	{product: "spring", title: "Spring Boot", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && v.says("<h1>whitelabel error page</h1>"), "its own error page")
	}},
	{product: "spring", title: "Spring Boot", layer: Origin, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.failed() && strings.HasPrefix(v.body, `{"timestamp":`) && v.says(`"status":`+strconv.Itoa(v.status), `"error":"`, `"path":"`), "timestamp, status, error and path in an object")
	}},
	{product: "puma", title: "Puma", layer: Origin, part: PartPage, certainty: Likely, own: true, knows: func(v *view) string {
		return page(v.whole("An unhandled lowlevel error occurred. The application logs may have details."), `"An unhandled lowlevel error occurred" as the whole body`)
	}},
	{product: "rails", title: "Rails", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.status == 403 && len(v.body) < 16<<10 && v.says("blocked host", "config.hosts"), `"Blocked hosts" on the page`)
	}},
	{product: "django", title: "Django", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && len(v.body) < 400 && v.titled("("+strconv.Itoa(v.status)+")") && v.says("<h1>"+strings.ToLower(v.title)+"</h1><p>"), "its own error page")
	}},
	{product: "nextcloud", title: "Nextcloud", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.failed() && v.titled("Nextcloud") && v.says("untrusted domain"), `"untrusted domain" on its own page`)
	}},
	{product: "rails", title: "Rails", layer: Origin, part: PartPage, certainty: Certain, own: true, knows: func(v *view) string {
		return page(v.page && (v.titled("We're sorry, but something went wrong (500)") || v.says("if you are the application owner check the logs for more information.")), "its own error page")
	}},
}

// appServers are servers that applications have in themselves, by how their Server field begins, in lower case.
var appServers = []struct{ begins, title string }{
	{"werkzeug/", "Flask (Werkzeug)"},
	{"python/", "Python's own server or aiohttp"},
	{"basehttp/", "Python's own server"},
	{"simplehttp/", "Python's own server"},
	{"tornadoserver/", "Tornado"},
	{"wsgiserver/", "Django's server for development"},
	{"hypercorn", "Hypercorn"},
	{"daphne", "Daphne"},
	{"waitress", "Waitress"},
	{"cheroot/", "CherryPy"},
	{"webrick/", "WEBrick"},
	{"thin", "Thin"},
	{"cowboy", "Cowboy (Erlang or Elixir)"},
	{"mojolicious", "Mojolicious"},
	{"rocket", "Rocket"},
	{"undertow", "Undertow"},
	{"wildfly/", "WildFly"},
	{"weblogic", "WebLogic"},
	{"glassfish", "GlassFish"},
	{"payara", "Payara"},
	{"http4k", "http4k"},
	{"ktor/", "Ktor"},
	{"akka-http/", "Akka HTTP"},
	{"warp/", "Warp (Haskell)"},
	{"zope/", "Zope"},
}

// appServer gives the title of the application's server that names itself in Server, empty where none does.
func appServer(v *view) string {
	server := strings.ToLower(v.first("Server"))
	for _, s := range appServers {
		if strings.HasPrefix(server, s.begins) {
			return s.title
		}
	}
	return ""
}

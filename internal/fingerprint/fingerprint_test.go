package fingerprint

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// read reads a file of testdata: a status line, fields, an empty line, the body. The pages of nginx, HAProxy, Apache, Varnish,
// Squid and Caddy were captured from those programs on loopback; the others are as their documentation and sources, or pages
// that were published with a question, have them.
func read(t *testing.T, name string) *Answer {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	status, err := strconv.Atoi(strings.Fields(lines[0])[1])
	if err != nil {
		t.Fatal(err)
	}
	a := &Answer{Status: status, Body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		a.Fields = append(a.Fields, Field{name, strings.TrimSpace(value)})
	}
	return a
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		file, product, part string
		certainty           Certainty
		own                 bool
	}{
		{"nginx-502.http", "nginx", PartPage, Certain, true},
		{"nginx-503.http", "nginx", PartPage, Certain, true},
		{"nginx-504.http", "nginx", PartPage, Certain, true},
		{"openresty-502.http", "openresty", PartPage, Certain, true},
		{"azure-app-gateway-502.http", "azure-app-gateway", PartPage, Certain, true},
		{"alb-502.http", "alb", PartHeader, Certain, true},
		{"haproxy-502.http", "haproxy", PartPage, Certain, true},
		{"haproxy-503.http", "haproxy", PartPage, Certain, true},
		{"haproxy-504.http", "haproxy", PartPage, Certain, true},
		{"apache-502.http", "apache", PartPage, Certain, true},
		{"apache-503.http", "apache", PartPage, Certain, true},
		{"apache-400.http", "apache", PartPage, Certain, true},
		{"apache-old-502.http", "apache", PartPage, Certain, true},
		{"varnish-503.http", "varnish", PartPage, Certain, true},
		{"squid-503.http", "squid", PartPage, Certain, true},
		{"caddy-502.http", "caddy", PartPage, Likely, true},
		{"traefik-502.http", "traefik", PartPage, Hint, true},
		{"envoy-503.http", "envoy", PartPage, Certain, true},
		{"istio-503.http", "envoy", PartPage, Certain, true},
		{"kong-502.http", "kong", PartPage, Certain, true},
		{"iis-502.http", "iis", PartPage, Certain, true},
		{"iis-503.http", "iis", PartPage, Certain, true},
		{"cloudfront-502.http", "cloudfront", PartPage, Certain, true},
		{"api-gateway-500.http", "api-gateway", PartPage, Likely, true},
		{"api-gateway-http-503.http", "api-gateway", PartPage, Likely, true},
		{"gcp-502.http", "gcp", PartPage, Certain, true},
		{"azure-front-door-503.http", "azure-front-door", PartPage, Certain, true},
		{"cloudflare-521.http", "cloudflare", PartPage, Certain, true},
		{"cloudflare-530.http", "cloudflare", PartPage, Certain, true},
		{"fastly-503.http", "fastly", PartPage, Certain, true},
		{"akamai-503.http", "akamai", PartPage, Certain, true},
		{"heroku-503.http", "heroku", PartPage, Certain, true},
		{"vercel-500.http", "vercel", PartHeader, Certain, true},
		{"netlify-404.http", "netlify", PartPage, Certain, true},
		{"whygate-502.http", "whygate", PartPage, Certain, true},
		{"gunicorn-500.http", "gunicorn", PartPage, Certain, true},
		{"uvicorn-500.http", "uvicorn", PartHeader, Likely, true},
		{"tomcat-502.http", "tomcat", PartPage, Certain, true},
		{"jetty-503.http", "jetty", PartPage, Certain, true},
		{"express-404.http", "express", PartPage, Certain, true},
	} {
		matches := Identify(read(t, c.file))
		if len(matches) == 0 {
			t.Errorf("%s: nothing is known of it", c.file)
			continue
		}
		m := matches[0]
		if m.Product != c.product || m.Part != c.part || m.Certainty != c.certainty || m.Own != c.own || m.Why == "" || m.Title == "" {
			t.Errorf("%s: %+v", c.file, m)
		}
		made, ok := Maker(read(t, c.file))
		if !ok || made.Product != c.product {
			t.Errorf("%s: made by %q", c.file, made.Product)
		}
	}
}

func TestSentence(t *testing.T) {
	for file, want := range map[string]string{
		"nginx-502.http":                     "nginx made this 502 itself",
		"cloudflare-521.http":                "Cloudflare made this 521 itself",
		"cloudflare-nginx-502.http":          "Cloudflare relayed a 502 made by nginx at the origin",
		"whygate-relayed-502.http":           "Whygate relayed a 502 made by nginx",
		"cloudflare-heroku-express-502.http": "Cloudflare and Heroku's router passed on a 502; Express stands behind, and who made it does not show",
		"nginx-php-500.http":                 "nginx passed on a 500; PHP stands behind, and who made it does not show",
		"fastly-503.http":                    "Fastly made this 503 itself",
		"none-json.http":                     "",
	} {
		if got := Sentence(read(t, file)); got != want {
			t.Errorf("%s: %q, not %q", file, got, want)
		}
	}
}

func TestSentenceWithoutMaker(t *testing.T) {
	a := &Answer{Status: 502, Fields: []Field{{"Server", "cloudflare"}, {"CF-RAY", "1"}}, Body: []byte("<p>sorry</p>")}
	if got, want := Sentence(a), "Cloudflare passed on a 502; who made it does not show"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// TestChainByVia holds that Via's order counts where products of one layer stand there.
func TestChainByVia(t *testing.T) {
	a := &Answer{Status: 502, Fields: []Field{{"Via", "1.1 Caddy, 1.1 varnish (Varnish/7.1)"}, {"X-Varnish", "3"}}, Body: []byte("x")}
	chain := Chain(a)
	if len(chain) != 2 || chain[0].Product != "varnish" || chain[1].Product != "caddy" {
		t.Errorf("%+v", chain)
	}
}

// TestNotTakenForAnother holds that a page that mentions a product is not that product's page.
func TestNotTakenForAnother(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "none-*.http"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no such pages")
	}
	for _, file := range files {
		for _, m := range Identify(read(t, filepath.Base(file))) {
			if m.Certainty > Hint {
				t.Errorf("%s: %+v", file, m)
			}
		}
	}
}

// TestOrdinaryAnswers holds that what an application says of a product, or in the words of one, is not taken for the product's
// own answer.
func TestOrdinaryAnswers(t *testing.T) {
	for name, a := range map[string]*Answer{
		"an article on Spring":            {Status: 200, Body: []byte("<html><title>How to remove the Whitelabel Error Page</title><h1>Whitelabel Error Page</h1></html>")},
		"an article on Cloudflare":        {Status: 200, Body: []byte(`<html><p>The class cf-error-details is on the page</p></html>`)},
		"an article on Azure":             {Status: 200, Body: []byte(`<html>"Our services aren't available right now": We're working to restore all services as soon as possible</html>`)},
		"an article on Rails":             {Status: 200, Body: []byte(`<html>If you are the application owner check the logs for more information.</html>`)},
		"an article on Google":            {Status: 200, Body: []byte(`<html><h1>Error: Server Error</h1><h2>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.</html>`)},
		"an article on Whygate":           {Status: 200, Body: []byte(`<html>The gateway is working; the application behind it did not answer as it should</html>`)},
		"an application's maintenance":    {Status: 503, Body: []byte("maintenance mode")},
		"an application's stream timeout": {Status: 504, Body: []byte("stream timeout")},
		"Express's sendStatus":            {Status: 502, Fields: []Field{{"Content-Type", "text/plain; charset=utf-8"}, {"ETag", `W/"b-x"`}}, Body: []byte("Bad Gateway")},
		"an application's own object":     {Status: 502, Body: []byte(`{"error":"db","message":"db: name resolution failed for host a"}`)},
		"a proxy with a like name":        {Status: 502, Fields: []Field{{"Via", "1.1 caddyshack-proxy, 1.1 mywhygates"}}, Body: []byte("x")},
		"a page that names many":          {Status: 502, Body: []byte("<html><title>Oops</title><h1>502 Bad Gateway</h1><p>nginx, HAProxy, Envoy, Apache, Varnish, Kong and Traefik say so.</p><hr><center>nginx</center></html>")},
	} {
		for _, m := range Identify(a) {
			if m.Certainty > Hint {
				t.Errorf("%s: taken for %+v", name, m)
			}
		}
	}
}

// TestLongFieldsCostLittle holds that a field of a megabyte is not gone through by every rule.
func TestLongFieldsCostLittle(t *testing.T) {
	a := &Answer{Status: 502, Fields: []Field{{"Via", strings.Repeat("1.1 a,", 200_000) + " 1.1 Caddy"}}}
	if hops := look(a).hops; len(hops) != hopsMax || hops[0] != "1.1 caddy" {
		t.Errorf("%d hops, the nearest %q", len(hops), hops[0])
	}
	if matches := Identify(a); len(matches) != 1 || matches[0].Product != "caddy" || len(matches[0].Why) > 100 {
		t.Errorf("%+v", matches)
	}
}

// TestOwnPagesAreNoOthers holds that nobody else is called the maker of a page.
func TestOwnPagesAreNoOthers(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("testdata", "*.http"))
	for _, file := range files {
		owners := 0
		for _, m := range Identify(read(t, filepath.Base(file))) {
			if m.Own && m.Certainty == Certain && m.Part == PartPage {
				owners++
			}
		}
		if owners > 1 {
			t.Errorf("%s has %d makers: %+v", file, owners, Identify(read(t, filepath.Base(file))))
		}
	}
}

// TestProducts holds that the marks of at least so many products are known.
func TestProducts(t *testing.T) {
	known := map[string]bool{}
	for _, rules := range ruleSets() {
		for _, r := range rules {
			known[r.product] = true
			if r.title == "" || r.part != PartPage && r.part != PartHeader || r.certainty < Hint || r.certainty > Certain || r.knows == nil || r.via != strings.ToLower(r.via) {
				t.Errorf("a rule of %s is not whole", r.product)
			}
		}
	}
	if len(known) < 30 {
		t.Errorf("%d products are known", len(known))
	}
}

func FuzzIdentify(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join("testdata", "*.http"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := bytes.Cut(text, []byte("\n\n"))
		f.Add(502, "Server", "nginx", body)
		f.Add(503, "Via", "1.1 varnish, 1.1 google", body)
	}
	f.Fuzz(func(t *testing.T, status int, name, value string, body []byte) {
		a := &Answer{Status: status, Fields: []Field{{name, value}}, Body: body}
		matches := Identify(a)
		if got := Chain(a); len(got) > len(matches) {
			t.Errorf("a chain of %d of %d matches", len(got), len(matches))
		}
		if (Sentence(a) == "") != (len(matches) == 0) {
			t.Errorf("%q for %d matches", Sentence(a), len(matches))
		}
	})
}

// TestMakersBesides has answers of products that no file shows whole: who made each, "" where that does not show, and the sentence.
func TestMakersBesides(t *testing.T) {
	for name, c := range map[string]struct {
		a        Answer
		maker    string
		sentence string
	}{
		"Deno's text is not Traefik's":   {Answer{Status: 502, Fields: []Field{{"content-type", "text/plain;charset=UTF-8"}, {"date", "x"}}, Body: []byte("Bad Gateway")}, "", ""},
		"Traefik's, perhaps":             {Answer{Status: 502, Fields: []Field{{"Content-Type", "text/plain; charset=utf-8"}, {"Date", "x"}}, Body: []byte("Bad Gateway")}, "traefik", `Traefik perhaps made this 502 itself: "Bad Gateway" as the whole body, and no field of anybody's`},
		"Express stands there":           {Answer{Status: 502, Fields: []Field{{"X-Powered-By", "Express"}}, Body: []byte("<h1>502</h1>")}, "", "Express stands there; who made this 502 does not show"},
		"PHP behind Apache":              {Answer{Status: 502, Fields: []Field{{"Server", "Apache"}, {"X-Powered-By", "PHP/8.2"}}, Body: []byte("x")}, "", "Apache passed on a 502; PHP stands behind, and who made it does not show"},
		"h2o":                            {Answer{Status: 502, Reason: "Gateway Error", Fields: []Field{{"Server", "h2o/2.2.5"}}, Body: []byte("connection failed")}, "h2o", "h2o made this 502 itself"},
		"Fly passes on":                  {Answer{Status: 502, Fields: []Field{{"Server", "Fly/1 (x)"}}, Body: []byte("mine")}, "", "Fly passed on a 502; who made it does not show"},
		"APISIX is not OpenResty":        {Answer{Status: 502, Fields: []Field{{"Server", "APISIX/3.9.0"}}, Body: []byte("<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n<hr><center>openresty</center>\n<p><em>Powered by <a href=\"https://apisix.apache.org/\">APISIX</a>.</em></p></body>\n</html>\n")}, "apisix", "APISIX made this 502 itself"},
		"Istio":                          {Answer{Status: 503, Fields: []Field{{"server", "istio-envoy"}}, Body: []byte("no healthy upstream")}, "envoy", "Istio's Envoy made this 503 itself"},
		"Imperva":                        {Answer{Status: 403, Fields: []Field{{"X-Iinfo", "1"}}, Body: []byte("<html>Request unsuccessful. Incapsula incident ID: 1-2</html>")}, "imperva", "Imperva made this 403 itself"},
		"a challenge":                    {Answer{Status: 403, Fields: []Field{{"Server", "cloudflare"}, {"cf-mitigated", "challenge"}}, Body: []byte("<html>")}, "cloudflare", "Cloudflare made this 403 itself"},
		"lighttpd passes on":             {Answer{Status: 500, Fields: []Field{{"Server", "lighttpd/1.4"}}, Body: []byte(`{"error":"x"}`)}, "", "lighttpd passed on a 500; who made it does not show"},
		"an article on frp":              {Answer{Status: 200, Body: []byte("<html>Faithfully yours, frp.</html>")}, "", ""},
		"an object of no Fastify":        {Answer{Status: 500, Body: []byte(`{"error":"x","code":"E1"}`)}, "", ""},
		"Nitro":                          {Answer{Status: 502, Body: []byte(`{"error":true,"url":"http://a/b","status":502,"message":"fetch failed"}`)}, "nitro", "Nitro (Nuxt) made this 502 itself"},
		"a program's own server":         {Answer{Status: 503, Fields: []Field{{"Server", "TornadoServer/6.4"}}, Body: []byte("{}")}, "app-server", "Tornado made this 503 itself"},
		"APISIX with OpenResty's page":   {Answer{Status: 502, Fields: []Field{{"Server", "APISIX/2.0"}}, Body: []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n")}, "apisix", "APISIX made this 502 itself"},
		"a build of nginx":               {Answer{Status: 502, Fields: []Field{{"Server", "stgw"}}, Body: []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>stgw</center>\r\n</body>\r\n</html>\r\n")}, "nginx-kin", "nginx as stgw made this 502 itself"},
		"a page of somebody's words":     {Answer{Status: 502, Body: []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>the shop</center>\r\n</body>\r\n</html>\r\n")}, "", ""},
		"oauth2-proxy's page is its own": {Answer{Status: 502, Body: []byte(`<html><link href="/oauth2/static/css/bulma.min.css"></html>`)}, "oauth2-proxy", "oauth2-proxy made this 502 itself"},
	} {
		made, _ := Maker(&c.a)
		if made.Product != c.maker || Sentence(&c.a) != c.sentence {
			t.Errorf("%s: made by %q, %q", name, made.Product, Sentence(&c.a))
		}
	}
}

// TestBare tells a body that says a status and nothing else.
func TestBare(t *testing.T) {
	for body, want := range map[string]bool{
		"": true, " \r\n": true, "Bad Gateway": true, "502 Bad Gateway\n": true, "Error 502: Bad Gateway.": true, "502": true, "Internal Server Error": true,
		"Not Found": false, "Bad gateway today": false, "<html>Bad Gateway</html>": false, "{}": false,
	} {
		if got := Bare(&Answer{Status: 502, Body: []byte(body)}); got != want {
			t.Errorf("%q: %t", body, got)
		}
	}
}

// TestForwards tells what stands before applications from applications.
func TestForwards(t *testing.T) {
	for product, want := range map[string]bool{"nginx": true, "railway": true, "alb": true, "gravitee": true, "tomcat": false, "rails": false, "spring-webflux": false, "nobody": false} {
		if Forwards(product) != want {
			t.Errorf("%s: %t", product, !want)
		}
	}
}

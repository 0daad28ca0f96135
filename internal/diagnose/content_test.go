package diagnose

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// page answers every request so.
func page(status int, body string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			if name == "Content-Type" {
				w.Header().Del(name)
			}
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

var long = strings.Repeat("<p>How we run our servers, and what we learned of it in ten years.</p>", 40)

// contentCases are answers of 200 whose content tells of a fault, and others that look like them and are in order.
var contentCases = map[string]struct {
	handler http.HandlerFunc
	host    string
	cause   fault.Cause // none is healthy
	says    string
}{
	"nginx's default page":       {page(200, "<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1><p>nginx.org</p></body></html>"), "shop.test", fault.CauseWrongHost, "nginx's default page"},
	"Apache's default page":      {page(200, "<html><head><title>Apache2 Debian Default Page: It works</title></head>"+long+"</html>"), "shop.test", fault.CauseWrongHost, "default page"},
	"It works!":                  {page(200, "<html><body><h1>It works!</h1></body></html>\n"), "shop.test", fault.CauseWrongHost, "default page"},
	"a parked domain":            {page(200, "<html><title>shop.test</title><script src=\"https://www.sedoparking.com/x.js\"></script></html>"), "shop.test", fault.CauseWrongHost, "parked"},
	"an article on nginx":        {page(200, "<html><title>Welcome to nginx! - my first steps</title>"+long+"</html>"), "shop.test", fault.CauseNone, ""},
	"an article on domains":      {page(200, "<html><title>When a domain is for sale</title>"+strings.Repeat(long, 4)+"</html>"), "shop.test", fault.CauseNone, ""},
	"another site's cookie":      {page(200, "<html>hello</html>", "Set-Cookie: sid=1; Domain=.blog.example; Path=/"), "shop.test", fault.CauseWrongHost, "blog.example"},
	"another site's canonical":   {page(200, `<html><head><link rel="canonical" href="https://blog.example/"/></head>`+long), "shop.test", fault.CauseWrongHost, "blog.example"},
	"a site's second name":       {sites("stage.test", `<html><head><link rel="canonical" href="https://www.shop.example/"/></head>`+long, "nothing here"), "stage.test", fault.CauseNone, ""},
	"an application on upkeep":   {page(200, "<html><title>Fleet Maintenance</title><div id=root></div></html>"), "", fault.CauseNone, ""},
	"an application on errors":   {page(200, "<html><title>Application errors</title><div id=root></div></html>"), "", fault.CauseNone, ""},
	"its own canonical":          {page(200, `<html><head><link rel="canonical" href="https://www.shop.test/"/></head>`+long), "shop.test", fault.CauseNone, ""},
	"its own cookie":             {page(200, "<html>hello</html>", "Set-Cookie: sid=1; Domain=shop.test"), "www.shop.test", fault.CauseNone, ""},
	"an address has no site":     {page(200, `<html><head><link rel="canonical" href="https://blog.example/"/></head>`), "", fault.CauseNone, ""},
	"nginx's 502 with 200":       {page(200, nginxPage("502 Bad Gateway")), "", fault.CauseUnknown, "with status 200"},
	"an error page with 200":     {page(200, "<html><title>500 Internal Server Error</title><h1>Oops</h1></html>"), "", fault.CauseApplicationError, "with status 200"},
	"PHP's fatal error with 200": {page(200, "<br />\n<b>Fatal error</b>: Uncaught Error: Call to undefined function x() in /a.php:3"), "", fault.CauseApplicationError, "Fatal error"},
	"WordPress without database": {page(200, "<html><title>Database Error</title><h1>Error establishing a database connection</h1></html>"), "", fault.CauseApplicationError, "error page"},
	"maintenance with 200":       {page(200, "<html><title>Site under maintenance</title><h1>We will be back soon</h1></html>"), "", fault.CauseMaintenance, "maintained"},
	"an article on maintenance":  {page(200, "<html><title>Maintenance of bicycles</title>"+long+"</html>"), "", fault.CauseNone, ""},
	"an article on 502":          {page(200, "<html><title>502 Bad Gateway</title>"+long+"</html>"), "", fault.CauseNone, ""},
	"500 ways":                   {page(200, "<html><title>500 ways to cook</title>"), "", fault.CauseNone, ""},
	"an object of an error":      {page(200, `{"status":503,"message":"Service Unavailable"}`, "X-Kind: json"), "", fault.CauseUpstreamStatus, "with status 200"},
	"an object of no error":      {page(200, `{"status":200,"message":"fine"}`), "", fault.CauseNone, ""},
	"an object that counts":      {page(200, `{"code":503,"items":[]}`), "", fault.CauseNone, ""},
	"no gzip, and gzip is said":  {page(200, "<html>plain</html>", "Content-Encoding: gzip"), "", fault.CauseBadContentCoding, "not compressed"},
	"gzip, and nothing said":     {page(200, string(gzipped(long))), "", fault.CauseBadContentCoding, "no Content-Encoding"},
	"gzip twice":                 {page(200, string(gzipped(string(gzipped(long)))), "Content-Encoding: gzip"), "", fault.CauseBadContentCoding, "twice"},
	"gzip cut short":             {page(200, string(gzipped(long)[:40]), "Content-Encoding: gzip"), "", fault.CauseBadContentCoding, "ends inside"},
	"gzip as it should be":       {page(200, string(gzipped(long)), "Content-Encoding: gzip"), "", fault.CauseNone, ""},
	"a file that is gzip":        {page(200, string(gzipped(long)), "Content-Type: application/gzip"), "", fault.CauseNone, ""},
	"corrupt for browsers only":  {browsersOnly(page(200, "<html>plain</html>", "Content-Encoding: gzip"), page(200, "fine")), "", fault.CauseBadContentCoding, "without Accept-Encoding"},
	"an error for browsers only": {browsersOnly(page(500, "oops"), page(200, "fine")), "", fault.CauseApplicationError, "compression is asked for"},
	"a slow but steady page": {func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(300 * time.Millisecond)
		_, _ = w.Write([]byte("fine"))
	}, "", fault.CauseNone, ""},
	"a challenge with 200": {page(200, "<html><title>Anubis</title><p>Making sure you&#39;re not a bot!</p> making sure you're not a bot!</html>"), "", fault.CauseContentFilter, "challenge"},
}

// TestContent walks to a server of each.
func TestContent(t *testing.T) {
	t.Parallel()
	for name, c := range contentCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, c.handler)
			v := run(t, &Options{URL: a.URL, Host: c.host, Count: 1}).Verdict
			if v.Cause != c.cause {
				t.Fatalf("%v, want %v\n%s\n%q", v.Cause, c.cause, v.Sentence, v.Proof)
			}
			if all := v.Sentence + strings.Join(v.Proof, "\n"); !strings.Contains(all, c.says) {
				t.Errorf("nothing says %q:\n%s", c.says, all)
			}
		})
	}
}

// sites answers for one name with a page, and for every other with another.
func sites(name, its, others string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Host, name) {
			page(200, its)(w, r)
			return
		}
		page(200, others)(w, r)
	}
}

// browsersOnly answers what asks for compression with one handler, and the rest with another.
func browsersOnly(theirs, ours http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			theirs(w, r)
			return
		}
		ours(w, r)
	}
}

// deadPort gives an address of loopback at which nobody listens.
func deadPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestRedirects follows redirects as a browser does, and judges where they end.
func TestRedirects(t *testing.T) {
	t.Parallel()
	dead := deadPort(t)
	fine := serve(t, page(200, "fine"))
	broken := serve(t, page(502, nginxPage("502 Bad Gateway"), "Server: nginx"))
	missing := serve(t, page(404, "nothing"))
	login := serve(t, page(401, "who are you?"))
	byName := func(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }
	for name, c := range map[string]struct {
		location string
		cause    fault.Cause
		says     string
	}{
		"to a dead port":            {"http://" + dead + "/", fault.CauseConnectionRefused, "redirects to http://" + dead},
		"to another host's port":    {byName("http://" + dead + "/app"), fault.CauseConnectionRefused, "redirects to http://localhost"},
		"to a gateway that fails":   {byName(broken.URL) + "/", fault.CauseUnknown, "and there: nginx at localhost"},
		"to what is not there":      {byName(missing.URL) + "/x", fault.CauseNoRoute, "404"},
		"to a name that is none":    {"http://[bad/", fault.CauseRouteBroken, "no URL"},
		"to nowhere":                {"", fault.CauseRouteBroken, "without a Location"},
		"to a login":                {byName(login.URL) + "/login?next=secret", fault.CauseNone, ""},
		"to another host, and fine": {byName(fine.URL) + "/", fault.CauseNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.location != "" {
					w.Header()["Location"] = []string{c.location}
				}
				w.WriteHeader(http.StatusFound)
			})
			r := run(t, &Options{URL: a.URL, Count: 1, Fields: []Field{{"Authorization", "Bearer hunter2"}}})
			v := r.Verdict
			if v.Cause != c.cause || !strings.Contains(v.Sentence+strings.Join(v.Proof, "\n"), c.says) {
				t.Fatalf("%v, want %v and %q\n%s\n%q", v.Cause, c.cause, c.says, v.Sentence, v.Proof)
			}
			if away := name == "to another host's port"; away && v.Confidence != Likely || name == "to a dead port" && v.Confidence != Certain {
				t.Errorf("%s: %v", name, v.Confidence)
			}
			if strings.Contains(fmt.Sprint(v), "secret") {
				t.Errorf("a value of a query is shown: %v", v)
			}
		})
	}
}

// TestRedirectToTheVisitor's own machine is not followed.
func TestRedirectToTheVisitor(t *testing.T) {
	t.Parallel()
	x := answer(302, "", "Location: http://localhost:3000/")
	w := walkTo(gate, x)
	v := Judge(report(w))
	if v.Cause != fault.CauseRouteBroken || !strings.Contains(v.Sentence, "visitor's own machine") {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
}

// TestSecretsStayWithTheirHost holds that no other host gets what was meant for the first.
func TestSecretsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 16)
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() })
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "s3cret"})
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	})
	run(t, &Options{URL: first.URL, Count: 1, Fields: []Field{{"Authorization", "Bearer hunter2"}, {"Cookie", "a=b"}, {"X-Api-Key", "k"}}})
	select {
	case h := <-got:
		for _, name := range []string{"Authorization", "Cookie", "X-Api-Key"} {
			if slices.Contains(h[name], "") || h.Get(name) != "" {
				t.Errorf("%s went to another host: %q", name, h.Get(name))
			}
		}
	default:
		t.Error("the redirect was not followed")
	}
}

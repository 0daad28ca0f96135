package diagnose

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestStrangersGetNothing: a redirect to another host takes no field, no cookie and no certificate there.
func TestStrangersGetNothing(t *testing.T) {
	t.Parallel()
	type seen struct {
		fields http.Header
		certs  int
	}
	server := func(to string) (*httptest.Server, chan seen) {
		got := make(chan seen, 16)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got <- seen{r.Header.Clone(), len(r.TLS.PeerCertificates)}
			if to != "" {
				http.SetCookie(w, &http.Cookie{Name: "sid", Value: "s3cret"})
				http.Redirect(w, r, to, http.StatusFound)
			}
		}))
		s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s, got
	}
	other, there := server("")
	first, here := server(strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/in")
	o := &Options{URL: first.URL, Insecure: true, HTTP1: true, Count: -1, Certificate: &first.TLS.Certificates[0], Fields: []Field{{"X-Tenant", "acme"}, {"Cookie", "a=b"}, {"User-Agent", "mine"}}}
	run(t, o)
	if len(here) == 0 || len(there) == 0 {
		t.Fatal("the redirect was not followed")
	}
	if s := <-here; s.certs != 1 || s.fields.Get("X-Tenant") != "acme" {
		t.Errorf("the first host got %+v", s)
	}
	if s := <-there; s.certs != 0 || s.fields.Get("X-Tenant") != "" || s.fields.Get("Cookie") != "" || s.fields.Get("User-Agent") != userAgent {
		t.Errorf("the other host got %+v", s)
	}
}

// TestNearness holds that no redirect leads closer to this machine than the URL.
func TestNearness(t *testing.T) {
	t.Parallel()
	const far, mine, link = "203.0.113.5:80", "127.0.0.1:80", "169.254.7.7:80"
	for _, c := range []struct {
		first, to string
		refused   bool
	}{
		{far, "198.51.100.1", false},
		{far, "2001:db8::1", false},
		{far, "127.0.0.1", true},
		{far, "127.9.9.9", true},
		{far, "::1", true},
		{far, "::ffff:127.0.0.1", true},
		{far, "64:ff9b::7f00:1", true},
		{far, "0.0.0.0", true},
		{far, "::", true},
		{far, "169.254.169.254", true},
		{far, "fe80::1%lo", true},
		{far, "10.0.0.1", true},
		{far, "172.31.0.1", true},
		{far, "192.168.1.1", true},
		{far, "fd00::1", true},
		{far, "100.64.0.1", true},
		{"10.0.0.1:80", "192.168.1.1", false},
		{"10.0.0.1:80", "127.0.0.1", true},
		{"10.0.0.1:80", "169.254.169.254", true},
		{mine, "127.0.0.2", false},
		{mine, "10.0.0.1", false},
		{mine, "169.254.169.254", true},
		{link, "169.254.8.8", false},
		{link, "127.0.0.1", true},
		{"", "10.0.0.1", true},
	} {
		g := guardOf(&Exchange{Evidence: &fault.Evidence{Addr: c.first}})
		if got := g.refuse(netip.MustParseAddr(c.to)); got != c.refused {
			t.Errorf("from %s to %s: refused %v", c.first, c.to, got)
		}
	}
}

// TestRedirectInward: what a name resolves to decides, and the report says what was not followed.
func TestRedirectInward(t *testing.T) {
	t.Parallel()
	a := serve(t, page(200, "inside"))
	_, port, _ := net.SplitHostPort(a.Listener.Addr().String())
	o := &Options{Servers: []string{nameServer(t, "127.0.0.1")}}
	for _, c := range []struct {
		from  string
		asked int
	}{{"127.0.0.1:80", 1}, {"203.0.113.5:80", 0}} {
		x := answer(302, "", "Location: http://inner.whygate.test:"+port+"/admin?token=s3cret")
		x.Evidence.Addr = c.from
		w := (&runner{o: o, tally: &tally{}}).walker(walkTo("203.0.113.5:80", nil).Target)
		w.walk.HTTP = &HTTP{Main: x}
		w.follow(t.Context(), w.walk.HTTP)
		if n := a.count("GET /admin"); n != c.asked {
			t.Errorf("from %s: asked %d times", c.from, n)
		}
		a.mu.Lock()
		a.seen = nil
		a.mu.Unlock()
		no := w.walk.HTTP.NotFollowed
		if (no == nil) != (c.asked == 1) {
			t.Fatalf("from %s: %+v", c.from, no)
		}
		if no == nil {
			continue
		}
		v := Judge(report(w.walk))
		all := v.Sentence + strings.Join(v.Notes, "\n")
		if v.Cause != fault.CauseRouteBroken || v.Confidence != Likely || len(v.Missing) == 0 || !strings.Contains(all, "was not followed") || !strings.Contains(all, "127.0.0.1") || strings.Contains(all, "s3cret") {
			t.Errorf("%v: %s", v.Cause, all)
		}
	}
}

// TestSecureCookies do not go in clear.
func TestSecureCookies(t *testing.T) {
	t.Parallel()
	var j jar
	j.take(answer(302, "", "Set-Cookie: sid=1; Secure; HttpOnly", "Set-Cookie: lang=en"))
	for to, want := range map[string]string{"https://shop.test/": "sid=1; lang=en", "http://shop.test/": "lang=en", "http://localhost/": "sid=1; lang=en"} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		if got := j.value(u); got != want {
			t.Errorf("%s gets %q, want %q", to, got, want)
		}
	}
}

// TestRedirectIsEscaped as browsers escape it: what a request line cannot carry, and quotes.
func TestRedirectIsEscaped(t *testing.T) {
	t.Parallel()
	got := make(chan string, 16)
	const to = "/näh e?q=\"a b\"&r='<c>'&s=ä%20"
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got <- r.RequestURI; r.URL.Path == "/" {
			w.Header()["Location"] = []string{to}
			w.WriteHeader(http.StatusFound)
		}
	})
	r := run(t, &Options{URL: a.URL, Count: -1})
	if r.Walk.HTTP.Follow == nil || r.Walk.HTTP.Follow[0].Status != 200 {
		t.Fatalf("%+v", r.Verdict)
	}
	for len(got) > 0 {
		if uri := <-got; uri != "/" && uri != "/n%C3%A4h%20e?q=%22a%20b%22&r=%27%3Cc%3E%27&s=%C3%A4%20" {
			t.Errorf("asked for %s", uri)
		}
	}
}

// TestChainEndsInRefusal: the end of a chain that no browser gets on from is told.
func TestChainEndsInRefusal(t *testing.T) {
	t.Parallel()
	for status, told := range map[int]bool{400: true, 404: true, 405: true, 409: true, 422: true, 431: true, 401: false, 403: false, 407: false, 200: false} {
		w := walkTo(gate, answer(302, "", "Location: /x"))
		x := answer(status, "words of a page")
		x.Label = "redirected to http://10.0.0.1/x"
		w.HTTP.Follow = []*Exchange{x}
		v := Judge(report(w))
		if says := strings.Contains(v.Sentence, "redirects to http://10.0.0.1/x, and there"); told && !says || !told && v.Cause == fault.CauseUpstreamStatus {
			t.Errorf("%d: %v: %s", status, v.Cause, v.Sentence)
		}
	}
}

// TestBrokenLocationIsMasked: the password in what is no URL is not shown either.
func TestBrokenLocationIsMasked(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"http://me:s3cret@[bad/", "http://me:s3/cret@a.test/", "http://me:s3?cret@a.test/", "http://me:pw@s3cret@[bad/", "//me:s3cret@[bad/?t=s3cret#s3cret", "http://[bad/?token=s3cret"} {
		r := report(walkTo(gate, answer(302, "", "Location: "+location)))
		v := Judge(r)
		all := v.Sentence + strings.Join(v.Proof, "\n") + httpStepText(r)
		if strings.Contains(all, "s3cret") || strings.Contains(all, "cret@") || strings.Contains(all, "s3/") {
			t.Errorf("%s: %s", location, all)
		}
	}
}

func httpStepText(r *Report) string {
	return redactField(Field{"Location", r.Walk.HTTP.Main.field("Location")}).Value
}

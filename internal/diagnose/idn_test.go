package diagnose

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestNamesInOtherScripts: a Location may write the host in its own script, in capitals or escaped. It is the host that was asked: followed
// with its port, its cookies and its fields, and known when one comes round.
func TestNamesInOtherScripts(t *testing.T) {
	t.Parallel()
	const name = "xn--bcher-kva.test"
	for _, written := range []string{"bücher.test", "BÜCHER.test", "b%C3%BCcher.test", name, "XN--BCHER-KVA.TEST", "bücher。test"} {
		var hosts []string
		a := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, port, _ := strings.Cut(r.Host, ":")
			switch r.URL.Path {
			case "/":
				w.Header().Set("Set-Cookie", "seen=1")
				w.Header().Set("Location", "http://"+written+":"+port+"/neu")
				w.WriteHeader(http.StatusFound)
			case "/kreis":
				w.Header().Set("Location", "http://"+written+":"+port+"/kreis")
				w.WriteHeader(http.StatusFound)
			default:
				if r.Header.Get("Cookie") != "seen=1" || r.Header.Get("X-Tenant") != "acme" || !strings.EqualFold(r.Host, name+":"+port) {
					w.WriteHeader(http.StatusTeapot)
				}
				hosts = append(hosts, r.Host)
			}
		})
		u, _ := url.Parse(a.URL)
		o := &Options{URL: "http://bücher.test:" + u.Port() + "/", Address: netip.MustParseAddr("127.0.0.1"), Count: -1, Fields: []Field{{"X-Tenant", "acme"}}}
		if r := run(t, o); !r.Verdict.Healthy || len(r.Walk.HTTP.Follow) != 1 || r.Walk.HTTP.Follow[0].Status != 200 {
			t.Errorf("%s: %s (%v)", written, r.Verdict.Sentence, hosts)
		}
		o.URL += "kreis"
		if r := run(t, o); r.Verdict.Cause != fault.CauseRedirectLoop {
			t.Errorf("%s: a circle is %v: %s", written, r.Verdict.Cause, r.Verdict.Sentence)
		}
	}
	for text, want := range map[string]string{"https://bücher.example:8443/x?y": "https://xn--bcher-kva.example:8443/x?y", "/x": "http://a.test/x", "http://[::1]:80/": "http://[::1]:80/", "//例え.テスト/": "http://xn--r8jz45g.xn--zckzah/"} {
		at, _ := url.Parse("http://a.test/")
		if got, err := locate(at, text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	x := &Exchange{Status: 200}
	x.answer.Body = []byte(`<link rel="canonical" href="https://www.bücher.test/">`)
	if other, _, _ := x.otherSite(name); other != "" {
		t.Errorf("the page's own name is %s's", other)
	}
}

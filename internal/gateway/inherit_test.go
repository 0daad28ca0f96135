//go:build linux

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What certificate an endpoint showed is known after a reload that opens its connections anew, before anybody has asked it for anything: metrics
// that tell of its end must not go and come with each reload.
func TestShownStaysOverReload(t *testing.T) {
	t.Parallel()
	up := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer up.Close()
	text := func(head string) string {
		return "version: 1\nlisten: [{address: '127.0.0.1:0'}]\nadmin: 127.0.0.1:0\naccess_log: \"off\"\nincidents: {store: memory}\nroutes: [{path: /own, pool: web, timeouts: {read: 7s}}, {pool: web}]\npools: {web: {endpoints: ['" +
			up.URL + "'], tls: {verify: false}, timeouts: {head: " + head + "}}}\n"
	}
	s := startText(t, text("5s"))
	if status, _ := ask(t, s.address); status != 200 {
		t.Fatal(status)
	}
	known := func() bool {
		_, metrics := fetch(t, http.DefaultClient, "http://"+s.Admin()+"/metrics")
		return strings.Contains(metrics, `whygate_certificate_not_after_seconds{name="`+up.URL+`",source="upstream"}`)
	}
	if !known() {
		t.Fatal("it is not known at first")
	}
	for _, head := range []string{"6s", "7s"} {
		s.replace(text(head))
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		if !known() {
			t.Errorf("it is forgotten with timeouts.head: %s", head)
		}
	}
}

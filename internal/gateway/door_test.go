package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// TestTheDoorLeavesEvidence: a handshake that failed leaves a line in the access log; the first of a kind in a second an
// incident with the client's first bytes. A connection that said nothing leaves neither.
func TestTheDoorLeavesEvidence(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "localhost")
	log := filepath.Join(t.TempDir(), "access.log")
	text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "x"), ""), `:0"}`, fmt.Sprintf(`:0", tls: {cert: %s, key: %s}}`, cert, key), 1)
	g := startText(t, strings.Replace(text, `access_log: "off"`, "access_log: "+log, 1))
	began := time.Now().Add(-time.Second) // the log's clock is read now and then
	knock := func(say func(net.Conn)) {
		t.Helper()
		c, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		say(c)
	}
	lines := 0
	seen := func() (last fault.Cause) {
		t.Helper()
		lines++
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			b, err := os.ReadFile(log)
			if all := bytes.Split(bytes.TrimSpace(b), []byte("\n")); err == nil && len(b) > 0 && len(all) >= lines {
				var l struct {
					Time   time.Time
					Status int
					Fault  struct{ Cause string }

					Method, Version string
				}
				if err := json.Unmarshal(all[lines-1], &l); err != nil || l.Status != 400 || l.Time.Before(began) || l.Method+l.Version != "" { // there was no request, and no version of one
					t.Fatalf("%s: %v", all[lines-1], err)
				}
				last, _ = fault.ParseCause(l.Fault.Cause)
				return last
			}
			if time.Now().After(deadline) {
				t.Fatalf("no line %d in the access log: %s", lines, b)
			}
		}
	}
	knock(func(c net.Conn) {}) // says nothing
	for range 2 {
		knock(func(c net.Conn) {
			_, _ = io.WriteString(c, "GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != http.StatusBadRequest {
				t.Fatalf("%v %v", res, err)
			}
		})
		if got := seen(); got != fault.CauseRequestPlainOnTLSPort {
			t.Errorf("plain HTTP is logged as %s", got)
		}
	}
	knock(func(c net.Conn) { _ = tls.Client(c, &tls.Config{ServerName: "a.test"}).Handshake() })
	if got := seen(); got != fault.CauseRequestTLSFailed {
		t.Errorf("a client that does not trust us is logged as %s", got)
	}
	all := g.Incidents(10)
	if len(all) < 2 || len(all) > 3 { // of the two in clear, both have one where a second lay between
		t.Fatalf("%d incidents, want one of a kind in a second", len(all))
	}
	trust, plain := all[0], all[1]
	if trust.Request.Version+plain.Request.Version != "" {
		t.Errorf("the version of no request is %q, %q", trust.Request.Version, plain.Request.Version)
	}
	if plain.Cause != fault.CauseRequestPlainOnTLSPort || !strings.HasPrefix(string(plain.Evidence.Sample), "GET /x") || strings.Contains(string(plain.Evidence.Sample), "secret") {
		t.Errorf("%s, %q", plain.Cause, plain.Evidence.Sample)
	}
	if trust.Cause != fault.CauseRequestTLSFailed || trust.Evidence.Alert == 0 || !strings.Contains(trust.Sentence, "TLS handshake") || trust.Request.Client != "127.0.0.1" {
		t.Errorf("%s: %s, alert %d, from %s", trust.Cause, trust.Sentence, trust.Evidence.Alert, trust.Request.Client)
	}
}

// TestOneTLSConnectionTooMany: where there is no room for a handshake, the connection is closed, and leaves its reason.
func TestOneTLSConnectionTooMany(t *testing.T) {
	t.Parallel()
	cert, key, _ := serverCertificate(t, "localhost")
	text := strings.Replace(pool("127.0.0.1:0", httpOrigin(t, "x"), "limits: {connections: 1}"), `:0"}`, fmt.Sprintf(`:0", tls: {cert: %s, key: %s}}`, cert, key), 1)
	g := startText(t, text)
	first, err := tls.Dial("tcp", g.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = second.SetReadDeadline(time.Now().Add(patience))
	if n, err := second.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if all := g.Incidents(2); len(all) == 1 {
			if i := all[0]; i.Cause != fault.CauseOwnLimit || i.Status != http.StatusServiceUnavailable {
				t.Errorf("%s, %d", i.Cause, i.Status)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no incident")
		}
	}
}

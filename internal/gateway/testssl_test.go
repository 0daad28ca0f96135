//go:build linux

package gateway_test

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testssl.sh finds nothing of MEDIUM severity or worse in a listener's TLS as it is without further keys, with a chain that is right.
func TestScannedByTestssl(t *testing.T) {
	if os.Getenv("WHYGATE_TESTSSL") == "" {
		t.Skip("skipped: it takes minutes: make test-tls runs it")
	}
	path, err := exec.LookPath("testssl")
	if err != nil {
		t.Skip("skipped: no testssl (Debian: apt-get install testssl.sh)")
	}
	root := newAuthority(t, "root", nil)
	between := newAuthority(t, "between", root)
	leaf := between.issue(t, "shop.example.com", func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(80 * 24 * time.Hour)
		c.CRLDistributionPoints = []string{"http://crl.example.com/between.crl"}
	})
	cert, key := files(t, leaf)
	if err := os.WriteFile(cert, append(encode("CERTIFICATE", leaf.Certificate[0]), encode("CERTIFICATE", between.cert.Raw)...), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startH3(t, httpOrigin(t, "one"), cert, key, "")
	dir := t.TempDir()
	ca, found := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "found.json")
	if err := os.WriteFile(ca, encode("CERTIFICATE", root.cert.Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(g.address)
	c := exec.CommandContext(t.Context(), path, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", ca, "--jsonfile", found, "shop.example.com:"+port)
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	b, readErr := os.ReadFile(found)
	if readErr != nil {
		t.Fatal(err, readErr)
	}
	var all []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, f := range all {
		counted[f.Severity]++
		if f.ID == "security_headers" {
			continue // the site's own: they come from the endpoint, or by set_response
		}
		switch f.Severity {
		case "MEDIUM", "HIGH", "CRITICAL", "FATAL":
			t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
	if t.Log(counted); counted["OK"] < 20 || strings.Contains(string(out), "Fatal error") {
		t.Error("it did not look at much")
	}
}

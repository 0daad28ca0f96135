//go:build linux

package gateway_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Chromium fetches a page with its images over HTTP/3, and sends a body. It does not trust an authority of its user's over QUIC, whatever
// Alt-Svc says, unless it is told to use nothing else for a name.
func TestH3InABrowser(t *testing.T) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	switch {
	case path == "":
		t.Skip("skipped: no Chromium (Debian: apt-get install chromium)")
	case testing.Short():
		t.Skip("skipped: -short")
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprint(w, "<!doctype html><title>shop</title><main>open</main>")
			for i := range 40 {
				_, _ = fmt.Fprintf(w, `<img src="/image/%d">`, i)
			}
		case "/size":
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		default:
			w.Header().Set("Content-Type", "image/svg+xml")
			_, _ = fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>`)
		}
	}))
	t.Cleanup(origin.Close)
	cert, key, _ := serverCertificate(t, "shop.example.com")
	g := startH3(t, origin.URL, cert, key, "")
	_, port, _ := net.SplitHostPort(g.address)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("origin-to-force-quic-on", "shop.example.com:"+port), chromedp.Flag("host-resolver-rules", "MAP shop.example.com 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", pin(t, cert)))
	if os.Getuid() == 0 { // Chromium's sandbox needs a user other than root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skip("skipped: Chromium does not start here: ", err)
	}
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	url := "https://shop.example.com:" + port + "/"
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitReady("main")); err != nil {
		t.Fatal(err)
	}
	by, err := chromedp.Run(ctx, chromedp.Evaluate[string](`performance.getEntriesByType("navigation")[0].nextHopProtocol`))
	if err != nil || by != "h3" {
		t.Fatalf("it came by %q: %v", by, err)
	}
	const images = `(async () => { while (document.readyState != "complete") await new Promise(r => setTimeout(r, 10));
		return performance.getEntriesByType("resource").filter(e => e.initiatorType == "img" && e.nextHopProtocol == "h3").length })()`
	if n, err := chromedp.Run(ctx, chromedp.Evaluate[int](images, chromedp.EvalAwaitPromise)); err != nil || n != 40 {
		t.Errorf("%d of 40 images by h3: %v", n, err)
	}
	const upload = `fetch("/size", {method: "POST", body: new Uint8Array(3000000)}).then(r => r.text())`
	if n, err := chromedp.Run(ctx, chromedp.Evaluate[string](upload, chromedp.EvalAwaitPromise)); err != nil || n != "3000000" {
		t.Errorf("of 3,000,000 bytes %s came: %v", n, err)
	}
}

// pin is a certificate's public key as Chromium takes it.
func pin(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

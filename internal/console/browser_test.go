package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/whygate/whygate/internal/store"
)

// browser starts Chromium, or skips the test and says why.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	switch {
	case path == "":
		t.Skip("skipped: no Chromium to look at the pages with (Debian: apt-get install chromium)")
	case testing.Short():
		t.Skip("skipped: -short")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute))
	if os.Getuid() == 0 { // Chromium's sandbox needs a user other than root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skip("skipped: Chromium does not start here: ", err)
	}
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// evaluate gives what an expression of the page is.
func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(expression, err)
	}
	return v
}

// TestInABrowser looks at every page at the width of a phone and of a desk, with texts in it that were written to become script.
func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	for n, text := range corpus {
		s.fill(t, evil(n, text))
	}
	s.fill(t, an("ONE", time.Now()))
	groups, err := s.store.Groups(t.Context(), store.Query{Pool: "web"})
	if err != nil || len(groups) != 1 {
		t.Fatal(groups, err)
	}
	pages := append(s.pagesOf(t), "/console/incidents/EVIL1", "/console/incidents/EVIL3", "/console/groups/"+groups[0].ID)
	for _, width := range []int64{360, 1280, 1920} {
		for _, page := range pages {
			err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(s.url+page), chromedp.WaitReady("footer"))
			if err != nil {
				t.Fatal(page, err)
			}
			wide := evaluate[int64](t, ctx, "document.documentElement.scrollWidth")
			hit := evaluate[bool](t, ctx, "'hit' in window")
			small := evaluate[bool](t, ctx, "document.styleSheets.length != 1 || [...document.querySelectorAll('input:not([type=hidden]),select,textarea,button')].some(e => !e.hidden && !e.labels?.length && !e.ariaLabel && !e.textContent.trim())")
			if wide > width || hit || small {
				t.Errorf("%s at %d: it is %d wide; a script ran: %v; something has no style or label: %v", page, width, wide, hit, small)
			}
		}
	}
}

// TestKeysAndActions: a key moves and opens, a form decides, and the live list has what comes.
func TestKeysAndActions(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	s.fill(t, an("ONE", time.Now()))
	groups, err := s.store.Groups(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(ctx, chromedp.Navigate(s.url+"/console/groups"), chromedp.WaitReady("footer"), chromedp.KeyEvent("j"), chromedp.WaitVisible("tr.here"),
		chromedp.KeyEvent("\r"), chromedp.WaitVisible(".decide"))
	at, _ := chromedp.Run(ctx, chromedp.Location())
	if err != nil || at != s.url+"/console/groups/"+groups[0].ID {
		t.Fatalf("%s, %v", at, err)
	}
	if err := chromedp.Do(ctx, chromedp.SendKeys("#note", "fixed in 1.3"), chromedp.Click("button[value=resolved]"), chromedp.WaitVisible(".chips .state-resolved")); err != nil {
		t.Fatal(err)
	}
	if g, err := s.store.Group(t.Context(), groups[0].ID); err != nil || g.State != store.StateResolved || g.Note != "fixed in 1.3" {
		t.Errorf("%+v, %v", g, err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/console/live"), chromedp.WaitVisible("#live-state.saved")); err != nil {
		t.Fatal(err)
	}
	s.fill(t, an("LIVE", time.Now()))
	if err := chromedp.Do(ctx, chromedp.WaitVisible(`a[href="/console/incidents/LIVE"]`)); err != nil {
		t.Fatal(err)
	}
	title := evaluate[string](t, ctx, "document.querySelector('tr.new .what a').textContent")
	if title != an("X", time.Now()).Title {
		t.Error(title)
	}
}

// TestWithoutAScript: pages say the same where scripts are off.
func TestWithoutAScript(t *testing.T) {
	ctx := browser(t)
	s := serve(t)
	s.fill(t, an("ONE", time.Now()))
	off := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
	for page, want := range map[string]string{"/console/": "ONE", "/console/live": "ONE", "/console/incidents/ONE": "markdown"} {
		selector := fmt.Sprintf(`a[href="/console/incidents/%s"]`, want)
		if want == "markdown" {
			selector = "#markdown"
		}
		if err := chromedp.Do(ctx, off, chromedp.Navigate(s.url+page), chromedp.WaitReady(selector)); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
}

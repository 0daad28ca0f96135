package phrase

import (
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestByCode: a flag, a number or a name, with whose it is and what it is before it or not.
func TestByCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault.Cause{
		"UC": fault.CauseClosedBeforeAnswer, "Envoy flag UC": fault.CauseClosedBeforeAnswer, "UF,URX": fault.CauseConnectionRefused, "response_flags UH": fault.CauseNobodyAvailable,
		"SH--": fault.CauseClosedBeforeAnswer, "HAProxy SH--": fault.CauseClosedBeforeAnswer, "sC": fault.CauseConnectTimeout, "termination state sH": fault.CauseHeadTimeout, "PH--": fault.CauseBadField,
		"HAProxy LR": fault.CauseRequestDenied, "Envoy LR": fault.CauseHeadTimeout,
		"H12": fault.CauseHeadTimeout, "Heroku H10": fault.CauseServiceFailed, "code=H13": fault.CauseClosedBeforeAnswer,
		"137": fault.CauseWorkerKilled, "exit code 137": fault.CauseWorkerKilled, "exited with code 139": fault.CauseWorkerCrashed, "exit status 127": fault.CauseServiceFailed, "signal 11": fault.CauseWorkerCrashed,
		"111": fault.CauseConnectionRefused, "errno 111": fault.CauseConnectionRefused, "errno -111": fault.CauseConnectionRefused, "os error 104": fault.CauseResetBeforeAnswer, "errno 13": fault.CauseFirewallRejected,
		"10061": fault.CauseConnectionRefused, "WSA 10054": fault.CauseResetBeforeAnswer, "WinHTTP 12002": fault.CauseHeadTimeout, "sc-win32-status 64": fault.CauseClientLeft,
		"499": fault.CauseClientLeft, "nginx 499": fault.CauseClientLeft, "HTTP 499": fault.CauseClientLeft, "460": fault.CauseClientLeft, "522": fault.CauseConnectTimeout, "Cloudflare error 524": fault.CauseHeadTimeout,
		"error 1033": fault.CauseNobodyAvailable, "502.3": fault.CauseConnectionRefused, "IIS 502.3": fault.CauseConnectionRefused,
		"alert 40": fault.CauseTLSNoSharedCipher, "TLS alert 112": fault.CauseTLSNameUnknown, "rcode 3": fault.CauseDNSNXDomain, "<NOSRV>": fault.CauseNobodyAvailable,
		"EOF": fault.CauseClosedBeforeAnswer, "eacces": fault.CauseFirewallRejected,
		"502": fault.CauseNone, "200": fault.CauseNone, "12": fault.CauseNone, "": fault.CauseNone, "error": fault.CauseNone, "nginx": fault.CauseNone, "alert 999": fault.CauseNone, "hello": fault.CauseNone,
	} {
		got := fault.CauseNone
		if c := ByCode(text); c != nil {
			got = c.Causes[0]
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestCodesAreApart: a text stands for one thing of one product.
func TestCodesAreApart(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range codes {
		c := &codes[i]
		key := c.Text + "\x00" + c.Of
		if seen[key] || len(c.Causes) == 0 || c.Of == "" {
			t.Errorf("%q of %q: twice, or without a meaning", c.Text, c.Of)
		}
		seen[key] = true
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"
)

// An admin address that others reach is told of at the start, by flags as by a file.
func TestProxyWarnsOfAnExposedAdmin(t *testing.T) {
	t.Parallel()
	for admin, warned := range map[string]bool{":9502": true, "127.0.0.1:9502": false} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"proxy", "--from", ":8080", "--to", ":3000", "--admin", admin, "--print-config"}, strings.NewReader(""), &out, &errs)
		if code != exitFine || strings.Contains(errs.String(), "warning: the admin address") != warned {
			t.Errorf("--admin %s: exit %d\n%s", admin, code, &errs)
		}
	}
}

// --domain has the redirect from port 80 in what is printed, and says that there is none with another port.
func TestProxyDomainRedirect(t *testing.T) {
	t.Parallel()
	for from, redirects := range map[string]bool{":443": true, ":8443": false} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"proxy", "--from", from, "--to", ":3000", "--domain", "shop.example.com", "--print-config"}, strings.NewReader(""), &out, &errs)
		listens := strings.Contains(out.String(), "  - address: ':80'\n") && strings.Contains(out.String(), "    scheme: http\n    redirect: {to: 'https://$host$uri', status: 308}\n")
		if code != exitFine || listens != redirects || strings.Contains(errs.String(), "nobody listens on port 80") == redirects {
			t.Errorf("--from %s: exit %d\n%s%s", from, code, &out, &errs)
		}
	}
}

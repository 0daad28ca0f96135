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

package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestCostIsBounded: files at the limits, with mistakes everywhere or large values, cost a moment.
func TestCostIsBounded(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	head := "version: 1\nlisten: [{address: \":8080\"}]\n"
	pools := "pools: {web: {endpoints: [http://127.0.0.1:3000]}}\n"
	large := Options{ReadFile: func(string, int64) ([]byte, error) { return make([]byte, secretMax), nil }}
	for name, text := range map[string]string{
		"unknown pools": head + "pools:\n" + many("  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d: {endpoints: [http://a]}\n", 1500) + "routes:\n" + many("  - {pool: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab%d}\n", 8000),
		"unknown keys":  head + pools + "routes: [{pool: web}]\nlimits: {" + many("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d: 1, ", 20_000) + "}\n",
		"large values":  head + pools + "routes:\n" + many("  - {pool: web, path: /%d, set_request: {X-A: 'file:a'}}\n", 5000),
		"methods":       head + pools + "routes:\n  - &a {pool: web, path: /a, method: [" + many("A%d, ", 31) + "B]}\n" + many("  - {<<: *a, host: h%d}\n", 4000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, _ = Parse("whygate.yaml", []byte(text), large)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > slack*160<<20 {
			t.Errorf("%s: %d MB", name, used>>20)
		}
		if took > slack*5*time.Second { // some tenths; more on a busy machine
			t.Errorf("%s: %v", name, took)
		}
	}
}

func TestAdminForOthersIsWarnedOf(t *testing.T) {
	for address, want := range map[string]bool{"0.0.0.0:9502": true, "10.0.0.1:9502": true, ":9502": true, "127.0.0.1:9502": false, "[::1]:9502": false, "unix:/run/a": false, "off": false, "localhost:9502": false} {
		text := strings.Replace(Example, "version: 1\n", "version: 1\nadmin: \""+address+"\"\n", 1)
		_, problems := Parse("whygate.yaml", []byte(text), world())
		if got := strings.Contains(problems.Error(), "can be reached by others"); got != want || problems.Failed() {
			t.Errorf("%s: %v", address, problems)
		}
	}
}

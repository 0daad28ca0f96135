package whygate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A build with a standard library that has known faults is refused, with what to do, whatever a toolchain calls itself.
func TestGoVersionIsChecked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("make is not for Windows")
	}
	least := ""
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if v, ok := strings.CutPrefix(line, "go "); ok {
			least = strings.TrimSpace(v)
		}
	}
	for version, fine := range map[string]bool{
		"go" + least: true, "go" + least + " X:nocoverageredesign": true, "go" + least + "-distribution": true, "go1.99rc1": true, "go2.0": true,
		"go1.26.0": false, "go1.26": false, "go1.26rc1": false, "go1.9.7": false, "": false,
	} {
		fake := filepath.Join(t.TempDir(), "go")
		text := fmt.Sprintf("#!/bin/sh\ncase $1 in\nenv) echo '%s' ;;\nversion) echo \"$2: %s\" ;;\nesac\n", version, version)
		if err := os.WriteFile(fake, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{fake}, {fake, "whygate"}} {
			out, err := exec.Command(".ci/go-version", args...).CombinedOutput()
			if (err == nil) != fine || !fine && (!strings.Contains(string(out), "Go "+least) || !strings.Contains(string(out), "https://go.dev/dl")) {
				t.Errorf("%q, %d arguments: %v: %s", version, len(args), err, out)
			}
		}
	}
	make, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nbuild: setup ", "\t@.ci/go-version $(GO)\n", "\t@.ci/go-version $(GO) whygate\n"} {
		if !strings.Contains(string(make), line) {
			t.Errorf("the build does not ask for the version: %q is not in the Makefile", line)
		}
	}
}

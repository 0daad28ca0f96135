package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/config"
)

const contrib = "../../contrib/"

func contribFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(contrib + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestContribConfiguration(t *testing.T) {
	t.Parallel()
	if _, problems := config.Load(contrib + "whygate.yaml"); len(problems) > 0 {
		t.Error(problems)
	}
}

// program makes the test binary be the program, under its own name: see TestMain.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "whygate")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// The service's commands are ones that there are, its sections and lines are in order, and it is given time for a whole drain.
func TestContribUnits(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^([A-Z][A-Za-z0-9]*=.*|\[[A-Z][a-z]+\]|#.*|)$`)
	values := map[string]string{}
	for _, name := range []string{"whygate.service", "whygate.socket"} {
		for text := range strings.SplitSeq(contribFile(t, "systemd/"+name), "\n") {
			if !line.MatchString(text) {
				t.Errorf("%s: %q", name, text)
			}
			if key, value, ok := strings.Cut(text, "="); ok {
				values[key] = value
			}
		}
	}
	for _, key := range []string{"ExecStart", "ExecReload"} {
		words := strings.Fields(values[key])
		if len(words) < 2 || words[0] != "/usr/local/bin/whygate" {
			t.Fatalf("%s=%s", key, values[key])
		}
		checkCommand(t, "whygate.service", words[1:])
	}
	if stop, err := time.ParseDuration(values["TimeoutStopSec"] + "s"); err != nil || stop <= announceTime+drainTime {
		t.Errorf("TimeoutStopSec=%s is not above a drain of %s", values["TimeoutStopSec"], announceTime+drainTime)
	}
	verifyUnits(t)
}

// verifyUnits has systemd look at them, where there is one.
func verifyUnits(t *testing.T) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there: the units were looked at by ourselves alone")
	}
	dir, bin := t.TempDir(), program(t)
	var files []string
	for _, name := range []string{"whygate.service", "whygate.socket"} {
		file := filepath.Join(dir, name)
		text := strings.ReplaceAll(contribFile(t, "systemd/"+name), "/usr/local/bin/whygate", bin)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "whygate") { // it may have words on the machine's own units
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The rule is in order, sends the signal that opens logs, and covers the log of the example.
func TestContribLogrotate(t *testing.T) {
	t.Parallel()
	text := contribFile(t, "logrotate/whygate")
	for _, want := range []string{"/var/log/whygate/*.log {\n", "\n    postrotate\n        systemctl kill --signal=HUP whygate.service\n    endscript\n}\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	cfg, _ := config.Load(contrib + "whygate.yaml")
	if ok, err := filepath.Match("/var/log/whygate/*.log", cfg.AccessLog.To); err != nil || !ok {
		t.Errorf("the log of the example, %s, is not rotated", cfg.AccessLog.To)
	}
	logrotate, err := exec.LookPath("logrotate")
	if err != nil {
		t.Skip("logrotate is not there: the rule was looked at by ourselves alone")
	}
	file := filepath.Join(t.TempDir(), "whygate")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(logrotate, "-d", "-s", file+".state", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "error:") {
		t.Errorf("logrotate -d: %v\n%s", err, out)
	}
}

// The image is made of the program alone, from no other, and starts a command that there is.
func TestContribDockerfile(t *testing.T) {
	t.Parallel()
	var command []string
	got := map[string]string{}
	for line := range strings.SplitSeq(contribFile(t, "container/Dockerfile"), "\n") {
		name, rest, _ := strings.Cut(line, " ")
		if name == "" || name == "#" {
			continue
		}
		got[name] = rest
		if name == "CMD" {
			if err := json.Unmarshal([]byte(rest), &command); err != nil {
				t.Error(err)
			}
		}
	}
	if want := "map[CMD:" + got["CMD"] + ` COPY:whygate /whygate ENTRYPOINT:["/whygate"] FROM:scratch STOPSIGNAL:SIGTERM USER:65532:65532]`; fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
	checkCommand(t, "Dockerfile", command)
}

// make install puts the files where they belong, with the program's path in the units, and leaves a configuration alone.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"make", "install", "sed"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name + " is not there")
		}
	}
	tree := t.TempDir()
	install := func() {
		cmd := exec.Command("make", "-C", "../..", "-o", "build", "install", "DESTDIR="+tree, "PREFIX=/usr", "SYSCONFDIR=/etc", "BINARY="+program(t))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	install()
	own := filepath.Join(tree, "etc/whygate/whygate.yaml")
	if err := os.WriteFile(own, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	install()
	for name, want := range map[string]string{
		"usr/lib/systemd/system/whygate.service": "ExecStart=/usr/bin/whygate run -c /etc/whygate/whygate.yaml\n",
		"usr/lib/systemd/system/whygate.socket":  "FileDescriptorName=http\n",
		"usr/lib/sysusers.d/whygate.conf":        "u whygate ",
		"etc/logrotate.d/whygate":                "postrotate",
		"etc/whygate/whygate.yaml":               "mine",
	} {
		b, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil || !strings.Contains(string(b), want) || strings.Contains(string(b), "/usr/local") {
			t.Errorf("%s: %v\n%s", name, err, b)
		}
	}
	if info, err := os.Stat(filepath.Join(tree, "usr/bin/whygate")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
}

package here

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/words"
)

// program runs a program that only reads, and gives what it writes.
type program func(ctx context.Context, name string, args ...string) ([]byte, error)

// commandMax bounds what is kept of a program's output.
const commandMax = 64 << 10

// systemdHere is there where systemd runs this machine: sd_booted(3).
const systemdHere = "/run/systemd/system"

// runSystemd runs systemctl or journalctl where systemd runs the machine.
func runSystemd(ctx context.Context, name string, args ...string) ([]byte, error) {
	if _, err := os.Stat(systemdHere); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = tellTime
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "SYSTEMD_ASK_PASSWORD=0")
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: commandMax}
	err := cmd.Run()
	return out.Bytes(), err
}

// limited writes as much as it may, and drops the rest.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	if _, err := l.w.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// unitsMax is how many units are asked about.
const unitsMax = 8

// unit is what systemd says of a service.
type unit struct {
	name, active, sub, result, since, restarts, status, starts string
}

// units asks systemd for the services of the proxy and of who owns its upstreams. Where nobody listens at an upstream, the services that
// failed or are being started again are looked through for one that names the port.
func (h *finder) units(ctx context.Context, a *around, owners []owner) {
	if name := a.system.Unit(ctx, a.process.PID); name != "" {
		h.unit(ctx, a.run, name, "")
	}
	var dead []owner
	for _, o := range owners {
		if o.process == nil {
			dead = append(dead, o)
		} else if name := a.system.Unit(ctx, o.process.PID); name != "" && o.process.PID != a.process.PID {
			h.unit(ctx, a.run, name, o.at)
		}
	}
	if len(dead) == 0 {
		return
	}
	out, err := a.run(ctx, "systemctl", "list-units", "--type=service", "--state=failed,activating,deactivating,auto-restart", "--plain", "--no-legend", "--no-pager")
	if err != nil {
		return
	}
	h.WasRead("systemd's services that failed")
	n := 0
	for line := range strings.Lines(string(out)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasSuffix(name, ".service") && n < unitsMax {
			n++
			h.deadUnit(ctx, a.run, name, dead)
		}
	}
}

// show asks systemd for a service.
func show(ctx context.Context, run program, name string) (unit, bool) {
	out, err := run(ctx, "systemctl", "show", "-p", "ActiveState,SubState,Result,StateChangeTimestamp,NRestarts,ExecMainStatus,ExecStart,Environment", "--", name)
	u := unit{name: name}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ActiveState":
			u.active = value
		case "SubState":
			u.sub = value
		case "Result":
			u.result = value
		case "StateChangeTimestamp":
			u.since = value
		case "NRestarts":
			u.restarts = value
		case "ExecMainStatus":
			u.status = value
		case "ExecStart", "Environment":
			u.starts += " " + value
		}
	}
	return u, err == nil && u.active != ""
}

// unit tells of a service that runs and was started again and again.
func (h *finder) unit(ctx context.Context, run program, name, at string) {
	u, ok := show(ctx, run, name)
	if !ok {
		return
	}
	h.WasRead("systemd's service " + name)
	if u.restarts != "" && u.restarts != "0" {
		h.Tell(diagnose.HereState{Cause: fault.CauseServiceFailed, At: at, Weak: true, Text: fmt.Sprintf("systemd started %s again %s times; it is %s (%s) since %s", name, u.restarts, u.active, u.sub, u.since)})
	}
}

// deadUnit tells of a service that failed, where its command or environment names the port that nobody listens on.
func (h *finder) deadUnit(ctx context.Context, run program, name string, dead []owner) {
	u, ok := show(ctx, run, name)
	if !ok {
		return
	}
	for _, o := range dead {
		_, port, err := net.SplitHostPort(o.at)
		if err != nil || !regexp.MustCompile(`(^|\D)`+regexp.QuoteMeta(port)+`(\D|$)`).MatchString(u.starts) {
			continue
		}
		text := fmt.Sprintf("systemd's %s is %s (%s, result %s, status %s) since %s", name, u.active, u.sub, u.result, u.status, u.since)
		if u.restarts != "" && u.restarts != "0" {
			text += ", after " + u.restarts + " restarts"
		}
		s := diagnose.HereState{Cause: fault.CauseServiceFailed, At: o.at, Text: text}
		if u.result == "oom-kill" {
			s.Cause = fault.CauseOutOfMemory
		}
		lines, err := run(ctx, "journalctl", "-u", name, "-n", "3", "-o", "cat", "--no-pager")
		if said := strings.Join(strings.Fields(string(lines)), " "); err == nil && said != "" {
			s.Text += "; its last lines: " + redact.URLs(words.First(said))
		}
		h.Tell(s)
	}
}

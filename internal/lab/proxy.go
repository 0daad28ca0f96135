package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The timers that every configuration of the lab sets, as far as the proxy has them.
const (
	connectTime = time.Second
	answerTime  = 2 * time.Second
)

// Proxy is a program that the lab can put in front of itself.
type Proxy struct {
	Name    string
	Title   string
	Package string // Debian's package, empty where there is none

	programs []string // where its program may be, names or paths
	version  []string // arguments that make it print its version
	config   func(*Setup) []file
	command  func(*Setup) []string    // the arguments that run it in the foreground
	cannot   func(s *Scenario) string // why it cannot stand before that scenario, empty if it can
	env      func(*Setup) []string    // its environment beside ours
	explains bool                     // it sends Proxy-Status: a fault without it is one that it did not explain
	settle   time.Duration            // how long it resolves names in the background before it can serve them
}

// file is one file of a proxy's configuration.
type file struct{ name, text string }

// Setup is what a configuration is made from.
type Setup struct {
	Lab       *Lab
	Scenarios []*Scenario // those that are served
	Listen    string      // host:port of the proxy
	Dir       string      // where its files are
	Self      string      // Whygate's own program
}

// Proxies lists the proxies that the lab knows.
func Proxies() []*Proxy {
	return []*Proxy{whygate(), nginx(), haproxy(), caddy(), traefik(), envoy(), apache(), varnish()}
}

// ProxyNamed finds a proxy by its name, nil if there is none.
func ProxyNamed(name string) *Proxy {
	for _, p := range Proxies() {
		if p.Name == name || name == "apache2" && p.Name == "apache" {
			return p
		}
	}
	return nil
}

// Program finds the proxy's program on this machine.
func (p *Proxy) Program(self string) (string, error) {
	if p.Name == "whygate" {
		return self, nil
	}
	for _, name := range p.programs {
		for _, dir := range []string{"", "/usr/sbin/", "/sbin/", "/usr/local/sbin/", "/usr/local/bin/"} {
			if path, err := exec.LookPath(dir + name); err == nil {
				return path, nil
			}
		}
	}
	hint := ""
	if p.Package != "" {
		hint = " (apt-get install " + p.Package + ")"
	}
	return "", fmt.Errorf("%s is not installed%s", p.Name, hint)
}

// Version is what the program says of itself, one line.
func (p *Proxy) Version(program string) string {
	out, _ := exec.Command(program, p.version...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(line)
}

// Skip says why the proxy is not put before the scenario, empty if it is.
func (p *Proxy) Skip(s *Scenario) string {
	if p.cannot == nil {
		return ""
	}
	return p.cannot(s)
}

// Config is the proxy's configuration for what the lab serves, as one text: each file with its name before it, where there
// are several.
func (p *Proxy) Config(s *Setup) string {
	files := p.config(p.fit(s))
	if len(files) == 1 {
		return files[0].text
	}
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "# ---- %s ----\n%s\n", f.name, f.text)
	}
	return b.String()
}

// fit leaves out the scenarios that the proxy cannot stand before.
func (p *Proxy) fit(s *Setup) *Setup {
	fitting := *s
	fitting.Scenarios = nil
	for _, sc := range s.Scenarios {
		if p.Skip(sc) == "" && s.Lab.Serves(sc) {
			fitting.Scenarios = append(fitting.Scenarios, sc)
		}
	}
	return &fitting
}

// write writes the configuration's files.
func (p *Proxy) write(s *Setup) error {
	for _, f := range p.config(p.fit(s)) {
		if err := os.WriteFile(filepath.Join(s.Dir, f.name), []byte(f.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Running is a proxy that was started.
type Running struct {
	cmd  *exec.Cmd
	out  lastOctets
	done chan struct{}
	err  error
}

// outMax bounds what is kept of a proxy's output, in octets: its last words.
const outMax = 64 << 10

// lastOctets keeps the last octets that were written to it.
type lastOctets struct{ kept []byte }

// Write keeps the octets, and drops the oldest.
func (l *lastOctets) Write(b []byte) (int, error) {
	l.kept = append(l.kept, b...)
	if len(l.kept) > 2*outMax {
		l.kept = append([]byte(nil), l.kept[len(l.kept)-outMax:]...)
	}
	return len(b), nil
}

// String gives the octets that were kept.
func (l *lastOctets) String() string { return string(l.kept[max(0, len(l.kept)-outMax):]) }

// startTime bounds how long a proxy may take until it accepts connections.
const startTime = 20 * time.Second

// Start writes the configuration and runs the proxy until the context or this process ends, or Stop is called.
func (p *Proxy) Start(ctx context.Context, s *Setup) (*Running, error) {
	program, err := p.Program(s.Self)
	if err != nil {
		return nil, err
	}
	s = p.fit(s)
	if err := p.write(s); err != nil {
		return nil, err
	}
	r := &Running{done: make(chan struct{})}
	r.cmd = exec.CommandContext(ctx, program, p.command(s)...)
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.Dir, r.cmd.Env = &r.out, &r.out, s.Dir, environment()
	if p.env != nil {
		r.cmd.Env = append(r.cmd.Env, p.env(s)...)
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	EndWithUs(r.cmd, syscall.SIGTERM) // not SIGKILL: a master's workers would stay
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM) }
	r.cmd.WaitDelay = 3 * time.Second
	if err := r.start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := r.await(s.Listen); err != nil {
		r.Stop()
		return nil, fmt.Errorf("%s did not start: %w\n%s", p.Name, err, tail(r.out.String(), 2000))
	}
	return r, nil
}

// start starts the command, on a thread that lives as long as it does: the kernel tells it when that thread ends.
func (r *Running) start() error {
	started := make(chan error)
	go func() { // ends with the process
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.cmd.Start()
		started <- err
		if err == nil {
			r.err = r.cmd.Wait()
			close(r.done)
		}
	}()
	return <-started
}

// environment is this process's own, without what is not meant for a proxy.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, networkVariable+"=") })
}

// await waits until the proxy accepts connections.
func (r *Running) await(address string) error {
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); {
		select {
		case <-r.done:
			return fmt.Errorf("it ended: %v", r.err)
		case <-time.After(50 * time.Millisecond):
		}
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return c.Close()
		}
	}
	return errors.New("it does not accept connections")
}

// Stop ends the proxy and its children.
func (r *Running) Stop() {
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(3 * time.Second):
	}
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	<-r.done
}

// Alive reports whether the proxy still runs, and what it said last if not.
func (r *Running) Alive() (bool, string) {
	select {
	case <-r.done:
		return false, fmt.Sprintf("%v: %s", r.err, tail(r.out.String(), 2000))
	default:
		return true, ""
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// endpoint is one upstream of a scenario's pool, as configurations want it.
type endpoint struct {
	*Scenario
	Scheme, Host, Port, Unix string
}

// endpoints are the upstreams of a scenario's pool.
func (s *Setup) endpoints(sc *Scenario) []endpoint {
	all := []endpoint{s.endpoint(sc)}
	for _, name := range sc.At.Beside {
		if other := Get(name); other != nil && s.Lab.Address(other) != "" {
			all = append(all, s.endpoint(other))
		}
	}
	return all
}

func (s *Setup) endpoint(sc *Scenario) endpoint {
	e := endpoint{Scenario: sc, Scheme: sc.At.scheme()}
	if sc.At.Unix != "" {
		e.Unix = s.Lab.Address(sc)
		return e
	}
	e.Host, e.Port, _ = net.SplitHostPort(s.Lab.Address(sc))
	return e
}

// address is the endpoint's host:port.
func (e *endpoint) address() string { return net.JoinHostPort(e.Host, e.Port) }

// url is the endpoint as a URL.
func (e *endpoint) url() string {
	if e.Unix != "" {
		return "unix:" + e.Unix
	}
	return e.Scheme + "://" + e.address()
}

// named reports whether the scenario is addressed by a name that must be resolved.
func (a *At) named() bool { return a.Host != "" && net.ParseIP(a.Host) == nil }

// needsNames reports whether a scenario needs the lab's name server.
func (s *Setup) needsNames() bool { return s.Lab.network != nil }

// host and port of the proxy's own address.
func (s *Setup) host() string { h, _, _ := net.SplitHostPort(s.Listen); return h }
func (s *Setup) port() string { _, p, _ := net.SplitHostPort(s.Listen); return p }

// seconds writes a duration in whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// noTLS is the reason of a proxy that speaks no TLS to its upstreams.
func noTLS(name string) string { return name + " speaks no TLS to upstreams" }

// noLists is the reason of a proxy that reads no lists of revoked certificates, where a scenario needs one.
func noLists(name string, s *Scenario) string {
	if s.At.Lists {
		return name + " reads no lists of revoked certificates"
	}
	return ""
}

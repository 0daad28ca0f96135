package here

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of what an engine of containers is asked.
const (
	engineMax    = 4 << 20 // octets of one answer
	containerMax = 500
	inspectMax   = 12 // containers that are looked at, of one engine
)

// engineSockets are where docker and podman are asked: where the environment says, and at their usual places.
func engineSockets() (all []string) {
	for _, name := range []string{"DOCKER_HOST", "CONTAINER_HOST"} {
		if path, is := strings.CutPrefix(os.Getenv(name), "unix://"); is {
			all = append(all, path)
		}
	}
	all = append(all, "/var/run/docker.sock", "/run/podman/podman.sock")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		all = append(all, filepath.Join(dir, "docker.sock"), filepath.Join(dir, "podman/podman.sock"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// engine is docker, or podman in docker's words, by its socket. It is asked by GET alone.
type engine struct {
	path   string
	client *http.Client
	seen   map[string]*container
	left   int // containers that may still be looked at
}

// errEngine: what answers at the socket is no engine of containers.
var errEngine = errors.New("no engine of containers")

// openEngine gives nil where there is no socket.
func openEngine(path string) *engine {
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil
	}
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	return &engine{path: path, left: inspectMax, seen: map[string]*container{}, client: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get asks for one thing.
func (e *engine) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	res, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errEngine
	}
	return json.NewDecoder(io.LimitReader(res.Body, engineMax)).Decode(into)
}

// listed is a container as the engine lists it: of its labels only those that name its service are kept.
type listed struct {
	ID     string `json:"Id"`
	Names  []string
	State  string
	Labels struct {
		Compose string `json:"com.docker.compose.service"`
		Podman  string `json:"io.podman.compose.service"`
	}
	Ports           []publishedPort
	NetworkSettings struct{ Networks map[string]network }
}

type publishedPort struct {
	IP          string
	PrivatePort int
	PublicPort  int
	Type        string
}

type network struct {
	IPAddress         string
	GlobalIPv6Address string
	Aliases           []string
	DNSNames          []string
}

// container is what is looked at of one: neither its environment nor its command.
type container struct {
	ID           string `json:"Id"`
	Name         string
	RestartCount int
	State        struct {
		Status     string
		OOMKilled  bool
		Pid        int
		ExitCode   int
		Error      string
		StartedAt  time.Time
		FinishedAt time.Time
		Health     *struct {
			Status        string
			FailingStreak int
			Log           []struct {
				Start    time.Time
				ExitCode int
				Output   string
			}
		}
	}
	HostConfig struct {
		NetworkMode  string
		PortBindings map[string][]struct{ HostIp, HostPort string } //nolint:revive // the engine's spelling
		Memory       int64
	}
	Config struct {
		Image        string
		ExposedPorts map[string]struct{}
	}
	NetworkSettings struct{ Networks map[string]network }
}

// list gives all containers, those that do not run too.
func (e *engine) list(ctx context.Context) (all []listed, err error) {
	err = e.get(ctx, "/containers/json?all=1", &all)
	return all[:min(len(all), containerMax)], err
}

// look looks at one container; nil where it cannot be seen, or enough were.
func (e *engine) look(ctx context.Context, id string) *container {
	if c := e.seen[id]; c != nil || e.left <= 0 {
		return c
	}
	e.left--
	c := &container{}
	if err := e.get(ctx, "/containers/"+url.PathEscape(id)+"/json", c); err != nil {
		return nil
	}
	e.seen[id] = c
	return c
}

// title names a container as its engine's commands take it.
func (l *listed) title() string {
	if len(l.Names) > 0 {
		return strings.TrimPrefix(l.Names[0], "/")
	}
	return l.ID[:min(len(l.ID), 12)]
}

// running reports whether its program runs, held or not.
func (l *listed) running() bool { return l.State == "running" || l.State == "paused" }

// called reports whether a name in one of its networks means the container.
func (l *listed) called(host string) bool {
	if host == "" {
		return false
	}
	if l.Labels.Compose == host || l.Labels.Podman == host {
		return true
	}
	for _, n := range l.Names {
		if strings.TrimPrefix(n, "/") == host {
			return true
		}
	}
	for _, n := range l.NetworkSettings.Networks {
		if slices.Contains(n.Aliases, host) || slices.Contains(n.DNSNames, host) {
			return true
		}
	}
	return false
}

// has reports whether the address is one of the container's own.
func (l *listed) has(host string) bool {
	for _, n := range l.NetworkSettings.Networks {
		if host != "" && (n.IPAddress == host || n.GlobalIPv6Address == host) {
			return true
		}
	}
	return false
}

// publishes gives the container's own port that this machine's port leads to, 0 if it leads to none of them.
func (l *listed) publishes(port int) int {
	for _, p := range l.Ports {
		if p.PublicPort == port && p.Type != "udp" {
			return p.PrivatePort
		}
	}
	return 0
}

// binds is publishes of a container that does not run: what it would publish.
func (c *container) binds(port int) int {
	for own, all := range c.HostConfig.PortBindings {
		number, kind, _ := strings.Cut(own, "/")
		for _, b := range all {
			if b.HostPort == strconv.Itoa(port) && kind != "udp" {
				n, _ := strconv.Atoi(number)
				return n
			}
		}
	}
	return 0
}

// own reports whether a port is one of those that the container is known to have.
func (l *listed) own(port int) bool {
	return slices.ContainsFunc(l.Ports, func(p publishedPort) bool { return p.PrivatePort == port && p.Type != "udp" })
}

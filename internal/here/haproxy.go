package here

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxyconf"
	"github.com/whygate/whygate/internal/words"
)

// Limits of what a program tells of its own state.
const (
	tellTime = 500 * time.Millisecond
	tellMax  = 1 << 20
)

// tell sends one command to a unix socket and gives what comes until it is closed.
func tell(ctx context.Context, path, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(nc, command+"\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(nc, tellMax))
	return string(b), err
}

// askHAProxy asks HAProxy's stats socket what it holds of the backend's servers and why. The commands only read.
func (h *finder) askHAProxy(ctx context.Context, path, backend string) {
	stat, err := tell(ctx, path, "show stat")
	if err != nil {
		return
	}
	h.WasRead("HAProxy's stats socket " + path)
	h.haproxyStat(stat, backend)
	if info, err := tell(ctx, path, "show info"); err == nil {
		h.haproxyInfo(info)
	}
	if text, err := tell(ctx, path, "show errors"); err == nil {
		h.haproxyErrors(text, backend, time.Now())
	}
}

// haproxyServer is a line of "show stat", by the names of its columns.
type haproxyServer map[string]string

func (s haproxyServer) number(name string) int {
	n, _ := strconv.Atoi(s[name])
	return n
}

func (s haproxyServer) label() string {
	if a := s["addr"]; a != "" {
		return fmt.Sprintf("%s/%s (%s)", s["pxname"], s["svname"], a)
	}
	return s["pxname"] + "/" + s["svname"]
}

// up reports whether the server takes requests: UP, UP 1/3, no check.
func (s haproxyServer) up() bool {
	return strings.HasPrefix(s["status"], "UP") || s["status"] == "no check"
}

// haproxyStat reads the state of each server of the backend.
func (h *finder) haproxyStat(text, backend string) {
	lines := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	lines.FieldsPerRecord, lines.LazyQuotes = -1, true
	head, err := lines.Read()
	if err != nil {
		return
	}
	var servers []haproxyServer
	for len(servers) < 1000 {
		words, err := lines.Read()
		if errors.Is(err, io.EOF) || err != nil {
			break
		}
		s := haproxyServer{}
		for i := range min(len(words), len(head)) {
			s[head[i]] = words[i]
		}
		if s["pxname"] == backend && s["svname"] != "BACKEND" && s["svname"] != "FRONTEND" {
			servers = append(servers, s)
		}
	}
	anyUp := false
	for _, s := range servers {
		anyUp = anyUp || s.up()
	}
	for _, s := range servers {
		h.haproxyHolds(s, anyUp)
	}
}

// haproxyHolds tells of one server. While another takes the requests, one that is down explains none of them.
func (h *finder) haproxyHolds(s haproxyServer, anyUp bool) {
	is, since := "is", ""
	if n := s.number("lastchg"); n > 0 {
		is, since = "has been", fmt.Sprintf(" for %v", time.Duration(n)*time.Second)
	}
	if s["addr"] == "" { // a socket of the level "user" does not tell it
		s["addr"] = h.addressOf(s["svname"])
	}
	state := diagnose.HereState{At: s["addr"], Weak: anyUp}
	switch status := s["status"]; {
	case strings.HasPrefix(status, "MAINT"):
		state.Cause = fault.CauseMaintenance
		state.Text = fmt.Sprintf("HAProxy's %s %s in %s%s: somebody took it out of service (\"set server %s/%s state ready\" brings it back)", s.label(), is, status, since, s["pxname"], s["svname"])
		if strings.Contains(status, "resolution") {
			state.Cause = fault.CauseDNSError
			state.Text = fmt.Sprintf("HAProxy's %s %s in %s%s: its name does not resolve", s.label(), is, status, since)
		}
	case strings.HasPrefix(status, "DRAIN"), strings.HasPrefix(status, "NOLB"):
		state.Cause = fault.CauseMaintenance
		state.Text = fmt.Sprintf("HAProxy's %s %s in %s%s: it gets no new requests", s.label(), is, status, since)
	case strings.HasPrefix(status, "DOWN"):
		state.Cause = haproxyCheck(s)
		state.Text = fmt.Sprintf("HAProxy's %s %s DOWN%s: %s", s.label(), is, since, checkWords(s))
	case s.number("qcur") > 0 && s.number("slim") > 0 && s.number("scur") >= s.number("slim"):
		state.Cause, state.Weak = fault.CauseQueueTimeout, false
		state.Text = fmt.Sprintf("HAProxy's %s has %d of %d connections in use (maxconn), and %s in its queue", s.label(), s.number("scur"), s.number("slim"), words.Count(s.number("qcur"), "request"))
	default:
		return
	}
	h.Tell(state)
}

// addressOf is the address that the configuration has for a server of the route's backend, empty where it has none of the name.
func (h *finder) addressOf(server string) string {
	for i := range h.Upstreams {
		if w := strings.Fields(h.Upstreams[i].Text); len(w) > 1 && w[0] == "server" && w[1] == server {
			return h.Upstreams[i].Address
		}
	}
	return ""
}

// checkWords are HAProxy's own words on a check: its code, and what failed.
func checkWords(s haproxyServer) string {
	words := strings.TrimPrefix(s["check_status"], "* ")
	if code := s["check_code"]; code != "" && code != "0" {
		words += " " + code
	}
	said := s["last_chk"]
	if said == "" {
		said = s["check_desc"]
	}
	if said != "" {
		words += " (" + said + ")"
	}
	if words == "" {
		return "it does not say why"
	}
	return "its check ends with " + words
}

// haproxyCheck is the cause that a check's status stands for: management guide, section 9.1, check_status.
func haproxyCheck(s haproxyServer) fault.Cause {
	said := strings.ToLower(s["last_chk"])
	switch strings.TrimPrefix(s["check_status"], "* ") {
	case "L4CON":
		switch {
		case strings.Contains(said, "no route"), strings.Contains(said, "unreachable"):
			return fault.CauseHostUnreachable
		case said == "" || strings.Contains(said, "refused"):
			return fault.CauseConnectionRefused
		}
		return fault.CauseNobodyAvailable
	case "L4TOUT":
		return fault.CauseConnectTimeout
	case "L6TOUT":
		return fault.CauseTLSHandshakeTimeout
	case "L6RSP":
		return fault.CauseTLSProtocolError
	case "L7TOUT":
		return fault.CauseHeadTimeout
	}
	return fault.CauseNobodyAvailable
}

// haproxyInfo compares the connections of the whole process with its maxconn.
func (h *finder) haproxyInfo(text string) {
	value := func(name string) int {
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(rest))
				return n
			}
		}
		return 0
	}
	if used, most := value("CurrConns"), value("Maxconn"); most > 0 && float64(used) > nearly*float64(most) {
		h.Tell(diagnose.HereState{Cause: fault.CauseOwnLimit, Text: fmt.Sprintf("HAProxy has %d of its %d connections in use (global maxconn)", used, most)})
	}
}

// haproxyCaptured finds the head of a captured answer: "[30/Nov/2026:02:26:57.123] backend web (#3): invalid response".
var haproxyCaptured = regexp.MustCompile(`\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d)[.\d]*\] backend (\S+) \(#\d+\): invalid response`)

// haproxyErrors reads the last answer that HAProxy could not read, if it is of the last hour.
func (h *finder) haproxyErrors(text, backend string, now time.Time) {
	m := haproxyCaptured.FindStringSubmatch(text)
	if m == nil || m[2] != backend {
		return
	}
	at, err := time.ParseInLocation("02/Jan/2006:15:04:05", m[1], now.Location())
	if ago := now.Sub(at); err == nil && ago > -time.Minute && ago < logSince {
		h.Tell(diagnose.HereState{Cause: fault.CauseNotHTTP, Text: fmt.Sprintf("HAProxy could not read an answer of %s %v ago, and keeps it: show errors", backend, max(ago, 0).Round(time.Second)), Weak: ago > time.Minute})
	}
}

// stubActive and stubCounts find nginx's numbers: ngx_http_stub_status_module.
var (
	stubActive = regexp.MustCompile(`Active connections:\s*(\d+)`)
	stubCounts = regexp.MustCompile(`(?m)^\s*(\d+) (\d+) (\d+)\s*$`)
)

// askStubStatus asks nginx's own page of its state, on loopback.
func (h *finder) askStubStatus(ctx context.Context, s proxyconf.Status, a *around) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+s.Path, nil)
	if err != nil {
		return
	}
	req.Host = s.Host
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if m := stubActive.FindSubmatch(b); err == nil && res.StatusCode == http.StatusOK && m != nil {
		h.WasRead("nginx's stub_status at " + s.Address + s.Path + " (one GET)")
		active, _ := strconv.Atoi(string(m[1]))
		h.stubStatus(active, string(b), connectionsOf(h.Proxy, a.config))
	}
}

// stubStatus compares the active connections with what the workers may have, and those taken with those handled: the difference was
// dropped for want of worker_connections since nginx started.
func (h *finder) stubStatus(active int, page string, most int) {
	if most > 0 && float64(active) > nearly*float64(most) {
		h.Tell(diagnose.HereState{Cause: fault.CauseOwnLimit, Weak: true, Text: fmt.Sprintf("nginx has %d active connections, and a worker may have %d, those to upstreams included (worker_connections)", active, most)})
	}
	if m := stubCounts.FindStringSubmatch(page); m != nil {
		accepted, _ := strconv.Atoi(m[1])
		handled, _ := strconv.Atoi(m[2])
		if accepted > handled {
			h.Tell(diagnose.HereState{Cause: fault.CauseOwnLimit, Weak: true, Text: fmt.Sprintf("nginx dropped %d of %d connections since it started, for want of worker_connections", accepted-handled, accepted)})
		}
	}
}

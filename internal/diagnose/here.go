package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/redact"
)

// Here is what is known of the target from its own machine.
type Here struct {
	Proxy     string         `json:"proxy"` // the product that listens there: nginx, haproxy, …
	PID       int            `json:"pid,omitempty"`
	Config    []ConfigPlace  `json:"config,omitempty"` // the lines that route the URL
	Upstreams []HereUpstream `json:"upstreams,omitempty"`
	LogLines  []string       `json:"log_lines,omitempty"`       // recent ones about this URL or its upstreams
	Findings  []HereFinding  `json:"findings,omitempty"`        // what the logs say outright
	Request   []HereFinding  `json:"of_this_request,omitempty"` // what they say of the very requests of this run
	Notes     []string       `json:"notes,omitempty"`           // what the position explains
	State     []HereState    `json:"state,omitempty"`           // what the machine, the proxy and its upstreams say of their own state
	Read      []string       `json:"read,omitempty"`            // everything that was found and read

	Answer string `json:"-"` // what the configuration answers by itself, empty where it asks an upstream

	// Again reads what the logs say of the requests of this run, once they were made, into Request and LogLines. Nil where there are none.
	Again func(ctx context.Context, began time.Time) `json:"-"`
}

// ConfigPlace is a line of a configuration.
type ConfigPlace struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// HereUpstream is an upstream of the route that the URL takes.
type HereUpstream struct {
	Address    string `json:"address"` // host:port; empty for a unix socket
	Unix       string `json:"unix,omitempty"`
	Scheme     string `json:"scheme,omitempty"` // http, https, or another protocol such as fastcgi; empty is http
	ServerName string `json:"server_name,omitempty"`
	Path       string `json:"-"`                            // what it is asked for, where the proxy changes the path
	Host       string `json:"host,omitempty"`               // the Host field that the proxy sends, where it is not the client's
	Insecure   bool   `json:"insecure,omitempty"`           // the proxy does not verify the certificate
	SendsProxy bool   `json:"sends_proxy_header,omitempty"` // each connection begins with a header of the PROXY protocol
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Text       string `json:"text,omitempty"`
}

// HereFinding is a cause that a log names.
type HereFinding struct {
	Cause fault.Cause `json:"cause"`
	Text  string      `json:"text"`
	Count int         `json:"count,omitempty"`

	Line string `json:"-"` // of the log, as an example

	Nameless bool // it names no request: it was written at the time of ours
}

// Named reports whether the line names a request, which is the one that was looked for then.
func (f *HereFinding) Named() bool {
	return !f.Nameless && (!strings.Contains(f.Line, "#") || strings.Contains(f.Line, `request: "`)) // nginx's lines have PID#TID
}

// Redact masks the secrets of what was read of logs and configurations.
func (h *Here) Redact() {
	for i, line := range h.LogLines {
		h.LogLines[i] = redact.URLs(line)
	}
	for i := range h.Findings {
		h.Findings[i].Text = redact.URLs(h.Findings[i].Text)
	}
	for i := range h.Request {
		h.Request[i].Text = redact.URLs(h.Request[i].Text)
	}
	for i := range h.Notes {
		h.Notes[i] = redact.URLs(h.Notes[i])
	}
	for i := range h.State {
		h.State[i].Text = redact.URLs(h.State[i].Text)
	}
	for i := range h.Config {
		h.Config[i].Text = redact.Setting(h.Config[i].Text)
	}
	for i := range h.Upstreams {
		h.Upstreams[i].Text = redact.Setting(h.Upstreams[i].Text)
	}
}

// URL is the upstream as one can ask it.
func (u *HereUpstream) URL() string {
	switch {
	case u.Unix != "":
		return "unix:" + u.Unix
	case u.Scheme == "https" || u.Scheme == "grpcs":
		return "https://" + u.Address
	}
	return "http://" + u.Address
}

// HereState is something that this machine, or a program on it, says of its own state, and that may keep requests from an answer.
type HereState struct {
	Cause fault.Cause `json:"cause"`        // what requests then fail with
	At    string      `json:"at,omitempty"` // the upstream that it is about; empty for the proxy and the machine
	Text  string      `json:"text"`

	Weak bool `json:"-"` // it may have been long ago, or of something else: a note, and no cause
}

// Limits of what is told of this machine.
const (
	stateMax = 16
	readMax  = 48
	noteMax  = 12
)

// Tell adds a state, once.
func (h *Here) Tell(s HereState) {
	if len(h.State) < stateMax && !slices.ContainsFunc(h.State, func(old HereState) bool { return old.Text == s.Text }) {
		h.State = append(h.State, s)
	}
}

// WasRead notes what was read of this machine.
func (h *Here) WasRead(what ...string) {
	for _, w := range what {
		if len(h.Read) < readMax && !slices.Contains(h.Read, w) {
			h.Read = append(h.Read, w)
		}
	}
}

// Note adds what the position explains, once.
func (h *Here) Note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(h.Notes) < noteMax && !slices.Contains(h.Notes, text) {
		h.Notes = append(h.Notes, text)
	}
}

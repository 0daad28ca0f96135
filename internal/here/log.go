package here

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/machine"
	"github.com/whygate/whygate/internal/proxyconf"
)

// logs are the proxy's own logs: where they are, and which of their lines are about the URL.
type logs struct {
	product string
	files   proxyconf.Files
	names   []string
	host    string // of the request, without its port
	server  string // the site that takes the request, as the logs name it; empty where that is not known
	backend string // of HAProxy
	path    string // with the query
}

// prefixes are where a product's relative paths begin, where it was not started with another.
var prefixes = map[string][]string{
	"nginx": {"/usr/share/nginx", "/etc/nginx", "/usr/local/nginx", "/var/lib/nginx"}, "openresty": {"/usr/local/openresty/nginx"}, "apache": {"/etc/apache2", "/etc/httpd", "/usr/local/apache2"},
}

// usualLogs are where a product's errors go where its configuration names no file.
var usualLogs = map[string][]string{
	"nginx": {"/var/log/nginx/error.log"}, "openresty": {"/usr/local/openresty/nginx/logs/error.log"}, "apache": {"/var/log/apache2/error.log", "/var/log/httpd/error_log"},
}

// logsOf finds the logs of a proxy.
func logsOf(product string, c *proxyconf.Config, p *machine.Process) *logs {
	l := &logs{product: product, files: proxyconf.Files{Root: p.Root}}
	add := func(name string) {
		if len(l.names) < logsMax && !slices.Contains(l.names, name) {
			if info, err := l.files.Stat(name); err == nil && info.Mode().IsRegular() {
				l.names = append(l.names, name)
			}
		}
	}
	all := c.Logs
	if product == "nginx" || product == "openresty" {
		if name := p.Flag("-e"); name != "" {
			all = append(slices.Clone(all), name)
		}
	}
	for _, name := range all {
		if filepath.IsAbs(name) {
			add(name)
			continue
		}
		roots := prefixes[product]
		if product == "nginx" || product == "openresty" {
			if prefix := p.Flag("-p"); prefix != "" {
				roots = []string{absolute(prefix, p)}
			}
		}
		for _, root := range append(slices.Clone(roots), p.Dir) {
			add(filepath.Join(root, name))
		}
	}
	if len(l.names) == 0 {
		for _, name := range usualLogs[product] {
			add(name)
		}
	}
	return l
}

func absolute(path string, p *machine.Process) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Dir, path)
}

// What nginx's error log says of the request behind a line, and HAProxy's of the backend.
var (
	lineServer  = regexp.MustCompile(`, server: ([^,]*)`)
	lineHost    = regexp.MustCompile(`, host: "([^"]*)"`)
	lineRequest = regexp.MustCompile(`, request: "[A-Z]+ ([^ "]*)`)
	lineTarget  = regexp.MustCompile(`"[A-Z]+ ([^ "]+)(?: HTTP/[\d.]+)?"`) // HAProxy's and access logs'
	lineReturns = regexp.MustCompile(`\breturned by ([^ ,\n]+)`)           // Apache's, without the query
	lineBackend = regexp.MustCompile(` ([^ /\[\]"]+)/(\S+) -?\d+/-?\d+/-?\d+/`)
)

// ofSite reports whether a line may be about the target's site: what names another site, host or backend is not.
func (l *logs) ofSite(line []byte) bool {
	switch l.product {
	case "nginx", "openresty":
		if m := lineHost.FindSubmatch(line); m != nil {
			return strings.EqualFold(hostOf(string(m[1])), l.host)
		}
		if m := lineServer.FindSubmatch(line); m != nil && l.server != "" && len(m[1]) > 0 {
			return strings.EqualFold(strings.TrimSpace(string(m[1])), l.server)
		}
	case "haproxy":
		if m := lineBackend.FindSubmatch(line); m != nil && l.backend != "" {
			return string(m[1]) == l.backend || string(m[1]) == "<NOSRV>"
		}
	}
	return true
}

// ofRequest reports whether a line may be about this very request: it names its target, or none. Of HAProxy's lines and others' those
// that name none are about servers, and no part of a request.
func (l *logs) ofRequest(line []byte) bool {
	if same, names := l.request(line); names {
		return same
	}
	switch l.product {
	case "nginx", "openresty":
		return !bytes.Contains(line, []byte(`, client: `)) && bytes.Contains(line, []byte(": ")) && bytes.Contains(line, []byte("["))
	case "apache":
		return bytes.Contains(line, []byte("[client ")) || bytes.Contains(line, []byte(" AH0"))
	}
	return false
}

// request reports whether a line names a request, and whether that has the target of ours: the whole of it, as /a is in /api too.
func (l *logs) request(line []byte) (same, names bool) {
	switch l.product {
	case "nginx", "openresty":
		m := lineRequest.FindSubmatch(line)
		return m != nil && string(m[1]) == l.path, m != nil
	case "haproxy", "apache":
		if m := lineTarget.FindSubmatch(line); m != nil {
			return originForm(string(m[1])) == l.path, true
		}
		if m := lineReturns.FindSubmatch(line); m != nil {
			path, _, _ := strings.Cut(l.path, "?")
			return string(m[1]) == path, true
		}
		return false, false
	}
	same = holdsWhole(line, l.path)
	return same, same
}

// originForm is a request target without the scheme and the authority that HTTP/2's requests have in HAProxy's log.
func originForm(target string) string {
	_, rest, found := strings.Cut(target, "://")
	if !found || strings.HasPrefix(target, "/") {
		return target
	}
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		return rest[at:]
	}
	return "/"
}

// holdsWhole reports whether a text stands in a line as a value of its own, between blanks, quotes or the like.
func holdsWhole(line []byte, text string) bool {
	const around = " \t\r\n\"'`=,;()"
	for from := 0; ; {
		at := bytes.Index(line[from:], []byte(text))
		if at < 0 || text == "" {
			return false
		}
		at += from
		end := at + len(text)
		if at > 0 && strings.IndexByte(around, line[at-1]) >= 0 && (end == len(line) || strings.IndexByte(around, line[end]) >= 0) {
			return true
		}
		from = at + 1
	}
}

// tails reads the ends of the logs, the lines that pass only.
func (l *logs) tails(ctx context.Context, pass func([]byte) bool, problem func(name string, err error)) (sources []explain.Source) {
	for _, name := range l.names {
		b, err := tailOf(ctx, l.files, name)
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				problem(name, err)
			}
			continue
		}
		var kept []byte
		for line := range bytes.Lines(b) {
			if pass(line) {
				kept = append(kept, line...)
			}
		}
		if len(kept) > 0 {
			sources = append(sources, explain.StreamSource(name, bytes.NewReader(kept)))
		}
	}
	return sources
}

// findings says what the lines of the last while tell.
func findings(ctx context.Context, sources []explain.Source, since time.Duration) (found []diagnose.HereFinding, lines []string) {
	if len(sources) == 0 {
		return nil, nil
	}
	report, err := explain.Explain(ctx, explain.Options{Sources: sources, Since: since})
	if err != nil {
		return nil, nil
	}
	for _, f := range report.Findings {
		if len(found) >= findMax {
			continue
		}
		found = append(found, diagnose.HereFinding{Cause: f.Cause, Text: f.Sentence, Count: int(f.Count), Line: f.Example.Raw})
		if f.Example.Raw != "" && len(lines) < linesMax {
			lines = append(lines, f.Example.Raw)
		}
	}
	return found, lines
}

// read reads the end of the proxy's logs, and takes over what they tell of the target's site.
func (h *finder) read(ctx context.Context, l *logs) {
	ctx, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	sources := l.tails(ctx, l.ofSite, func(name string, err error) { h.Note("the log %s could not be read: %v", name, err) })
	found, lines := findings(ctx, sources, logSince)
	h.Findings = append(h.Findings, found...)
	h.LogLines = append(h.LogLines, lines...)
	h.logs, h.Again = l, h.readRequest
	h.WasRead(l.names...)
}

// readRequest reads what the logs say of the requests of this run, once they were made.
func (h *finder) readRequest(ctx context.Context, began time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleMax/3)
	defer cancel()
	sources := h.logs.tails(ctx, func(line []byte) bool { return h.logs.ofSite(line) && h.logs.ofRequest(line) }, func(string, error) {})
	found, lines := findings(ctx, sources, time.Since(began)+time.Second)
	for i := range found {
		_, names := h.logs.request([]byte(found[i].Line))
		found[i].Nameless = !names
	}
	h.Request = found
	for i, line := range lines {
		if !slices.Contains(h.LogLines, line) {
			h.LogLines = slices.Insert(h.LogLines, min(i, len(h.LogLines)), line)
		}
	}
	h.LogLines = h.LogLines[:min(len(h.LogLines), linesMax)]
}

// tailOf reads the end of a file, from the beginning of a line.
func tailOf(ctx context.Context, files proxyconf.Files, name string) ([]byte, error) {
	f, err := files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from := max(0, f.Info().Size()-logTail)
	b, err := io.ReadAll(io.NewSectionReader(f, from, logTail))
	if from > 0 {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return b, err
}

// hostOf is an authority without its port.
func hostOf(authority string) string {
	if h, _, err := net.SplitHostPort(authority); err == nil {
		return h
	}
	return authority
}

package explain_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/explain"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/lab"
)

// stage is a real proxy with its logs on.
type stage struct {
	name, proxy string
	file        string                              // the configuration's name
	logged      func(config, dir string) string     // the lab's configuration with the logs on
	commands    func(dir, listen string) [][]string // the proxy's, and those that read its log; what number n prints is in n.out
	marks       string                              // the file that tells of every request when it has ended
	views       []view
	own         map[string][]fault.Cause // what this proxy's own rules and limits make of a scenario
	late        string                   // lines with it may come after their scenario has ended
	mute        map[string]string        // scenarios of which its logs say nothing, with the reason
}

// view is the logs that one may have.
type view struct {
	name  string
	files []string
	takes func(line string) bool // nil takes all
	blind string                 // what it never tells: of the proxies' errors, the origin's answers, broken bodies
}

// What views are blind to.
const (
	answers = "the error log has no line of an answer that was passed on"
	bodies  = "an access line has the status, and the body was cut"
)

// better is what explain advises to log for a format.
func better(format string) string {
	for _, f := range explain.Formats() {
		if f.Name == format {
			return f.Better
		}
	}
	panic("BUG: no format " + format)
}

var stages = []*stage{
	{
		name: "nginx", proxy: "nginx", own: nginxOwn, mute: nginxMute, file: "nginx.conf", marks: "why.log access.log",
		logged: func(config, dir string) string {
			mine := strings.Replace(better("nginx-error"), "/var/log/nginx/why.log", dir+"/why.log", 1)
			return strings.Replace(config, "access.log;\n", "access.log;\n"+mine+"\n", 1)
		},
		commands: func(dir, _ string) [][]string {
			return [][]string{{"nginx", "-p", dir, "-c", dir + "/nginx.conf", "-e", dir + "/error.log"}}
		},
		views: []view{
			{name: "error and advised access", files: []string{"error.log", "why.log"}},
			{name: "error", files: []string{"error.log"}, blind: answers},
			{name: "advised access", files: []string{"why.log"}, blind: bodies},
			{name: "stock access", files: []string{"access.log"}, blind: bodies},
		},
	},
	{
		name: "haproxy", proxy: "haproxy", own: haproxyOwn, mute: haproxyMute, file: "haproxy.cfg", marks: "0.out",
		logged: func(config, _ string) string {
			_, format, _ := strings.Cut(better("haproxy-http"), "\n")
			return haproxyLogged(config, "    "+format)
		},
		commands: haproxyCommands, views: []view{{name: "advised", files: []string{"0.out"}}},
	},
	{
		name: "haproxy-stock", proxy: "haproxy", own: haproxyOwn, mute: haproxyMute, file: "haproxy.cfg", marks: "0.out",
		logged:   func(config, _ string) string { return haproxyLogged(config, "    option httplog") },
		commands: haproxyCommands, views: []view{{name: "option httplog", files: []string{"0.out"}}},
	},
	{
		name: "apache", proxy: "apache", own: apacheOwn, mute: apacheMute, late: "AH01110", file: "apache.conf", marks: "access.log why.log",
		logged: func(config, dir string) string {
			mine := strings.Replace(better("apache-error"), "logs/why.log", dir+"/why.log", 1)
			const combined = `LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined`
			return config + mine + "\n" + combined + "\nCustomLog " + dir + "/access.log combined\n"
		},
		commands: func(dir, _ string) [][]string {
			return [][]string{{"apache2", "-DFOREGROUND", "-f", dir + "/apache.conf"}}
		},
		views: []view{
			{name: "error and advised access", files: []string{"error.log", "why.log"}},
			{name: "stock error", files: []string{"error.log"}, takes: func(line string) bool { return !strings.Contains(line, ":info]") }, blind: answers},
			{name: "stock error and access", files: []string{"error.log", "access.log"}, takes: func(line string) bool { return !strings.Contains(line, ":info]") }},
			{name: "stock access", files: []string{"access.log"}, blind: bodies},
		},
	},
	{
		name: "caddy", proxy: "caddy", own: caddyOwn, mute: caddyMute, file: "Caddyfile", marks: "0.out", logged: caddyLogged("json"), commands: caddyCommands,
		views: []view{
			{name: "advised", files: []string{"0.out"}},
			{name: "access and error", files: []string{"0.out"}, takes: func(line string) bool { return !strings.Contains(line, `"level":"debug"`) }},
			{name: "no access log", files: []string{"0.out"}, takes: func(line string) bool {
				return !strings.Contains(line, `"level":"debug"`) && !strings.Contains(line, `"logger":"http.log.access`)
			}, blind: answers},
		},
	},
	{
		name: "caddy-console", proxy: "caddy", own: caddyOwn, mute: caddyMute, file: "Caddyfile", marks: "0.out", logged: caddyLogged("console"), commands: caddyCommands,
		views: []view{{name: "console, advised", files: []string{"0.out"}}},
	},
	{
		name: "varnish", proxy: "varnish", own: varnishOwn, mute: varnishMute, file: "lab.vcl", marks: "1.out 2.out 3.out",
		logged: func(config, _ string) string { return config },
		commands: func(dir, listen string) [][]string {
			n := dir + "/varnish"
			return [][]string{
				{"varnishd", "-F", "-a", listen, "-f", dir + "/lab.vcl", "-n", n, "-s", "malloc,64m", "-p", "connect_timeout=1"},
				{"varnishlog", "-n", n, "-g", "request", "-t", "20"},
				{"varnishncsa", "-n", n, "-t", "20"},
				{"varnishncsa", "-n", n, "-t", "20", "-b", "-F", varnishAdvised()},
			}
		},
		views: []view{
			{name: "varnishlog", files: []string{"1.out"}},
			{name: "varnishncsa", files: []string{"2.out"}, blind: bodies},
			{name: "advised varnishncsa", files: []string{"3.out"}},
		},
	},
}

// varnishAdvised is the format string that explain advises.
func varnishAdvised() string {
	_, format, _ := strings.Cut(better("varnishncsa"), "-F '")
	format, _, _ = strings.Cut(format, "'")
	return format
}

func haproxyLogged(config, format string) string {
	config = strings.Replace(config, "global\n", "global\n    nbthread 1\n    log stdout format raw local0\n", 1)
	return strings.Replace(config, "    mode http\n", "    mode http\n    log global\n"+format+"\n", 1)
}

func haproxyCommands(dir, _ string) [][]string {
	return [][]string{{"haproxy", "-db", "-f", dir + "/haproxy.cfg"}}
}

func caddyLogged(format string) func(config, dir string) string {
	return func(config, _ string) string {
		config = strings.Replace(config, "\tadmin off\n", "\tadmin off\n\tlog default {\n\t\tlevel DEBUG\n\t\tformat "+format+"\n\t}\n", 1)
		at := strings.Index(config, "http://")
		at += strings.IndexByte(config[at:], '\n') + 1
		return config[:at] + "\tlog\n" + config[at:]
	}
}

func caddyCommands(dir, _ string) [][]string {
	return [][]string{{"caddy", "run", "--config", dir + "/Caddyfile", "--adapter", "caddyfile"}}
}

// skips says why the proxy is not put before the scenario, empty if it is.
func (s *stage) skips(sc *lab.Scenario) string { return lab.ProxyNamed(s.proxy).Skip(sc) }

// truth is the scenario's cause as this proxy meets it.
func (s *stage) truth(sc *lab.Scenario) []fault.Cause {
	if own, ok := s.own[sc.Name]; ok {
		return own
	}
	if own, ok := saved[sc.Name]; ok {
		return own
	}
	return sc.Want.Cause
}

// saved are the healthy scenarios in which an attempt fails before another one does not: a log may tell of it.
var saved = map[string][]fault.Cause{
	"dns-one-dead-address":    {fault.CauseConnectTimeout},
	"dns-one-refused-address": {fault.CauseConnectionRefused},
	"dns-dead-ipv6":           {fault.CauseNetworkUnreachable, fault.CauseHostUnreachable},
}

// What proxies' own rules and limits make of a scenario.
var (
	nginxOwn = map[string][]fault.Cause{
		"ok-103": {fault.CauseUnaskedInterim}, "interim-flood": {fault.CauseTooManyInterim}, "interim-then-silence": {fault.CauseUnaskedInterim},
		"interim-then-closed": {fault.CauseUnaskedInterim}, // an interim answer is the answer before nginx 1.29
		"ok-large-head":       {fault.CauseHeadTooLarge}, "field-space-before-colon": {fault.CauseBadField},
		"h2-ok-103":      {fault.CauseUnaskedInterim, fault.CauseHTTP2ProtocolError},
		"h2-window-zero": {fault.CauseHTTP2ProtocolError, fault.CauseHeadTimeout}, // it takes a window's update of nothing, and waits
	}
	haproxyOwn = map[string][]fault.Cause{
		"dns-slow": {fault.CauseDNSError}, "dns-truncated": {fault.CauseDNSError}, // it asks in the background, over UDP
		"ok-large-head": {fault.CauseHeadTooLarge}, "field-space-before-colon": {fault.CauseBadField},
		"h2-ok-body":           {fault.CauseBodyShort},                                         // it cuts answers with padding, and says SD
		"h2-ok-early-answer":   {fault.CauseUploadCut},                                         // it passes the answer on, and says that there was none
		"h2-no-settings":       {fault.CauseHTTP2NoSettings, fault.CauseConnectTimeout},        // a connection is none before SETTINGS
		"h2-answered-in-http1": {fault.CauseHTTP1OnHTTP2Port, fault.CauseConnectionRefused},    // the same
		"h2-head-too-large":    {fault.CauseHeadTooLarge, fault.CauseClosedBeforeAnswer},       // it ends the connection, and says SH
		"h2-window-overflow":   {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // SH of every error on the connection
		"h2-window-zero":       {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-frame-too-large":   {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-no-status":         {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-compression-error": {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-head-interrupted":  {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-push":              {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
		"h2-strange-stream":    {fault.CauseHTTP2ProtocolError, fault.CauseClosedBeforeAnswer}, // likewise
	}
	caddyOwn = map[string][]fault.Cause{
		"coding-mislabelled": {fault.CauseBadContentCoding}, "field-space-before-colon": {fault.CauseInvalidLength, fault.CauseBadField},
		// Go waits on: it repeats what was refused until its time is up, and reports no error on the connection before.
		"h2-refused-stream": {fault.CauseHTTP2RefusedStream, fault.CauseHeadTimeout}, "h2-frame-too-large": {fault.CauseHTTP2ProtocolError, fault.CauseHeadTimeout},
		"h2-strange-stream": {fault.CauseHTTP2ProtocolError, fault.CauseHeadTimeout}, "h2-upload-not-read": {fault.CauseUploadStalled, fault.CauseHeadTimeout},
		"h2-head-too-large": {fault.CauseBodyStalled}, // the head is not too large for it, and no body follows
	}
	varnishOwn = map[string][]fault.Cause{
		"coding-mislabelled": {fault.CauseBadContentCoding}, "ok-chunked": {fault.CauseBadChunk}, "ok-103": {fault.CauseUnaskedInterim}, "interim-then-silence": {fault.CauseUnaskedInterim},
		"interim-then-closed": {fault.CauseUnaskedInterim}, "field-space-before-colon": {fault.CauseBadField},
	}
	nginxMute   = map[string]string{"h2-no-status": passed, "interim-then-closed": passed, "chunk-extension-endless": unended}
	apacheOwn   = map[string][]fault.Cause{"dns-changes": {fault.CauseResetBeforeAnswer}, "field-space-before-colon": {fault.CauseBadField}}
	apacheMute  = map[string]string{"status-class-0": passed, "head-in-drops": unended}
	caddyMute   = map[string]string{"h2-goaway-unprocessed": unended, "h2-goaway-calm": unended, "h2-ok-goaway": unended, "status-class-0": "it panics, and net/http says so at level DEBUG", "field-nul": passed}
	varnishMute = map[string]string{"head-in-drops": unended, "upload-not-read": unended, "lengths-differ": passed, "upstream-599": "its reason phrase is nobody else's"}
	haproxyMute = map[string]string{"flapping": race, "keepalive-race-close": race, "keepalive-race-reset": race, "keepalive-race-post": race, "keepalive-race-cut": race, "field-nul": passed}
)

const (
	unended = "the proxy has not given up when the client does"
	passed  = "the answer is passed on as it is"
)

const race = "HAProxy closes the client's connection when a kept one ends before an answer, and logs nothing (abort_keep_alive)"

// silent says why a view of the logs cannot tell of the scenario, empty if it should.
func (s *stage) silent(sc *lab.Scenario, v *view, got string) string {
	passed := slices.Equal(sc.Want.Cause, []fault.Cause{fault.CauseUpstreamStatus})
	if v.blind == answers && passed || v.blind == bodies && !strings.HasPrefix(got, "5") {
		return v.blind
	}
	if s.proxy == "apache" && sc.Group == lab.HTTP2 {
		return "mod_proxy_http2 says nothing of it at the usual level"
	}
	return s.mute[sc.Name]
}

// files lists the logs, each once.
func (s *stage) files() (all []string) {
	seen := map[string]bool{}
	for _, v := range s.views {
		for _, f := range v.files {
			if !seen[f] {
				all = append(all, f)
			}
			seen[f] = true
		}
	}
	return all
}

// records cuts a log into what belongs together: lines, and the groups of varnishlog.
func (s *stage) records(file string, text []byte) []string {
	end := "\n"
	if s.proxy == "varnish" && file == "1.out" {
		end = "\n\n"
	}
	var all []string
	for record := range strings.SplitSeq(string(text), end) {
		if record = strings.Trim(record, "\n"); record != "" {
			all = append(all, record)
		}
	}
	return all
}

// running is a stage that was opened.
type running struct {
	t      *testing.T
	stage  *stage
	dir    string
	listen string
	lab    *lab.Lab
	player *lab.Player
	ends   []func()
	read   map[string]int64 // of each file, in octets
	mark   int
}

// open serves the lab, and starts the proxy before it and what reads its log.
func (s *stage) open(t *testing.T, network *lab.Network, dir string) *running {
	l, err := lab.Open(lab.All(), lab.Options{Dir: dir, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, stage: s, dir: dir, listen: "127.0.0.1:24000", lab: l, read: map[string]int64{}, ends: []func(){l.Close}}
	p := lab.ProxyNamed(s.proxy)
	config := p.Config(&lab.Setup{Lab: l, Scenarios: lab.All(), Listen: r.listen, Dir: dir})
	if err := os.WriteFile(filepath.Join(dir, s.file), []byte(s.logged(config, dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	r.player = &lab.Player{Address: r.listen, Requests: l.Requests, Skip: p.Skip}
	for i, c := range s.commands(dir, r.listen) {
		r.start(i, c)
		if i == 0 {
			r.await("/ok/", time.Now().Add(20*time.Second))
		}
	}
	// What reads a log may begin later: the first mark that is seen is one that all were awake for.
	for n := 0; !r.logged("/ok/") && n < 200; n++ {
		r.await("/ok/", time.Now().Add(20*time.Second))
	}
	if s.proxy == "haproxy" {
		r.await("/dns-ok/", time.Now().Add(20*time.Second)) // it resolves names in the background
	}
	r.lines("ok")
	return r
}

// start runs one command, whose output is a file.
func (r *running) start(i int, c []string) {
	program, err := exec.LookPath(c[0])
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/" + c[0]); err != nil {
			r.t.Fatal(err)
		}
	}
	out, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("%d.out", i)))
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(program, c[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, r.dir
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "XDG_DATA_HOME="+r.dir, "XDG_CONFIG_HOME="+r.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the command
		_ = cmd.Wait()
		close(done)
	}()
	r.ends = append(r.ends, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(3 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		_ = out.Close()
	})
}

// await asks for a path until the proxy answers 200.
func (r *running) await(path string, until time.Time) {
	var err error
	for time.Now().Before(until) {
		if err = r.ask(path); err == nil {
			return
		}
		select {
		case <-r.t.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	said, _ := os.ReadFile(filepath.Join(r.dir, "0.out"))
	r.t.Fatalf("%s did not start: %v\n%.2000s", r.stage.proxy, err, said)
}

// ask asks for a path on a connection of its own, and fails unless the answer is 200.
func (r *running) ask(path string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get("http://" + r.listen + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return nil
}

// close ends everything, the last first.
func (r *running) close() {
	for i := len(r.ends) - 1; i >= 0; i-- {
		r.ends[i]()
	}
}

// clientPlay is what a client does wrong. No upstream is to be blamed for it.
type clientPlay struct {
	name string // the scenario that it asks for
	text string // what it sends
	wait time.Duration
}

// clientPlays: nobody is to blame but the client.
var clientPlays = []clientPlay{
	{name: "tarpit", wait: time.Second, text: "GET /tarpit/ HTTP/1.1\r\nHost: lab.test\r\n\r\n"},
	{name: "no-answer", wait: 500 * time.Millisecond, text: "GET /no-answer/ HTTP/1.1\r\nHost: lab.test\r\n\r\n"},
	{name: "ok", wait: 500 * time.Millisecond, text: "GET /ok/ HTTP/1.1\r\nHost: lab.test\r\nNo colon here\r\n\r\n"},
}

var statusLine = regexp.MustCompile(`^HTTP/1\.[01] (\d{3})`)

// play sends the text, waits and leaves with a reset. It gives the status that came.
func (c *clientPlay) play(address string) string {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err.Error()
	}
	_, _ = io.WriteString(conn, c.text)
	_ = conn.SetReadDeadline(time.Now().Add(c.wait))
	answer, _ := io.ReadAll(conn)
	_ = conn.Close()
	if m := statusLine.FindSubmatch(answer); m != nil {
		return string(m[1]) + ", left"
	}
	return "left"
}

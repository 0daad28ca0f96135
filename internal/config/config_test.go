package config

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// filed is a listener's TLS with its defaults and a certificate from files.
func filed(cert, key string) ListenTLS {
	return ListenTLS{Cert: cert, Key: key, ClientAuth: ClientRequired, MinVersion: TLS12, H2: true}
}

// world is what the files in testdata see of the environment.
func world() Options {
	env := map[string]string{"NAME": "edge", "PORT": "8080", "EMPTY": "", "NUMBER": "5", "TOKEN": "Bearer abc"}
	return Options{
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string, max int64) ([]byte, error) {
			switch filepath.Base(path) {
			case "token.txt":
				return []byte("Bearer from-file\n"), nil
			case "empty.txt":
				return []byte("\n"), nil
			case "big.txt":
				return nil, errors.New("read big.txt: larger than " + formatSize(max))
			}
			return nil, os.ErrNotExist
		},
	}
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, -update writes it):\n%s", path, diff)
	}
}

// TestBroken shows, for each broken file, everything that is printed about it.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cfg, problems := Parse("whygate.yaml", data, world())
			if len(problems) == 0 {
				t.Error("nothing was found")
			}
			if (cfg == nil) != problems.Failed() {
				t.Errorf("a configuration: %v; failed: %v", cfg != nil, problems.Failed())
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", problems.Error()+"\n")
		})
	}
}

// everything gives each key a value that is not its default.
const everything = `version: 1
name: edge-1
listen:
  - address: :8443
    tls: {cert: tls/cert.pem, key: /abs/key.pem}
  - address: unix:/run/whygate.sock
  - address: "systemd:"
  - address: systemd:web
  - address: "[::1]:8080"
admin: off
proxy_status: full
error_pages: plain
otlp: {endpoint: "http://collector.internal:4318", headers: {Authorization: Bearer t}, traces: false, sample: 0}
access_log: {to: log/access.json, sample: 20, without: [referer], mask: [client, query]}
resolver:
  servers: [10.0.0.53, "[2001:db8::53]:5353"]
  timeout: 2s
incidents: {store: "sqlite:state/i.db", keep: {for: 48h, size: 64MiB}}
console: {hosts: Gateway.internal, password_file: console-password}
notify:
  - {webhook: "https://hooks.example.com/x", format: pagerduty, key_file: key, every: 10m}
  - command: [/bin/page, "a b"]
trusted_proxies: [10.0.0.0/8, 192.168.1.1, "2001:db8::/32"]
limits: {connections: 100, request_head: 8KiB, head_time: 5s, request_body: 0, idle: 1m}
routes:
  - host: Shop.Example.com.
    path: /api/*
    method: [GET, PURGE]
    pool: api
    strip: /api
    set_request: {Authorization: "${TOKEN}", X-Secret: file:token.txt, Cookie: "", X-Number: 5, X-Literal: "$${A}"}
    set_response: {Server: "${MISSING:-edge}"}
  - {host: "*.example.com", method: GET, pool: plain}
  - {host: "[2001:DB8::1]", path: /, pool: plain}
pools:
  api:
    endpoints: [https://Api.internal, https://10.0.0.1:8443, "https://[2001:db8::1]", unix:/run/api.sock]
    balance: least-requests
    protocol: h2
    host: endpoint
    tls: {ca: ca.pem, server_name: api.test, cert: c.pem, key: k.pem, verify: false}
    timeouts: {connect: 100ms, tls: 1s, write: 2s, head: 3s, read: 4s, response: 1h30m, idle: 0}
    limits: {connections: 7, response_head: 128KiB}
    retry: {attempts: 1, budget: 50%, replay_body: 1MiB}
  plain: {endpoints: http://web.internal, host: www.example.com:8080}
`

func TestEverything(t *testing.T) {
	cfg, problems := Parse("/etc/whygate/whygate.yaml", []byte(everything), world())
	if problems != nil {
		t.Fatal(problems)
	}
	want := &Config{
		File: "/etc/whygate/whygate.yaml", Version: 1, Name: "edge-1", ACME: ACME{Directory: DefaultDirectory, Challenge: ChallengeTLS},
		Listen: []Listen{
			{Address{"tcp", ":8443"}, filed("/etc/whygate/tls/cert.pem", "/abs/key.pem"), false, Off, Off},
			{Address: Address{"unix", "/run/whygate.sock"}, TLS: filed("", ""), H3: Off, ProxyProtocol: Off},
			{Address: Address{"systemd", ""}, TLS: filed("", ""), H3: Off, ProxyProtocol: Off},
			{Address: Address{"systemd", "web"}, TLS: filed("", ""), H3: Off, ProxyProtocol: Off},
			{Address: Address{"tcp", "[::1]:8080"}, TLS: filed("", ""), H3: Off, ProxyProtocol: Off},
		},
		ProxyStatus: ProxyStatusFull, ErrorPages: ErrorPagesPlain, AccessLog: AccessLog{"/etc/whygate/log/access.json", 20, []string{"referer"}, []string{"client", "query"}},
		OTLP:      OTLP{"http://collector.internal:4318", []Field{{"Authorization", "Bearer t"}}, true, false, 0},
		Incidents: Incidents{Store: "sqlite:/etc/whygate/state/i.db", Keep: Keep{For: 48 * time.Hour, Size: 64 << 20}},
		Console:   Console{Hosts: []string{"gateway.internal"}, PasswordFile: "/etc/whygate/console-password"},
		Notify: []Notify{
			{Webhook: "https://hooks.example.com/x", Format: "pagerduty", KeyFile: "/etc/whygate/key", Every: 10 * time.Minute},
			{Command: []string{"/bin/page", "a b"}, Format: "json", Every: time.Minute},
		},
		Resolver:       Resolver{[]string{"10.0.0.53:53", "[2001:db8::53]:5353"}, 2 * time.Second},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32"), netip.MustParsePrefix("2001:db8::/32")},
		Limits:         Limits{100, 8 << 10, 5 * time.Second, 0, time.Minute},
		Routes: []Route{
			{
				Host: "shop.example.com", Path: "/api/*", Methods: []string{"GET", "PURGE"}, Rate: Rate{Per: RateKey{By: RateClient}}, Maintenance: Off, Compress: Off, Priority: 1, Auth: usualAuth, Redirect: usualRedirect, Respond: usualRespond, Files: usualFiles, FastCGI: usualFastCGI, Timeouts: usualTimeouts, Pool: "api", Strip: "/api",
				SetRequest:  []Field{{"Authorization", "Bearer abc"}, {"X-Secret", "Bearer from-file"}, {"Cookie", ""}, {"X-Number", "5"}, {"X-Literal", "${A}"}},
				SetResponse: []Field{{"Server", "edge"}},
			},
			{Host: "*.example.com", Methods: []string{"GET"}, Rate: Rate{Per: RateKey{By: RateClient}}, Maintenance: Off, Compress: Off, Priority: 1, Auth: usualAuth, Redirect: usualRedirect, Respond: usualRespond, Files: usualFiles, FastCGI: usualFastCGI, Timeouts: usualTimeouts, Pool: "plain"},
			{Host: "2001:db8::1", Path: "/", Rate: Rate{Per: RateKey{By: RateClient}}, Maintenance: Off, Compress: Off, Priority: 1, Auth: usualAuth, Redirect: usualRedirect, Respond: usualRespond, Files: usualFiles, FastCGI: usualFastCGI, Timeouts: usualTimeouts, Pool: "plain"},
		},
		Pools: []Pool{
			{
				Name:      "api",
				Endpoints: places(Place{Scheme: "https", Host: "api.internal", Port: 443}, Place{Scheme: "https", Host: "10.0.0.1", Port: 8443}, Place{Scheme: "https", Host: "2001:db8::1", Port: 443}, Place{Scheme: "unix", Path: "/run/api.sock"}),
				Balance:   LeastRequests, Protocol: ProtocolHTTP2, ProxyProtocol: Off, Host: HostEndpoint, Hash: HashKey{By: HashIP}, Check: defaultCheck, Eject: On, Overload: defaultOverload,
				TLS: UpstreamTLS{CA: "/etc/whygate/ca.pem", ServerName: "api.test", Cert: "/etc/whygate/c.pem", Key: "/etc/whygate/k.pem"},
				Timeouts: Timeouts{
					Connect: 100 * time.Millisecond, TLS: time.Second, Write: 2 * time.Second, Head: 3 * time.Second, Read: 4 * time.Second, Response: 90 * time.Minute,
				},
				Limits: PoolLimits{7, 0, 128 << 10}, Retry: Retry{1, nil, 50, 1 << 20},
			},
			{
				Name: "plain", Endpoints: places(Place{Scheme: "http", Host: "web.internal", Port: 80}), Balance: RoundRobin, Protocol: ProtocolAuto, ProxyProtocol: Off, Host: "www.example.com:8080",
				TLS: UpstreamTLS{Verify: true}, Hash: HashKey{By: HashIP}, Check: defaultCheck, Eject: On, Overload: defaultOverload, Timeouts: defaultTimeouts, Limits: PoolLimits{0, 0, 64 << 10}, Retry: Retry{2, nil, 20, 64 << 10},
			},
		},
	}
	if diff := cmp.Diff(want, cfg, cmpopts.IgnoreUnexported(Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// places are endpoints of the default weight.
func places(list ...Place) (out []Endpoint) {
	for _, p := range list {
		out = append(out, Endpoint{Place: p, Weight: 1})
	}
	return out
}

// defaultCheck is a check that is off.
var defaultCheck = Check{Path: "/", Every: 5 * time.Second, Timeout: 2 * time.Second, Fall: 3, Rise: 2, Type: CheckHTTP}

var defaultOverload = Overload{Adaptive: On, Delay: 100 * time.Millisecond, Queue: 16384}

var defaultTimeouts = Timeouts{
	Connect: 3 * time.Second, TLS: 5 * time.Second, Write: 30 * time.Second, Head: time.Minute, Read: time.Minute, Response: 0, Idle: IdleAuto,
}

func TestDefaults(t *testing.T) {
	cfg, problems := Parse("whygate.yaml", []byte(Example), Options{})
	if problems != nil {
		t.Fatal(problems)
	}
	got := []any{cfg.Name, cfg.Admin, cfg.ProxyStatus, cfg.ErrorPages, cfg.AccessLog, cfg.Resolver, cfg.Limits, cfg.Pools[1]}
	want := []any{
		"whygate",
		Address{"tcp", "127.0.0.1:9502"},
		ProxyStatusSafe, ErrorPagesFull,
		AccessLog{To: LogStdout, Sample: 1},
		Resolver{Timeout: 5 * time.Second},
		Limits{20000, 32 << 10, 10 * time.Second, 1 << 30, 75 * time.Second},
		Pool{
			Name: "web", Endpoints: places(Place{Scheme: "http", Host: "127.0.0.1", Port: 3000}), Balance: RoundRobin, Protocol: ProtocolAuto, ProxyProtocol: Off, Host: HostClient, TLS: UpstreamTLS{Verify: true},
			Hash: HashKey{By: HashIP}, Check: defaultCheck, Eject: On, Overload: defaultOverload, Timeouts: defaultTimeouts, Limits: PoolLimits{0, 0, 64 << 10}, Retry: Retry{2, nil, 20, 64 << 10},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPosition(t *testing.T) {
	cfg, problems := Parse("/etc/whygate/whygate.yaml", []byte(everything), world())
	if problems != nil {
		t.Fatal(problems)
	}
	lines := strings.Split(everything, "\n")
	for path, want := range map[string]string{
		"pools.api.tls.ca":         "ca.pem, server_name",
		"listen[0].tls.cert":       "tls/cert.pem",
		"pools.api.endpoints[1]":   "https://10.0.0.1:8443",
		"routes[0].set_request":    "set_request:",
		"routes[1].pool":           "plain}",
		"limits.idle":              "1m}",
		"pools.plain.tls.ca":       "plain:",    // left out: the pool
		"pools.api.timeouts.other": "timeouts:", // unknown: the section
	} {
		file, line, column := cfg.Position(path)
		if got := lines[line-1][column-1:]; !strings.HasPrefix(got, want) || file != "/etc/whygate/whygate.yaml" {
			t.Errorf("%s: %s:%d:%d, %q", path, file, line, column, got)
		}
	}
	if _, line, _ := cfg.Position("name.that.is.nowhere"); line != 2 {
		t.Errorf("line %d for something below name", line)
	}
	if _, line, _ := cfg.Position("nowhere"); line != 0 {
		t.Errorf("line %d for what has no place", line)
	}
}

func TestMergeAndAlias(t *testing.T) {
	const file = `version: 1
listen: [{address: ":8080"}]
routes: [{pool: a}]
pools:
  a: &a
    endpoints: &e [http://a.test]
    timeouts: &t {connect: 1s, head: 2s}
    retry: {attempts: 1}
  b:
    <<: *a
    timeouts: {<<: *t, head: 5s}
  c: {endpoints: *e, timeouts: *t}
`
	cfg, problems := Parse("whygate.yaml", []byte(file), Options{})
	if problems.Failed() {
		t.Fatal(problems)
	}
	b, c := cfg.Pool("b"), cfg.Pool("c")
	if b.Retry.Attempts != 1 || b.Timeouts.Connect != time.Second || b.Timeouts.Head != 5*time.Second || len(b.Endpoints) != 1 {
		t.Errorf("b is %+v", b)
	}
	if c.Retry.Attempts != 2 || c.Timeouts.Head != 2*time.Second || c.Endpoints[0].Host != "a.test" {
		t.Errorf("c is %+v", c)
	}
}

// TestFlow: the library takes the colon of an address inside {} for a mapping's.
func TestFlow(t *testing.T) {
	const file = `{version: 1, listen: [{address: :8080}, {address: 127.0.0.1:8081}], routes: [{pool: web}], pools: {web: {endpoints: [http://a.test:80, http://10.0.0.1:8080]}}}`
	cfg, problems := Parse("whygate.yaml", []byte(file), Options{})
	if problems != nil {
		t.Fatal(problems)
	}
	if e := cfg.Pools[0].Endpoints; e[0].String() != "http://a.test:80" || e[1].String() != "http://10.0.0.1:8080" || cfg.Listen[1].Address.Address != "127.0.0.1:8081" {
		t.Errorf("%v %v", e, cfg.Listen)
	}
}

func TestLargeFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nlisten: [{address: \":8080\"}]\npools: {web: {endpoints: [http://a.test]}}\nroutes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - host: h%d.example.com\n    path: /api/*\n    pool: web\n", i)
	}
	cfg, problems := Parse("whygate.yaml", []byte(b.String()), Options{})
	if problems != nil || len(cfg.Routes) != 10_000 {
		t.Fatal(problems)
	}
	for _, hostile := range []string{
		strings.Repeat("a", sizeMax+1), strings.Repeat("[", sizeMax/4), strings.Repeat("{a: ", sizeMax/16), strings.Repeat("- ", sizeMax/8), strings.Repeat("? ", sizeMax/8),
		strings.Repeat("a: b\n", sizeMax/5), strings.Repeat("&a ", sizeMax/8), strings.Repeat("---\n", sizeMax/8),
		"a: &a [*a, *a]\nversion: *a\n", "listen: &a\n  - <<: [*a, *a]\n", "<<: &a {<<: [*a, *a, *a, *a, *a, *a, *a, *a]}",
		"listen: " + strings.Repeat("&a ", 60_000) + "x", "version: " + strings.Repeat("!a ", 60_000) + "1",
	} {
		start := time.Now()
		if _, problems := Parse("whygate.yaml", []byte(hostile), Options{}); !problems.Failed() {
			t.Errorf("%.20q was taken", hostile)
		}
		if spent := time.Since(start); spent > 30*time.Second { // it is one second; thirty with the race detector on a busy machine
			t.Errorf("%.20q took %v", hostile, spent)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "whygate.yaml")
	text := strings.Replace(Example, "  - pool: web\n", "  - pool: web\n    set_request: {X-Token: \"file:token\", X-Env: \"${WHYGATE_TEST}\"}\n", 1)
	for name, content := range map[string]string{"whygate.yaml": text, "token": "s3cret\r\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("WHYGATE_TEST", "set")
	cfg, problems := Load(path)
	if problems != nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]Field{{"X-Token", "s3cret"}, {"X-Env", "set"}}, cfg.Routes[1].SetRequest); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if cfg, problems = Load(filepath.Join(dir, "none.yaml")); cfg != nil || !problems.Failed() || !strings.Contains(problems[0].String(), "there is no such file") {
		t.Errorf("a missing file gave %v", problems)
	}
	if cfg, problems = Load(dir); cfg != nil || !problems.Failed() {
		t.Errorf("a directory gave %v", problems)
	}
}

// TestSecretsAreNotRepeated: what is wrong with a value of a field is told without the value.
func TestSecretsAreNotRepeated(t *testing.T) {
	o := world()
	o.Env = func(string) (string, bool) { return "s3cret\nX: y", true }
	text := strings.Replace(Example, "  - pool: web\n", "  - {pool: web, set_request: {X-A: \"${TOKEN}\"}}\n", 1)
	_, problems := Parse("whygate.yaml", []byte(text), o)
	if !problems.Failed() || strings.Contains(problems.Error(), "s3cret") {
		t.Errorf("got %v", problems)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/broken/*.yaml")
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(Example))
	f.Add([]byte(everything))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, problems := Parse("whygate.yaml", data, world())
		if (cfg == nil) != problems.Failed() {
			t.Fatalf("configuration %v, failed %v", cfg != nil, problems.Failed())
		}
		_ = problems.Error()
		if cfg == nil {
			return
		}
		if cfg.Version != 1 || len(cfg.Listen) == 0 || len(cfg.Routes) == 0 || len(cfg.Pools) == 0 {
			t.Errorf("incomplete: %+v", cfg)
		}
		for _, r := range cfg.Routes {
			if cfg.Pool(r.Pool) == nil {
				t.Errorf("a route leads nowhere: %+v", r)
			}
		}
	})
}

// What a route has that says nothing of these.
var (
	usualAuth     = Auth{Realm: "Restricted"}
	usualRedirect = Redirect{Status: 302}
	usualFastCGI  = FastCGI{Index: "index.php", Split: ".php"}
	usualFiles    = Files{Missing: MissingNotFound, Links: LinksInside}
	usualTimeouts = poolsTimeouts
	usualRespond  = Respond{Type: "text/plain; charset=utf-8"}
)

package main

import (
	"context"
	"crypto/tls"
	"embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// configs has the configuration of every program, one readable file each.
//
//go:embed configs
var configs embed.FS

// settings is what the templates in configs are filled in with.
type settings struct {
	Dir, Listen string
	Root        bool // nginx's worker would otherwise drop to a user who cannot read the directory

	Origin, Admin     string // proxies only
	AccessLog         string // empty: off
	Cert, Key, Bundle string // empty: no TLS
	Large             bool   // the case is about large bodies
	H2                bool   // HTTP/2 is spoken
	Cores             int    // how many the proxy is to use

	Small, KiB string // the origin only
	Body       int    // wrk's script only
	Files      string // the directory of the files that the proxy sends itself, empty for none; and of php-fpm's script
	PHP        string // php-fpm's socket, empty for none
	Side       bool   // there is a pool that nobody answers, and incidents are kept
}

// proxy is one of the three, running for one case.
type proxy struct {
	*process
	address string
	url     string // of what the case asks for
	members []int  // its processes
}

// render fills in one of the configs and returns the path of the file.
func render(name, dir string, s settings) (string, error) {
	t, err := template.ParseFS(configs, "configs/"+name+".tmpl")
	if err != nil {
		return "", fmt.Errorf("BUG: %w", err)
	}
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := t.Execute(f, s); err != nil {
		return "", fmt.Errorf("BUG: %w", err)
	}
	return path, nil
}

// startOrigin starts the server that all proxies pass requests on to, and returns its address with it.
func (b *bench) startOrigin(ctx context.Context) (*process, string, error) {
	files := filepath.Join(b.dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, "", err
	}
	large, err := os.Create(filepath.Join(files, "large"))
	if err != nil {
		return nil, "", err
	}
	defer large.Close()
	if err := large.Truncate(largeSize); err != nil { // sparse: it is read from the page cache in any case
		return nil, "", err
	}
	if err := os.WriteFile(filepath.Join(files, "ten.html"), []byte(strings.Repeat("x", fileSize)), 0o644); err != nil {
		return nil, "", err
	}
	address, err := b.freeAddress()
	if err != nil {
		return nil, "", err
	}
	conf, err := render("origin.conf", b.dir, settings{
		Dir: b.dir, Listen: address, Root: os.Geteuid() == 0,
		Small: strings.Repeat("x", smallSize), KiB: strings.Repeat("x", 1<<10),
	})
	if err != nil {
		return nil, "", err
	}
	argv := []string{b.programs[nginx], "-p", b.dir, "-e", filepath.Join(b.dir, "origin.error.log"), "-c", conf}
	p, err := start(command{name: "origin", cores: []int{b.machine.LoadCore}, argv: argv}, b.dir)
	if err != nil {
		return nil, "", err
	}
	if err := p.accepts(ctx, address); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, address, nil
}

// startProxy starts one proxy for a case, and has it answer once. dir is the case's own.
func (b *bench) startProxy(ctx context.Context, name string, c benchCase, dir string) (*proxy, error) {
	address, err := b.freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := b.freeAddress()
	if err != nil {
		return nil, err
	}
	s := settings{
		Dir: dir, Listen: address, Origin: b.origin, Admin: admin,
		Root: os.Geteuid() == 0, Large: c.load == transfers, H2: c.streams > 0, Cores: max(c.cores, 1), Side: c.side > 0,
	}
	if c.static || c.php {
		s.Files = filepath.Join(b.dir, "files")
	}
	if c.php {
		s.PHP = b.php
	}
	cores := []int{b.machine.ProxyCore}
	if c.cores > 1 && b.machine.LoadCore != b.machine.ProxyCore {
		cores = append(cores, b.machine.LoadCore)
	}
	scheme := "http"
	if c.tls {
		scheme, s.Cert, s.Key, s.Bundle = "https", b.cert.cert, b.cert.key, b.cert.bundle
	}
	if c.accessLog {
		s.AccessLog = filepath.Join(dir, name+".access.log")
	}
	argv, err := b.argv(name, dir, s)
	if err != nil {
		return nil, err
	}
	process, err := start(command{name: name, cores: cores, argv: argv}, dir)
	if err != nil {
		return nil, err
	}
	p := &proxy{process: process, address: address, url: scheme + "://" + address + c.path}
	if err := b.admit(ctx, p, c); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// argv writes the configuration of a proxy and says how it is run with it.
func (b *bench) argv(name, dir string, s settings) ([]string, error) {
	files := map[string]string{whygate: "whygate.yaml", base: "whygate.yaml", calm: "whygate.yaml", nginx: "nginx.conf", haproxy: "haproxy.cfg"}
	if name == base || name == calm {
		if dir = filepath.Join(dir, name); os.MkdirAll(dir, 0o755) != nil {
			return nil, fmt.Errorf("no directory %s", dir)
		}
	}
	s.Dir = dir
	conf, err := render(files[name], dir, s)
	if err != nil {
		return nil, err
	}
	program := b.programs[name]
	switch name {
	case whygate, base, calm:
		return []string{program, "run", "-c", conf}, nil
	case nginx:
		return []string{program, "-p", dir, "-e", filepath.Join(dir, "nginx.error.log"), "-c", conf}, nil
	default:
		return []string{program, "-f", conf}, nil
	}
}

// admit waits for a proxy to listen, and checks that it gives the answer that the case is about.
func (b *bench) admit(ctx context.Context, p *proxy, c benchCase) error {
	if err := p.accepts(ctx, p.address); err != nil {
		return err
	}
	method, body := http.MethodGet, ""
	if c.requestBody > 0 {
		method, body = http.MethodPost, strings.Repeat("x", c.requestBody)
	}
	ctx, cancel := context.WithTimeout(ctx, startupMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: b.cert.roots, MinVersion: tls.VersionTLS13},
	}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: first request: %w", p.name, err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || n != c.answer {
		return fmt.Errorf("%s: first request: status %d with %d octets, want 200 with %d (%v)", p.name, res.StatusCode, n, c.answer, err)
	}
	p.members, err = p.pids()
	return err
}

// freeAddress finds a port on loopback. It lies below the range from which the kernel takes the ports of outgoing
// connections, so that none of the many thousands of them gets in between.
func (b *bench) freeAddress() (string, error) {
	const portMax = 32000
	for b.port < portMax {
		b.port++
		address := "127.0.0.1:" + strconv.Itoa(b.port)
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port up to %d", portMax)
}

// firstPort is where the search starts; it depends on the time so that two benchmarks seldom meet.
func firstPort() int {
	return 20000 + int(time.Now().UnixNano()/1e6%10000)
}

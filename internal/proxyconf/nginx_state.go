package proxyconf

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// statusMax is how many pages of state are kept.
const statusMax = 2

// nginxState keeps how many connections a worker has at most, and where stub_status is served on loopback in clear.
func nginxState(c *Config, root []*directive) {
	for _, d := range root {
		switch d.name() {
		case "events":
			for _, e := range d.block {
				if n, err := strconv.Atoi(e.arg(1)); e.name() == "worker_connections" && err == nil && n > 0 {
					c.Connections = n
				}
			}
		case "http":
			for _, s := range d.block {
				if s.name() == "server" {
					nginxStatus(c, s.block)
				}
			}
		}
	}
}

// nginxStatus keeps the server's locations that answer with stub_status. One that a pattern chooses has no path to ask for.
func nginxStatus(c *Config, server []*directive) {
	address, host := loopbackListen(server), ""
	for _, d := range server {
		if d.name() == "server_name" && d.arg(1) != "_" && !strings.ContainsAny(d.arg(1), "*~$") {
			host = d.arg(1)
			break
		}
	}
	if address == "" {
		return
	}
	for _, d := range server {
		if d.name() != "location" || !slices.ContainsFunc(d.block, func(in *directive) bool { return in.name() == "stub_status" }) {
			continue
		}
		path := d.arg(len(d.words) - 1)
		if pattern := d.arg(1); pattern != "~" && pattern != "~*" && strings.HasPrefix(path, "/") && len(c.Status) < statusMax {
			c.Status = append(c.Status, Status{Address: address, Host: host, Path: path})
		}
	}
}

// loopbackListen is an address of loopback where the server listens in clear, empty if there is none.
func loopbackListen(server []*directive) string {
	listens := false
	for _, d := range server {
		if d.name() != "listen" {
			continue
		}
		listens = true
		host, port := d.arg(1), "80"
		switch i := strings.LastIndexByte(host, ':'); {
		case strings.HasPrefix(host, "unix:") || slices.Contains(d.words, "ssl") || slices.Contains(d.words, "quic") || slices.Contains(d.words, "proxy_protocol"):
			continue
		case i >= 0 && !strings.HasSuffix(host, "]"):
			host, port = host[:i], host[i+1:]
		case strings.Trim(host, "0123456789") == "":
			host, port = "", host
		}
		switch ip := net.ParseIP(strings.Trim(host, "[]")); {
		case host == "" || host == "*" || host == "localhost" || host == "0.0.0.0":
			return net.JoinHostPort("127.0.0.1", port)
		case ip != nil && ip.IsLoopback():
			return net.JoinHostPort(ip.String(), port)
		case ip != nil && ip.IsUnspecified():
			return net.JoinHostPort("::1", port)
		}
	}
	if !listens {
		return "127.0.0.1:80"
	}
	return ""
}

package topology

import (
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// units are those of the products' times.
var units = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "msec": time.Millisecond, "s": time.Second, "sec": time.Second, "second": time.Second,
	"seconds": time.Second, "m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute, "h": time.Hour, "hr": time.Hour,
	"hour": time.Hour, "hours": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// Duration reads a time as the products write it: 60, 60s, 1m30s, "1min 30s", 0.25s. A number alone is in the unit given.
func Duration(text string, unit time.Duration) (time.Duration, bool) {
	text = strings.ReplaceAll(strings.TrimSpace(text), " ", "")
	if text == "" {
		return 0, false
	}
	var sum float64
	for text != "" {
		n := strings.IndexFunc(text, func(c rune) bool { return (c < '0' || c > '9') && c != '.' && c != '_' })
		if n < 0 {
			n = len(text)
		}
		value, err := strconv.ParseFloat(strings.ReplaceAll(text[:n], "_", ""), 64)
		if err != nil {
			return 0, false
		}
		text = text[n:]
		n = strings.IndexFunc(text, func(c rune) bool { return c >= '0' && c <= '9' })
		if n < 0 {
			n = len(text)
		}
		each := unit
		if n > 0 {
			known := false
			if each, known = units[strings.ToLower(text[:n])]; !known {
				return 0, false
			}
		}
		sum += value * float64(each)
		text = text[n:]
	}
	if sum > math.MaxInt64/2 {
		return math.MaxInt64 / 2, true
	}
	return time.Duration(sum), true
}

// Size reads a size as the products write it: 8192, 8k, 16K, 1m, 2MB, in bytes.
func Size(text string) (int64, bool) {
	text = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), "b"), "i")
	shift := 0
	for suffix, bits := range map[string]int{"k": 10, "m": 20, "g": 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, shift = rest, bits
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>31 {
		return 0, false
	}
	return n << shift, true
}

// HostPort splits an address. A port alone is a port of every address, a host alone has none.
func HostPort(text string) (host, port string) {
	if h, p, err := net.SplitHostPort(text); err == nil {
		return h, p
	}
	if text != "" && strings.Trim(text, "0123456789") == "" {
		return "", text
	}
	return strings.Trim(text, "[]"), ""
}

// Loopback reports whether a host is this machine's own, or this container's own.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Everywhere reports whether a host to listen on stands for every address.
func Everywhere(host string) bool {
	if host == "" || host == "*" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

// IsName reports whether a host is a name to resolve: neither an address nor this machine's own.
func IsName(host string) bool {
	return host != "" && net.ParseIP(host) == nil && !Loopback(host) && !strings.ContainsAny(host, "$%{}*/ ")
}

// schemePorts are the ports of schemes.
var schemePorts = map[string]string{"http": "80", "https": "443", "grpc": "80", "grpcs": "443", "ws": "80", "wss": "443", "fcgi": "8000", "ajp": "8009"}

// urlOf makes an upstream of a URL with a host, as http://host:port/path; nil if it is none. The rest is its path and query.
func urlOf(text string, at *Node) (u *Upstream, rest string) {
	scheme, after, found := strings.Cut(text, "://")
	if !found {
		return nil, ""
	}
	host := after
	if i := strings.IndexAny(after, "/?"); i >= 0 {
		host, rest = after[:i], after[i:]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	u = &Upstream{Scheme: strings.ToLower(scheme), Node: at}
	u.Host, u.Port = HostPort(host)
	if u.Host == "" {
		u.Host = host
	}
	if _, err := url.Parse(text); err != nil && !strings.ContainsAny(text, "${}%") {
		return u, rest
	}
	if u.Port == "" {
		u.Port = schemePorts[u.Scheme]
	}
	return u, rest
}

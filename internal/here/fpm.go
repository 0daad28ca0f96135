package here

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/openfile"
	"github.com/whygate/whygate/internal/words"
)

// Limits of what is read of PHP-FPM's configuration.
const (
	poolsMax = 64
	poolSize = 256 << 10
)

// pool is what a pool of PHP-FPM's configuration says.
type pool struct {
	name, listen, status string
	children             int // at most
}

// phpFPM looks at the pools that the upstreams of this machine lead to: their status page where the configuration has one.
func (h *finder) phpFPM(ctx context.Context, a *around) {
	for i := range h.Upstreams {
		u := &h.Upstreams[i]
		if u.Scheme != "fastcgi" {
			continue
		}
		network, address := "tcp", u.Address
		root := openfile.Root(a.process.Root)
		if u.Unix != "" {
			if network, address = "unix", socketOf(a.process, u.Unix); address == "" {
				continue
			}
		} else if to, err := addressHere(u.Address); err != nil || !to.Addr().IsLoopback() || a.process.OtherNet {
			continue
		}
		p := h.poolOf(ctx, root, u)
		if p == nil || p.status == "" {
			continue
		}
		at := u.Address
		if u.Unix != "" {
			at = "unix:" + u.Unix
		}
		b, silent := fastcgiGet(ctx, network, address, p.status, "json")
		if silent {
			h.WasRead("PHP-FPM's status of the pool " + p.name + " (one request)")
			h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: at, Text: fmt.Sprintf("PHP-FPM's pool %s does not even answer for its own status in %v: all its workers are at work (pm.max_children = %d)", p.name, tellTime, p.children)})
		}
		h.poolSays(b, p, at)
	}
}

// poolOf finds the pool that listens where the upstream leads to.
func (h *finder) poolOf(ctx context.Context, root openfile.Root, u *diagnose.HereUpstream) *pool {
	for _, dir := range []string{"/etc/php-fpm.d", "/usr/local/etc/php-fpm.d", "/etc/php"} {
		entries, _, err := root.List(ctx, dir, poolsMax)
		if err != nil {
			continue
		}
		var names []string
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
				names = append(names, path.Join(dir, e.Name()))
			}
			if e.IsDir() { // Debian's: /etc/php/8.2/fpm/pool.d
				in := path.Join(dir, e.Name(), "fpm/pool.d")
				more, _, _ := root.List(ctx, in, poolsMax)
				for _, m := range more {
					if strings.HasSuffix(m.Name(), ".conf") {
						names = append(names, path.Join(in, m.Name()))
					}
				}
			}
		}
		for _, name := range names[:min(len(names), poolsMax)] {
			b, err := root.Read(ctx, name, openfile.Options{Max: poolSize})
			if err != nil {
				continue
			}
			h.WasRead("PHP-FPM's pools in " + path.Dir(name))
			for _, p := range pools(string(b)) {
				if p.listensAt(u) {
					return &p
				}
			}
		}
	}
	return nil
}

// pools reads the pools of a file: an ini file with a section for each.
func pools(text string) (all []pool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), ";")
		if name, ok := strings.CutPrefix(line, "["); ok && len(all) < poolsMax {
			all = append(all, pool{name: strings.TrimSuffix(strings.TrimSpace(name), "]")})
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if len(all) == 0 {
			continue
		}
		p, value := &all[len(all)-1], strings.Trim(strings.TrimSpace(value), `"'`)
		value = strings.ReplaceAll(value, "$pool", p.name)
		switch strings.TrimSpace(key) {
		case "listen":
			p.listen = value
		case "pm.status_path":
			p.status = value
		case "pm.max_children":
			p.children, _ = strconv.Atoi(value)
		}
	}
	return all
}

func (p *pool) listensAt(u *diagnose.HereUpstream) bool {
	if u.Unix != "" {
		return p.listen == u.Unix
	}
	_, port, err := net.SplitHostPort(u.Address)
	return err == nil && (p.listen == u.Address || p.listen == port || strings.HasSuffix(p.listen, ":"+port))
}

// poolSays reads a pool's status. A pool whose workers are all taken does not answer for its own state either.
func (h *finder) poolSays(b []byte, p *pool, at string) {
	var s struct {
		Queue   int `json:"listen queue"`
		Idle    int `json:"idle processes"`
		Active  int `json:"active processes"`
		Reached int `json:"max children reached"`
	}
	if len(b) == 0 {
		return
	}
	if _, body, ok := strings.Cut(string(b), "\r\n\r\n"); !ok || json.Unmarshal([]byte(body), &s) != nil || s.Active == 0 {
		return
	}
	h.WasRead("PHP-FPM's status of the pool " + p.name + " (one request)")
	switch {
	case s.Queue > 0 && s.Idle == 0:
		h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: at, Text: fmt.Sprintf("PHP-FPM's pool %s has all %d workers at work and %s in its queue (pm.max_children)", p.name, s.Active, words.Count(s.Queue, "connection"))})
	case s.Reached > 0:
		h.Tell(diagnose.HereState{Cause: fault.CauseWorkersBusy, At: at, Weak: true, Text: fmt.Sprintf("PHP-FPM's pool %s reached pm.max_children %s since it started", p.name, words.Count(s.Reached, "time"))})
	}
}

// fastcgiGet asks a FastCGI application for a path by GET (FastCGI 1.0, section 3), and gives its standard output. silent
// says that it took the request, and that nothing came in time.
func fastcgiGet(ctx context.Context, network, address, script, query string) (out []byte, silent bool) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, false
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var params []byte
	for _, p := range [][2]string{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", script}, {"SCRIPT_FILENAME", script}, {"REQUEST_URI", script}, {"QUERY_STRING", query}, {"SERVER_PROTOCOL", "HTTP/1.1"}} {
		params = append(params, byte(len(p[0])), byte(min(len(p[1]), 127)))
		params = append(append(params, p[0]...), p[1][:min(len(p[1]), 127)]...)
	}
	record := func(kind byte, content []byte) []byte {
		b := []byte{1, kind, 0, 1, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(b[4:], uint16(len(content)))
		return append(b, content...)
	}
	request := record(1, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // a responder that closes the connection
	request = append(append(append(request, record(4, params)...), record(4, nil)...), record(5, nil)...)
	if _, err := nc.Write(request); err != nil {
		return nil, false
	}
	b, err := io.ReadAll(io.LimitReader(nc, 64<<10))
	return fastcgiOut(b), len(b) == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// fastcgiOut joins the contents of the records of standard output.
func fastcgiOut(b []byte) (out []byte) {
	for len(b) >= 8 && b[0] == 1 {
		length, padding := int(binary.BigEndian.Uint16(b[4:])), int(b[6])
		if len(b) < 8+length {
			break
		}
		if b[1] == 6 {
			out = append(out, b[8:8+length]...)
		}
		b = b[min(8+length+padding, len(b)):]
	}
	return out
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// serveOrigin is the origin's own process: it answers after 2 ms, or as it is told.
func serveOrigin(ctx context.Context, f *flags) error {
	ids, err := os.OpenFile(f.ids, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer ids.Close()
	var mode atomic.Value
	mode.Store("well")
	o := &answering{ids: ids, mode: &mode, slots: make(chan struct{}, 8)}
	control := &http.Server{Addr: f.control, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mode.Store(r.URL.Query().Get("mode"))
	})}
	server := &http.Server{Addr: f.origin, Handler: o, IdleTimeout: f.idle, ReadHeaderTimeout: time.Minute}
	if f.idle == 0 {
		server.IdleTimeout = time.Hour
	}
	failed := make(chan error, 2)
	for _, s := range []*http.Server{control, server} {
		go func() { failed <- s.ListenAndServe() }() // ends with the process
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// answering answers as its mode says.
type answering struct {
	ids   *os.File
	mode  *atomic.Value
	slots chan struct{}
	n     atomic.Int64
}

// work is what an answer takes in an origin that has little to do, and overworked what it takes in one of eight slots.
const (
	work       = 2 * time.Millisecond
	overworked = 50 * time.Millisecond
	slower     = 300 * time.Millisecond
)

// ServeHTTP answers one request.
func (o *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mode, _ := o.mode.Load().(string)
	if mode == "hang" {
		<-r.Context().Done()
		return
	}
	if r.URL.Path == "/healthz" {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := r.URL.Query().Get("id")
	switch mode {
	case "refusing":
		if o.n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	case "garbage":
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, "\x00\x01 this is no HTTP\r\n")
			c.Close()
		}
		return
	}
	if r.Method == http.MethodPost {
		if len(body) != bodySize {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintln(o.ids, id) // one write: it is there when the process is killed
	}
	switch mode {
	case "slots":
		o.slots <- struct{}{} // nobody looks whether the client is still there
		time.Sleep(overworked)
		<-o.slots
	case "slow":
		time.Sleep(slower)
	default:
		time.Sleep(work)
	}
	w.Header().Set("Content-Length", strconv.Itoa(answerSize))
	_, _ = io.WriteString(w, answerOf(id))
}

const (
	bodySize   = 1 << 10
	answerSize = 100
)

// answerOf is what an origin answers a request, so that a wrong answer shows.
func answerOf(id string) string {
	return fmt.Sprintf("%-*s", answerSize, "answer "+id)
}

// origin is an origin as the parent sees it.
type origin struct {
	ctx              context.Context
	address, control string
	dir              string
	index            int
	idle             time.Duration
	command          *exec.Cmd
}

func startOrigin(ctx context.Context, dir string, index int, idle time.Duration) (*origin, error) {
	o := &origin{ctx: ctx, dir: dir, index: index, idle: idle}
	var err error
	if o.address, err = freePort(); err != nil {
		return nil, err
	}
	if o.control, err = freePort(); err != nil {
		return nil, err
	}
	return o, o.start()
}

// freePort is a port of loopback that nobody listened on a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start runs the origin's process.
func (o *origin) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.command = exec.CommandContext(o.ctx, self, "-origin", o.address, "-control", o.control, "-ids", filepath.Join(o.dir, fmt.Sprintf("ids-%d", o.index)), "-idle", o.idle.String())
	o.command.Stderr = os.Stderr
	if err := o.command.Start(); err != nil {
		return err
	}
	return reachable(o.ctx, o.address)
}

// stop kills the process.
func (o *origin) stop() {
	if o.command != nil {
		_ = o.command.Process.Kill()
		_ = o.command.Wait()
		o.command = nil
	}
}

// tell sets the origin's mode.
func (o *origin) tell(ctx context.Context, mode string) error {
	for range 100 {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.control+"/?mode="+mode, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(q); err == nil {
			return res.Body.Close()
		}
		if !pause(ctx, 20*time.Millisecond) {
			break
		}
	}
	return errors.New("an origin does not listen to what it is told")
}

// reachable waits until somebody listens.
func reachable(ctx context.Context, address string) error {
	for range 500 {
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", address); err == nil {
			return c.Close()
		}
		if !pause(ctx, 10*time.Millisecond) {
			break
		}
	}
	return errors.New("nobody listens on " + address)
}

// pause waits, and is false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

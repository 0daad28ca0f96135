package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/visible"
)

// admin is the operators' server: health, metrics, incidents, reload. It speaks HTTP/1.1 only.
type admin struct {
	net    net.Listener
	server *http.Server
}

// adminPaths is what is to be had on the admin address, for who looks at it first.
const adminPaths = "whygate admin\n\n/healthz\n/readyz\n/version\n/metrics\n/incidents?n=20\n/incidents/ID\nPOST /reload\n"

// openAdmin opens the admin address; nil if it is off.
func (g *Gateway) openAdmin(a config.Address, where string) (*admin, error) {
	if a.Network == "" {
		return nil, nil
	}
	if a.Network == "unix" {
		if err := removeStale(a.Address); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen(a.Network, a.Address)
	if g.options.AnyAdminPort && errors.Is(err, syscall.EADDRINUSE) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, listenError(err, a, where)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(g.metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, adminPaths) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /incidents", g.listIncidents)
	mux.HandleFunc("GET /incidents/{id}", g.showIncident)
	mux.HandleFunc("GET /version", g.showVersion)
	mux.HandleFunc("POST /reload", g.postReload)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &admin{net: &few{Listener: l}, server: &http.Server{
		Handler:           bodiless(http.NewCrossOriginProtection().Handler(local(mux))),
		Protocols:         &protocols,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelError), // a bug in a handler, for one
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

func (a *admin) serve() error {
	if err := a.server.Serve(a.net); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (a *admin) close() { _ = a.server.Close() }

// adminConns bounds the connections of the admin server: the descriptors are the proxy's.
const adminConns = 64

// few closes a connection at once while adminConns are open.
type few struct {
	net.Listener
	open atomic.Int32
}

// Accept waits for a connection there is room for.
func (l *few) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= adminConns {
			return &counted{Conn: c, done: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		c.Close()
	}
}

// counted tells when it is closed.
type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// bodiless closes the connection of a request with a body after the answer, without a look at the body: nothing here has a use for one,
// and the server would otherwise wait for it, to read it away. POST /reload may name a file in a short one: ReadTimeout bounds that.
func bodiless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		named := r.Method == http.MethodPost && r.URL.Path == "/reload" && r.ContentLength > 0 && r.ContentLength <= reloadBodyMax
		if r.ContentLength != 0 && !named {
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		}
		next.ServeHTTP(w, r)
	})
}

// local refuses a request whose Host is a name: a page of the web could otherwise have its own name resolve to this
// address and read what is not meant for it (DNS rebinding).
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
			text(w, http.StatusForbidden, "ask for the admin server by its address or as localhost\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(s))
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(visible.JSON(b), '\n'))
}

func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	g.readyAsked.Store(mono.Now())
	if g.ready.Load() {
		text(w, http.StatusOK, "ready\n")
		return
	}
	text(w, http.StatusServiceUnavailable, "draining\n")
}

// listedMax is how many incidents a list has at most.
const listedMax = 100

func (g *Gateway) listIncidents(w http.ResponseWriter, r *http.Request) {
	n := listedMax
	if s := r.URL.Query().Get("n"); s != "" {
		if m, err := strconv.Atoi(s); err == nil && m > 0 {
			n = min(m, incident.Kept)
		}
	}
	list := g.Incidents(n)
	reply(w, http.StatusOK, map[string]any{"seen": g.recorder.Seen(), "incidents": list})
}

func (g *Gateway) showIncident(w http.ResponseWriter, r *http.Request) {
	i := g.recorder.Find(strings.ToUpper(r.PathValue("id")))
	if i == nil {
		reply(w, http.StatusNotFound, map[string]any{"error": "no incident of that id is kept; the last " + strconv.Itoa(incident.Kept) + " are"})
		return
	}
	reply(w, http.StatusOK, g.advised(i))
}

// withoutQuery is a request target whose query is masked: keys and tokens are often in it.
func withoutQuery(target []byte) string {
	path, query, found := bytes.Cut(target, []byte("?"))
	if !found {
		return string(path)
	}
	return string(path) + "?" + strings.Repeat("*", len(query))
}

// newIncident copies what is kept of a failed exchange.
func newIncident(r *telemetry.Record) *incident.Incident {
	i := &incident.Incident{
		ID: r.Incident, At: time.Now().Add(-r.Duration).UTC(), Status: r.Status, Saved: r.Saved, Late: r.Late,
		Type: r.Fault.Type, Cause: r.Fault.Cause, Family: r.Fault.Family(), Stage: r.Fault.Stage,
		Title: r.Fault.Title(), Route: r.Route, Pool: r.Pool, Duration: float64(r.Duration.Microseconds()) / 1000,
		Request: incident.Request{
			ID: string(r.ID), TraceID: string(telemetry.TraceID(r.Traceparent)), Client: r.Client, Method: string(r.Method), Host: string(r.Host), Target: withoutQuery(r.Target),
		},
	}
	for _, e := range r.Attempts {
		i.Attempts = append(i.Attempts, *e)
	}
	i.Request.Version = r.Version.String()
	if r.Fault.Is() {
		i.Advice = r.Fault.Cause.Entry().Advice
	}
	if r.Evidence != nil {
		e := *r.Evidence
		i.Evidence = &e
		i.Sentence = r.Fault.Sentence(&e)
	}
	return i
}

// advised is an incident with its advice in terms of the configuration that is served now.
func (g *Gateway) advised(i *incident.Incident) *incident.Incident {
	shown := *i
	shown.Advice = g.allAdvice(i.Advice, i.Pool)
	return &shown
}

// Incidents are up to n of those kept, the newest first.
func (g *Gateway) Incidents(n int) []*incident.Incident {
	list := g.recorder.Last(n)
	out := make([]*incident.Incident, len(list))
	for k, i := range list {
		out[k] = g.advised(i)
	}
	return out
}

// Package admin is the HTTP server for the people who run the gateway: who may ask, how much at a time, and what a browser may do
// with an answer. It speaks HTTP/1.1 only.
//
// It must not know what is asked for: its user hands it the handlers.
package admin

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/whygate/whygate/internal/visible"
)

// Server is the operators' server. New makes one; Handle comes before Serve.
type Server struct {
	raw    net.Listener // as it was given
	net    net.Listener // the same, with few connections at a time, and with TLS where it is spoken
	mux    *http.ServeMux
	server *http.Server
	guard  *guard
	bodies map[string]int64 // the largest body of each pattern that takes one, in bytes
	open   map[string]bool  // the patterns that everybody may ask for
}

// Options say who may ask.
type Options struct {
	Hosts    []string     // names by which the server may be asked, beside localhost and every address
	Password string       // what is asked for, except where HandleOpen says otherwise; empty for none
	Exposed  bool         // others than users of this machine reach the server: without a password they may ask for what is open only
	TLS      *tls.Config  // what is spoken; nil for HTTP in clear
	Certs    bool         // a client certificate that TLS has verified does for the password, and is asked for where there is none
	Log      *slog.Logger // of the handlers' bugs
}

// New makes a server on an open listener, which is closed with it.
func New(l net.Listener, o Options) *Server {
	s := &Server{raw: l, net: &few{Listener: l}, mux: http.NewServeMux(), guard: newGuard(o), bodies: map[string]int64{}, open: map[string]bool{}}
	if o.TLS != nil {
		s.net = tls.NewListener(s.net, o.TLS)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.server = &http.Server{
		Handler:           asking(s.guard.over(http.HandlerFunc(s.route))),
		ConnContext:       withCounted,
		Protocols:         &protocols,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelError), // a bug in a handler, for one
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	return s
}

// Handle has h answer what pattern matches, as http.ServeMux spells it. A request with a body is answered, and its connection
// closed without a look at the body.
func (s *Server) Handle(pattern string, h http.HandlerFunc) { s.mux.Handle(pattern, h) }

// HandleOpen is Handle for what everybody may know who reaches the server, without a password.
func (s *Server) HandleOpen(pattern string, h http.HandlerFunc) {
	s.open[pattern] = true
	s.mux.Handle(pattern, h)
}

// HandleBody is Handle for who reads bodies of up to max bytes.
func (s *Server) HandleBody(pattern string, max int64, h http.HandlerFunc) {
	s.bodies[pattern] = max
	s.mux.Handle(pattern, h)
}

// Serve answers until Close, and then returns nil.
func (s *Server) Serve() error {
	if err := s.server.Serve(s.net); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the listener and every connection.
func (s *Server) Close() { _ = s.server.Close() }

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.net.Addr() }

// Listener is what New was given: a process that takes over is given it too.
func (s *Server) Listener() net.Listener { return s.raw }

// Token is what a page's form has to bring back in a value named TokenName, so that no page of another place can have it sent.
func (s *Server) Token() string { return s.guard.token }

// route answers a request that the guard let pass. The connection of one with a body that nobody reads is closed after the answer, as unread
// says: the server would otherwise wait for the body, to read it away. ReadTimeout bounds those that are read.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	_, pattern := s.mux.Handler(r)
	if !s.open[pattern] && !s.guard.admits(w, r) {
		return
	}
	if r.ContentLength != 0 {
		if most := s.bodies[pattern]; r.ContentLength < 0 || r.ContentLength > most {
			unread(w)
		}
	}
	s.mux.ServeHTTP(w, r)
}

// unread has the connection closed after the answer, without a look at the request's body.
func unread(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now())
}

// Text answers with plain text.
func Text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(s))
}

// JSON answers with v as JSON that is harmless on a terminal, two spaces in.
func JSON(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		Text(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(visible.JSON(b), '\n'))
}

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Files are where a certificate and its key are.
type Files struct{ Cert, Key string }

// Options are how a Server speaks TLS.
type Options struct {
	Pairs      []Files // the first is shown to who asks for no name, or for one that none has
	ClientCA   string  // a PEM file of the authorities whose client certificates are accepted; empty: none is asked for
	ClientAuth tls.ClientAuthType
	TicketKeys string // a file as LoadTicketKeys reads; empty: tickets are made with keys that nobody else has, and end with the Server
	MinVersion uint16 // 0: TLS 1.2
	Protocols  []string
	ACME       *ACME  // what has certificates for other names, nil for nobody
	Local      *Local // the same for development, nil for nobody
	Stapler    *Stapler
	// Routed reports whether requests for a host lead anywhere: for no other does Local sign.
	Routed func(host string) bool

	// Changed is told of each later load of a file: nil, or why the old one is still used. It is called from several goroutines.
	Changed func(file string, err error)
	// KeysChanged is the same for TicketKeys.
	KeysChanged func(file string, err error)
}

// Server is the server's side of TLS for a listener: it shows the certificate that has the name asked for, and takes new ones when the
// files change.
type Server struct {
	options Options
	watches []*watch
	shown   atomic.Pointer[shelf]
	conf    atomic.Pointer[tls.Config]

	mu      sync.Mutex // guards the fields below, and the making of shown and conf
	pairs   []*Pair
	clients clients
	keys    TicketKeys
}

// shelf has certificates by the names that they are for, in lower case, wildcards as they are written.
type shelf struct {
	byName map[string][]*tls.Certificate
	first  *tls.Certificate         // nil if there is none
	used   map[string]*atomic.Int64 // of the names that came on demand: when each was asked for last
}

// NewServer loads every file, and watches them until Close.
func NewServer(o Options) (*Server, error) {
	s := &Server{options: o}
	for _, f := range o.Pairs {
		p, err := Watch(f.Cert, f.Key, func(err error) {
			s.arrange()
			o.Changed(f.Cert, err)
		})
		if err != nil {
			s.Close()
			return nil, err
		}
		s.mu.Lock()
		s.pairs = append(s.pairs, p)
		s.mu.Unlock()
	}
	err := s.follow(o.ClientCA, o.Changed, func() error {
		who, err := loadClients(o.ClientCA)
		if err == nil {
			s.configure(func() { s.clients = who })
		}
		return err
	})
	if err == nil {
		err = s.follow(o.TicketKeys, o.KeysChanged, func() error {
			keys, err := LoadTicketKeys(o.TicketKeys)
			if err == nil {
				s.configure(func() { s.keys = keys })
			}
			return err
		})
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.configure(func() {})
	s.arrange()
	return s, nil
}

// follow loads a file, and loads it again whenever it changes, of which it tells. An empty name is no file.
func (s *Server) follow(file string, told func(string, error), load func() error) error {
	if file == "" {
		return nil
	}
	files := []string{file}
	last := stampOf(files) // before it is read: a change after that is seen
	if err := load(); err != nil {
		return err
	}
	s.watches = append(s.watches, watchFiles(files, last, func() { told(file, load()) }))
	return nil
}

// Config is what new connections are served with. It is another one after the authorities have changed, so that sessions which the old
// ones vouched for are not resumed, and after the keys of tickets have.
func (s *Server) Config() *tls.Config { return s.conf.Load() }

// Leaves are the certificates from files as they are now, each with its file.
func (s *Server) Leaves() map[string]*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]*x509.Certificate, len(s.pairs))
	for _, p := range s.pairs {
		out[p.certFile] = p.current.Load().Leaf
	}
	return out
}

// Close ends the watches.
func (s *Server) Close() {
	s.mu.Lock()
	pairs := s.pairs
	s.mu.Unlock()
	defer s.options.Stapler.use(s, nil, nil)
	for _, p := range pairs {
		p.Close()
	}
	for _, w := range s.watches {
		w.close()
	}
}

// intermediate are the cipher suites of Mozilla's "intermediate" configuration (version 5.7) for TLS 1.2, those of finite-field
// Diffie-Hellman aside, which crypto/tls has not. The order is crypto/tls's own.
var intermediate = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// configure makes a change, after which later connections are served as clients and keys say.
func (s *Server) configure(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	conf := &tls.Config{
		MinVersion: max(s.options.MinVersion, tls.VersionTLS12), CipherSuites: intermediate, NextProtos: s.options.Protocols,
		GetCertificate:              s.choose,
		DynamicRecordSizingDisabled: slices.Contains(s.options.Protocols, "h2"), // HTTP/2 gathers what it writes, and HTTP/1 writes whole pieces
	}
	if a := s.options.ACME; a != nil {
		conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if c := a.challenged(hello); c != nil {
				return &tls.Config{
					MinVersion: tls.VersionTLS12, NextProtos: []string{ALPNChallenge}, Certificates: []tls.Certificate{*c},
					SessionTicketsDisabled: true, // they would be made with conf's keys, whatever conf asks of clients
				}, nil
			}
			return nil, nil
		}
	}
	if s.clients.pool != nil {
		conf.ClientCAs, conf.ClientAuth = s.clients.pool, s.options.ClientAuth
	}
	if s.keys != nil {
		s.keys.keep(conf, s.clients)
	}
	s.conf.Store(conf)
}

// arrange puts the pairs as they are now on a new shelf.
func (s *Server) arrange() {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &shelf{byName: map[string][]*tls.Certificate{}}
	all := make([]*tls.Certificate, len(s.pairs))
	for i, p := range s.pairs {
		all[i] = p.current.Load()
		next.put(all[i])
	}
	s.options.Stapler.use(s, nil, all)
	s.shown.Store(next)
}

// put adds a certificate under each of its names. One without any is for its common name, as old tools make them.
func (h *shelf) put(c *tls.Certificate) {
	if h.first == nil {
		h.first = c
	}
	for _, name := range namesOf(c.Leaf) {
		if !slices.Contains(h.byName[name], c) {
			h.byName[name] = append(h.byName[name], c)
		}
	}
}

// namesOf are the names and addresses that a certificate is for, in lower case.
func namesOf(leaf *x509.Certificate) []string {
	var out []string
	for _, name := range leaf.DNSNames {
		out = append(out, strings.ToLower(name))
	}
	for _, ip := range leaf.IPAddresses {
		out = append(out, ip.String())
	}
	if len(out) == 0 && leaf.Subject.CommonName != "" {
		out = append(out, strings.ToLower(leaf.Subject.CommonName))
	}
	return out
}

// find is the certificate for a name, by itself or by a wildcard in place of its first label (RFC 9525, section 6.3): of several the
// first that the client can use. It is nil if there is none.
func (h *shelf) find(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	if c := usable(h.byName[name], hello); c != nil {
		return c
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		return usable(h.byName["*"+name[dot:]], hello)
	}
	return nil
}

// usable is the first that the client can use, or the first of all if it can use none: the handshake then says why.
func usable(all []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	if len(all) == 0 {
		return nil
	}
	if len(all) > 1 && hello.Conn != nil {
		for _, c := range all {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return all[0]
}

// nameOf is the name that a client asks for, as certificates have it.
func nameOf(hello *tls.ClientHelloInfo) string {
	return strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
}

// choose is a tls.Config's GetCertificate. One without a connection is a look: what would a client be shown?
func (s *Server) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := s.pick(hello)
	return s.options.Stapler.With(c), err
}

// pick is choose without what is stapled.
func (s *Server) pick(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	shown := s.shown.Load()
	name := nameOf(hello)
	if name != "" {
		if c := shown.find(name, hello); c != nil {
			return c, nil
		}
	}
	if name == "" && shown.first != nil {
		return shown.first, nil
	}
	if a := s.options.ACME; a != nil {
		if c := a.get(hello); c != nil {
			return c, nil
		}
	}
	if l := s.options.Local; l != nil {
		if c, err := l.get(hello, s.options.Routed); c != nil || err != nil {
			return c, err
		}
	}
	return shown.first, nil // nil makes crypto/tls answer unrecognized_name
}

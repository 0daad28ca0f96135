package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ticketLine is a new key, as a file has it.
func ticketLine() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b) + "\n"
}

// keyFile writes a file of ticket keys.
func keyFile(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ticket-keys")
	put(t, file, []byte(strings.Join(lines, "")))
	return file
}

// oneTicket is a client that keeps its last ticket and shows it to everybody, whatever the server's name is.
type oneTicket struct{ last *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.last, o.last != nil }

func (o *oneTicket) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		o.last = s
	}
}

// resumes reports whether a client with the ticket from one server resumes its session at another, which it must be served by either way.
func resumes(t *testing.T, from, at *Server, version uint16, first, second *tls.Config) bool {
	t.Helper()
	cache := &oneTicket{}
	first, second = first.Clone(), second.Clone()
	for _, conf := range []*tls.Config{first, second} {
		conf.ClientSessionCache, conf.MinVersion, conf.MaxVersion = cache, version, version
	}
	state, err := shake(t, from, first)
	if err != nil || state.DidResume || cache.last == nil {
		t.Fatalf("the first handshake: %v, resumed %t, a ticket %t", err, state.DidResume, cache.last != nil)
	}
	state, err = shake(t, at, second)
	if err != nil {
		t.Fatalf("the second handshake: %v", err)
	}
	return state.DidResume
}

var bothVersions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// Servers with the same keys resume each other's sessions, those with others do not, and serve the client all the same.
func TestTicketsOfAFleet(t *testing.T) {
	pair := pairFor(t, ecKey(t), "a.example.com")
	of := func(file string) *Server {
		s, _ := server(t, Options{Pairs: []Files{pair}, TicketKeys: file})
		return s
	}
	line := ticketLine()
	one, two := of(keyFile(t, line)), of(keyFile(t, "# of the fleet\n\n", line))
	stranger, alone := of(keyFile(t, ticketLine())), of("")
	client := &tls.Config{ServerName: "a.example.com"}
	for name, version := range bothVersions {
		for what, tt := range map[string]struct {
			from, at *Server
			want     bool
		}{
			"itself":         {one, one, true},
			"the same keys":  {one, two, true},
			"and back":       {two, one, true},
			"other keys":     {one, stranger, false},
			"no shared keys": {one, alone, false},
		} {
			if got := resumes(t, tt.from, tt.at, version, client, client); got != tt.want {
				t.Errorf("%s, %s: resumed %t", name, what, got)
			}
		}
	}
}

// After a new first line old tickets are good still, until their line goes. A file that is broken changes nothing, and is told of.
func TestTicketKeysRotate(t *testing.T) {
	pair := pairFor(t, ecKey(t), "a.example.com")
	first, second := ticketLine(), ticketLine()
	file := keyFile(t, first)
	changed := make(chan error, 16)
	s, _ := server(t, Options{Pairs: []Files{pair}, TicketKeys: file, KeysChanged: func(_ string, err error) { changed <- err }})
	old, _ := server(t, Options{Pairs: []Files{pair}, TicketKeys: keyFile(t, first)})
	next, _ := server(t, Options{Pairs: []Files{pair}, TicketKeys: keyFile(t, second)})
	client := &tls.Config{ServerName: "a.example.com"}
	look := func(when string, from, at *Server, want bool) {
		t.Helper()
		for name, version := range bothVersions {
			if got := resumes(t, from, at, version, client, client); got != want {
				t.Errorf("%s, %s: resumed %t", when, name, got)
			}
		}
	}
	look("before", old, s, true)
	put(t, file, []byte(second+first))
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	look("an old ticket", old, s, true)
	look("a new ticket where the old key is all", s, old, false)
	look("a new ticket where the new key is all", s, next, true)
	put(t, file, []byte("rubbish\n"))
	var broken *TicketKeysError
	if err := <-changed; !errors.As(err, &broken) {
		t.Fatalf("a broken file: %v", err)
	}
	look("with a broken file", old, s, true)
	put(t, file, []byte(second))
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	look("after its key went", old, s, false)
	look("after the old key went", s, next, true)
}

// A ticket is good under the rule about client certificates that its client got past, and under no other, though the keys are the same.
func TestTicketsVouchForTheRule(t *testing.T) {
	pair, keys := pairFor(t, ecKey(t), "a.example.com"), keyFile(t, ticketLine())
	ours, theirs := pairFor(t, ecKey(t), "alice"), pairFor(t, ecKey(t), "bob")
	a, b := ours.Cert, theirs.Cert
	both := filepath.Join(t.TempDir(), "both.pem")
	turned := filepath.Join(t.TempDir(), "turned.pem")
	x, _ := os.ReadFile(a)
	y, _ := os.ReadFile(b)
	put(t, both, bytes.Join([][]byte{x, y}, nil))
	put(t, turned, bytes.Join([][]byte{[]byte("# comment\n"), y, x, x}, nil))
	of := func(ca string, auth tls.ClientAuthType) *Server {
		s, _ := server(t, Options{Pairs: []Files{pair}, TicketKeys: keys, ClientCA: ca, ClientAuth: auth})
		return s
	}
	const required, optional = tls.RequireAndVerifyClientCert, tls.VerifyClientCertIfGiven
	alice, err := LoadPair(ours.Cert, ours.Key)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := LoadPair(theirs.Cert, theirs.Key)
	if err != nil {
		t.Fatal(err)
	}
	plain := &tls.Config{ServerName: "a.example.com"}
	as := func(c *tls.Certificate) *tls.Config {
		return &tls.Config{ServerName: "a.example.com", GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }}
	}
	for what, tt := range map[string]struct {
		from, at      *Server
		first, second *tls.Config
		want          bool
	}{
		"the same rule":                    {of(a, required), of(a, required), as(alice), as(alice), true},
		"the same authorities, turned":     {of(both, required), of(turned, required), as(alice), as(alice), true},
		"another authority":                {of(a, required), of(b, required), as(alice), as(bob), false},
		"one authority more":               {of(a, required), of(both, required), as(alice), as(alice), false},
		"no rule to required":              {of("", 0), of(a, required), plain, as(alice), false},
		"no rule to optional":              {of("", 0), of(a, optional), plain, plain, false},
		"optional without to another CA":   {of(a, optional), of(b, optional), plain, plain, false},
		"optional without to required":     {of(a, optional), of(a, required), plain, as(alice), false},
		"optional with one to required":    {of(a, optional), of(a, required), as(alice), as(alice), false},
		"required to no rule":              {of(a, required), of("", 0), as(alice), plain, false},
		"optional without one, once more":  {of(a, optional), of(a, optional), plain, plain, true},
		"optional without one, to no rule": {of(a, optional), of("", 0), plain, plain, false},
	} {
		for name, version := range bothVersions {
			if got := resumes(t, tt.from, tt.at, version, tt.first, tt.second); got != tt.want {
				t.Errorf("%s, %s: resumed %t", name, what, got)
			}
		}
	}
	// And whoever has a ticket of a listener without the rule, and no certificate, is turned away.
	for name, version := range bothVersions {
		cache := &oneTicket{}
		conf := plain.Clone()
		conf.ClientSessionCache, conf.MaxVersion = cache, version
		if _, err := shake(t, of("", 0), conf); err != nil || cache.last == nil {
			t.Fatal(err)
		}
		if _, err := shake(t, of(a, required), conf); err == nil {
			t.Errorf("%s: a ticket of a listener without client certificates gets past the rule", name)
		}
	}
}

// A ticket is good for the name that it was given for: RFC 6066, section 3.
func TestTicketsAreForAName(t *testing.T) {
	keys := keyFile(t, ticketLine())
	shop, _ := server(t, Options{Pairs: []Files{pairFor(t, ecKey(t), "shop.example.com")}, TicketKeys: keys})
	blog, _ := server(t, Options{Pairs: []Files{pairFor(t, ecKey(t), "blog.example.com")}, TicketKeys: keys})
	for name, version := range bothVersions {
		at := func(name string) *tls.Config { return &tls.Config{ServerName: name} }
		if resumes(t, shop, blog, version, at("shop.example.com"), at("blog.example.com")) {
			t.Errorf("%s: the session of one name is resumed for another", name)
		}
		if !resumes(t, shop, shop, version, at("shop.example.com"), at("SHOP.example.com")) {
			t.Errorf("%s: a name in capitals is another", name)
		}
	}
}

func TestLoadTicketKeys(t *testing.T) {
	one := ticketLine()
	many := make([]string, 9)
	for i := range many {
		many[i] = ticketLine()
	}
	for what, tt := range map[string]struct {
		lines []string
		keys  int
		want  string
	}{
		"one":            {[]string{one}, 1, ""},
		"without its LF": {[]string{strings.TrimSpace(one)}, 1, ""},
		"with CR LF":     {[]string{strings.TrimSpace(one) + "\r\n"}, 1, ""},
		"eight":          {many[:8], 8, ""},
		"nine":           {many, 0, "more than 8 keys"},
		"none":           {[]string{"# nothing\n"}, 0, "no key"},
		"empty":          {nil, 0, "no key"},
		"not base64":     {[]string{one, "no base64!\n"}, 0, "line 2 is not base64"},
		"short":          {[]string{base64.StdEncoding.EncodeToString(make([]byte, 16)) + "\n"}, 0, "line 1 has 16 bytes"},
		"48 bytes":       {[]string{base64.StdEncoding.EncodeToString(make([]byte, 48)) + "\n"}, 0, "line 1 has 48 bytes"},
		"zeros":          {[]string{base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"}, 0, "the same byte"},
		"twice":          {[]string{one, one}, 0, "line 2 has a key that stands further up"},
		"huge":           {[]string{strings.Repeat("#\n", ticketsFileMax)}, 0, "larger than 16 KiB"},
	} {
		keys, err := LoadTicketKeys(keyFile(t, tt.lines...))
		switch {
		case tt.want == "" && (err != nil || len(keys) != tt.keys):
			t.Errorf("%s: %d keys, %v", what, len(keys), err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		case err != nil && strings.Contains(err.Error(), strings.TrimSpace(one)):
			t.Errorf("%s: a key is in the error", what)
		}
	}
	file := keyFile(t, one)
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o602: false} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadTicketKeys(file); fine && err != nil && os.Getuid() == 0 || !fine && err == nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := LoadTicketKeys(file + "-not-there"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

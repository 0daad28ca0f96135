package certs

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/openfile"
)

// Bounds of a file of session ticket keys.
const (
	ticketKeySize  = 32 // bytes: what crypto/tls takes, and as strong as any suite
	ticketKeysMax  = 8  // a ticket lives for a week: with a new key each day or so, none is lost
	ticketsFileMax = 16 << 10
)

// MakeTicketKeys is the command that makes a file of session ticket keys.
const MakeTicketKeys = "umask 077; openssl rand -base64 32 > FILE"

// TicketKeys are the secrets that session tickets are made with. The first is for new tickets; each is tried for those that come. They
// never encrypt anything themselves: what does is derived from them, for each rule about clients another.
type TicketKeys [][ticketKeySize]byte

// TicketKeysError says what is wrong with a file of session ticket keys. It never has a key in it.
type TicketKeysError struct {
	File string
	Err  error
}

func (e *TicketKeysError) Error() string { return "session ticket keys: " + e.Err.Error() }

// Unwrap gives the error without what the file is for.
func (e *TicketKeysError) Unwrap() error { return e.Err }

// LoadTicketKeys reads a file with a key on each line, 32 bytes in base64 (RFC 4648, section 4), 8 at most. Empty lines, and those that
// begin with #, are passed over. A file that others than its owner and group may read is refused: whoever has a key can read all
// that was said over TLS 1.2 in the sessions of its tickets, and resume them. The error is a *TicketKeysError.
func LoadTicketKeys(file string) (TicketKeys, error) {
	b, mode, err := readWithMode(file, ticketsFileMax)
	switch {
	case err != nil:
	case mode.Perm()&0o007 != 0:
		err = fmt.Errorf("%s may be used by every user of this machine (mode %04o): chmod 600 it, and make new keys", file, mode.Perm())
	default:
		var keys TicketKeys
		if keys, err = parseTicketKeys(b); err == nil {
			return keys, nil
		}
		err = fmt.Errorf("%s: %w", file, err)
	}
	return nil, &TicketKeysError{file, err}
}

// readWithMode reads a regular file that has at most limit bytes, and says who may use it.
func readWithMode(file string, limit int64) ([]byte, fs.FileMode, error) {
	f, err := openfile.Open(context.Background(), file, openfile.Options{Max: limit}) // a regular file: it is never waited for
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return b, f.Info().Mode(), err
}

func parseTicketKeys(b []byte) (TicketKeys, error) {
	var keys TicketKeys
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d is not base64", n) // what is on it is a secret all the same
		case len(raw) != ticketKeySize:
			return nil, fmt.Errorf("line %d has %d bytes, and a key has %d", n, len(raw), ticketKeySize)
		case bytes.Count(raw, raw[:1]) == len(raw):
			return nil, fmt.Errorf("line %d is the same byte over and over, which anybody guesses", n)
		}
		key := [ticketKeySize]byte(raw)
		switch {
		case slices.Contains(keys, key):
			return nil, fmt.Errorf("line %d has a key that stands further up", n)
		case len(keys) == ticketKeysMax:
			return nil, fmt.Errorf("it has more than %d keys: take the oldest out, which are the last", ticketKeysMax)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key")
	}
	return keys, nil
}

// clients are whose certificates are accepted.
type clients struct {
	pool *x509.CertPool // nil: nobody is asked for one
	sum  []byte         // of the authorities, in whatever order the file has them
}

// loadClients reads the authorities of clients from a PEM file.
func loadClients(file string) (clients, error) {
	b, err := read(file)
	if err != nil {
		return clients{}, err
	}
	pool, err := poolOfPEM(file, b)
	if err != nil {
		return clients{}, err
	}
	var all [][]byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			sum := sha256.Sum256(block.Bytes)
			all = append(all, sum[:])
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return clients{pool, bytes.Join(slices.CompactFunc(all, bytes.Equal), nil)}, nil
}

// sessionNote begins what a ticket says besides what crypto/tls puts into it.
const sessionNote = "whygate session 1\x00"

// keep has conf make tickets with keys, and take those that were made with one of them under the same rule about clients. What a ticket
// vouches for is that its client got past that rule, so the rule is part of what encrypts it: to a listener with other authorities, or
// without any, it is noise. It is good for the same name (RFC 6066, section 3) and the same transport alone: with one file for several
// sites, nobody who leads a client elsewhere can have it take one site for another.
func (keys TicketKeys) keep(conf *tls.Config, who clients) {
	rule := fmt.Sprintf("whygate ticket key 1\x00client certificates %d\x00%s", conf.ClientAuth, who.sum)
	derived := make([][32]byte, len(keys))
	for i, key := range keys {
		b, err := hkdf.Key(sha256.New, key[:], nil, rule, len(derived[i]))
		if err != nil {
			panic("BUG: certs: " + err.Error()) // only more than 8,160 bytes are too many
		}
		derived[i] = [32]byte(b)
	}
	box := &tls.Config{}
	box.SetSessionTicketKeys(derived)
	conf.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, noteOf(&state))
		return box.EncryptTicket(state, session)
	}
	conf.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		session, err := box.DecryptTicket(ticket, state)
		note := noteOf(&state)
		if session == nil || err != nil || !slices.ContainsFunc(session.Extra, func(b []byte) bool { return bytes.Equal(b, note) }) {
			return nil, err // a full handshake follows
		}
		return session, nil
	}
}

// noteOf is what a session is for: a name, and TCP or QUIC.
func noteOf(state *tls.ConnectionState) []byte {
	transport := "tcp\x00"
	if state.NegotiatedProtocol == protocolQUIC {
		transport = "quic\x00"
	}
	return []byte(sessionNote + transport + strings.ToLower(state.ServerName))
}

// protocolQUIC is what connections over QUIC agree on, and no other: RFC 9114, section 3.1.
const protocolQUIC = "h3"

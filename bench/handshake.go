package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// client is how the case's clients speak TLS, nil where they do not.
func (b *bench) client(c benchCase) *tls.Config {
	if !c.tls {
		return nil
	}
	conf := &tls.Config{RootCAs: b.cert.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
	if c.resumed {
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return conf
}

// driveHandshakes opens connections one after another for the given time. Each makes one request, with whose answer the ticket comes that
// the next one resumes the session by.
func (b *bench) driveHandshakes(ctx context.Context, c benchCase, p *proxy, seconds int) (volume, error) {
	conf := b.client(c)
	var took []time.Duration
	begin := time.Now()
	for len(took) == 0 || time.Since(begin) < time.Duration(seconds)*time.Second {
		t := time.Now()
		cl, shut, err := connect(ctx, p.address, c.path, conf, smallSize)
		if err != nil {
			return volume{}, fmt.Errorf("%s: handshake: %w", p.name, err)
		}
		err = cl.fetch(c.answer)
		if resumed := cl.conn.(*tls.Conn).ConnectionState().DidResume; err == nil && resumed != (c.resumed && len(took) > 0) {
			err = errors.New("the session was resumed where it should not be, or not where it should")
		}
		shut()
		if err != nil {
			return volume{}, fmt.Errorf("%s: connection %d: %w", p.name, len(took), err)
		}
		took = append(took, time.Since(t))
	}
	elapsed := time.Since(begin)
	slices.Sort(took)
	return volume{
		count: int64(len(took)), units: float64(len(took)), elapsed: elapsed,
		p50: took[len(took)/2], p99: took[len(took)*99/100],
	}, nil
}

package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// This file has what an authority was promised kept in the storage, since it may look for it at another gateway that keeps its certificates in
// the same place.

const (
	looksAtOnce = 4                      // for promises, and as many for certificates that handshakes wait for
	promiseTime = 3 * time.Second        // for looking a promise up, or a certificate that a handshake waits for
	promiseMiss = 100 * time.Millisecond // how long nothing is looked up for a name for which nothing was promised
)

func promiseKey(name string) string {
	return "challenges/" + certmagic.StorageKeys.Safe(name) + ".json"
}

// promise keeps a challenge where other gateways find it.
func (a *ACME) promise(ctx context.Context, c acme.Challenge) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return a.storage.Store(ctx, promiseKey(c.Identifier.Value), b)
}

// withdraw is the end of a promise.
func (a *ACME) withdraw(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promiseTime)
	defer cancel()
	return a.storage.Delete(ctx, promiseKey(c.Identifier.Value))
}

// promised finds a challenge that another gateway has promised. Anybody can ask for one: the storage is looked at for names alone that
// certificates are kept for here, for four at once, and not again soon where there was nothing.
func (a *ACME) promised(ctx context.Context, name, kind string) (c acme.Challenge, found bool) {
	m := a.lookedFor(name)
	if m == nil {
		return c, false
	}
	ctx, end, mine := turnToLook(ctx, a.looks)
	defer end()
	if !mine || a.lookedFor(name) != m { // who had the turn before us has found nothing
		return c, false
	}
	b, err := a.storage.Load(ctx, promiseKey(name))
	if err == nil && json.Unmarshal(b, &c) == nil && c.Identifier.Value == name && c.Type == kind {
		return c, true
	}
	a.mu.Lock()
	m.missed = time.Now()
	a.mu.Unlock()
	return acme.Challenge{}, false
}

// lookedFor is a name for which it may be worth while to look for a promise now, nil if it is not.
func (a *ACME) lookedFor(name string) *managed {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.names[name]; m != nil && time.Since(m.missed) >= promiseMiss {
		return m
	}
	return nil
}

// turnToLook waits for a turn to look into the storage for somebody from outside, and bounds the look. It is false if none came in time. end is
// to be called.
func turnToLook(ctx context.Context, turns chan struct{}) (bound context.Context, end func(), mine bool) {
	ctx, cancel := context.WithTimeout(ctx, promiseTime)
	select {
	case turns <- struct{}{}:
		return ctx, func() { cancel(); <-turns }, true
	case <-ctx.Done():
		return ctx, cancel, false
	}
}

// challenged is what a hello that looks at a challenge is shown, nil for any other. It offers the one protocol and nothing else.
func (a *ACME) challenged(hello *tls.ClientHelloInfo) *tls.Certificate {
	name, is := looksAtChallenge(hello)
	if !is {
		return nil
	}
	if c := a.solving.certificate(name); c != nil || a.options.Challenge != ChallengeTLS {
		return c
	}
	c, found := a.promised(hello.Context(), name, acme.ChallengeTypeTLSALPN01)
	if !found {
		return nil
	}
	cert, err := acmez.TLSALPN01ChallengeCert(c)
	if err != nil {
		return nil
	}
	return cert
}

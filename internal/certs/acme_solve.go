package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// ALPNChallenge is the protocol that an authority's look at a challenge agrees on: RFC 8737, section 6.2. Nothing is spoken over it.
const ALPNChallenge = acmez.ACMETLS1Protocol

// HTTPChallengePath begins the path of an authority's look at a challenge: RFC 8555, section 8.3. The token follows.
const HTTPChallengePath = "/.well-known/acme-challenge/"

// challenges are what authorities were promised to find here.
type challenges struct {
	mu      sync.Mutex // guards the fields below
	byName  map[string]*tls.Certificate
	byToken map[string]string // host and token to the key authorization
}

// solver is who prepares for the one challenge that is used.
func (a *ACME) solver() acmez.Solver {
	switch a.options.Challenge {
	case ChallengeHTTP:
		return solveHTTP{a}
	case ChallengeDNS:
		return solveDNS{a.options.DNS}
	}
	return solveTLS{a}
}

type solveTLS struct{ *ACME }

func (s solveTLS) Present(ctx context.Context, c acme.Challenge) error {
	cert, err := acmez.TLSALPN01ChallengeCert(c)
	if err != nil {
		return err
	}
	if err := s.promise(ctx, c); err != nil {
		return err
	}
	s.solving.mu.Lock()
	defer s.solving.mu.Unlock()
	s.solving.byName[c.Identifier.Value] = cert
	return nil
}

func (s solveTLS) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.solving.mu.Lock()
	delete(s.solving.byName, c.Identifier.Value)
	s.solving.mu.Unlock()
	return s.withdraw(ctx, c)
}

// looksAtChallenge is the name of a hello that looks at a challenge: it offers the one protocol and nothing else.
func looksAtChallenge(hello *tls.ClientHelloInfo) (name string, is bool) {
	return nameOf(hello), slices.Equal(hello.SupportedProtos, []string{ALPNChallenge})
}

// certificate is the one that was promised for a name here, nil for none.
func (s *challenges) certificate(name string) *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}

type solveHTTP struct{ *ACME }

func (s solveHTTP) Present(ctx context.Context, c acme.Challenge) error {
	if err := s.promise(ctx, c); err != nil {
		return err
	}
	s.solving.mu.Lock()
	defer s.solving.mu.Unlock()
	s.solving.byToken[c.Identifier.Value+" "+c.Token] = c.KeyAuthorization
	return nil
}

func (s solveHTTP) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.solving.mu.Lock()
	delete(s.solving.byToken, c.Identifier.Value+" "+c.Token)
	s.solving.mu.Unlock()
	return s.withdraw(ctx, c)
}

// HTTPChallenge is the answer to a request below HTTPChallengePath, empty if the token is none of ours: it may be that of another client of
// ACME further back.
func (a *ACME) HTTPChallenge(host, token string) string {
	host = strings.ToLower(host)
	s := &a.solving
	s.mu.Lock()
	known := s.byToken[host+" "+token]
	s.mu.Unlock()
	if known != "" || a.options.Challenge != ChallengeHTTP {
		return known
	}
	if c, found := a.promised(a.ctx, host, acme.ChallengeTypeHTTP01); found && c.Token == token {
		return c.KeyAuthorization
	}
	return ""
}

// solveDNS runs a command that puts a TXT record into the zone, and one that takes it out again.
type solveDNS struct{ command []string }

func (s solveDNS) Present(ctx context.Context, c acme.Challenge) error {
	return s.run(ctx, "present", c)
}

// CleanUp goes on for cleanTime where the order ends before it: it may have run out of its time, or the gateway stops.
func (s solveDNS) CleanUp(ctx context.Context, c acme.Challenge) error {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { // ends with longer
		timer := time.NewTimer(cleanTime)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})()
	return s.run(longer, "cleanup", c)
}

// Bounds of the DNS command.
const (
	dnsTime   = 2 * time.Minute // for one run
	cleanTime = 3 * time.Second // for taking a record out once its order has ended
	dnsPipe   = time.Second     // for what the command left running and holds its output
)

// saidMax bounds what of a command's output is repeated, in bytes.
const saidMax = 300

// commandError is that the DNS command did not do its part.
type commandError struct {
	program string
	said    string
	err     error
}

func (e *commandError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("%s: %v", e.program, e.err)
	}
	return fmt.Sprintf("%s: %v: %s", e.program, e.err, e.said)
}

// run runs the command with three more arguments: what to do, the record's name, its value.
func (s solveDNS) run(ctx context.Context, action string, c acme.Challenge) error {
	if len(s.command) == 0 {
		return errors.New("there is no command for DNS")
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	args := append(slices.Clone(s.command[1:]), action, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	cmd := exec.CommandContext(ctx, s.command[0], args...)
	var said head
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, dnsPipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what the command starts ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it has ended well, and left somebody behind who holds its output
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return &commandError{s.command[0], strings.TrimSpace(string(said)), err}
}

// head keeps the first saidMax bytes that are written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), saidMax-len(*h))]...)
	return len(p), nil
}

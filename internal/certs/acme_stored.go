package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/certmagic"
)

// errNoCertificate is that the storage has no certificate for a name.
var errNoCertificate = errors.New("there is no certificate yet")

// damagedError is that what the storage has for a name does not fit together. It may be half written.
type damagedError struct{ wrong error }

func (e *damagedError) Error() string {
	return "the stored certificate cannot be used: " + e.wrong.Error()
}
func (e *damagedError) Unwrap() error { return e.wrong }

// stored reads the certificate of a name from the storage, and changes nothing. The error is errNoCertificate, a *damagedError, or that of
// a file that cannot be read now.
func (a *ACME) stored(ctx context.Context, name string) (*tls.Certificate, error) {
	key := issuer{a}.IssuerKey()
	var parts [3][]byte
	for i, file := range []string{
		certmagic.StorageKeys.SiteCert(key, name), certmagic.StorageKeys.SitePrivateKey(key, name), certmagic.StorageKeys.SiteMeta(key, name),
	} {
		var err error
		parts[i], err = a.storage.Load(ctx, file)
		switch {
		case i == 0 && errors.Is(err, fs.ErrNotExist):
			return nil, errNoCertificate
		case errors.Is(err, fs.ErrNotExist):
			return nil, &damagedError{err}
		case err != nil:
			return nil, err
		}
	}
	pair, wrong := tls.X509KeyPair(parts[0], parts[1])
	if wrong == nil {
		wrong = pair.Leaf.VerifyHostname(strings.Replace(name, "*", "any", 1))
	}
	if wrong == nil && !json.Valid(parts[2]) {
		wrong = errors.New("what belongs to it is not JSON")
	}
	if wrong != nil {
		return nil, &damagedError{wrong}
	}
	return &pair, nil
}

// issueLock is certmagic's name for the lock that whoever writes the certificate of a name holds.
func issueLock(name string) string { return "issue_cert_" + name }

// loaded is stored, and puts aside what does not fit together, so that another is obtained: nothing would ever come of it again. That is
// decided while nobody else writes it.
func (a *ACME) loaded(ctx context.Context, name string) (*tls.Certificate, error) {
	cert, err := a.stored(ctx, name)
	var damaged *damagedError
	if !errors.As(err, &damaged) {
		return cert, err
	}
	if err := a.storage.Lock(ctx, issueLock(name)); err != nil {
		return nil, err
	}
	defer func() { _ = a.storage.Unlock(context.WithoutCancel(ctx), issueLock(name)) }()
	if cert, err = a.stored(ctx, name); !errors.As(err, &damaged) {
		return cert, err
	}
	aside, err := a.storage.setAside(ctx, certmagic.StorageKeys.CertsSitePrefix(issuer{a}.IssuerKey(), name))
	if err != nil {
		return nil, err
	}
	a.log("a stored certificate cannot be used, and is obtained anew", "name", name, "error", damaged.wrong, "kept", aside)
	return nil, errNoCertificate
}

// setAside moves what a key has to the same key below damaged, in place of what was moved there before, and says where that is.
func (s *files) setAside(_ context.Context, key string) (string, error) {
	from, err := s.at(key)
	if err != nil {
		return "", err
	}
	if from == s.dir {
		return "", fmt.Errorf("the key %q is none", key)
	}
	to := filepath.Join(s.dir, "damaged", filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	return to, os.Rename(from, to)
}

package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// useMagic makes the certmagic configuration: where certificates are kept and under which names, locks, keys. What it does by itself is
// left out: its cache stays empty, so that it renews nothing, and orders are our issuer's, so that it opens no socket.
func (a *ACME) useMagic() {
	nothing := zap.NewNop() // what fails is an error, and told by us
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }, Logger: nothing,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage: a.storage, Logger: nothing, DisableARI: true, // ours, see renewalInfo
		KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OCSP:      certmagic.OCSPConfig{DisableStapling: true},
		Issuers:   []certmagic.Issuer{issuer{a}},
	})
}

// issuer is how certmagic has an order made.
type issuer struct{ *ACME }

// replacing is the context's key for the certificate that an order replaces: certmagic hands nothing else through to an issuer.
type replacing struct{}

// IssuerKey is the directory's name in the storage, as certmagic's own issuer makes it, so that what it has stored can be used.
func (i issuer) IssuerKey() string {
	return (&certmagic.ACMEIssuer{CA: i.options.Directory}).IssuerKey()
}

// Issue makes an order, proves that the names lead here, and gives the chain.
func (i issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := i.stillDue(ctx, csr); err != nil {
		return nil, err
	}
	account, err := i.account(ctx)
	if err != nil {
		return nil, err
	}
	chains, err := i.order(ctx, account, csr)
	var problem acme.Problem
	if errors.As(err, &problem) && problem.Type == acme.ProblemTypeAccountDoesNotExist { // the authority was set up anew
		if err := i.storage.Delete(ctx, i.accountKey()); err != nil {
			return nil, err
		}
		if account, err = i.account(ctx); err != nil {
			return nil, err
		}
		chains, err = i.order(ctx, account, csr)
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority gave no certificate")
	}
	return &certmagic.IssuedCertificate{Certificate: chains[0].ChainPEM, Metadata: chains[0]}, nil
}

// errRenewed is that another gateway has renewed a certificate in the storage while its lock was waited for.
var errRenewed = errors.New("another gateway has renewed it")

// stillDue looks whether a certificate that is to be replaced is still the one that is stored. certmagic holds the lock of its name.
func (i issuer) stillDue(ctx context.Context, csr *x509.CertificateRequest) error {
	replaced, _ := ctx.Value(replacing{}).(*x509.Certificate)
	if replaced == nil || len(csr.DNSNames) == 0 {
		return nil
	}
	now, err := i.stored(ctx, csr.DNSNames[0])
	if err == nil && !now.Leaf.Equal(replaced) && !now.Leaf.NotAfter.Before(replaced.NotAfter) {
		return errRenewed
	}
	return nil
}

func (i issuer) order(ctx context.Context, account acme.Account, csr *x509.CertificateRequest) ([]acme.Certificate, error) {
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, err
	}
	params.Replaces, _ = ctx.Value(replacing{}).(*x509.Certificate)
	if params.Replaces != nil && len(params.Replaces.AuthorityKeyId) == 0 {
		params.Replaces = nil // it cannot be named: RFC 9773, section 4.1
	}
	chains, err := i.client.ObtainCertificate(ctx, params)
	var problem acme.Problem
	if err != nil && params.Replaces != nil && errors.As(err, &problem) && aboutReplacing(&problem) {
		params.Replaces = nil
		chains, err = i.client.ObtainCertificate(ctx, params)
	}
	return chains, err
}

// aboutReplacing reports whether an authority may refuse an order for what it says of the certificate that it replaces: RFC 9773, section 5,
// has a problem for one that was replaced already, and nothing for one that an authority does not find.
func aboutReplacing(p *acme.Problem) bool {
	switch p.Type {
	case acme.ProblemTypeAlreadyReplaced, acme.ProblemTypeMalformed, acme.ProblemTypeServerInternal:
		return true
	}
	return false
}

// accountKey is where the account is kept, with its key beside it.
func (a *ACME) accountKey() string {
	who := "default"
	if a.options.Email != "" {
		who = certmagic.StorageKeys.Safe(a.options.Email)
	}
	return path.Join("acme", certmagic.StorageKeys.Safe(issuer{a}.IssuerKey()), "whygate", who)
}

// account is the account with the authority, made where there is none yet. By that its terms are agreed to, which the documentation says.
func (a *ACME) account(ctx context.Context) (acme.Account, error) {
	dir := a.accountKey()
	lock := "account-" + certmagic.StorageKeys.Safe(dir)
	if err := a.storage.Lock(ctx, lock); err != nil {
		return acme.Account{}, err
	}
	defer func() { _ = a.storage.Unlock(context.WithoutCancel(ctx), lock) }()
	if account, err := a.storedAccount(ctx, dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return account, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if a.options.Email != "" {
		account.Contact = []string{"mailto:" + a.options.Email}
	}
	if account, err = a.client.NewAccount(ctx, account); err != nil {
		return acme.Account{}, fmt.Errorf("make an account: %w", err)
	}
	kept, err := json.Marshal(account)
	if err != nil {
		return acme.Account{}, err
	}
	secret, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return acme.Account{}, err
	}
	if err := a.storage.Store(ctx, path.Join(dir, "account.key"), secret); err != nil {
		return acme.Account{}, err
	}
	return account, a.storage.Store(ctx, path.Join(dir, "account.json"), kept)
}

func (a *ACME) storedAccount(ctx context.Context, dir string) (account acme.Account, err error) {
	kept, err := a.storage.Load(ctx, path.Join(dir, "account.json"))
	if err != nil {
		return account, err
	}
	secret, err := a.storage.Load(ctx, path.Join(dir, "account.key"))
	if err != nil {
		return account, err
	}
	if err := json.Unmarshal(kept, &account); err != nil {
		return account, fmt.Errorf("the stored account %s: %w", dir, err)
	}
	account.PrivateKey, err = certmagic.PEMDecodePrivateKey(secret)
	return account, err
}

func (a *ACME) log(message string, args ...any) {
	if a.options.Log != nil {
		a.options.Log.Warn(message, args...)
	}
}

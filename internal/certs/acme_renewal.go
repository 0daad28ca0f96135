package certs

import (
	"context"
	"crypto/x509"

	"github.com/mholt/acmez/v3/acme"
)

// renewalInfo asks the authority when a certificate should be renewed (RFC 9773). It is empty where the authority does not say.
func (a *ACME) renewalInfo(ctx context.Context, leaf *x509.Certificate) acme.RenewalInfo {
	if len(leaf.AuthorityKeyId) == 0 {
		return acme.RenewalInfo{}
	}
	dir, err := a.client.GetDirectory(ctx)
	if err != nil || dir.RenewalInfo == "" {
		return acme.RenewalInfo{}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	info, err := a.client.GetRenewalInfo(ctx, leaf)
	if err != nil {
		return acme.RenewalInfo{}
	}
	return info
}

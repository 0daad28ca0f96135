package fault

// entriesCertificate are the causes why the upstream's certificate does not verify. There is one retry text for all: the
// handshake failed before any octet of the request.
var entriesCertificate = []Entry{
	{
		Cause:    CauseTLSCertificateExpired,
		Title:    "The upstream's certificate has expired",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} has expired[: it was valid until {notafter}][ ({subject})]",
		Meaning: "The upstream showed a certificate whose time is over, or an intermediate of its chain is. " +
			"Its renewal failed, or the server was not reloaded after it.",
		Proof: []string{
			"notAfter of a certificate in the chain is before the gateway's clock; the evidence has the whole chain.",
			"openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -enddate",
			"The file on disk is newer than what is served: then only the reload is missing.",
		},
		Advice: []string{
			"Renew the certificate and reload the upstream server: certbot renew, then nginx -s reload or its like.",
			"If many upstreams expired at once, check the gateway's clock: timedatectl, chronyc tracking.",
			"If the leaf is valid, replace the expired intermediate in the chain file.",
		},
		Covers:  []string{"T1"},
		Related: []Cause{CauseTLSCertificateNotYetValid, CauseTLSCertificateUnknownAuthority},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateNotYetValid,
		Title:    "The upstream's certificate is not valid yet",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} is not valid yet[: it begins at {notbefore}][ ({subject})]",
		Meaning: "The upstream's certificate becomes valid only in the future, by the gateway's clock. " +
			"As a rule one of the clocks is wrong: the gateway's, or that of the machine that issued the certificate.",
		Proof: []string{
			"notBefore of a certificate in the chain is after the gateway's clock.",
			"timedatectl on the gateway's host: System clock synchronized: no.",
		},
		Advice: []string{
			"Correct the gateway's clock, and keep it right: timedatectl set-ntp true, chronyc makestep.",
			"If the clock is right, the certificate was put in place too early: go back to the one before.",
		},
		Covers:  []string{"T2"},
		Related: []Cause{CauseTLSCertificateExpired},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateWrongName,
		Title:    "The upstream's certificate is for another name",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} is not for the name that was asked for[ ({wanted}, but it has {names})]",
		Meaning: "The certificate is trusted, but none of its names is the one that the gateway verifies. " +
			"The endpoint is written as an address or an inner name, or the server did not know the name sent (SNI) and showed its default certificate.",
		Proof: []string{
			"The name wanted is not among the subjectAltName entries of the certificate; the common name does not count (RFC 9525).",
			"openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -ext subjectAltName",
			"Another -servername gives another certificate: then the name sent is the wrong one.",
		},
		Advice: []string{
			"Set pools.NAME.tls.server_name to a name that the certificate has; it is sent as SNI and verified.",
			"Or have the certificate issued anew with the name or address that the endpoint uses in its subjectAltName.",
		},
		Covers:  []string{"T3", "T12"},
		Related: []Cause{CauseTLSNameUnknown, CauseTLSCertificateSelfSigned},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateUnknownAuthority,
		Title:    "The upstream's certificate comes from an unknown authority",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} comes from an authority that the gateway does not know[ ({authority})]",
		Meaning: "No chain leads from the upstream's certificate to an authority that the gateway trusts. " +
			"Either the server does not send its intermediate certificate, which browsers fetch or remember and a gateway does not, or a private authority issued it.",
		Proof: []string{
			"The evidence has the chain as sent: a leaf alone, issued by an intermediate, means that the intermediate is missing.",
			"openssl s_client -connect HOST:PORT -servername NAME -showcerts </dev/null says verify error:num=20 or num=21.",
			"With -CAfile and the private authority's certificate the same command verifies.",
		},
		Advice: []string{
			"If the chain has one certificate only, install the full chain on the upstream (fullchain.pem, not cert.pem).",
			"If a private authority issued it, set pools.NAME.tls.ca to that authority's certificate.",
			"Do not answer this with verify: false: it would accept any certificate, also an attacker's.",
		},
		Covers:  []string{"T4"},
		Related: []Cause{CauseTLSCertificateSelfSigned, CauseTLSCertificateUntrusted},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateSelfSigned,
		Title:    "The upstream's certificate is self-signed",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} is self-signed and not trusted[ ({subject})]",
		Meaning: "The upstream's certificate is its own issuer, and the gateway was not told to trust it. " +
			"That is usual for development servers, appliances and a server's default virtual host.",
		Proof: []string{
			"Issuer and subject of the last certificate are the same, and it is in no trust store of the gateway.",
			"openssl s_client -connect HOST:PORT -servername NAME </dev/null says verify error:num=18 or num=19.",
		},
		Advice: []string{
			"Save that certificate and name it in pools.NAME.tls.ca, which pins it for this pool alone.",
			"If a real certificate was expected, the server showed its default one: check tls.server_name and the server's virtual hosts.",
			"Better, have the certificate issued by an authority: a private one (step-ca, cfssl) or by ACME.",
		},
		Covers:  []string{"T5"},
		Related: []Cause{CauseTLSCertificateUnknownAuthority, CauseTLSCertificateWrongName},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateRevoked,
		Title:    "The upstream's certificate was revoked",
		Family:   FamilySecurity,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} was revoked[ ({subject})]",
		Meaning:  "The authority that issued the upstream's certificate has withdrawn it. Its key may have been stolen, or it was replaced and the old one is still served.",
		Proof: []string{
			"The authority's CRL, or the OCSP response that the server stapled, lists the serial number as revoked, with time and reason.",
			"openssl s_client -connect HOST:PORT -servername NAME -status </dev/null shows Cert Status: revoked.",
		},
		Advice: []string{
			"Have a new certificate issued with a new key, and find out from the reason why the old one was revoked.",
			"If a new one exists already, reload the server: it still serves the old one.",
		},
		Covers:  []string{"T6"},
		Related: []Cause{CauseTLSCertificateUntrusted},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSCertificateUntrusted,
		Title:    "The upstream's certificate does not verify",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSCertificateError,
		sentence: "the certificate of {peer} does not verify[ ({subject})]",
		Meaning:  "The upstream's certificate is no good for a reason other than time, name or authority: it is not meant for servers (extended key usage), breaks a constraint of its authority, has a weak signature, or cannot be parsed.",
		Proof: []string{
			"The evidence has the verifier's own words and the chain as sent.",
			"openssl s_client -connect HOST:PORT -servername NAME -showcerts </dev/null | openssl x509 -noout -text shows usage, constraints and the signature's algorithm.",
		},
		Advice: []string{
			"Have the certificate issued anew for servers: extendedKeyUsage = serverAuth, a signature with SHA-256 or better, no CA flag on the leaf.",
			"Check the name constraints of a private authority: they must allow the endpoint's name.",
		},
		Covers:  []string{"T4", "T9"},
		Related: []Cause{CauseTLSCertificateUnknownAuthority, CauseTLSProtocolError},
		Retry:   retryAny,
	},
}

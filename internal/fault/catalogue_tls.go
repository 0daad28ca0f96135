package fault

// entriesTLS are the causes of TLS but for certificates.
var entriesTLS = []Entry{
	{
		Cause:    CauseTLSVersionMismatch,
		Title:    "No common TLS version",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} and the gateway have no TLS version in common[ (alert {alert})]",
		Meaning: "The upstream speaks only TLS versions that the gateway does not offer. " +
			"Old servers stop at TLS 1.0 or 1.1, which RFC 8996 withdrew.",
		Proof: []string{
			"Alert 70 (protocol_version) right after the ClientHello, or a ServerHello with a version that was not offered.",
			"openssl s_client -connect HOST:PORT -tls1_2, then -tls1_3: both fail. nmap --script ssl-enum-ciphers -p PORT HOST lists what the server has.",
		},
		Advice: []string{
			"Enable TLS 1.2 or 1.3 on the upstream: ssl_protocols in nginx, SSLProtocol in Apache, jdk.tls.disabledAlgorithms in Java.",
			"If the upstream cannot be changed, put a TLS terminator that speaks the old version right next to it.",
		},
		Covers:  []string{"T7"},
		Related: []Cause{CauseTLSNoSharedCipher, CauseTLSToPlainPort},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSNoSharedCipher,
		Title:    "No common cipher",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} found nothing acceptable in the gateway's TLS offer[ (alert {alert})]",
		Meaning: "The upstream rejected the handshake as a whole: no cipher suite, curve or signature algorithm suits both. " +
			"Servers also send this alert when they miss the name (SNI), or have no certificate configured at all.",
		Proof: []string{
			"Alert 40 (handshake_failure) or 71 (insufficient_security) right after the ClientHello, before any certificate.",
			"nmap --script ssl-enum-ciphers -p PORT HOST lists the server's suites; only RSA key exchange, CBC or RC4 is too old.",
			"openssl s_client -connect HOST:PORT with and without -servername NAME: if only one works, it is the name, see tls-name-unknown.",
		},
		Advice: []string{
			"Enable an ECDHE suite with AES-GCM or ChaCha20 on the upstream, and a certificate of RSA or ECDSA P-256.",
			"Check that a certificate is configured for the name: a server without one answers the same alert.",
			"If it asks for a client certificate, set pools.NAME.tls.cert and key.",
		},
		Covers:  []string{"T8", "T12", "T13"},
		Related: []Cause{CauseTLSVersionMismatch, CauseTLSNameUnknown, CauseTLSClientCertificateRequired},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSAlert,
		Title:    "The upstream ended TLS with an alert",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} ended TLS with an alert[ ({alert})][ at stage {stage}]",
		Meaning: "The upstream found something wrong with TLS and said so with a fatal alert. " +
			"The alert's name in the evidence tells what: 80 internal_error is the server's own trouble, 10, 47 and 50 say that it did not understand us.",
		Proof: []string{
			"The evidence has the alert's number and name (RFC 8446 section 6) and the stage at which it came.",
			"openssl s_client -connect HOST:PORT -servername NAME -msg shows the message that the alert answers.",
			"The upstream's own log has its reason at that second.",
		},
		Advice: []string{
			"Read the upstream's TLS log at that time: the side that sent the alert knows why.",
			"For 80 (internal_error), check the upstream's certificate and key files: they do not fit each other, or cannot be read.",
		},
		Covers:  []string{"T9"},
		Related: []Cause{CauseTLSNoSharedCipher, CauseTLSProtocolError},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseTLSNameUnknown,
		Title:    "The upstream does not know the server name",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} does not serve the name that was sent to it as SNI[ (alert {alert})]",
		Meaning: "The upstream looked at the server name in the ClientHello (SNI, RFC 6066 section 3) and has no virtual host for it. " +
			"The endpoint's name is an inner one or an address, and the server is configured for the public one.",
		Proof: []string{
			"Alert 112 (unrecognized_name) right after the ClientHello.",
			"openssl s_client -connect HOST:PORT -servername PUBLIC-NAME succeeds, with the endpoint's own name it fails.",
		},
		Advice: []string{
			"Set pools.NAME.tls.server_name to the name that the upstream's virtual host has, and pools.NAME.host to the same.",
			"Or add the endpoint's name to the upstream's virtual host.",
		},
		Covers:  []string{"T12"},
		Related: []Cause{CauseTLSCertificateWrongName, CauseTLSNoSharedCipher},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSClientCertificateRequired,
		Title:    "The upstream requires a client certificate",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} requires a client certificate[ (alert {alert})][ at stage {stage}]",
		Meaning: "The upstream asks who connects (mutual TLS) and the gateway showed no certificate, or one that it found bad. " +
			"In TLS 1.3 the refusal comes only after the handshake, so that it looks like a failed request.",
		Proof: []string{
			"Alert 116 (certificate_required), or 42 (bad_certificate) from a TLS 1.2 server.",
			"openssl s_client -connect HOST:PORT -servername NAME </dev/null lists Acceptable client certificate CA names.",
			"With -cert and -key of an accepted certificate the same command succeeds.",
		},
		Advice: []string{
			"Set pools.NAME.tls.cert and pools.NAME.tls.key to a certificate from an authority that the upstream accepts.",
			"If no mutual TLS was meant, turn it off there: ssl_verify_client in nginx, SSLVerifyClient in Apache, STRICT mode of a service mesh.",
		},
		Covers:  []string{"T13", "T14"},
		Related: []Cause{CauseTLSClientCertificateRefused, CauseTLSNoSharedCipher},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseTLSClientCertificateRefused,
		Title:    "The upstream refuses the gateway's certificate",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} refuses the gateway's client certificate[ (alert {alert})][ at stage {stage}]",
		Meaning: "The gateway showed its client certificate and the upstream does not accept it. " +
			"The alert's name is the reason: unknown authority, expired, revoked, of a wrong kind, or valid but not allowed in.",
		Proof: []string{
			"Alert 48 (unknown_ca), 45 (certificate_expired), 44 (certificate_revoked), 43, 46 or 49 (access_denied).",
			"openssl x509 -noout -issuer -enddate -ext extendedKeyUsage -in CERT, of the file in pools.NAME.tls.cert.",
			"The issuer is not among the CA names that openssl s_client -connect HOST:PORT prints.",
		},
		Advice: []string{
			"Replace pools.NAME.tls.cert by a certificate that is in date, has clientAuth as its usage and comes from an authority that the upstream accepts.",
			"For 48 (unknown_ca), add the issuing authority upstream, or send the intermediate too: append it to the certificate file.",
			"For 49 (access_denied), put the certificate's subject on the upstream's list.",
		},
		Covers:  []string{"T9", "T13"},
		Related: []Cause{CauseTLSClientCertificateRequired},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseTLSALPN,
		Title:    "No common application protocol",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSAlertReceived,
		sentence: "{peer} does not offer HTTP/1.1 over TLS[ (alert {alert})]",
		Meaning: "The gateway offered http/1.1 by ALPN (RFC 7301) and the upstream accepts none of that. " +
			"It serves HTTP/2 only, as many gRPC servers do, or something that is not HTTP.",
		Proof: []string{
			"Alert 120 (no_application_protocol).",
			"openssl s_client -connect HOST:PORT -servername NAME -alpn h2 </dev/null shows ALPN protocol: h2, with -alpn http/1.1 it fails.",
		},
		Advice: []string{
			"Enable HTTP/1.1 on the upstream beside HTTP/2, or point the endpoint at its HTTP/1.1 port.",
		},
		Covers:  []string{"T17"},
		Related: []Cause{CauseHTTP2OnHTTP1Port, CauseTLSNoSharedCipher},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSToPlainPort,
		Title:    "TLS was spoken to a plain HTTP port",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSProtocolError,
		sentence: "{peer} speaks plain HTTP, and was asked with https[: it answered {sample}]",
		Meaning:  "The gateway began a TLS handshake and the upstream answered with plain HTTP: it has no TLS on that port. Other software reports this as \"wrong version number\" or \"first record does not look like a TLS handshake\".",
		Proof: []string{
			"The first bytes where a ServerHello was due are \"HTTP/\".",
			"curl -v with http:// and the same host and port gets an answer.",
		},
		Advice: []string{
			"Write the endpoint with http:// instead of https://.",
			"If TLS was meant, use the upstream's TLS port (often 443 or 8443), or enable TLS on this one: listen PORT ssl in nginx.",
		},
		Covers:  []string{"T11", "A13"},
		Related: []Cause{CausePlainToTLSPort, CauseTLSProtocolError},
		Retry:   retryAny,
	},
	{
		Cause:    CausePlainToTLSPort,
		Title:    "Plain HTTP was spoken to a TLS port",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} speaks TLS, and was asked with http[: it answered with the bytes {sample}]",
		Meaning:  "The gateway sent a plain HTTP request and the upstream answered with a TLS record: that port speaks TLS. Other software reports it as a malformed response that begins with \\x15\\x03.",
		Proof: []string{
			"The first bytes are 15 03 (a TLS alert) or 16 03 (a handshake record).",
			"openssl s_client -connect HOST:PORT </dev/null shows a certificate.",
		},
		Advice: []string{
			"Write the endpoint with https:// instead of http://.",
			"If plain HTTP was meant, use the upstream's plain port, and keep it off public networks.",
		},
		Covers:  []string{"T10", "A13"},
		Related: []Cause{CauseTLSToPlainPort, CauseClosedBeforeAnswer},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseTLSHandshakeTimeout,
		Title:    "The TLS handshake took too long",
		Family:   FamilyOverload,
		Type:     TypeConnectionTimeout,
		sentence: "{peer} accepted the connection but did not finish the TLS handshake[ within {after}][ ({timer})]",
		Meaning: "The TCP connection stands and the ClientHello was sent, but the handshake did not end in time. " +
			"The process behind the port hangs or is overloaded, it is a service that waits for other input, or large packets are lost on the way.",
		Proof: []string{
			"The time spent in TLS is the value of timeouts.tls.",
			"ss -tnp on the upstream's host shows unread bytes (Recv-Q above 0) on the connection: the process does not read.",
			"openssl s_client -connect HOST:PORT hangs after CONNECTED. If it works from next to the upstream, large packets are lost on the way: a path MTU problem.",
		},
		Advice: []string{
			"See whether the upstream's process is stuck or out of CPU: top, and ss -lnt for a full accept queue.",
			"Check that the port is a TLS port at all: a plain service that waits for a line looks the same.",
			"If only large packets vanish, clamp the MSS on the way or lower the interface's MTU: ping -M do -s 1472 HOST finds the limit.",
		},
		Covers:  []string{"T15", "C13"},
		Related: []Cause{CauseConnectTimeout, CauseTLSHandshakeClosed},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSHandshakeClosed,
		Title:    "The upstream hung up during the TLS handshake",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSProtocolError,
		sentence: "{peer} ended the connection during the TLS handshake without an alert[ after {wait}][ ({errno})]",
		Meaning: "The connection was accepted and then closed or reset before the handshake was done, and without the alert that TLS asks for. " +
			"A filter looks at the server name or at our address and hangs up, a load balancer has nothing behind it, or the process crashed.",
		Proof: []string{
			"FIN or RST after the ClientHello, with no TLS alert.",
			"openssl s_client -connect HOST:PORT -servername NAME with several names: if one works, a filter looks at SNI.",
			"The same from another host works: then a list of allowed addresses is at work.",
		},
		Advice: []string{
			"Check the server name sent (pools.NAME.tls.server_name), then the upstream's list of allowed addresses.",
			"If a load balancer stands there, see whether it has healthy targets: many close at once if not.",
			"Read the upstream's log at that second: a TLS library that crashes on a broken key file looks like this.",
		},
		Covers:  []string{"T16"},
		Related: []Cause{CauseTLSNameUnknown, CauseTLSHandshakeTimeout, CauseProxyProtocolMismatch},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSProtocolError,
		Title:    "The upstream does not speak proper TLS",
		Family:   FamilyMisconfiguration,
		Type:     TypeTLSProtocolError,
		sentence: "{peer} broke the rules of the TLS handshake[: it sent {sample}]",
		Meaning: "What came back for the ClientHello is not valid TLS. " +
			"The port belongs to another service, a middlebox tampers with the handshake, or the server's TLS is broken.",
		Proof: []string{
			"The first bytes of the answer are in the evidence; a TLS record would begin with 16 03 or 15 03.",
			"openssl s_client -connect HOST:PORT -msg fails too, with \"wrong version number\" or \"decode error\".",
		},
		Advice: []string{
			"Check what really listens on that port: ss -lntp on the upstream's host, or nc HOST PORT.",
			"If it is a TLS server, try it from next to it: if that works, something on the way changes the packets.",
		},
		Covers:  []string{"T11"},
		Related: []Cause{CauseTLSToPlainPort, CauseWrongService},
		Retry:   retryAny,
	},
	{
		Cause:    CauseTLSRecordCorrupt,
		Title:    "A TLS record was corrupted",
		Family:   FamilyNetwork,
		Type:     TypeTLSProtocolError,
		sentence: "a TLS record between the gateway and {peer} was corrupted[ (alert {alert})][ at stage {stage}][ after {got} bytes of the response]",
		Meaning: "A record of an established TLS connection did not decrypt: bytes were changed, lost or put in twice on the way, although TCP's checksum passed. " +
			"Faulty network cards and their offloading, middleboxes that rewrite packets, and bugs in a TLS library do that.",
		Proof: []string{
			"Alert 20 (bad_record_mac) from the peer, or the same error found here.",
			"It happens on large transfers and from some hosts only; ethtool -S IFACE shows checksum or frame errors.",
			"After ethtool -K IFACE tso off gso off gro off rx off tx off it is gone: then it is the offloading.",
		},
		Advice: []string{
			"Turn the network card's offloading off on both ends, one at a time, and see whether it stops.",
			"Take middleboxes (TLS inspection, WAN optimisers, old load balancers) out of the way between the two.",
			"Update the TLS library of the upstream.",
		},
		Covers:  []string{"T18"},
		Related: []Cause{CauseTLSProtocolError, CauseBodyReset},
		Retry:   retryIdempotent,
	},
}

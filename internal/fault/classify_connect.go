package fault

import "syscall"

func causeInResolve(e *Evidence) Cause {
	switch e.End {
	case Timeout:
		return CauseDNSTimeout
	case Closed, Reset, Refused, Unreachable:
		return CauseDNSUnreachable
	}
	if e.DNS != nil {
		return causeOfDNS(e)
	}
	return CauseDNSError
}

// Response codes of RFC 6895 section 2.3 that have causes of their own.
const (
	rcodeNoError  = 0
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeRefused  = 5
)

// causeOfDNS reads what our own query learned. The extended error outranks the response code, which only says that it
// failed: RFC 8914 section 1.
func causeOfDNS(e *Evidence) Cause {
	switch {
	case e.DNS == nil:
		return CauseDNSError
	case !e.DNS.Answered && e.Errno != 0 && e.Errno != syscall.ETIMEDOUT:
		return CauseDNSUnreachable
	case !e.DNS.Answered:
		return CauseDNSTimeout
	case e.DNS.EDE >= 15 && e.DNS.EDE <= 18:
		return CauseDNSBlocked
	case e.DNS.RCode == rcodeServFail && (e.DNS.EDE >= 6 && e.DNS.EDE <= 12 || e.DNS.EDE == 25):
		return CauseDNSBogus
	}
	switch e.DNS.RCode {
	case rcodeNoError:
		return CauseDNSNoData
	case rcodeServFail:
		return CauseDNSServFail
	case rcodeNXDomain:
		return CauseDNSNXDomain
	case rcodeRefused:
		return CauseDNSRefused
	}
	return CauseDNSError
}

func causeInDial(e *Evidence) Cause {
	switch e.End {
	case Timeout:
		if e.Errno == syscall.ETIMEDOUT {
			return CauseKernelConnectTimeout
		}
		return CauseConnectTimeout
	case Reset: // a SYN that is refused is ECONNREFUSED: ECONNRESET comes after the SYN-ACK, before we looked
		return CauseResetBeforeAnswer
	case Closed, Refused:
		return causeOfConnect(e, CauseConnectionRefused)
	case Unreachable:
		return causeOfConnect(e, CauseHostUnreachable)
	case Malformed, TooLarge: // of the address, which is ours to get right
		return CauseRouteBroken
	}
	return causeOfConnect(e, CauseNetworkError)
}

// causeOfConnect reads the errno of connect(2), and falls back on what the end alone says.
func causeOfConnect(e *Evidence, fallback Cause) Cause {
	unix := isUnix(e)
	switch e.Errno {
	case syscall.ENOENT, syscall.ENOTSOCK:
		return CauseSocketMissing
	case syscall.EACCES, syscall.EPERM:
		if unix || e.End == Refused {
			return CauseSocketPermission
		}
		return CauseFirewallRejected
	case syscall.EAGAIN:
		return CauseSocketBacklogFull
	case syscall.ECONNREFUSED:
		return CauseConnectionRefused
	case syscall.ENETUNREACH:
		return CauseNetworkUnreachable
	case syscall.EHOSTUNREACH:
		return CauseHostUnreachable
	case syscall.ETIMEDOUT:
		return CauseKernelConnectTimeout
	}
	return fallback
}

func causeOfCertificate(c *Certificate) Cause {
	if c == nil {
		return CauseTLSCertificateUntrusted
	}
	switch c.Problem {
	case CertExpired:
		return CauseTLSCertificateExpired
	case CertNotYetValid:
		return CauseTLSCertificateNotYetValid
	case CertWrongName:
		return CauseTLSCertificateWrongName
	case CertUnknownAuthority:
		return CauseTLSCertificateUnknownAuthority
	case CertSelfSigned:
		return CauseTLSCertificateSelfSigned
	case CertRevoked:
		return CauseTLSCertificateRevoked
	}
	return CauseTLSCertificateUntrusted
}

// causeOfAlert reads an alert's number, RFC 8446 section 6.2. An alert may come after the handshake too: in TLS 1.3 a
// missing client certificate is refused only when the client thinks that it is done (RFC 8446 appendix E.1.2).
func causeOfAlert(e *Evidence) Cause {
	switch e.Alert {
	case 40, 42: // what TLS 1.2 servers send for a client certificate that is missing or not to their liking
		switch e.ClientCert {
		case ClientCertMissing:
			return CauseTLSClientCertificateRequired
		case ClientCertShown:
			return CauseTLSClientCertificateRefused
		}
	}
	switch e.Alert {
	case 40, 71: // handshake_failure, insufficient_security
		return CauseTLSNoSharedCipher
	case 70, 86: // protocol_version, inappropriate_fallback
		return CauseTLSVersionMismatch
	case 112:
		return CauseTLSNameUnknown
	case 42, 116: // bad_certificate is what TLS 1.2 servers send for an empty one
		return CauseTLSClientCertificateRequired
	case 43, 44, 45, 46, 48, 49: // unsupported, revoked, expired, unknown, unknown_ca, access_denied
		return CauseTLSClientCertificateRefused
	case 120:
		return CauseTLSALPN
	case 20: // bad_record_mac
		return CauseTLSRecordCorrupt
	}
	return CauseTLSAlert
}

func causeInTLS(e *Evidence) Cause {
	switch p := Recognise(e.Sample); {
	case p == ProtocolHTTP1 || p == ProtocolHTML:
		return CauseTLSToPlainPort
	case p != ProtocolUnknown && p != ProtocolTLSRecord && p != ProtocolTLSAlert:
		return CauseWrongService
	}
	switch e.End {
	case Closed, Reset, Refused, Failed:
		return CauseTLSHandshakeClosed
	case Unreachable:
		return causeOfConnect(e, CauseHostUnreachable)
	case Timeout:
		return CauseTLSHandshakeTimeout
	}
	return causeOfTLSRule(e.Rule)
}

func causeOfTLSRule(r Rule) Cause {
	switch r {
	case RuleTLSVersion:
		return CauseTLSVersionMismatch
	case RuleTLSRecord:
		return CauseTLSRecordCorrupt
	}
	return CauseTLSProtocolError
}

// isUnix reports whether the endpoint is a unix socket.
func isUnix(e *Evidence) bool { return len(e.Endpoint) >= 5 && e.Endpoint[:5] == "unix:" }

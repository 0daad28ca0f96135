package fault

import "syscall"

// AlertName gives the name that IANA's registry of TLS alerts has for the number (RFC 8446 section 6), empty for a number
// that has none.
func AlertName(number uint8) string {
	for i := range alertNames {
		if alertNames[i].number == number {
			return alertNames[i].name
		}
	}
	return ""
}

var alertNames = [...]struct {
	number uint8
	name   string
}{
	{0, "close_notify"},
	{10, "unexpected_message"},
	{20, "bad_record_mac"},
	{21, "decryption_failed"},
	{22, "record_overflow"},
	{30, "decompression_failure"},
	{40, "handshake_failure"},
	{41, "no_certificate"},
	{42, "bad_certificate"},
	{43, "unsupported_certificate"},
	{44, "certificate_revoked"},
	{45, "certificate_expired"},
	{46, "certificate_unknown"},
	{47, "illegal_parameter"},
	{48, "unknown_ca"},
	{49, "access_denied"},
	{50, "decode_error"},
	{51, "decrypt_error"},
	{52, "too_many_cids_requested"},
	{60, "export_restriction"},
	{70, "protocol_version"},
	{71, "insufficient_security"},
	{80, "internal_error"},
	{86, "inappropriate_fallback"},
	{90, "user_canceled"},
	{100, "no_renegotiation"},
	{109, "missing_extension"},
	{110, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{112, "unrecognized_name"},
	{113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{115, "unknown_psk_identity"},
	{116, "certificate_required"},
	{117, "general_error"},
	{120, "no_application_protocol"},
	{121, "ech_required"},
}

// rcodeNames are IANA's names of the DNS response codes, RFC 6895 section 2.3. 12 to 15 are not assigned.
var rcodeNames = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
	"", "", "", "", "BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE",
}

// RCodeName gives the name of a DNS response code, "RCODE" and its number where it has none.
func RCodeName(code uint16) string {
	if int(code) < len(rcodeNames) && rcodeNames[code] != "" {
		return rcodeNames[code]
	}
	return string(appendInt([]byte("RCODE"), int64(code)))
}

// edeNames are IANA's names of the extended DNS errors, RFC 8914 section 4 and later registrations.
var edeNames = [...]string{
	"Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer", "DNSSEC Indeterminate",
	"DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing", "RRSIGs Missing", "No Zone Key Bit Set",
	"NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored", "Filtered", "Prohibited", "Stale NXDOMAIN Answer",
	"Not Authoritative", "Not Supported", "No Reachable Authority", "Network Error", "Invalid Data", "Signature Expired before Valid",
	"Too Early", "Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized", "Invalid Query Type",
}

// EDEName gives the purpose of an extended DNS error's INFO-CODE, empty for a number that has none.
func EDEName(code int32) string {
	if code < 0 || int(code) >= len(edeNames) {
		return ""
	}
	return edeNames[code]
}

// ErrnoName gives the symbol of an errno that a socket can meet, e.g. ECONNREFUSED; empty for another.
func ErrnoName(errno syscall.Errno) string {
	for i := range errnoNames {
		if errnoNames[i].errno == errno {
			return errnoNames[i].name
		}
	}
	return ""
}

var errnoNames = [...]struct {
	errno syscall.Errno
	name  string
}{
	{syscall.ECONNREFUSED, "ECONNREFUSED"},
	{syscall.ECONNRESET, "ECONNRESET"},
	{syscall.ECONNABORTED, "ECONNABORTED"},
	{syscall.EPIPE, "EPIPE"},
	{syscall.ETIMEDOUT, "ETIMEDOUT"},
	{syscall.EHOSTUNREACH, "EHOSTUNREACH"},
	{syscall.ENETUNREACH, "ENETUNREACH"},
	{syscall.ENETDOWN, "ENETDOWN"},
	{syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"},
	{syscall.EADDRINUSE, "EADDRINUSE"},
	{syscall.EAFNOSUPPORT, "EAFNOSUPPORT"},
	{syscall.EACCES, "EACCES"},
	{syscall.EPERM, "EPERM"},
	{syscall.EAGAIN, "EAGAIN"},
	{syscall.ENOENT, "ENOENT"},
	{syscall.ENOTSOCK, "ENOTSOCK"},
	{syscall.ENOTCONN, "ENOTCONN"},
	{syscall.EMFILE, "EMFILE"},
	{syscall.ENFILE, "ENFILE"},
	{syscall.ENOBUFS, "ENOBUFS"},
	{syscall.ENOMEM, "ENOMEM"},
	{syscall.EPROTO, "EPROTO"},
	{syscall.EINVAL, "EINVAL"},
	{syscall.EIO, "EIO"},
}

package fault

// Rule is a rule of a protocol, or a limit of ours, that a message broke. Codecs report it with the offset of the first
// octet that broke it.
type Rule uint8

const (
	RuleNone Rule = iota

	// The start line.
	RuleNotHTTP     // the first octets are not HTTP's
	RuleRequestLine // RFC 9112 section 3: method SP request-target SP HTTP-version
	RuleMethod      // RFC 9110 section 9.1: a method is a token
	RuleTarget      // RFC 9112 section 3.2: the request target has a form and no forbidden octet
	RuleVersion     // RFC 9112 section 2.3: HTTP/1.0 or HTTP/1.1
	RuleStatusLine  // RFC 9112 section 4: HTTP-version SP status-code SP [reason-phrase]
	RuleStatusCode  // RFC 9110 section 15: three digits, 100 to 599 by meaning, 100 to 999 by grammar

	// Field lines.
	RuleFieldName        // RFC 9110 section 5.1: a field name is a token
	RuleMissingColon     // RFC 9112 section 5: a field line has a colon
	RuleSpaceBeforeColon // RFC 9112 section 5.1: no whitespace between name and colon
	RuleFieldValue       // RFC 9110 section 5.5: no CTL but HTAB in a field value
	RuleNUL              // RFC 9110 section 5.5: NUL in a field value
	RuleBareCR           // RFC 9112 section 2.2: CR is followed by LF
	RuleBareLF           // RFC 9112 section 2.2: LF is preceded by CR (lenient where told)
	RuleObsFold          // RFC 9112 section 5.2: line folding is obsolete
	RuleLeadingSpace     // RFC 9112 section 2.2: no whitespace between start line and first field

	// Host.
	RuleHostMissing  // RFC 9112 section 3.2: an HTTP/1.1 request has a Host field
	RuleHostMultiple // RFC 9112 section 3.2: and only one
	RuleHostInvalid  // RFC 9112 section 3.2: with a valid value

	// Framing.
	RuleContentLength           // RFC 9112 section 6.3 item 5: 1*DIGIT
	RuleContentLengthConflict   // RFC 9112 section 6.3 item 5: several values that differ
	RuleContentLengthOverflow   // RFC 9110 section 8.6: larger than 63 bits hold
	RuleLengthAndEncoding       // RFC 9112 section 6.3 item 3: Content-Length and Transfer-Encoding together
	RuleTransferEncoding        // RFC 9112 section 6.1: a coding that we do not know
	RuleTransferEncodingTwice   // RFC 9112 section 6.1: chunked applied more than once
	RuleTransferEncodingLast    // RFC 9112 section 6.3 item 4: chunked is not the final coding
	RuleTransferEncodingVersion // RFC 9112 section 6.1: Transfer-Encoding in an HTTP/1.0 message
	RuleForbiddenFraming        // RFC 9112 section 6.1, RFC 9110 section 8.6: Transfer-Encoding or a length on 1xx or 204

	// Chunked coding and trailers.
	RuleChunkSize         // RFC 9112 section 7.1: 1*HEXDIG
	RuleChunkSizeOverflow // RFC 9112 section 7.1: larger than 63 bits hold
	RuleChunkExtension    // RFC 9112 section 7.1.1: a malformed or endless extension
	RuleChunkEnd          // RFC 9112 section 7.1: CRLF after chunk data
	RuleTrailer           // RFC 9112 section 7.1.2: a malformed trailer field, or one that must not be there

	// Ends of messages.
	RuleBodyShort      // RFC 9112 section 8: closed before Content-Length octets had come
	RuleChunksCut      // RFC 9112 section 8: closed before the last chunk
	RuleHeadCut        // RFC 9112 section 8: closed inside the head
	RuleExtraOctets    // RFC 9112 section 6.3: octets after the end of the response
	RuleInterim        // RFC 9110 section 15.2: an interim response to a request that cannot have one
	RuleUnaskedUpgrade // RFC 9110 section 7.8: 101 though no upgrade was asked, or to a protocol not asked for

	// Limits of ours: Evidence.Limit and Size are in octets but for the counts.
	RuleHeadSize     // a head larger than limits.request_head or limits.response_head
	RuleFieldSize    // one field line larger than the same
	RuleFieldCount   // more field lines than FieldsMax (a count)
	RuleTargetSize   // a request target that does not fit limits.request_head
	RuleTrailerSize  // a trailer section larger than the head limit
	RuleBodySize     // a request body larger than limits.request_body
	RuleInterimCount // more interim responses than ten (a count)

	// What the gateway refuses to forward.
	RuleConnect     // CONNECT: the gateway is not a tunnel
	RuleTrace       // TRACE: it would show fields that the gateway added
	RuleExpectation // RFC 9110 section 10.1.1: an expectation other than 100-continue

	// TLS, found on our side of the connection (what the peer finds comes as an Alert).
	RuleTLSVersion // RFC 8446 section 4.2.1: the peer chose a version that we do not offer
	RuleTLSRecord  // RFC 8446 section 5.2: a record that does not decrypt or verify

	// TLS at the listener's door: no request was read.
	RulePlainOnTLS   // RFC 8446 section 5.1: HTTP in clear where a record is due
	RuleTLSHandshake // RFC 8446 section 4: the client's handshake ended before it was whole

	// Why there is nobody to ask (End is Unavailable).
	RulePoolEmpty // the pool has no endpoint at all
	RuleDraining  // the gateway is shutting down

	// Rules is the number of rules, for tables indexed by Rule.
	Rules = int(iota)
)

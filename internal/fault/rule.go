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
	RuleMisdirected // RFC 9110 section 15.5.20: a name that neither a route nor the certificate shown has, on a connection that was opened for another

	// TLS, found on our side of the connection (what the peer finds comes as an Alert).
	RuleTLSVersion // RFC 8446 section 4.2.1: the peer chose a version that we do not offer
	RuleTLSRecord  // RFC 8446 section 5.2: a record that does not decrypt or verify

	// TLS at the listener's door: no request was read.
	RulePlainOnTLS   // RFC 8446 section 5.1: HTTP in clear where a record is due
	RuleTLSHandshake // RFC 8446 section 4: the client's handshake ended before it was whole

	// Why there is nobody to ask (End is Unavailable).
	RulePoolEmpty // the pool has no endpoint at all
	RuleDraining  // the gateway is shutting down

	// HTTP/2: connection and frames. Those that HTTP/1 has too are above.
	RuleH2Preface        // RFC 9113 section 3.4: the connection does not begin as HTTP/2 does
	RuleH2FrameSize      // RFC 9113 section 4.2: a frame is larger than SETTINGS_MAX_FRAME_SIZE
	RuleH2FrameLength    // RFC 9113 section 4.2: a frame's length is not one that its type has
	RuleH2StreamZero     // RFC 9113 section 6: a frame of a stream is on the connection, or one of the connection is on a stream
	RuleH2Padding        // RFC 9113 section 6.1: a frame's padding is as long as its payload
	RuleH2Continuation   // RFC 9113 section 6.10: a header block is not continued by CONTINUATION, or there is none to continue
	RuleH2StreamID       // RFC 9113 section 5.1.1: a new stream's identifier is not larger than the last, or is not this peer's to choose
	RuleH2StreamIdle     // RFC 9113 section 5.1: a frame is on a stream that nobody has opened
	RuleH2StreamClosed   // RFC 9113 section 5.1: a frame is on a stream that its sender had ended
	RuleH2StreamLimit    // RFC 9113 section 5.1.2: there are more streams than SETTINGS_MAX_CONCURRENT_STREAMS
	RuleH2SelfDependency // RFC 7540 section 5.3.1: a stream depends on itself
	RuleH2Push           // RFC 9113 section 8.4: PUSH_PROMISE came though push is switched off
	RuleH2Setting        // RFC 9113 section 6.5.2: a setting has a value that it cannot have
	RuleH2SettingWindow  // RFC 9113 section 6.5.2: SETTINGS_INITIAL_WINDOW_SIZE is larger than 31 bits hold
	RuleH2SettingsAck    // RFC 9113 section 6.5.3: settings were acknowledged that nobody had sent
	RuleH2WindowZero     // RFC 9113 section 6.9: WINDOW_UPDATE adds nothing
	RuleH2WindowOverflow // RFC 9113 section 6.9.1: a flow-control window is larger than 31 bits hold
	RuleH2WindowExceeded // RFC 9113 section 6.9.1: there is more data than the flow-control window allows
	RuleH2GoAway         // RFC 9113 section 6.8: a second GOAWAY names a larger stream than the first

	// HTTP/2: field compression. Each ends the connection, since both tables must stay the same.
	RuleHPACKIndex     // RFC 7541 section 2.3.3: a header block refers to a table entry that is not there
	RuleHPACKInteger   // RFC 7541 section 5.1: a number in a header block is too large
	RuleHPACKCut       // RFC 7541 section 6: a header block ends inside a header
	RuleHPACKHuffman   // RFC 7541 section 5.2: a Huffman-coded string is padded wrongly or has EOS
	RuleHPACKTableSize // RFC 7541 section 6.3: a table size update is too large, or not at the front of a header block

	// HTTP/2: messages.
	RuleH2FieldName       // RFC 9113 section 8.2.1: a header name is not a token in lower case
	RuleH2FieldValue      // RFC 9113 section 8.2.1: a header value begins or ends with whitespace
	RuleH2ConnectionField // RFC 9113 section 8.2.2: there is a header that belongs to an HTTP/1.1 connection
	RuleH2TE              // RFC 9113 section 8.2.2: te is other than trailers
	RuleH2PseudoUnknown   // RFC 9113 section 8.3: there is a pseudo-header that this message cannot have
	RuleH2PseudoTwice     // RFC 9113 section 8.3: a pseudo-header comes twice
	RuleH2PseudoLate      // RFC 9113 section 8.3: a pseudo-header comes after a header, or in trailers
	RuleH2PseudoMissing   // RFC 9113 section 8.3.1: a pseudo-header is missing
	RuleH2Scheme          // RFC 9113 section 8.3.1: :scheme is neither http nor https
	RuleH2Authority       // RFC 9113 section 8.3.1: the Host header is not what :authority says
	RuleH2Connect         // RFC 9113 section 8.5: CONNECT has pseudo-headers that it must not have, or was not offered
	RuleH2Status          // RFC 9113 section 8.6: :status is 101, which HTTP/2 does not have
	RuleH2Length          // RFC 9113 section 8.1.1: the body is not as long as Content-Length says
	RuleH2TrailersEnd     // RFC 9113 section 8.1: a second head does not end the stream, or an interim one does
	RuleH2DataEarly       // RFC 9113 section 8.1: data comes before the head

	// HTTP/2: limits of ours. What is counted is said where each is found.
	RuleH2BlockSize       // a header block is larger than the limit before it is decoded
	RuleH2BlockFrames     // a header block is in more frames than the limit
	RuleH2SettingCount    // there are more settings in one frame than the limit
	RuleH2Strain          // the connection costs more than the requests on it are worth
	RuleH2Stall           // the peer leaves a stream's window closed
	RuleH2SettingsTimeout // the peer did not acknowledge our settings
	RuleH2Ping            // the peer did not acknowledge PING (RFC 9113 section 6.7)

	// HTTP/3: connection, streams and frames. Messages have HTTP/2's rules, which RFC 9114 section 4 repeats.
	RuleH3Settings  // RFC 9114 section 7.2.4: SETTINGS is missing, or has a setting twice, or one that HTTP/3 does not have
	RuleH3Stream    // RFC 9114 section 6.2: a stream of a kind that may not be there: a second control stream, a push of the client's
	RuleH3Critical  // RFC 9114 section 6.2.1: the control stream or one of QPACK's was closed
	RuleH3Frame     // RFC 9114 section 7.2: a frame is not allowed there, or there no more
	RuleH3FrameSize // RFC 9114 section 7.1: a frame is cut, or its length is not one that its type has
	RuleH3ID        // RFC 9114 section 7.2: an identifier that cannot be, in GOAWAY, CANCEL_PUSH or MAX_PUSH_ID
	RuleH3Cut       // RFC 9114 section 4.1: a request ends before it is whole
	RuleH3Unknown   // there is more in frames of unknown types than the limit

	// HTTP/3: field compression. No dynamic table is offered.
	RuleQPACKDynamic // RFC 9204 section 3.2: a header block refers to the dynamic table, which is empty
	RuleQPACKStream  // RFC 9204 section 4: an instruction on QPACK's streams that there is no table for

	// Rules is the number of rules, for tables indexed by Rule.
	Rules = int(iota)
)

package fault

// ruleWords is what there is to say about a rule.
type ruleWords struct {
	name string // for logs and JSON
	text string // what was found, as a clause: "a header line has no colon"
	ref  string // where the rule stands
}

var ruleTable = [Rules]ruleWords{
	RuleNone:                    {"none", "", ""},
	RuleNotHTTP:                 {"not_http", "the first bytes are not HTTP", "RFC 9112 section 2.1"},
	RuleRequestLine:             {"request_line", "the request line is not method, target and version", "RFC 9112 section 3"},
	RuleMethod:                  {"method", "the method is not a token", "RFC 9110 section 9.1"},
	RuleTarget:                  {"target", "the request target has no valid form", "RFC 9112 section 3.2"},
	RuleVersion:                 {"version", "the version is neither HTTP/1.1 nor HTTP/1.0", "RFC 9112 section 2.3"},
	RuleStatusLine:              {"status_line", "the status line is not version, code and reason", "RFC 9112 section 4"},
	RuleStatusCode:              {"status_code", "the status code is not three digits from 100 on", "RFC 9110 section 15"},
	RuleFieldName:               {"field_name", "a header name is not a token", "RFC 9110 section 5.1"},
	RuleMissingColon:            {"missing_colon", "a header line has no colon", "RFC 9112 section 5"},
	RuleSpaceBeforeColon:        {"space_before_colon", "there is a space between a header name and its colon", "RFC 9112 section 5.1"},
	RuleFieldValue:              {"field_value", "a header value has a control character", "RFC 9110 section 5.5"},
	RuleNUL:                     {"nul", "a header value has a NUL", "RFC 9110 section 5.5"},
	RuleBareCR:                  {"bare_cr", "a CR is not followed by LF", "RFC 9112 section 2.2"},
	RuleBareLF:                  {"bare_lf", "an LF is not preceded by CR", "RFC 9112 section 2.2"},
	RuleObsFold:                 {"obs_fold", "a header line is folded", "RFC 9112 section 5.2"},
	RuleLeadingSpace:            {"leading_space", "there is a space before the first header", "RFC 9112 section 2.2"},
	RuleHostMissing:             {"host_missing", "there is no Host header", "RFC 9112 section 3.2"},
	RuleHostMultiple:            {"host_multiple", "there is more than one Host header", "RFC 9112 section 3.2"},
	RuleHostInvalid:             {"host_invalid", "the Host header's value is not a host", "RFC 9112 section 3.2"},
	RuleContentLength:           {"content_length", "Content-Length is not a number", "RFC 9112 section 6.3"},
	RuleContentLengthConflict:   {"content_length_conflict", "several Content-Length values differ", "RFC 9112 section 6.3"},
	RuleContentLengthOverflow:   {"content_length_overflow", "Content-Length is larger than 63 bits hold", "RFC 9110 section 8.6"},
	RuleLengthAndEncoding:       {"length_and_encoding", "Content-Length and Transfer-Encoding stand together", "RFC 9112 section 6.3"},
	RuleTransferEncoding:        {"transfer_encoding", "Transfer-Encoding is other than chunked", "RFC 9112 section 6.1"},
	RuleTransferEncodingTwice:   {"transfer_encoding_twice", "chunked is applied more than once", "RFC 9112 section 6.1"},
	RuleTransferEncodingLast:    {"transfer_encoding_last", "chunked is not the final transfer coding", "RFC 9112 section 6.3"},
	RuleTransferEncodingVersion: {"transfer_encoding_version", "an HTTP/1.0 message has Transfer-Encoding", "RFC 9112 section 6.1"},
	RuleForbiddenFraming:        {"forbidden_framing", "a message that has no body says how long it is", "RFC 9112 section 6.1"},
	RuleChunkSize:               {"chunk_size", "a chunk's size is not a hexadecimal number", "RFC 9112 section 7.1"},
	RuleChunkSizeOverflow:       {"chunk_size_overflow", "a chunk's size is larger than 63 bits hold", "RFC 9112 section 7.1"},
	RuleChunkExtension:          {"chunk_extension", "a chunk extension is malformed or endless", "RFC 9112 section 7.1.1"},
	RuleChunkEnd:                {"chunk_end", "no CRLF follows a chunk's data", "RFC 9112 section 7.1"},
	RuleTrailer:                 {"trailer", "a trailer header is malformed or must not be there", "RFC 9112 section 7.1.2"},
	RuleBodyShort:               {"body_short", "the body is shorter than Content-Length", "RFC 9112 section 8"},
	RuleChunksCut:               {"chunks_cut", "the last chunk is missing", "RFC 9112 section 8"},
	RuleHeadCut:                 {"head_cut", "the head has no end", "RFC 9112 section 8"},
	RuleExtraOctets:             {"extra_octets", "bytes follow the end of the response", "RFC 9112 section 6.3"},
	RuleInterim:                 {"interim", "an interim response answers a request that cannot have one", "RFC 9110 section 15.2"},
	RuleUnaskedUpgrade:          {"unasked_upgrade", "101 came though that upgrade was not asked for", "RFC 9110 section 7.8"},
	RuleHeadSize:                {"head_size", "the head is larger than the limit", ""},
	RuleFieldSize:               {"field_size", "a header line is larger than the limit", ""},
	RuleFieldCount:              {"field_count", "there are more header lines than the limit", ""},
	RuleTargetSize:              {"target_size", "the request target is larger than the limit", ""},
	RuleTrailerSize:             {"trailer_size", "the trailer section is larger than the limit", ""},
	RuleBodySize:                {"body_size", "the body is larger than the limit", ""},
	RuleInterimCount:            {"interim_count", "there are more interim responses than the limit", ""},
	RuleConnect:                 {"connect", "the method is CONNECT", "RFC 9110 section 9.3.6"},
	RuleTrace:                   {"trace", "the method is TRACE", "RFC 9110 section 9.3.8"},
	RuleExpectation:             {"expectation", "the expectation is other than 100-continue", "RFC 9110 section 10.1.1"},
	RuleTLSVersion:              {"tls_version", "the peer chose a TLS version that was not offered", "RFC 8446 section 4.2.1"},
	RuleTLSRecord:               {"tls_record", "a TLS record does not decrypt", "RFC 8446 section 5.2"},
	RulePlainOnTLS:              {"plain_on_tls", "HTTP came in clear where a TLS record is due", "RFC 8446 section 5.1"},
	RuleTLSHandshake:            {"tls_handshake", "the client's TLS handshake did not come to its end", "RFC 8446 section 4"},
	RulePoolEmpty:               {"pool_empty", "the pool has no endpoint", ""},
	RuleDraining:                {"draining", "the gateway is shutting down", ""},
}

func (r Rule) words() *ruleWords {
	if int(r) < Rules {
		return &ruleTable[r]
	}
	return &ruleTable[RuleNone]
}

// String gives the rule's name as logs and JSON spell it.
func (r Rule) String() string { return r.words().name }

// MarshalText makes JSON show the rule's name.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Text says what was found, as a clause without a full stop; empty for RuleNone.
func (r Rule) Text() string { return r.words().text }

// Reference names the section that states the rule; empty for a limit of ours.
func (r Rule) Reference() string { return r.words().ref }

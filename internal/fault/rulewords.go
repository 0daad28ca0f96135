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
	RuleMisdirected:             {"misdirected", "neither a route nor the certificate has this name: the connection was opened for another", "RFC 9110 section 15.5.20"},
	RuleTLSVersion:              {"tls_version", "the peer chose a TLS version that was not offered", "RFC 8446 section 4.2.1"},
	RuleTLSRecord:               {"tls_record", "a TLS record does not decrypt", "RFC 8446 section 5.2"},
	RulePlainOnTLS:              {"plain_on_tls", "HTTP came in clear where a TLS record is due", "RFC 8446 section 5.1"},
	RuleTLSHandshake:            {"tls_handshake", "the client's TLS handshake did not come to its end", "RFC 8446 section 4"},
	RulePoolEmpty:               {"pool_empty", "the pool has no endpoint", ""},
	RuleDraining:                {"draining", "the gateway is shutting down", ""},
	RuleH2Preface:               {"h2_preface", "the connection does not begin as HTTP/2 does", "RFC 9113 section 3.4"},
	RuleH2FrameSize:             {"h2_frame_size", "a frame is larger than SETTINGS_MAX_FRAME_SIZE", "RFC 9113 section 4.2"},
	RuleH2FrameLength:           {"h2_frame_length", "a frame's length is not one that its type has", "RFC 9113 section 4.2"},
	RuleH2StreamZero:            {"h2_stream_zero", "a frame of a stream is on the connection, or one of the connection is on a stream", "RFC 9113 section 6"},
	RuleH2Padding:               {"h2_padding", "a frame's padding is as long as its payload", "RFC 9113 section 6.1"},
	RuleH2Continuation:          {"h2_continuation", "a header block is not continued by CONTINUATION, or there is none to continue", "RFC 9113 section 6.10"},
	RuleH2StreamID:              {"h2_stream_id", "a new stream's identifier is not larger than the last, or is not this peer's to choose", "RFC 9113 section 5.1.1"},
	RuleH2StreamIdle:            {"h2_stream_idle", "a frame is on a stream that nobody has opened", "RFC 9113 section 5.1"},
	RuleH2StreamClosed:          {"h2_stream_closed", "a frame is on a stream that its sender had ended", "RFC 9113 section 5.1"},
	RuleH2StreamLimit:           {"h2_stream_limit", "there are more streams than SETTINGS_MAX_CONCURRENT_STREAMS", "RFC 9113 section 5.1.2"},
	RuleH2SelfDependency:        {"h2_self_dependency", "a stream depends on itself", "RFC 7540 section 5.3.1"},
	RuleH2Push:                  {"h2_push", "PUSH_PROMISE came though push is switched off", "RFC 9113 section 8.4"},
	RuleH2Setting:               {"h2_setting", "a setting has a value that it cannot have", "RFC 9113 section 6.5.2"},
	RuleH2SettingWindow:         {"h2_setting_window", "SETTINGS_INITIAL_WINDOW_SIZE is larger than 31 bits hold", "RFC 9113 section 6.5.2"},
	RuleH2SettingsAck:           {"h2_settings_ack", "settings were acknowledged that nobody had sent", "RFC 9113 section 6.5.3"},
	RuleH2WindowZero:            {"h2_window_zero", "WINDOW_UPDATE adds nothing", "RFC 9113 section 6.9"},
	RuleH2WindowOverflow:        {"h2_window_overflow", "a flow-control window is larger than 31 bits hold", "RFC 9113 section 6.9.1"},
	RuleH2WindowExceeded:        {"h2_window_exceeded", "there is more data than the flow-control window allows", "RFC 9113 section 6.9.1"},
	RuleH2GoAway:                {"h2_goaway", "a second GOAWAY names a larger stream than the first", "RFC 9113 section 6.8"},
	RuleHPACKIndex:              {"hpack_index", "a header block refers to a table entry that is not there", "RFC 7541 section 2.3.3"},
	RuleHPACKInteger:            {"hpack_integer", "a number in a header block is too large", "RFC 7541 section 5.1"},
	RuleHPACKCut:                {"hpack_cut", "a header block ends inside a header", "RFC 7541 section 6"},
	RuleHPACKHuffman:            {"hpack_huffman", "a Huffman-coded string is padded wrongly or has EOS", "RFC 7541 section 5.2"},
	RuleHPACKTableSize:          {"hpack_table_size", "a table size update is too large, or not at the front of a header block", "RFC 7541 section 6.3"},
	RuleH2FieldName:             {"h2_field_name", "a header name is not a token in lower case", "RFC 9113 section 8.2.1"},
	RuleH2FieldValue:            {"h2_field_value", "a header value begins or ends with whitespace", "RFC 9113 section 8.2.1"},
	RuleH2ConnectionField:       {"h2_connection_field", "there is a header that belongs to an HTTP/1.1 connection", "RFC 9113 section 8.2.2"},
	RuleH2TE:                    {"h2_te", "te is other than trailers", "RFC 9113 section 8.2.2"},
	RuleH2PseudoUnknown:         {"h2_pseudo_unknown", "there is a pseudo-header that this message cannot have", "RFC 9113 section 8.3"},
	RuleH2PseudoTwice:           {"h2_pseudo_twice", "a pseudo-header comes twice", "RFC 9113 section 8.3"},
	RuleH2PseudoLate:            {"h2_pseudo_late", "a pseudo-header comes after a header, or in trailers", "RFC 9113 section 8.3"},
	RuleH2PseudoMissing:         {"h2_pseudo_missing", "a pseudo-header is missing", "RFC 9113 section 8.3.1"},
	RuleH2Scheme:                {"h2_scheme", ":scheme is neither http nor https", "RFC 9113 section 8.3.1"},
	RuleH2Authority:             {"h2_authority", "the Host header is not what :authority says", "RFC 9113 section 8.3.1"},
	RuleH2Connect:               {"h2_connect", "CONNECT has pseudo-headers that it must not have, or was not offered", "RFC 9113 section 8.5"},
	RuleH2Status:                {"h2_status", ":status is 101, which HTTP/2 does not have", "RFC 9113 section 8.6"},
	RuleH2Length:                {"h2_length", "the body is not as long as Content-Length says", "RFC 9113 section 8.1.1"},
	RuleH2TrailersEnd:           {"h2_trailers_end", "a second head does not end the stream, or an interim one does", "RFC 9113 section 8.1"},
	RuleH2DataEarly:             {"h2_data_early", "data comes before the head", "RFC 9113 section 8.1"},
	RuleH2BlockSize:             {"h2_block_size", "a header block is larger than the limit before it is decoded", ""},
	RuleH2BlockFrames:           {"h2_block_frames", "a header block is in more frames than the limit", ""},
	RuleH2SettingCount:          {"h2_setting_count", "there are more settings in one frame than the limit", ""},
	RuleH2Strain:                {"h2_strain", "the connection costs more than the requests on it are worth", ""},
	RuleH2Stall:                 {"h2_stall", "the peer leaves a stream's window closed", ""},
	RuleH2SettingsTimeout:       {"h2_settings_timeout", "the peer did not acknowledge our settings", ""},
	RuleH2Ping:                  {"h2_ping", "the peer did not acknowledge PING", "RFC 9113 section 6.7"},
	RuleH3Settings:              {"h3_settings", "SETTINGS is missing, or has a setting twice, or one that HTTP/3 does not have", "RFC 9114 section 7.2.4"},
	RuleH3Stream:                {"h3_stream", "a stream is of a kind that may not be there", "RFC 9114 section 6.2"},
	RuleH3Critical:              {"h3_critical_stream", "the control stream or one of QPACK's was closed", "RFC 9114 section 6.2.1"},
	RuleH3Frame:                 {"h3_frame", "a frame is not allowed where it is", "RFC 9114 section 7.2"},
	RuleH3FrameSize:             {"h3_frame_size", "a frame is cut, or its length is not one that its type has", "RFC 9114 section 7.1"},
	RuleH3ID:                    {"h3_id", "GOAWAY, CANCEL_PUSH or MAX_PUSH_ID has an identifier that cannot be", "RFC 9114 section 7.2"},
	RuleH3Cut:                   {"h3_cut", "a request ends before it is whole", "RFC 9114 section 4.1"},
	RuleH3Unknown:               {"h3_unknown", "there is more in frames of unknown types than the limit", ""},
	RuleQPACKDynamic:            {"qpack_dynamic", "a header block refers to the dynamic table, which is empty", "RFC 9204 section 3.2"},
	RuleQPACKStream:             {"qpack_stream", "an instruction on QPACK's streams that there is no table for", "RFC 9204 section 4"},
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

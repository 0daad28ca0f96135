package fault

// entriesBody are the causes met while the response body is relayed. Its head has gone to the client as a rule, so the
// status stands and the fault shows as a message that visibly lacks its end.
var entriesBody = []Entry{
	{
		Cause:    CauseBodyStalled,
		Title:    "The response body stopped coming",
		Family:   FamilyApplication,
		Type:     TypeConnectionReadTimeout,
		sentence: "{peer} sent no more of the response body[ for {after}][ ({timer})][; {body}[ of {declared}] bytes had come]",
		Meaning: "The head and part of the body came, then nothing for as long as the gateway waits between two reads. " +
			"The application is stuck while it produces the body, or it streams and had nothing to say for longer than the timer allows.",
		Proof: []string{
			"The gateway's timer (timeouts.read in Whygate) fired with part of the body received; the connection did not end.",
			"The body is an event stream or a long poll: then silence is normal, and the timer is too short for it.",
			"It always stops at about 64 KiB or at the same byte: look at what the application does there; large packets lost look the same.",
		},
		Advice: []string{
			"For event streams, have the application send a comment line (\": ping\") every 15 s; or raise timeouts.read for that pool.",
			"Find what the application waits for in the middle of its body: its log, py-spy dump, jstack, slow queries.",
		},
		Covers:  []string{"R14", "C13"},
		Related: []Cause{CauseResponseTooSlow, CauseBodyShort, CauseHeadTimeout},
		Retry:   retryLate,
	},
	{
		Cause:    CauseResponseTooSlow,
		Title:    "The whole response took too long",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseTimeout,
		sentence: "{peer} had not finished its response[ after {after}][ ({timer})][; {body}[ of {declared}] bytes of the body had come]",
		Meaning: "The response was coming, but its end was not reached within the time that the gateway allows for a whole response. " +
			"The response is very large, the upstream or the client is slow, or it is a stream that has no end.",
		Proof: []string{
			"The gateway's timer (timeouts.response in Whygate) fired; bytes were still coming.",
			"Bytes received divided by the time spent in the body is the rate: compare it with what the link and the client can do.",
		},
		Advice: []string{
			"For streams and large downloads, unset timeouts.response in that pool; timeouts.read still ends a body that stands still.",
			"Otherwise find out whether the upstream produces or the client reads so slowly: the stage timings in the incident tell.",
		},
		Covers:  []string{"R15"},
		Related: []Cause{CauseBodyStalled, CauseSlowHead},
		Retry:   retryLate,
	},
	{
		Cause:    CauseBodyShort,
		Title:    "The response body is shorter than announced",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseIncomplete,
		sentence: "{peer} closed the connection before the response body was complete[: {body}[ of {declared}] bytes came]",
		Meaning: "The response announced a Content-Length and the connection was closed before so many bytes had come. " +
			"The application failed in the middle of the body, was restarted, or computed the length of something else (before compression, or characters instead of bytes).",
		Proof: []string{
			"Content-Length and bytes received are in the evidence; the end was a FIN.",
			"It is the same number each time for one URL: then the length is computed wrongly. It varies: then the process dies or is killed.",
			"curl -v of the URL at the upstream itself says: transfer closed with N bytes remaining to read.",
		},
		Advice: []string{
			"If the shortfall is constant, correct the Content-Length in the application, or leave it out and let the framework chunk.",
			"If it varies, look for crashes, kills and restarts of the application at that second.",
			"If an nginx stands in between, see its error log: a proxy_temp_path that is full or not writable (open() failed, 13: Permission denied) cuts large bodies.",
		},
		Covers:  []string{"R16"},
		Related: []Cause{CauseChunksCut, CauseBodyReset, CauseInvalidLength},
		Retry:   retryLate,
	},
	{
		Cause:    CauseBodyReset,
		Title:    "The connection was reset inside the response body",
		Family:   FamilyApplication,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} reset the connection inside the response body[ after {body}[ of {declared}] bytes][ ({errno})]",
		Meaning: "The head and part of the body came, then RST. " +
			"The upstream's process was killed, a deploy cut it off, or a firewall or load balancer on the way dropped the connection.",
		Proof: []string{
			"ECONNRESET while the body was read; the evidence has how many bytes had come.",
			"journalctl -u UNIT, dmesg -T | grep -i 'killed process', kubectl get events: a restart or a kill at that second.",
			"The RST's TTL in tcpdump is another than that of the data: then a box on the way sent it.",
		},
		Advice: []string{
			"Look for a restart, deploy or kill of the upstream at that second, and let it finish its responses on SIGTERM.",
			"If it always comes after the same time, look for the time limit of a load balancer or firewall in between.",
		},
		Covers:  []string{"R17"},
		Related: []Cause{CauseBodyShort, CauseResetBeforeAnswer},
		Retry:   retryLate,
	},
	{
		Cause:    CauseChunksCut,
		Title:    "The chunked body has no end",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseIncomplete,
		sentence: "{peer} closed the connection before the last chunk[ ({body} bytes of the body had come)]",
		Meaning: "The body was sent in chunks and the connection was closed before the last chunk, the one of size 0. " +
			"The application failed while it was producing the body, after its status had gone out: frameworks have no other way to show that.",
		Proof: []string{
			"The end was a FIN, and no chunk of size 0 came (RFC 9112 section 8).",
			"The application's log has an exception for this request at that second.",
			"curl -v of the URL at the upstream itself says: transfer closed with outstanding read data remaining.",
		},
		Advice: []string{
			"Read the application's log at that second for an exception while it rendered or streamed.",
			"If the body is always complete and only its end is missing, the application closes the connection itself: let the framework end the response.",
		},
		Covers:  []string{"R18"},
		Related: []Cause{CauseBodyShort, CauseBadChunk, CauseBodyReset},
		Retry:   retryLate,
	},
}

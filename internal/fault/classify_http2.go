package fault

// causeOverHTTP2 judges what only HTTP/2 has, CauseNone where HTTP/1 has the same.
func causeOverHTTP2(e *Evidence) Cause {
	switch {
	case e.Stage < Write || e.Stage > Body:
		return CauseNone
	case e.End == Timeout && e.Rule == RuleH2Ping:
		return CauseHTTP2ConnectionDead
	case e.End == Timeout && e.Rule == RuleH2Preface && e.Timer != TimerResponse:
		return CauseHTTP2NoSettings
	case e.End == Limit && e.Rule == RuleH2StreamLimit:
		return CauseHTTP2StreamLimit
	case e.End == Malformed && e.Rule == RuleH2Preface:
		switch p := Recognise(e.Sample); p {
		case ProtocolHTTP1:
			return CauseHTTP1OnHTTP2Port
		default:
			if c := causeOfProtocol(p); c != CauseNone && p != ProtocolHTTP2 {
				return c
			}
		}
		return CauseHTTP2ProtocolError
	case e.Stage == Body:
		return causeOfCutStream(e)
	case e.End == StreamReset:
		return causeOfStreamReset(e)
	case e.End == GoAway:
		if e.Code == CodeHTTP11Required {
			return CauseHTTP2NotWanted
		}
		return CauseHTTP2GoAway
	}
	return CauseNone
}

// causeOfStreamReset judges RST_STREAM before a response's head by its code.
func causeOfStreamReset(e *Evidence) Cause {
	switch e.Code {
	case CodeRefusedStream:
		return CauseHTTP2RefusedStream
	case CodeHTTP11Required:
		return CauseHTTP2NotWanted
	}
	return CauseHTTP2StreamReset
}

// causeOfCutStream judges the end of a stream, or of its connection, in the response's body.
func causeOfCutStream(e *Evidence) Cause {
	switch e.End {
	case StreamReset, GoAway, Closed, Reset:
		return CauseHTTP2StreamCut
	}
	return CauseNone
}

package fault

import (
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
)

// raceMax is how long after the request was written the end of a reused connection still counts as the keep-alive race.
// A FIN or RST that was under way already takes one round trip, with one packet lost about a second more (RFC 6298
// section 2.1). Who closes later had read the request and had time to think.
const raceMax = 2 * time.Second

// A worker's own time limit is a round number of seconds from the request's arrival, and the master that enforces it looks
// about once a second: limits of 5 s ended requests after 5.5 to 5.8 s (gunicorn 20.1), 5.5 to 6.5 (uWSGI 2.0.21) and 6.0 to 6.5
// (unicorn 6.0), one of 4 s after 4.4 to 5.6 (php-fpm 8.2). workerEarly allows for clocks, workerLate for the master.
const (
	workerEarly = 250 * time.Millisecond
	workerLate  = 1600 * time.Millisecond
)

// workerLimits are the limits that people set, in seconds.
var workerLimits = [...]time.Duration{5, 10, 15, 20, 25, 30, 45, 60, 90, 100, 120, 180, 240, 300, 600, 900, 1800, 3600}

func causeInWrite(e *Evidence) Cause {
	switch e.End {
	case Timeout:
		if e.Errno == syscall.ETIMEDOUT {
			return CauseConnectionLost
		}
		if e.Timer == TimerResponse {
			return CauseResponseTooSlow
		}
		return CauseUploadStalled
	case Closed, Reset:
		return causeOfSilentEnd(e)
	}
	return causeInHead(e) // the response may come, and be broken, while the request is being written
}

func causeInFirstByte(e *Evidence) Cause {
	switch e.End {
	case Timeout:
		switch {
		case e.Errno == syscall.ETIMEDOUT:
			return CauseConnectionLost
		case e.Timer == TimerResponse:
			return CauseResponseTooSlow
		}
		return CauseHeadTimeout
	case Closed, Reset:
		return causeOfSilentEnd(e)
	}
	return causeInHead(e)
}

// causeOfSilentEnd tells apart what every log calls "closed prematurely": the connection ended and no octet of the
// response had come. Fresh or reused, how long after the request, and whether the upload was done decide.
func causeOfSilentEnd(e *Evidence) Cause {
	wait := e.Spent[Write] + e.Spent[FirstByte]
	switch {
	case e.Got > 0:
		return CauseHeadCut
	case e.Reused && wait < raceMax && (e.Idle > 0 || e.Version != httpmsg.HTTP2): // HTTP/2: others were using it
		return CauseKeepaliveRace
	case e.Upload:
		return CauseUploadCut
	case isWorkerTimeout(wait):
		return CauseWorkerTimeout
	case e.End == Reset:
		return CauseResetBeforeAnswer
	}
	return CauseClosedBeforeAnswer
}

// isWorkerTimeout reports whether the wait is as long as a time limit that a person would configure.
func isWorkerTimeout(wait time.Duration) bool {
	for _, limit := range workerLimits {
		if past := wait - limit*time.Second; past >= -workerEarly && past <= workerLate {
			return true
		}
	}
	return false
}

func causeInHead(e *Evidence) Cause {
	switch e.End {
	case Closed, Reset:
		return causeOfCutHead(e)
	case Timeout:
		switch {
		case e.Errno == syscall.ETIMEDOUT:
			return CauseConnectionLost
		case e.Timer == TimerResponse:
			return CauseResponseTooSlow
		}
		return CauseSlowHead
	case Malformed, TooLarge:
		return causeOfResponse(e, CauseNotHTTP)
	}
	return causeOfBrokenSocket(e)
}

// causeOfCutHead judges a connection that ended inside the head: a foreign protocol's greeting may be all there was.
func causeOfCutHead(e *Evidence) Cause {
	if e.Reused && e.Got == 0 && len(e.Sample) == 0 {
		return causeOfSilentEnd(e)
	}
	if c := causeOfProtocol(Recognise(e.Sample)); c != CauseNone {
		return c
	}
	return CauseHeadCut
}

func causeInBody(e *Evidence) Cause {
	switch e.End {
	case Closed:
		if e.Rule == RuleChunksCut {
			return CauseChunksCut
		}
		return CauseBodyShort
	case Reset:
		return CauseBodyReset
	case Timeout:
		switch {
		case e.Errno == syscall.ETIMEDOUT:
			return CauseConnectionLost
		case e.Timer == TimerResponse:
			return CauseResponseTooSlow
		case e.Timer == TimerWrite:
			return CauseUploadStalled
		}
		return CauseBodyStalled
	case Malformed, TooLarge:
		return causeOfFraming(e)
	}
	return causeOfBrokenSocket(e)
}

// causeOfFraming names the rule that a body's framing broke: a rule of fields means its chunk lines there, and a limit of
// fields its trailers.
func causeOfFraming(e *Evidence) Cause {
	switch c := causeOfResponse(e, CauseBadChunk); c {
	case CauseBadField:
		return CauseBadChunk
	case CauseTooManyFields, CauseFieldTooLarge, CauseHeadTooLarge:
		return CauseTrailerTooLarge
	case CauseBadChunk:
		if e.End == TooLarge && e.Rule == RuleNone {
			return CauseTrailerTooLarge
		}
		return c
	default:
		return c
	}
}

// causeInDone judges what came after both messages had ended: only a rule can be broken there, a connection may end.
func causeInDone(e *Evidence) Cause {
	switch e.End {
	case Malformed, TooLarge:
		return causeOfResponse(e, CauseExtraOctets)
	}
	if e.Status >= 500 && e.Status <= 599 {
		return CauseUpstreamStatus
	}
	return CauseNone
}

// causeOfBrokenSocket judges an errno on a connection that was established: an ICMP answer, or the kernel's.
func causeOfBrokenSocket(e *Evidence) Cause {
	switch e.End {
	case Refused:
		return causeOfConnect(e, CauseConnectionRefused)
	case Unreachable:
		return causeOfConnect(e, CauseHostUnreachable)
	}
	return CauseNetworkError
}

// causeOfResponse names the rule that a response broke. First octets of another protocol explain more than the rule.
func causeOfResponse(e *Evidence, fallback Cause) Cause {
	switch e.Rule {
	case RuleNone, RuleNotHTTP, RuleStatusLine, RuleVersion, RuleHeadSize, RuleFieldSize:
		if e.Stage <= Head {
			if c := causeOfProtocol(Recognise(e.Sample)); c != CauseNone {
				return c
			}
		}
	}
	if int(e.Rule) < Rules && responseCauses[e.Rule] != CauseNone {
		return responseCauses[e.Rule]
	}
	if e.End == TooLarge && e.Stage <= Head {
		return CauseHeadTooLarge
	}
	return fallback
}

// causeOfProtocol says what it means that the upstream speaks p where an HTTP/1 response was due.
func causeOfProtocol(p Protocol) Cause {
	switch p {
	case ProtocolUnknown, ProtocolHTTP1:
		return CauseNone
	case ProtocolTLSAlert, ProtocolTLSRecord:
		return CausePlainToTLSPort
	case ProtocolHTTP2:
		return CauseHTTP2OnHTTP1Port
	case ProtocolProxy:
		return CauseProxyProtocolMismatch
	case ProtocolHTML:
		return CauseNoHead
	}
	return CauseWrongService
}

// responseCauses has the cause of each rule that a response can break. Rules of requests have none: a response cannot
// break them.
var responseCauses = [Rules]Cause{
	RuleNotHTTP:                 CauseNotHTTP,
	RuleStatusLine:              CauseBadStatusLine,
	RuleStatusCode:              CauseBadStatusLine,
	RuleVersion:                 CauseUnsupportedVersion,
	RuleFieldName:               CauseBadField,
	RuleMissingColon:            CauseBadField,
	RuleSpaceBeforeColon:        CauseBadField,
	RuleFieldValue:              CauseBadField,
	RuleNUL:                     CauseBadField,
	RuleBareCR:                  CauseBadField,
	RuleBareLF:                  CauseBadField,
	RuleObsFold:                 CauseBadField,
	RuleLeadingSpace:            CauseBadField,
	RuleContentLength:           CauseInvalidLength,
	RuleContentLengthOverflow:   CauseInvalidLength,
	RuleContentLengthConflict:   CauseConflictingLengths,
	RuleLengthAndEncoding:       CauseLengthAndEncoding,
	RuleTransferEncoding:        CauseUnknownTransferCoding,
	RuleTransferEncodingTwice:   CauseUnknownTransferCoding,
	RuleTransferEncodingLast:    CauseUnknownTransferCoding,
	RuleTransferEncodingVersion: CauseEncodingInHTTP10,
	RuleForbiddenFraming:        CauseFramingNotAllowed,
	RuleChunkSize:               CauseBadChunk,
	RuleChunkSizeOverflow:       CauseBadChunk,
	RuleChunkExtension:          CauseBadChunk,
	RuleChunkEnd:                CauseBadChunk,
	RuleTrailer:                 CauseBadTrailer,
	RuleBodyShort:               CauseBodyShort,
	RuleChunksCut:               CauseChunksCut,
	RuleHeadCut:                 CauseHeadCut,
	RuleExtraOctets:             CauseExtraOctets,
	RuleInterim:                 CauseUnaskedInterim,
	RuleUnaskedUpgrade:          CauseUnaskedUpgrade,
	RuleHeadSize:                CauseHeadTooLarge,
	RuleFieldSize:               CauseFieldTooLarge,
	RuleFieldCount:              CauseTooManyFields,
	RuleTrailerSize:             CauseTrailerTooLarge,
	RuleInterimCount:            CauseTooManyInterim,
	RuleTLSVersion:              CauseTLSVersionMismatch,
	RuleTLSRecord:               CauseTLSRecordCorrupt,
	RuleH2Preface:               CauseHTTP2ProtocolError,
	RuleH2FrameSize:             CauseHTTP2ProtocolError,
	RuleH2FrameLength:           CauseHTTP2ProtocolError,
	RuleH2StreamZero:            CauseHTTP2ProtocolError,
	RuleH2Padding:               CauseHTTP2ProtocolError,
	RuleH2Continuation:          CauseHTTP2ProtocolError,
	RuleH2StreamID:              CauseHTTP2ProtocolError,
	RuleH2StreamIdle:            CauseHTTP2ProtocolError,
	RuleH2StreamClosed:          CauseHTTP2ProtocolError,
	RuleH2SelfDependency:        CauseHTTP2ProtocolError,
	RuleH2Push:                  CauseHTTP2ProtocolError,
	RuleH2Setting:               CauseHTTP2ProtocolError,
	RuleH2SettingWindow:         CauseHTTP2ProtocolError,
	RuleH2SettingsAck:           CauseHTTP2ProtocolError,
	RuleH2WindowZero:            CauseHTTP2ProtocolError,
	RuleH2WindowOverflow:        CauseHTTP2ProtocolError,
	RuleH2WindowExceeded:        CauseHTTP2ProtocolError,
	RuleH2GoAway:                CauseHTTP2ProtocolError,
	RuleHPACKIndex:              CauseHTTP2ProtocolError,
	RuleHPACKInteger:            CauseHTTP2ProtocolError,
	RuleHPACKCut:                CauseHTTP2ProtocolError,
	RuleHPACKHuffman:            CauseHTTP2ProtocolError,
	RuleHPACKTableSize:          CauseHTTP2ProtocolError,
	RuleH2FieldName:             CauseHTTP2ProtocolError,
	RuleH2FieldValue:            CauseHTTP2ProtocolError,
	RuleH2ConnectionField:       CauseHTTP2ProtocolError,
	RuleH2TE:                    CauseHTTP2ProtocolError,
	RuleH2PseudoUnknown:         CauseHTTP2ProtocolError,
	RuleH2PseudoTwice:           CauseHTTP2ProtocolError,
	RuleH2PseudoLate:            CauseHTTP2ProtocolError,
	RuleH2PseudoMissing:         CauseHTTP2ProtocolError,
	RuleH2Status:                CauseHTTP2ProtocolError,
	RuleH2Length:                CauseHTTP2StreamCut,
	RuleH2TrailersEnd:           CauseHTTP2ProtocolError,
	RuleH2DataEarly:             CauseHTTP2ProtocolError,
	RuleH2BlockSize:             CauseHeadTooLarge,
	RuleH2BlockFrames:           CauseHTTP2ProtocolError,
	RuleH2SettingCount:          CauseHTTP2ProtocolError,
}

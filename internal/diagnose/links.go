package diagnose

import (
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

// Links of a path that a cause may be about: causes of one link are told apart by what lies behind it, those of several are not.
const (
	linkNobody = 1 << iota
	linkConnect
	linkEnded
	linkTime
	linkHead
	linkTLS
	linkName
	linkBody
	linkApp
)

// linkOf gives the links of a cause, 0 where it is about none.
func linkOf(c fault.Cause) int {
	switch c {
	case fault.CauseConnectionRefused, fault.CauseHostUnreachable, fault.CauseNetworkUnreachable, fault.CauseFirewallRejected, fault.CauseSocketMissing, fault.CauseSocketPermission,
		fault.CauseSocketBacklogFull, fault.CauseNetworkError:
		return linkConnect
	case fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout:
		return linkConnect | linkTime
	case fault.CauseTLSProtocolError, fault.CauseTLSAlert, fault.CauseTLSNoSharedCipher, fault.CauseTLSToPlainPort:
		return linkConnect | linkTLS
	case fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseHTTP2StreamReset:
		return linkEnded
	case fault.CauseWorkerCrashed:
		return linkEnded | linkApp
	case fault.CauseWorkerTimeout:
		return linkEnded | linkTime | linkApp
	case fault.CauseApplicationError, fault.CauseWorkerKilled, fault.CauseOutOfMemory:
		return linkApp
	case fault.CauseHeadTimeout, fault.CauseWorkersBusy, fault.CauseQueueTimeout:
		return linkTime
	case fault.CauseTLSHandshakeTimeout:
		return linkTime | linkTLS | linkConnect
	case fault.CauseHeadCut:
		return linkHead | linkEnded
	case fault.CauseNotHTTP, fault.CauseWrongService, fault.CauseBadStatusLine, fault.CauseBadField, fault.CauseHeadTooLarge, fault.CauseFieldTooLarge, fault.CauseTooManyFields,
		fault.CauseLengthAndEncoding, fault.CauseConflictingLengths, fault.CauseInvalidLength, fault.CauseResponseBlocked, fault.CauseUnsupportedVersion:
		return linkHead
	case fault.CauseNobodyAvailable:
		return linkNobody | linkConnect // held to be down, as a rule because it could not be connected to
	case fault.CauseNoEndpoints, fault.CauseQueueFull, fault.CauseNoRoute, fault.CauseServiceStopped:
		return linkNobody
	case fault.CauseServiceFailed:
		return linkNobody | linkApp
	case fault.CauseBodyShort, fault.CauseBodyReset, fault.CauseChunksCut, fault.CauseBodyStalled, fault.CauseBadChunk:
		return linkBody
	}
	switch slug := c.String(); {
	case strings.HasPrefix(slug, "dns-"):
		return linkName
	case strings.HasPrefix(slug, "tls-"):
		return linkTLS
	}
	return 0
}

// clauses say of each link what failed there, before a colon and the cause.
var clauses = map[int]string{
	linkConnect: "could not connect to its upstream", linkEnded: "got no answer from its upstream", linkTime: "waited in vain for its upstream",
	linkHead: "could not use what its upstream answered", linkTLS: "could not agree on TLS with its upstream", linkName: "could not find its upstream's address",
	linkNobody: "has no upstream for the request", linkBody: "lost the rest of its upstream's answer", linkApp: "got nothing from its application that it could use",
}

// ownClauses say it of causes that lie with who answers, and with no upstream.
var ownClauses = map[fault.Cause]string{
	fault.CauseWrongHost: "does not serve this host name", fault.CauseNoRoute: "has no route for this host and path",
}

// oneLink chooses among causes: the first where all are about one link, none where they are not, and whether it is the only one.
func oneLink(causes []fault.Cause) (c fault.Cause, alone bool) {
	links := linkOf(causes[0])
	for _, other := range causes[1:] {
		links &= linkOf(other)
	}
	if len(causes) > 1 && links == 0 {
		return fault.CauseUnknown, false
	}
	return causes[0], len(causes) == 1
}

// ofStatus are those of several causes that a 504 can be about, where the likeliest is that time ran out: some products answer 504 to
// whatever fails.
func ofStatus(status int, causes []fault.Cause) []fault.Cause {
	if status != 504 || linkOf(causes[0])&linkTime == 0 {
		return causes
	}
	return slices.DeleteFunc(slices.Clone(causes), func(c fault.Cause) bool { return linkOf(c)&linkTime == 0 })
}

// clauseOf is what failed, as the rest of a sentence about who met it.
func clauseOf(c fault.Cause, address string) string {
	if text := ownClauses[c]; text != "" {
		return text
	}
	link := linkOf(c)
	for bit := linkNobody; bit <= linkApp; bit <<= 1 {
		if text := clauses[bit]; link&bit != 0 && text != "" {
			if address != "" && bit != linkNobody && bit != linkName {
				text = strings.Replace(text, "its upstream", "its upstream "+address, 1)
			}
			return text + ": " + lowerFirst(c.Entry().Title)
		}
	}
	return "reports: " + lowerFirst(c.Entry().Title)
}

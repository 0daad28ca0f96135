package fault

// commonest are the causes that most gateways' errors come from, the commonest first: by how often they are what public
// reports of a 502, 503 or 504 turn out to be.
var commonest = [...]Cause{
	CauseConnectionRefused, CauseClosedBeforeAnswer, CauseHeadTimeout, CauseKeepaliveRace, CauseNobodyAvailable, CauseUpstreamStatus, CauseDNSNXDomain, CauseHeadTooLarge,
	CauseSocketMissing, CauseSocketPermission, CauseFirewallRejected, CauseConnectTimeout, CauseResetBeforeAnswer, CauseNoEndpoints, CauseTLSNameUnknown,
	CauseTLSCertificateUnknownAuthority, CauseTLSCertificateExpired, CauseTLSCertificateWrongName, CauseTLSToPlainPort, CausePlainToTLSPort, CauseHostUnreachable, CauseServiceFailed,
	CauseServiceStopped, CauseWorkerTimeout, CauseWorkerKilled, CauseOutOfMemory, CauseWorkersBusy, CauseNotHTTP, CauseHTTP2OnHTTP1Port, CauseBodyShort, CauseChunksCut, CauseRouteBroken, CauseNoRoute,
	CauseBadField, CauseClientLeft, CauseRequestBodyTooLarge, CauseRateLimited, CauseMaintenance,
}

// Rarity orders causes by how often they are met: 0 is the commonest. Those of which that is not known are equal, behind the
// others.
func (c Cause) Rarity() int {
	for i, o := range commonest {
		if o == c {
			return i
		}
	}
	return len(commonest)
}

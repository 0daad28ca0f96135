package phrase

import "github.com/whygate/whygate/internal/fault"

// Sets of causes that many phrases stand for, the likeliest first.
var (
	refused        = []fault.Cause{fault.CauseConnectionRefused}
	refusedOrLate  = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}
	reset          = []fault.Cause{fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace}
	resetOrClosed  = []fault.Cause{fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace}
	closed         = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerCrashed}
	closedOrReset  = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace}
	race           = []fault.Cause{fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer}
	lost           = []fault.Cause{fault.CauseConnectionRefused, fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer}
	dropped        = []fault.Cause{fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer, fault.CauseConnectionRefused}
	bunClosed      = []fault.Cause{fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer}
	resetSomewhere = []fault.Cause{fault.CauseResetBeforeAnswer, fault.CauseBodyReset, fault.CauseKeepaliveRace}
	beforeAnswer   = []fault.Cause{fault.CauseConnectionRefused, fault.CauseDNSNXDomain, fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseConnectTimeout, fault.CauseTLSCertificateUnknownAuthority}
	noAnswer       = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseHeadTimeout, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP}
	headOrBody     = []fault.Cause{fault.CauseHeadTimeout, fault.CauseBodyStalled}
	endedSomewhere = []fault.Cause{fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseClosedBeforeAnswer}
	uploadCut      = []fault.Cause{fault.CauseUploadCut, fault.CauseKeepaliveRace, fault.CauseClosedBeforeAnswer}

	connectTimeout = []fault.Cause{fault.CauseConnectTimeout}
	headTimeout    = []fault.Cause{fault.CauseHeadTimeout, fault.CauseWorkersBusy}
	someTimeout    = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectTimeout}
	dialTimeout    = []fault.Cause{fault.CauseConnectTimeout, fault.CauseHeadTimeout}
	anyTimeout     = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectTimeout, fault.CauseBodyStalled}
	bodyTimeout    = []fault.Cause{fault.CauseBodyStalled}

	bodyCut        = []fault.Cause{fault.CauseBodyShort, fault.CauseChunksCut}
	bodyEnded      = []fault.Cause{fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset, fault.CauseBodyStalled, fault.CauseBadChunk}
	bodyShort      = []fault.Cause{fault.CauseBodyShort}
	chunksCut      = []fault.Cause{fault.CauseChunksCut}
	chunksBroken   = []fault.Cause{fault.CauseChunksCut, fault.CauseBadChunk}
	bodyReset      = []fault.Cause{fault.CauseBodyReset, fault.CauseBodyShort}
	headTooLarge   = []fault.Cause{fault.CauseHeadTooLarge, fault.CauseFieldTooLarge}
	tooMany        = []fault.Cause{fault.CauseTooManyFields}
	fieldLarge     = []fault.Cause{fault.CauseFieldTooLarge, fault.CauseHeadTooLarge}
	headCut        = []fault.Cause{fault.CauseHeadCut, fault.CauseBadField}
	badField       = []fault.Cause{fault.CauseBadField}
	fieldOrNotHTTP = []fault.Cause{fault.CauseBadField, fault.CauseNotHTTP}
	notHTTP        = []fault.Cause{fault.CauseNotHTTP, fault.CauseWrongService, fault.CauseBadStatusLine}
	badStatus      = []fault.Cause{fault.CauseBadStatusLine, fault.CauseNotHTTP, fault.CauseWrongService}
	wrongService   = []fault.Cause{fault.CauseWrongService, fault.CauseNotHTTP}
	lengths        = []fault.Cause{fault.CauseConflictingLengths}
	lengthCoding   = []fault.Cause{fault.CauseLengthAndEncoding, fault.CauseConflictingLengths}
	badLength      = []fault.Cause{fault.CauseInvalidLength, fault.CauseConflictingLengths}
	badTrailer     = []fault.Cause{fault.CauseBadTrailer, fault.CauseChunksCut}
	longTrailer    = []fault.Cause{fault.CauseTrailerTooLarge}
	interim        = []fault.Cause{fault.CauseTooManyInterim}
	codingUnknown  = []fault.Cause{fault.CauseUnknownTransferCoding}
	badChunk       = []fault.Cause{fault.CauseBadChunk, fault.CauseChunksCut}

	tlsToPlain  = []fault.Cause{fault.CauseTLSToPlainPort}
	plainToTLS  = []fault.Cause{fault.CausePlainToTLSPort}
	noCipher    = []fault.Cause{fault.CauseTLSNoSharedCipher, fault.CauseTLSNameUnknown}
	sniFirst    = []fault.Cause{fault.CauseTLSNameUnknown, fault.CauseTLSNoSharedCipher, fault.CauseTLSClientCertificateRequired} // of a proxy that sends no name unless told
	sniUnknown  = []fault.Cause{fault.CauseTLSNameUnknown}
	tlsVersion  = []fault.Cause{fault.CauseTLSVersionMismatch}
	alpn        = []fault.Cause{fault.CauseTLSALPN}
	expired     = []fault.Cause{fault.CauseTLSCertificateExpired}
	notYet      = []fault.Cause{fault.CauseTLSCertificateNotYetValid}
	wrongName   = []fault.Cause{fault.CauseTLSCertificateWrongName}
	selfSigned  = []fault.Cause{fault.CauseTLSCertificateSelfSigned}
	unknownCA   = []fault.Cause{fault.CauseTLSCertificateUnknownAuthority}
	untrusted   = []fault.Cause{fault.CauseTLSCertificateUnknownAuthority, fault.CauseTLSCertificateSelfSigned, fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateWrongName}
	revoked     = []fault.Cause{fault.CauseTLSCertificateRevoked}
	certWanted  = []fault.Cause{fault.CauseTLSClientCertificateRequired}
	certRefused = []fault.Cause{fault.CauseTLSClientCertificateRefused}
	tlsClosed   = []fault.Cause{fault.CauseTLSHandshakeClosed, fault.CauseClosedBeforeAnswer}
	tlsTimeout  = []fault.Cause{fault.CauseTLSHandshakeTimeout}
	tlsBroken   = []fault.Cause{fault.CauseTLSProtocolError}
	tlsAlert    = []fault.Cause{fault.CauseTLSAlert}
	requestTLS  = []fault.Cause{fault.CauseRequestPlainOnTLSPort}
	shakeFailed = []fault.Cause{fault.CauseRequestTLSFailed, fault.CauseRequestPlainOnTLSPort}
	tlsRecord   = []fault.Cause{fault.CauseTLSRecordCorrupt}

	nxDomain       = []fault.Cause{fault.CauseDNSNXDomain, fault.CauseDNSNoData}
	noData         = []fault.Cause{fault.CauseDNSNoData, fault.CauseDNSNXDomain}
	wrongHost      = []fault.Cause{fault.CauseWrongHost}
	dnsTry         = []fault.Cause{fault.CauseDNSServFail, fault.CauseDNSTimeout}
	servFail       = []fault.Cause{fault.CauseDNSServFail, fault.CauseDNSRefused}
	dnsRefused     = []fault.Cause{fault.CauseDNSRefused}
	dnsUnreachable = []fault.Cause{fault.CauseDNSUnreachable}
	dnsTimeout     = []fault.Cause{fault.CauseDNSTimeout}
	dnsError       = []fault.Cause{fault.CauseDNSError, fault.CauseDNSNXDomain}
	noResolver     = []fault.Cause{fault.CauseDNSNoResolver}

	noRoute      = []fault.Cause{fault.CauseHostUnreachable, fault.CauseFirewallRejected}
	noNetwork    = []fault.Cause{fault.CauseNetworkUnreachable}
	rejected     = []fault.Cause{fault.CauseFirewallRejected}
	socketGone   = []fault.Cause{fault.CauseSocketMissing, fault.CauseServiceFailed}
	socketDenied = []fault.Cause{fault.CauseSocketPermission, fault.CauseFirewallRejected}
	backlog      = []fault.Cause{fault.CauseSocketBacklogFull, fault.CauseWorkersBusy}
	noIPv6       = []fault.Cause{fault.CauseNetworkUnreachable, fault.CausePortsExhausted}
	ports        = []fault.Cause{fault.CausePortsExhausted}
	descriptors  = []fault.Cause{fault.CauseDescriptorsExhausted}
	memory       = []fault.Cause{fault.CauseMemoryExhausted}
	internal     = []fault.Cause{fault.CauseInternalError}

	nobody       = []fault.Cause{fault.CauseNobodyAvailable, fault.CauseNoEndpoints}
	noEndpoints  = []fault.Cause{fault.CauseNoEndpoints, fault.CauseNobodyAvailable}
	noSuchRoute  = []fault.Cause{fault.CauseNoRoute}
	broken       = []fault.Cause{fault.CauseRouteBroken}
	circuit      = []fault.Cause{fault.CauseCircuitOpen}
	connLimit    = []fault.Cause{fault.CauseConnectionLimit}
	queueFull    = []fault.Cause{fault.CauseQueueFull, fault.CauseWorkersBusy}
	queueTimeout = []fault.Cause{fault.CauseQueueTimeout, fault.CauseWorkersBusy}
	overload     = []fault.Cause{fault.CauseUpstreamOverloaded}
	maintenance  = []fault.Cause{fault.CauseMaintenance}
	rateLimited  = []fault.Cause{fault.CauseRateLimited}
	proxyLoop    = []fault.Cause{fault.CauseProxyLoop}
	proxyHeader  = []fault.Cause{fault.CauseProxyProtocolMismatch}
	status       = []fault.Cause{fault.CauseUpstreamStatus}

	workerTimeout  = []fault.Cause{fault.CauseWorkerTimeout}
	workerKilled   = []fault.Cause{fault.CauseWorkerKilled, fault.CauseOutOfMemory}
	workerCrashed  = []fault.Cause{fault.CauseWorkerCrashed}
	functionFailed = []fault.Cause{fault.CauseApplicationError, fault.CauseWorkerCrashed}
	workersBusy    = []fault.Cause{fault.CauseWorkersBusy}
	outOfMemory    = []fault.Cause{fault.CauseOutOfMemory}
	failed         = []fault.Cause{fault.CauseServiceFailed}
	stopped        = []fault.Cause{fault.CauseServiceStopped}
	appError       = []fault.Cause{fault.CauseApplicationError, fault.CauseServiceFailed}

	requestHead    = []fault.Cause{fault.CauseRequestHeadTooLarge}
	requestBody    = []fault.Cause{fault.CauseRequestBodyTooLarge}
	clientLeft     = []fault.Cause{fault.CauseClientLeft}
	h1OnH2         = []fault.Cause{fault.CauseHTTP1OnHTTP2Port}
	h2OnH1         = []fault.Cause{fault.CauseHTTP2OnHTTP1Port}
	goAway         = []fault.Cause{fault.CauseHTTP2GoAway}
	refusedStream  = []fault.Cause{fault.CauseHTTP2RefusedStream}
	streamReset    = []fault.Cause{fault.CauseHTTP2StreamReset}
	h2Broken       = []fault.Cause{fault.CauseHTTP2ProtocolError}
	h2Dead         = []fault.Cause{fault.CauseHTTP2ConnectionDead, fault.CauseKeepaliveRace}
	grpcDeadline   = []fault.Cause{fault.CauseGRPCDeadline, fault.CauseHeadTimeout}
	grpcNoStatus   = []fault.Cause{fault.CauseGRPCStatusMissing}
	h2NotWanted    = []fault.Cause{fault.CauseHTTP2NotWanted}
	upgradeRefused = []fault.Cause{fault.CauseUpgradeRefused}
	redirects      = []fault.Cause{fault.CauseRedirectLoop}
	badCoding      = []fault.Cause{fault.CauseBadContentCoding}
	badVersion     = []fault.Cause{fault.CauseUnsupportedVersion}
)

// Sets of one product's sentence.
var (
	envoyFailure   = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseTLSProtocolError, fault.CauseHostUnreachable}
	tunnelRefused  = []fault.Cause{fault.CauseConnectionRefused, fault.CauseDNSNXDomain, fault.CauseConnectTimeout, fault.CauseHostUnreachable}
	wayMissing     = []fault.Cause{fault.CauseRouteBroken}
	noScript       = []fault.Cause{fault.CauseRouteBroken}
	noPreface      = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseHTTP2OnHTTP1Port, fault.CausePlainToTLSPort}
	envoyLocal     = []fault.Cause{fault.CauseConnectionLost, fault.CauseConnectTimeout}
	nghttpxBlocked = []fault.Cause{fault.CauseConnectionRefused, fault.CauseNobodyAvailable}
	squidFailed    = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout}
	h2oRefused     = []fault.Cause{fault.CauseConnectionRefused, fault.CauseNetworkError}
	h2oTimeout     = []fault.Cause{fault.CauseConnectTimeout, fault.CauseTLSHandshakeTimeout}
	atsTimeout     = []fault.Cause{fault.CauseConnectTimeout, fault.CauseTLSHandshakeTimeout, fault.CauseHeadTimeout}
	portMissing    = []fault.Cause{fault.CauseRouteBroken, fault.CauseNoEndpoints}
	tunnelDown     = []fault.Cause{fault.CauseNobodyAvailable, fault.CauseServiceFailed}
	prohibited     = []fault.Cause{fault.CauseAddressProhibited}
	showErrors     = []fault.Cause{fault.CauseBadField, fault.CauseLengthAndEncoding, fault.CauseNotHTTP}
	extraOctets    = []fault.Cause{fault.CauseExtraOctets}
	killedLate     = []fault.Cause{fault.CauseWorkerTimeout, fault.CauseWorkerKilled}
	permission     = []fault.Cause{fault.CauseSocketPermission}
	ownLimit       = []fault.Cause{fault.CauseOwnLimit}
	denied         = []fault.Cause{fault.CauseRequestDenied}
)

// Sets of flags and numbers.
var (
	closedFirst   = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseWorkerCrashed, fault.CauseWorkerTimeout}
	retriesUsed   = []fault.Cause{fault.CauseNobodyAvailable, fault.CauseConnectionRefused, fault.CauseClosedBeforeAnswer}
	haproxySC     = []fault.Cause{fault.CauseConnectionRefused, fault.CauseNobodyAvailable, fault.CauseHostUnreachable}
	badAnswer     = []fault.Cause{fault.CauseBadField, fault.CauseNotHTTP, fault.CauseHeadTooLarge, fault.CauseLengthAndEncoding, fault.CauseResponseBlocked}
	malformed     = []fault.Cause{fault.CauseRequestMalformed}
	requestSlow   = []fault.Cause{fault.CauseRequestHeadTimeout}
	writeTimeout  = []fault.Cause{fault.CauseUploadStalled}
	iis502        = []fault.Cause{fault.CauseConnectionRefused, fault.CauseHeadTimeout, fault.CauseClosedBeforeAnswer}
	cloudflare520 = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseHeadTooLarge, fault.CauseKeepaliveRace}
	dotnetChannel = []fault.Cause{fault.CauseTLSVersionMismatch, fault.CauseTLSNoSharedCipher, fault.CauseTLSClientCertificateRequired}
	refusedOrNone = []fault.Cause{fault.CauseConnectionRefused, fault.CauseConnectTimeout, fault.CauseDNSNXDomain, fault.CauseHostUnreachable}
	closedOrBody  = []fault.Cause{fault.CauseClosedBeforeAnswer, fault.CauseBodyShort, fault.CauseKeepaliveRace}
	panicked      = []fault.Cause{fault.CauseWorkerCrashed, fault.CauseApplicationError}
	storeFull     = []fault.Cause{fault.CauseConnectionLimit, fault.CauseUpstreamOverloaded}
	poolOrConnect = []fault.Cause{fault.CauseConnectionLimit, fault.CauseConnectTimeout}
	rejectedFirst = []fault.Cause{fault.CauseFirewallRejected, fault.CauseSocketPermission}
)

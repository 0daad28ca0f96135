package fault

// Cause is what went wrong, finer than the RFC's Type: each cause has its own story and its own advice. The numbers may
// change from one version to the next; the slugs that String gives do not.
type Cause uint8

const (
	CauseNone Cause = iota // no fault

	// Resolving the endpoint's name.
	CauseDNSNXDomain
	CauseDNSNoData
	CauseDNSServFail
	CauseDNSRefused
	CauseDNSError
	CauseDNSTimeout
	CauseDNSUnreachable
	CauseDNSBogus
	CauseDNSBlocked
	CauseDNSNoResolver

	// Opening the connection.
	CauseConnectionRefused
	CauseConnectTimeout
	CauseKernelConnectTimeout
	CauseHostUnreachable
	CauseNetworkUnreachable
	CauseFirewallRejected
	CauseSocketMissing
	CauseSocketPermission
	CauseSocketBacklogFull
	CauseNetworkError
	CauseAddressProhibited
	CauseConnectionLimit

	// TLS to the upstream.
	CauseTLSCertificateExpired
	CauseTLSCertificateNotYetValid
	CauseTLSCertificateWrongName
	CauseTLSCertificateUnknownAuthority
	CauseTLSCertificateSelfSigned
	CauseTLSCertificateRevoked
	CauseTLSCertificateUntrusted
	CauseTLSVersionMismatch
	CauseTLSNoSharedCipher
	CauseTLSAlert
	CauseTLSNameUnknown
	CauseTLSClientCertificateRequired
	CauseTLSClientCertificateRefused
	CauseTLSALPN
	CauseTLSToPlainPort
	CausePlainToTLSPort
	CauseTLSHandshakeTimeout
	CauseTLSHandshakeClosed
	CauseTLSProtocolError
	CauseTLSRecordCorrupt

	// The connection ended or stood still.
	CauseClosedBeforeAnswer
	CauseKeepaliveRace
	CauseResetBeforeAnswer
	CauseWorkerTimeout
	CauseUploadCut
	CauseUploadStalled
	CauseHeadTimeout
	CauseSlowHead
	CauseHeadCut
	CauseBodyStalled
	CauseResponseTooSlow
	CauseBodyShort
	CauseBodyReset
	CauseChunksCut
	CauseConnectionLost

	// The response is not HTTP, or not the HTTP that was asked for.
	CauseWrongService
	CauseHTTP2OnHTTP1Port
	CauseProxyProtocolMismatch
	CauseNotHTTP
	CauseNoHead
	CauseBadStatusLine
	CauseUnsupportedVersion
	CauseUnaskedUpgrade
	CauseUnaskedInterim
	CauseTooManyInterim

	// The response breaks a rule or a limit.
	CauseBadField
	CauseHeadTooLarge
	CauseFieldTooLarge
	CauseTooManyFields
	CauseLengthAndEncoding
	CauseConflictingLengths
	CauseInvalidLength
	CauseUnknownTransferCoding
	CauseEncodingInHTTP10
	CauseFramingNotAllowed
	CauseBadChunk
	CauseExtraOctets
	CauseTrailerTooLarge
	CauseBadTrailer

	// Choosing where to.
	CauseNobodyAvailable
	CauseNoEndpoints
	CauseNoRoute
	CauseRouteBroken
	CauseProxyLoop

	// The client.
	CauseClientLeft
	CauseRequestMalformed
	CauseRequestTLSOnPlainPort
	CauseRequestPlainOnTLSPort
	CauseRequestTLSFailed
	CauseRequestHeadTooLarge
	CauseRequestTargetTooLong
	CauseRequestBodyTooLarge
	CauseRequestHeadTimeout
	CauseRequestBodyTimeout
	CauseRequestVersion
	CauseRequestCoding
	CauseRequestMethodRefused
	CauseRequestExpectation
	CauseRequestDenied

	// The gateway itself.
	CausePortsExhausted
	CauseDescriptorsExhausted
	CauseMemoryExhausted
	CauseOwnLimit
	CauseShuttingDown
	CauseInternalError
	CauseCertificateNotObtained
	CauseOwnCertificateRevoked

	// HTTP/2 and gRPC to the upstream.
	CauseHTTP2GoAway
	CauseHTTP2RefusedStream
	CauseHTTP2StreamReset
	CauseHTTP2NotWanted
	CauseHTTP2NoSettings
	CauseHTTP2ProtocolError
	CauseHTTP1OnHTTP2Port
	CauseHTTP2StreamLimit
	CauseHTTP2ConnectionDead
	CauseHTTP2StreamCut
	CauseGRPCStatusMissing
	CauseGRPCDeadline
	CauseGRPCOverHTTP1

	// What a log, an operator or a pattern over many requests tells, and one exchange does not show.
	CauseWorkerKilled
	CauseOutOfMemory
	CauseWorkerCrashed
	CauseWorkersBusy
	CauseApplicationError
	CauseServiceStopped
	CauseServiceFailed
	CauseCircuitOpen
	CauseQueueFull
	CauseQueueTimeout
	CauseMaintenance
	CauseUpstreamOverloaded
	CauseRateLimited
	CauseContentFilter
	CauseResponseBlocked
	CauseCachedError
	CauseWrongHost
	CauseRedirectLoop
	CauseUpgradeRefused
	CauseBadContentCoding
	CauseResponseBodyTooLarge

	// What is no fault of the gateway's, and what cannot be told.
	CauseUpstreamStatus
	CauseUnknown

	// Causes is the number of causes with CauseNone, for tables indexed by Cause.
	Causes = int(iota)
)

var causeSlugs = [Causes]string{
	CauseNone:                           "none",
	CauseDNSNXDomain:                    "dns-nxdomain",
	CauseDNSNoData:                      "dns-no-data",
	CauseDNSServFail:                    "dns-servfail",
	CauseDNSRefused:                     "dns-refused",
	CauseDNSError:                       "dns-error",
	CauseDNSTimeout:                     "dns-timeout",
	CauseDNSUnreachable:                 "dns-unreachable",
	CauseDNSBogus:                       "dns-bogus",
	CauseDNSBlocked:                     "dns-blocked",
	CauseDNSNoResolver:                  "dns-no-resolver",
	CauseConnectionRefused:              "connection-refused",
	CauseConnectTimeout:                 "connect-timeout",
	CauseKernelConnectTimeout:           "kernel-connect-timeout",
	CauseHostUnreachable:                "host-unreachable",
	CauseNetworkUnreachable:             "network-unreachable",
	CauseFirewallRejected:               "firewall-rejected",
	CauseSocketMissing:                  "socket-missing",
	CauseSocketPermission:               "socket-permission",
	CauseSocketBacklogFull:              "socket-backlog-full",
	CauseNetworkError:                   "network-error",
	CauseAddressProhibited:              "address-prohibited",
	CauseConnectionLimit:                "connection-limit",
	CauseTLSCertificateExpired:          "tls-certificate-expired",
	CauseTLSCertificateNotYetValid:      "tls-certificate-not-yet-valid",
	CauseTLSCertificateWrongName:        "tls-certificate-wrong-name",
	CauseTLSCertificateUnknownAuthority: "tls-certificate-unknown-authority",
	CauseTLSCertificateSelfSigned:       "tls-certificate-self-signed",
	CauseTLSCertificateRevoked:          "tls-certificate-revoked",
	CauseTLSCertificateUntrusted:        "tls-certificate-untrusted",
	CauseTLSVersionMismatch:             "tls-version-mismatch",
	CauseTLSNoSharedCipher:              "tls-no-shared-cipher",
	CauseTLSAlert:                       "tls-alert",
	CauseTLSNameUnknown:                 "tls-name-unknown",
	CauseTLSClientCertificateRequired:   "tls-client-certificate-required",
	CauseTLSClientCertificateRefused:    "tls-client-certificate-refused",
	CauseTLSALPN:                        "tls-alpn",
	CauseTLSToPlainPort:                 "tls-to-plain-http-port",
	CausePlainToTLSPort:                 "plain-http-to-tls-port",
	CauseTLSHandshakeTimeout:            "tls-handshake-timeout",
	CauseTLSHandshakeClosed:             "tls-handshake-closed",
	CauseTLSProtocolError:               "tls-protocol-error",
	CauseTLSRecordCorrupt:               "tls-record-corrupt",
	CauseClosedBeforeAnswer:             "closed-before-answer",
	CauseKeepaliveRace:                  "keepalive-race",
	CauseResetBeforeAnswer:              "reset-before-answer",
	CauseWorkerTimeout:                  "worker-timeout",
	CauseUploadCut:                      "upload-cut",
	CauseUploadStalled:                  "upload-stalled",
	CauseHeadTimeout:                    "head-timeout",
	CauseSlowHead:                       "slow-head",
	CauseHeadCut:                        "head-cut",
	CauseBodyStalled:                    "body-stalled",
	CauseResponseTooSlow:                "response-too-slow",
	CauseBodyShort:                      "body-short",
	CauseBodyReset:                      "body-reset",
	CauseChunksCut:                      "chunks-cut",
	CauseConnectionLost:                 "connection-lost",
	CauseWrongService:                   "wrong-service",
	CauseHTTP2OnHTTP1Port:               "http2-on-http1-port",
	CauseProxyProtocolMismatch:          "proxy-protocol-mismatch",
	CauseNotHTTP:                        "not-http",
	CauseNoHead:                         "no-head",
	CauseBadStatusLine:                  "bad-status-line",
	CauseUnsupportedVersion:             "unsupported-version",
	CauseUnaskedUpgrade:                 "unasked-upgrade",
	CauseUnaskedInterim:                 "unasked-interim",
	CauseTooManyInterim:                 "too-many-interim",
	CauseBadField:                       "bad-field",
	CauseHeadTooLarge:                   "head-too-large",
	CauseFieldTooLarge:                  "field-too-large",
	CauseTooManyFields:                  "too-many-fields",
	CauseLengthAndEncoding:              "length-and-encoding",
	CauseConflictingLengths:             "conflicting-lengths",
	CauseInvalidLength:                  "invalid-length",
	CauseUnknownTransferCoding:          "unknown-transfer-coding",
	CauseEncodingInHTTP10:               "encoding-in-http10",
	CauseFramingNotAllowed:              "framing-not-allowed",
	CauseBadChunk:                       "bad-chunk",
	CauseExtraOctets:                    "extra-octets",
	CauseTrailerTooLarge:                "trailer-too-large",
	CauseBadTrailer:                     "bad-trailer",
	CauseNobodyAvailable:                "nobody-available",
	CauseNoEndpoints:                    "no-endpoints",
	CauseNoRoute:                        "no-route",
	CauseRouteBroken:                    "route-broken",
	CauseProxyLoop:                      "proxy-loop",
	CauseClientLeft:                     "client-left",
	CauseRequestMalformed:               "request-malformed",
	CauseRequestTLSOnPlainPort:          "request-tls-on-plain-port",
	CauseRequestPlainOnTLSPort:          "request-plain-on-tls-port",
	CauseRequestTLSFailed:               "request-tls-handshake-failed",
	CauseRequestHeadTooLarge:            "request-head-too-large",
	CauseRequestTargetTooLong:           "request-target-too-long",
	CauseRequestBodyTooLarge:            "request-body-too-large",
	CauseRequestHeadTimeout:             "request-head-timeout",
	CauseRequestBodyTimeout:             "request-body-timeout",
	CauseRequestVersion:                 "request-version",
	CauseRequestCoding:                  "request-coding",
	CauseRequestMethodRefused:           "request-method-refused",
	CauseRequestExpectation:             "request-expectation",
	CauseRequestDenied:                  "request-denied",
	CausePortsExhausted:                 "ports-exhausted",
	CauseDescriptorsExhausted:           "descriptors-exhausted",
	CauseMemoryExhausted:                "memory-exhausted",
	CauseOwnLimit:                       "own-limit",
	CauseShuttingDown:                   "shutting-down",
	CauseInternalError:                  "internal-error",
	CauseCertificateNotObtained:         "certificate-not-obtained",
	CauseOwnCertificateRevoked:          "own-certificate-revoked",
	CauseHTTP2GoAway:                    "http2-goaway",
	CauseHTTP2RefusedStream:             "http2-refused-stream",
	CauseHTTP2StreamReset:               "http2-stream-reset",
	CauseHTTP2NotWanted:                 "http2-not-wanted",
	CauseHTTP2NoSettings:                "http2-no-settings",
	CauseHTTP2ProtocolError:             "http2-protocol-error",
	CauseHTTP1OnHTTP2Port:               "http1-on-http2-port",
	CauseHTTP2StreamLimit:               "http2-stream-limit",
	CauseHTTP2ConnectionDead:            "http2-connection-dead",
	CauseHTTP2StreamCut:                 "http2-stream-cut",
	CauseGRPCStatusMissing:              "grpc-status-missing",
	CauseGRPCDeadline:                   "grpc-deadline",
	CauseGRPCOverHTTP1:                  "grpc-over-http1",
	CauseWorkerKilled:                   "worker-killed",
	CauseOutOfMemory:                    "out-of-memory",
	CauseWorkerCrashed:                  "worker-crashed",
	CauseWorkersBusy:                    "workers-busy",
	CauseApplicationError:               "application-error",
	CauseServiceStopped:                 "service-stopped",
	CauseServiceFailed:                  "service-failed",
	CauseCircuitOpen:                    "circuit-open",
	CauseQueueFull:                      "queue-full",
	CauseQueueTimeout:                   "queue-timeout",
	CauseMaintenance:                    "maintenance",
	CauseUpstreamOverloaded:             "upstream-overloaded",
	CauseRateLimited:                    "rate-limited",
	CauseContentFilter:                  "content-filter",
	CauseResponseBlocked:                "response-blocked",
	CauseCachedError:                    "cached-error",
	CauseWrongHost:                      "wrong-host",
	CauseRedirectLoop:                   "redirect-loop",
	CauseUpgradeRefused:                 "upgrade-refused",
	CauseBadContentCoding:               "bad-content-coding",
	CauseResponseBodyTooLarge:           "response-body-too-large",
	CauseUpstreamStatus:                 "upstream-status",
	CauseUnknown:                        "unknown",
}

// String gives the cause's slug: stable, lower case, words joined by hyphens.
func (c Cause) String() string {
	if int(c) < Causes {
		return causeSlugs[c]
	}
	return causeSlugs[CauseUnknown]
}

// MarshalText makes JSON show the slug.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ParseCause finds the cause by its slug.
func ParseCause(slug string) (Cause, bool) {
	for c := range causeSlugs {
		if causeSlugs[c] == slug {
			return Cause(c), true
		}
	}
	return CauseNone, false
}

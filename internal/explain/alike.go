package explain

import "github.com/whygate/whygate/internal/fault"

// This file has what a line cannot tell apart. A proxy has fewer words than there are causes, and which causes share its
// words is not to be had from its documentation: TestLab plays each cause through the real proxies and holds these tables.

// alike has, by the verdict that a line leads to, the causes that write the same line with every product. Where a line says
// more, its parser gives the finer verdict, which is not in the table.
var alike = map[fault.Cause][]fault.Cause{
	fault.CauseDNSNXDomain:         {fault.CauseDNSBlocked},
	fault.CauseDNSServFail:         {fault.CauseDNSBogus},
	fault.CauseDNSRefused:          {fault.CauseDNSBlocked},
	fault.CauseClosedBeforeAnswer:  {fault.CauseHeadCut},
	fault.CauseResetBeforeAnswer:   {fault.CauseHeadCut},
	fault.CauseKeepaliveRace:       {fault.CauseClosedBeforeAnswer, fault.CauseHeadCut},
	fault.CauseHeadTimeout:         {fault.CauseSlowHead},
	fault.CauseTLSToPlainPort:      {fault.CauseWrongService, fault.CauseTLSProtocolError},
	fault.CauseTLSHandshakeTimeout: {fault.CauseWrongService},
}

// untrusted is what "certificate verify failed" stands for, where the log does not have the verification's own error.
var untrusted = []fault.Cause{
	fault.CauseTLSCertificateUnknownAuthority, fault.CauseTLSCertificateExpired, fault.CauseTLSCertificateSelfSigned, fault.CauseTLSCertificateNotYetValid,
	fault.CauseTLSCertificateWrongName,
}

// alikeAt has those of one product alone.
var alikeAt = map[string]map[fault.Cause][]fault.Cause{
	"nginx": {
		fault.CauseBodyStalled: {
			fault.CauseInvalidLength, fault.CauseBadChunk, fault.CauseBadTrailer, fault.CauseUnaskedInterim, fault.CauseUnaskedUpgrade,
		},
		fault.CauseConnectTimeout: {fault.CauseTLSHandshakeTimeout},
		fault.CauseHeadTooLarge:   {fault.CauseFieldTooLarge, fault.CauseTooManyFields},
		fault.CauseNotHTTP:        {fault.CauseBadStatusLine, fault.CauseNoHead, fault.CauseProxyProtocolMismatch},
		fault.CauseBodyShort:      {fault.CauseTLSRecordCorrupt},
	},
	"haproxy": {
		fault.CauseNobodyAvailable: {fault.CauseDNSError, fault.CauseNoEndpoints},
		fault.CauseConnectTimeout: {
			fault.CauseHostUnreachable, fault.CauseFirewallRejected, fault.CauseConnectionRefused, fault.CauseTLSHandshakeTimeout,
			fault.CauseNetworkUnreachable,
		},
		fault.CauseConnectionRefused: {fault.CauseNetworkUnreachable, fault.CauseSocketMissing, fault.CauseWrongService},
		fault.CauseHeadTimeout:       {fault.CauseTooManyInterim},
		fault.CauseClosedBeforeAnswer: {
			fault.CauseResetBeforeAnswer, fault.CauseTLSAlert,
		},
		fault.CauseKeepaliveRace: {fault.CauseResetBeforeAnswer},
		fault.CauseNotHTTP:       {fault.CauseBadChunk, fault.CauseBadTrailer, fault.CauseUnaskedUpgrade},
		fault.CauseBodyShort:     {fault.CauseBadChunk, fault.CauseBadTrailer, fault.CauseTLSRecordCorrupt},

		fault.CauseTLSCertificateUntrusted: untrusted,
	},
	"envoy": {fault.CauseTLSCertificateUntrusted: untrusted},
	"istio": {fault.CauseTLSCertificateUntrusted: untrusted},
	"apache": {
		fault.CauseDNSNXDomain:      {fault.CauseDNSNoData, fault.CauseDNSRefused, fault.CauseDNSBogus, fault.CauseDNSError},
		fault.CauseTLSProtocolError: {fault.CauseTLSAlert, fault.CauseTLSHandshakeTimeout, fault.CauseWrongService},
		fault.CauseBodyStalled:      {fault.CauseNotHTTP, fault.CauseBadChunk},
		fault.CauseBodyShort: {
			fault.CauseInvalidLength, fault.CauseConflictingLengths, fault.CauseBadChunk, fault.CauseBadTrailer, fault.CauseTLSRecordCorrupt, fault.CauseBodyReset,
		},
		fault.CauseFieldTooLarge:      {fault.CauseHeadTooLarge},
		fault.CauseSlowHead:           {fault.CauseTooManyFields},
		fault.CauseHeadTimeout:        {fault.CauseNotHTTP},
		fault.CauseClosedBeforeAnswer: {fault.CauseNotHTTP, fault.CauseTLSAlert},
		fault.CauseBadStatusLine:      {fault.CauseUnsupportedVersion},
		fault.CauseHeadCut:            {fault.CauseTooManyFields, fault.CauseHeadTooLarge},
	},
	"caddy": {
		fault.CauseDNSServFail:                    {fault.CauseDNSError, fault.CauseDNSBlocked},
		fault.CauseClosedBeforeAnswer:             {fault.CauseTLSHandshakeClosed},
		fault.CauseResetBeforeAnswer:              {fault.CauseTLSHandshakeClosed},
		fault.CauseHeadCut:                        {fault.CauseTLSHandshakeClosed},
		fault.CauseUploadCut:                      {fault.CauseResetBeforeAnswer, fault.CauseClosedBeforeAnswer, fault.CauseUploadStalled, fault.CauseKeepaliveRace},
		fault.CauseHeadTimeout:                    {fault.CauseTooManyFields, fault.CauseHeadTooLarge, fault.CauseConnectTimeout, fault.CauseNotHTTP},
		fault.CauseBadStatusLine:                  {fault.CauseNotHTTP, fault.CauseHeadCut},
		fault.CauseBadField:                       {fault.CauseHeadTimeout, fault.CauseSlowHead},
		fault.CauseNotHTTP:                        {fault.CauseHeadCut},
		fault.CauseTLSNoSharedCipher:              {fault.CauseTLSNameUnknown, fault.CauseTLSClientCertificateRequired},
		fault.CauseTLSCertificateUnknownAuthority: {fault.CauseTLSCertificateSelfSigned},
		fault.CauseBodyStalled:                    {fault.CauseInvalidLength},
	},
	"varnish": {
		fault.CauseConnectionRefused:  {fault.CauseConnectTimeout},
		fault.CauseClosedBeforeAnswer: {fault.CauseResetBeforeAnswer, fault.CauseKeepaliveRace, fault.CauseNotHTTP},
		fault.CauseHeadTimeout:        {fault.CauseNotHTTP},
		fault.CauseHeadTooLarge:       {fault.CauseFieldTooLarge, fault.CauseTooManyFields},
		fault.CauseNotHTTP:            {fault.CauseBadStatusLine},
		fault.CauseBadChunk:           {fault.CauseBadTrailer},
		fault.CauseBodyShort:          {fault.CauseBodyReset, fault.CauseBodyStalled},
		fault.CauseChunksCut:          {fault.CauseBodyReset, fault.CauseBodyStalled},
	},
}

// alikeFor gives whose table a product shares.
func alikeFor(product string) string {
	switch product {
	case "ingress-nginx", "kong", "openresty":
		return "nginx"
	case "traefik":
		return "caddy"
	}
	return product
}

// widen adds to a fault's candidates those that the product would write the same line of.
func (e *Entry) widen(f *Format) {
	if e.Kind != KindFault || e.Bare && !e.Again || f.Role != RoleProxy || f.Product == "whygate" {
		return
	}
	cause := e.Fault().Cause
	general, own := alike[cause], alikeAt[alikeFor(f.Product)][cause]
	if len(general)+len(own) == 0 {
		return
	}
	if len(e.Candidates) == 0 {
		e.Candidates = append(e.Candidates, cause)
	}
	for _, more := range [...][]fault.Cause{general, own} {
		for _, c := range more {
			e.addCandidate(c)
		}
	}
}

func (e *Entry) addCandidate(c fault.Cause) {
	for _, have := range e.Candidates {
		if have == c {
			return
		}
	}
	e.Candidates = append(e.Candidates, c)
}

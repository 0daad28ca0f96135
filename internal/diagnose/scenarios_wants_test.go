package diagnose_test

import "github.com/whygate/whygate/internal/fault"

// leftOut are the lab's scenarios that a walk cannot show, with the reason beside each.
var leftOut = []string{
	"idle-408",                  // the notice comes on an idle connection, and is no fault
	"private-address-in-answer", // it is about the gateway's page
}

// straightWants are the verdicts of walks straight to an upstream, where a person's question has another answer than a gateway
// gives to one request. Empty is healthy.
var straightWants = map[string][]fault.Cause{
	"dns-one-dead-address":     {fault.CauseConnectTimeout}, // a gateway takes the other; a person is told of this one
	"dns-one-refused-address":  {fault.CauseConnectionRefused},
	"mtu-black-hole":           {fault.CauseConnectionLost},
	"plain-to-tls-nginx":       {fault.CausePlainToTLSPort},
	"plain-to-tls-go":          {fault.CausePlainToTLSPort},
	"upstream-500":             {fault.CauseApplicationError},
	"maintenance":              {fault.CauseMaintenance},
	"rate-limited":             {fault.CauseRateLimited},
	"filter-resets":            {fault.CauseContentFilter},
	"filter-403":               {fault.CauseContentFilter},
	"filter-user-agent":        {fault.CauseContentFilter},
	"filter-drops":             {fault.CauseContentFilter},
	"redirect-loop":            {fault.CauseDNSNXDomain}, // it leads to a name that does not exist here
	"coding-mislabelled":       {fault.CauseBadContentCoding},
	"idle-close":               {fault.CauseKeepaliveRace}, // the second request comes while the server waits to close
	"idle-reset":               {fault.CauseKeepaliveRace},
	"idle-announced":           {fault.CauseKeepaliveRace},
	"idle-announced-reset":     {fault.CauseKeepaliveRace},
	"ok-no-reason":             {fault.CauseHeadTimeout}, // these keep the connection, and answer nothing more on it
	"ok-length-twice":          {fault.CauseHeadTimeout},
	"field-space-before-colon": {fault.CauseHeadTimeout},
}

// gatewayWants are the scenarios that are played behind real gateways, with the root cause that the walk must find.
var gatewayWants = map[string][]fault.Cause{
	"ok": nil, "ok-chunked": nil, "ok-http10": nil, "ok-slow-head": nil, "far-ok": nil, "tls-ok-13": nil, "tls-ok-12": nil, "dns-ok": nil, "upstream-404": nil, "unix-ok": nil,
	"connection-refused":        {fault.CauseConnectionRefused},
	"all-refuse":                {fault.CauseConnectionRefused},
	"one-of-two-refuses":        {fault.CauseConnectionRefused},
	"one-of-two-hangs":          {fault.CauseConnectTimeout},
	"syn-dropped":               {fault.CauseConnectTimeout},
	"accept-queue-full":         {fault.CauseConnectTimeout},
	"icmp-admin-prohibited":     {fault.CauseFirewallRejected},
	"no-arp-answer":             {fault.CauseHostUnreachable},
	"no-route":                  {fault.CauseNetworkUnreachable},
	"mtu-black-hole":            {fault.CauseConnectionLost},
	"dns-nxdomain":              {fault.CauseDNSNXDomain},
	"dns-servfail":              {fault.CauseDNSServFail},
	"unix-missing":              {fault.CauseSocketMissing},
	"closed-before-answer":      {fault.CauseClosedBeforeAnswer},
	"reset-before-answer":       {fault.CauseResetBeforeAnswer},
	"no-answer":                 {fault.CauseHeadTimeout},
	"head-cut":                  {fault.CauseHeadCut},
	"ok-large-head":             {fault.CauseHeadTooLarge},
	"tls-expired":               {fault.CauseTLSCertificateExpired},
	"tls-wrong-name":            {fault.CauseTLSCertificateWrongName},
	"tls-unknown-authority":     {fault.CauseTLSCertificateUnknownAuthority},
	"tls-11-only":               {fault.CauseTLSVersionMismatch},
	"tls-client-certificate-13": {fault.CauseTLSClientCertificateRequired},
	"tls-to-plain-http":         {fault.CauseTLSToPlainPort},
	"tls-stalled":               {fault.CauseTLSHandshakeTimeout},
	"plain-to-tls-alert":        {fault.CausePlainToTLSPort},
	"plain-to-tls-nginx":        {fault.CausePlainToTLSPort},
	"body-short":                {fault.CauseBodyShort},
	"chunks-cut":                {fault.CauseChunksCut},
	"body-stalled":              {fault.CauseBodyStalled},
	"upstream-500":              {fault.CauseApplicationError},
	"upstream-502":              {fault.CauseUpstreamStatus},
	"maintenance":               {fault.CauseMaintenance},
	"rate-limited":              {fault.CauseRateLimited},
	"filter-user-agent":         {fault.CauseContentFilter},
	"filter-403":                {fault.CauseContentFilter},
	"filter-resets":             {fault.CauseContentFilter},
	"keepalive-race-close":      {fault.CauseKeepaliveRace},
	"keepalive-race-reset":      {fault.CauseKeepaliveRace},
	"worker-dies":               {fault.CauseClosedBeforeAnswer},
}

package phrase

import "github.com/whygate/whygate/internal/fault"

// Sets of what a cluster's parts say.
var (
	droppedByPolicy = []fault.Cause{fault.CauseConnectTimeout, fault.CauseFirewallRejected}
	dnsFull         = []fault.Cause{fault.CauseDNSTimeout, fault.CauseDNSRefused}
	frontDoor       = []fault.Cause{fault.CauseHeadTimeout, fault.CauseConnectionRefused, fault.CauseNobodyAvailable}
	largeMessage    = []fault.Cause{fault.CauseResponseBodyTooLarge}
)

// clusterPhrases are what the parts of a cluster say of services and of each other: Kubernetes, its networks and ingress controllers,
// name servers, brokers, and the frameworks that call other services.
var clusterPhrases = []Phrase{
	// Kubernetes and its networks.
	{"policy denied dropped", "", "", droppedByPolicy, exact, Strong, Gateway, "", "Hubble"},
	{"(policy denied) flow", "", "", droppedByPolicy, exact, Strong, Gateway, "", "Cilium"},
	{"service has no endpoints", "", "", noEndpoints, exact, Strong, Gateway, "kubernetes", "kube-proxy"},
	{"unresolved service reference", "", "", broken, exact, Strong, Gateway, "kubernetes", "Contour"},
	{"could not resolve service ", "", "", nxDomain, Worded, Strong, Gateway, "kubernetes", "Emissary"},
	{"backendnotfound", "", "", broken, Worded, Strong, Gateway, "kubernetes", "Gateway API"},
	{"refnotpermitted", "", "", broken, Worded, Strong, Gateway, "kubernetes", "Gateway API"},
	{"ist0101", "", "", broken, Worded, Strong, Gateway, "kubernetes", "istioctl analyze"},
	{"referenced host not found", "", "", broken, Worded, Strong, Gateway, "kubernetes", "istioctl analyze"},
	{"errimageneverpull", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"failed to create pod sandbox", "", "", failed, exact, Strong, Application, "kubernetes", ""},
	{"failedmount", "", "", failed, Worded, Strong, Application, "kubernetes", ""},
	{"failedattachvolume", "", "", failed, Worded, Strong, Application, "kubernetes", ""},
	{"exit code: 1", "terminated", "exit code: 137|exit code: 139|exit code: 143|exit code: 13|exit code: 14", failed, Worded, Strong, Application, "platform", "Nomad"},

	// Name servers.
	{"plugin/errors: ", "i/o timeout", "", dnsTimeout, exact, Strong, Gateway, "", "CoreDNS"},
	{"plugin/errors: ", "connection refused", "", dnsUnreachable, exact, Strong, Gateway, "", "CoreDNS"},
	{"plugin/errors: ", "no route to host|network is unreachable", "", dnsUnreachable, exact, Strong, Gateway, "", "CoreDNS"},
	{"plugin/loop: loop", "", "", failed, exact, Strong, Application, "platform", "CoreDNS"},
	{"maximum number of concurrent dns queries reached", "", "", dnsFull, exact, Strong, Gateway, "", "dnsmasq"},

	// gRPC.
	{"error reading server preface: http2: frame too large", "", "", h1OnH2, exact, Strong, Gateway, "", "grpc-go"},
	{"looked like an http/1.1 header", "", "", h1OnH2, exact, Strong, Gateway, "", "Go"},
	{"received message larger than max", "", "", largeMessage, exact, Strong, Gateway, "", "gRPC"},
	{"received message exceeds the maximum configured", "", "", largeMessage, exact, Strong, Gateway, "", "gRPC for .NET"},
	{"grpc message exceeds maximum size", "", "", largeMessage, exact, Strong, Gateway, "", "grpc-java"},

	// What Go's client met in place of an answer, as it stands in a string of JSON.
	{"x00\\x00\\x", "malformed http response", "", h2OnH1, exact, Strong, Gateway, "", "Go"},
	{"x00\\\\x00\\\\x", "malformed http response", "", h2OnH1, exact, Strong, Gateway, "", "Go"},
	{"\\\\x15\\\\x03", "malformed http response", "", plainToTLS, exact, Strong, Gateway, "", "Go"},

	// Brokers and stores.
	{"broker may not be available", "", "", refusedOrNone, exact, Strong, Gateway, "", "Kafka"},
	{"bootstrap broker ", "disconnected", "", closed, exact, Strong, Gateway, "", "Kafka"},
	{"failed to update metadata after", "", "", headTimeout, exact, Strong, Gateway, "", "Kafka"},
	{"timed out waiting for a node assignment", "", "", headTimeout, exact, Strong, Gateway, "", "Kafka"},
	{"noshardavailableactionexception", "", "", nobody, exact, Strong, Gateway, "", "Elasticsearch"},
	{"redis is loading the dataset in memory", "", "", status, exact, Strong, Gateway, "", "Redis"},
	{"misconf redis is configured to save", "", "", status, exact, Strong, Gateway, "", "Redis"},
	{"clusterdown ", "", "", nobody, Worded, Strong, Gateway, "", "Redis"},

	// Services of clouds.
	{"an error occurred (50", " when calling", "", status, exact, Strong, Gateway, "", "botocore"},
	{"an error occurred (slowdown)", "", "", overload, exact, Strong, Gateway, "", "botocore"},
	{"an error occurred (serviceunavailable", " when calling", "", status, exact, Strong, Gateway, "", "botocore"},
	{"an error occurred (internal", " when calling", "", status, exact, Strong, Gateway, "", "botocore"},
	{"an error occurred (requesttimeout", " when calling", "", headTimeout, exact, Strong, Gateway, "", "botocore"},
	{"please reduce your request rate", "", "", overload, Worded, Strong, Gateway, "", "S3"},
	{"overloaded_error", "", "", overload, exact, Strong, Gateway, "", ""},
	{"error code: 529", "", "", overload, Named, Strong, Gateway, "", ""},
	{"function host is not running", "", "", failed, exact, Strong, Application, "azure", "Azure Functions"},
	{"our services aren't available right now", "", "", frontDoor, exact, Strong, Gateway, "azure", "Azure Front Door"},

	{"target failed to become healthy", "", "", failed, exact, Strong, Application, "", "Kamal"},
	{"there is a proxy blocking websockets", "", "", upgradeRefused, exact, Strong, Gateway, "", "SignalR"},
	{"received response from target (50", "", "", status, exact, Strong, Gateway, "", "proxy-chain"},
	{"http code: 50", "", "", status, Named, Strong, Gateway, "", ""},

	// What balancers' states say, in their tables and APIs.
	{"layer4 connection problem: ", "refused", "", refused, Worded, Strong, Gateway, "haproxy", "its page of states"},
	{"layer4 connection problem: ", "no route to host", "", noRoute, exact, Strong, Gateway, "haproxy", ""},
	{"l4con in ", "", "", refusedOrNone, Worded, Strong, Gateway, "haproxy", ""},
	{"l4tout in ", "", "", connectTimeout, Worded, Strong, Gateway, "haproxy", ""},
	{"l6tout in ", "", "", tlsTimeout, Worded, Strong, Gateway, "haproxy", ""},
	{"l6rsp in ", "", "", tlsBroken, Worded, Strong, Gateway, "haproxy", ""},
	{"l7tout in ", "", "", headTimeout, Worded, Strong, Gateway, "haproxy", ""},
	{"l7rsp in ", "", "", notHTTP, Worded, Strong, Gateway, "haproxy", ""},
	{"l7sts/50", "", "", status, Worded, Strong, Gateway, "haproxy", ""},
	{"target.timeout", "", "", someTimeout, exact, Strong, Gateway, "alb", ""},
	{"healthstate", "unhealthy", "", nobody, Worded, Strong, Gateway, "gcp", ""},
	{" still sick ", "", "", nobody, Worded, Strong, Gateway, "varnish", ""},
	{" went sick ", "", "", nobody, Worded, Strong, Gateway, "varnish", ""},
	{"undefined backend '", "for frontend", "", broken, exact, Strong, Gateway, "traefik", "1"},
	{"invalid domain name", "lookup ", "", dnsError, Worded, Strong, Gateway, "", "Go"},

	// Threads that are held up.
	{"may be stuck", "has been active for", "", workersBusy, exact, Strong, Application, "tomcat", ""},
	{"bea-000337", "", "", workersBusy, exact, Strong, Application, "", "WebLogic"},
	{"wsvr0605w", "", "", workersBusy, exact, Strong, Application, "", "WebSphere"},
	{"and may be hung", "has been active for", "", workersBusy, exact, Strong, Application, "", "WebSphere"},
	{"vertx-eventloop-thread", "has been blocked for", "", workersBusy, exact, Strong, Application, "", "Vert.x"},
	{"failed to execute the transaction to", "", "", anyTimeout, exact, Strong, Gateway, "", "WebSphere's plug-in"},

	// Applications on a request.
	{"error in asgi framework", "", "", appError, exact, Strong, Application, "", "Hypercorn"},
	{"took too long to shut down and was killed", "", "", workerTimeout, exact, Strong, Application, "", "Daphne"},
	{"internal server error: /", "", "", appError, Named, Strong, Application, "", "Django"},
	{"completed 500 internal server error in", "", "", appError, exact, Strong, Application, "", "Rails"},
	{"ut005023", "", "", appError, exact, Strong, Application, "", "Undertow"},
	{"servlet.service() for servlet", " threw exception", "", appError, exact, Strong, Application, "tomcat", ""},
	{"an unhandled exception has occurred while executing the request", "", "", appError, exact, Strong, Application, "", "ASP.NET Core"},
	{"failed to open stream: connection timed out", "http://|https://", "", someTimeout, exact, Strong, Gateway, "php", ""},
	{"failed to open stream: connection refused", "http://|https://", "", refused, exact, Strong, Gateway, "php", ""},

	// .NET before Core.
	{"the operation has timed out", "webexception|httprequest|httpclient|http://|https://", "", someTimeout, Worded, Strong, Gateway, "", ".NET"},
	{"unable to connect to the remote server", "", "refused|timed out", refusedOrNone, Worded, Strong, Gateway, "", ".NET"},
	{"the underlying connection was closed: an unexpected error occurred on a", "", "", closedOrReset, exact, Strong, Gateway, "", ".NET"},
	{"the underlying connection was closed: the connection was closed unexpectedly", "", "", closed, exact, Strong, Gateway, "", ".NET"},
	{"the server committed a protocol violation", "", "", badField, exact, Strong, Gateway, "", ".NET"},
}

package kubernetes

import "strings"

// This file is a table.

func crash(code, reason string) string {
	return strings.NewReplacer("%CODE", code, "%REASON", reason).Replace(crashing)
}

func waiting(reason, message string) string {
	return `ready: false, started: false, restartCount: 0, state: {waiting: {reason: ` + reason + `, message: '` + message + `'}}`
}

var walkCases = []walkCase{
	// Healthy, and what only looks otherwise.
	{name: "healthy", target: "ingress/shop", base: shop, says: []string{"ingress/shop leads to service/shop with 2 of 2 pods ready"}},
	{name: "healthy service", target: "svc/shop", base: shop, says: []string{"service/shop is in order, with 2 of 2 pods ready"}},
	{name: "healthy: a roll-out begins a pod", target: "ingress/shop", base: shop, says: []string{"1 of 2 pods ready"}, beside: []string{"pod/shop-1 has just begun"}, swap: []string{
		ready1, `{type: Ready, status: "False", lastTransitionTime: @-9s}`, "creationTimestamp: @-30h", "creationTimestamp: @-10s", runs1,
		`ready: false, started: true, restartCount: 0, state: {running: {startedAt: @-8s}}`, endpoint, oneOf,
	}},
	{name: "healthy: a pod goes", target: "ingress/shop", base: shop, says: []string{"1 of 1 pod ready"}, beside: []string{"is being deleted"}, fake: true, swap: []string{
		"creationTimestamp: @-30h", "creationTimestamp: @-30h, deletionTimestamp: @-5s, finalizers: [x/y]", endpoint, oneOf,
	}},
	{name: "healthy: it was killed days ago", target: "ingress/shop", base: shop, beside: []string{"was killed for want of memory", "has run since"}, swap: []string{
		runs1, `ready: true, started: true, restartCount: 2, state: {running: {startedAt: @-70h}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: @-70h}}`,
	}},
	{name: "healthy: an evicted pod is left over", target: "ingress/shop", base: shop, says: []string{"2 of 2 pods ready"}, beside: []string{"1 pod of service/shop ended for good", "evicted"}, add: `apiVersion: v1
kind: Pod
metadata: {name: shop-0, namespace: web, labels: {app: shop}}
spec: {containers: [{name: web, image: shop:1}]}
status: {phase: Failed, reason: Evicted, message: "The node was low on resource: ephemeral-storage."}`},
	{name: "healthy: a number that no container declares", target: "ingress/shop", base: shop, swap: []string{"targetPort: web", "targetPort: 8080", "ports: [{name: web, containerPort: 8080}], ", ""}},
	{name: "healthy: only the port of its metrics is declared", target: "ingress/shop", base: shop, swap: []string{"targetPort: web", "targetPort: 8080", "{name: web, containerPort: 8080}", "{name: metrics, containerPort: 9090}"}},
	{name: "healthy: a policy lets some in", target: "ingress/shop", base: shop, beside: []string{"is the ingress controller among them"}, add: policy(`ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}], ports: [{port: 8080}]}]`)},
	{name: "healthy: no selector and an EndpointSlice by hand", target: "ingress/shop", base: shop, swap: []string{selected + ", ", ""}, without: []string{"pod 1", "pod 2"}, says: []string{"2 of 2 addresses ready"}},
	{name: "healthy: a name out of the cluster", target: "ingress/shop", base: shop, swap: []string{selected, "type: ExternalName, externalName: shop.example.net"}, beside: []string{"whygate diagnose http://shop.example.net/"}},
	{name: "healthy: a Job's pod has ended", target: "ingress/shop", base: shop, add: `apiVersion: v1
kind: Pod
metadata: {name: migrate, namespace: web, labels: {app: shop}}
spec: {containers: [{name: web, image: shop:1}]}
status: {phase: Succeeded}`},
	{name: "healthy: a class by the old annotation, without the object", target: "ingress/shop", base: shop, without: []string{"class"}, swap: []string{"  ingressClassName: nginx\n", "", "creationTimestamp: @-48h}\nspec:\n", "annotations: {kubernetes.io/ingress.class: nginx}}\nspec:\n"}},

	// Who serves it.
	{name: "no such class", target: "ingress/shop", base: shop, swap: []string{"ingressClassName: nginx", "ingressClassName: ngnix", addressed, noStatus}, cause: "no-route", says: []string{"ingress/shop → ingress controller", "IngressClass ngnix, which does not exist", "there are nginx", "since "}},
	{name: "no class at all", target: "ingress/shop", base: shop, without: []string{"class"}, swap: []string{"  ingressClassName: nginx\n", "", addressed, noStatus}, cause: "no-route", says: []string{"names no IngressClass", "no ingress controller is installed"}},
	{name: "nobody serves the class", target: "ingress/shop", base: shop, swap: []string{addressed, noStatus}, cause: "no-route", says: []string{"no pod of that controller", "k8s.io/ingress-nginx"}},
	{name: "the controller crashes", target: "ingress/shop", base: shop, swap: []string{addressed, noStatus}, add: strings.NewReplacer("shop-1", "controller-1", "app: shop", "app.kubernetes.io/name: ingress-nginx", ready1, unready, runs1, crash("1", "Error")).
		Replace(docOf(shop, "# pod 1")), cause: "worker-crashed", says: []string{"its only pod of the controller", "CrashLoopBackOff", "exit code 1"}},

	{name: "the controller crashes, and left its address", target: "ingress/shop", base: shop, add: strings.NewReplacer("shop-1", "controller-1", "app: shop", "app.kubernetes.io/name: ingress-nginx", ready1, unready, runs1, crash("1", "Error")).
		Replace(docOf(shop, "# pod 1")), cause: "worker-crashed", says: []string{"ingress controller is broken"}},

	{name: "its controller reports a failure", target: "ingress/shop", base: shop, swap: []string{addressed, noStatus, "k8s.io/ingress-nginx", "example.com/cloud-lb"}, add: strings.NewReplacer("kind: Pod", "kind: Ingress").Replace(happened("shop", "FailedBuildModel", "Failed build model: cannot auto-discover subnets")), cause: "no-route", says: []string{"a controller reports FailedBuildModel", "auto-discover subnets"}},
	{name: "healthy: an event of an Ingress that is served", target: "ingress/shop", base: shop, add: strings.NewReplacer("kind: Pod", "kind: Ingress").Replace(happened("shop", "Rejected", "an annotation was ignored")), beside: []string{"event Rejected of ingress/shop"}},

	// Its certificate.
	{name: "no Secret", target: "ingress/shop", base: shop, swap: withTLS, cause: "tls-certificate-untrusted", says: []string{"ingress/shop → secret/shop-tls is broken in part", "shop.example.com does not exist in namespace web"}, beside: []string{"cert-manager"}},
	{name: "a Secret of another kind", target: "ingress/shop", base: shop, swap: withTLS, add: secret("Opaque", `{password: aHVudGVyMg==}`), cause: "tls-certificate-untrusted", says: []string{"no tls.crt and no tls.key", "Opaque"}},
	{name: "a certificate that has expired", target: "ingress/shop", base: shop, swap: withTLS, add: certificate("shop.example.com", -90, -2), cause: "tls-certificate-expired", says: []string{"has expired since", "2 days"}},
	{name: "a certificate of another name", target: "ingress/shop", base: shop, swap: withTLS, add: certificate("www.example.com", -9, 90), cause: "tls-certificate-wrong-name", says: []string{"is for www.example.com, and not for shop.example.com"}},
	{name: "healthy: its certificate is in order", target: "ingress/shop", base: shop, swap: withTLS, add: certificate("*.example.com", -9, 90)},

	// The Service and its ports.
	{name: "no such Service", target: "ingress/shop", base: shop, swap: []string{"service: {name: shop,", "service: {name: store,"}, cause: "route-broken", says: []string{"ingress/shop → service/store is broken", "no Service store in namespace web; there are shop"}, beside: []string{"shop.example.com/"}},
	{name: "the Service is in another namespace", target: "ingress/shop", base: shop, swap: []string{"service: {name: shop,", "service: {name: cart,"}, add: strings.NewReplacer("name: shop, namespace: web", "name: cart, namespace: default").Replace(docOf(shop, "# service")), cause: "route-broken", says: []string{"there is one of the name in namespace default"}},
	{name: "no such port by number", target: "ingress/shop", base: shop, swap: []string{"port: {number: 80}", "port: {number: 8080}"}, cause: "route-broken", says: []string{"names port 8080", "it has 80 (http)", "kubectl -n web edit ingress/shop"}},
	{name: "the port of the pods in the place of the Service's", target: "ingress/shop", base: shop, swap: []string{"targetPort: web", "targetPort: 8080", "port: {number: 80}", "port: {number: 8080}"}, cause: "route-broken", says: []string{"8080 is the port of the pods (targetPort), and 80 leads to it"}},
	{name: "no such port by name", target: "ingress/shop", base: shop, swap: []string{"port: {number: 80}", "port: {name: https}"}, cause: "route-broken", says: []string{"names port https"}},
	{name: "no such targetPort by name", target: "ingress/shop", base: shop, swap: []string{"targetPort: web", "targetPort: http"}, cause: "no-endpoints", says: []string{"service/shop:80 → targetPort http", "2 of 2 pods have no port of the name http", "8080 (web)"}},
	{name: "another targetPort by number", target: "service/shop", base: shop, swap: []string{"targetPort: web", "targetPort: 3000"}, cause: "connection-refused", says: []string{"2 of 2 pods", "no port 3000", "8080 (web)"}},
	{name: "the selector fits another program as well", target: "ingress/shop", base: shop, swap: []string{"targetPort: web", "targetPort: 8080"}, add: strings.NewReplacer("shop-1", "redis-1", "name: web, containerPort: 8080", "name: redis, containerPort: 6379", "port: 8080}, periodSeconds", "port: 6379}, periodSeconds").
		Replace(docOf(shop, "# pod 1")), cause: "connection-refused", says: []string{"broken in part", "1 of 3 pods", "6379 (redis)"}},
	{name: "an ExternalName that does not exist", target: "ingress/shop", base: shop, swap: []string{selected, "type: ExternalName, externalName: gone.example.net"}, cause: "dns-nxdomain", says: []string{"service/shop → gone.example.net", "NXDOMAIN"}},
	{name: "an ExternalName that is an address", target: "ingress/shop", base: shop, swap: []string{selected, "type: ExternalName, externalName: 192.0.2.9"}, cause: "dns-nxdomain", says: []string{"an ExternalName is a name"}},
	{name: "an ExternalName to a Service that is not there", target: "ingress/shop", base: shop, swap: []string{selected, "type: ExternalName, externalName: cart.api.svc.cluster.local"}, cause: "dns-nxdomain", says: []string{"no Service cart in namespace api"}},
	{name: "an address is pending", target: "service/shop", base: shop, swap: []string{selected, "type: LoadBalancer, " + selected}, cause: "no-route", says: []string{"EXTERNAL-IP is <pending>"}},

	// Nobody behind it.
	{name: "the selector fits nothing", target: "ingress/shop", base: shop, swap: []string{selected, "selector: {app: shop, tier: front}", endpoint, "endpoints: []"}, cause: "no-endpoints", says: []string{"service/shop → pods", "fits no pod", "tier=front", "2 pods (shop-1, shop-2) would fit"}},
	{name: "the selector has a slip", target: "ingress/shop", base: shop, swap: []string{selected, "selector: {app: Shop}", endpoint, "endpoints: []"}, cause: "no-endpoints", says: []string{"app=Shop (they have app=shop)"}},
	{name: "scaled to nothing", target: "ingress/shop", base: shop, without: []string{"pod 1", "pod 2"}, swap: []string{endpoint, "endpoints: []"}, add: deployment(0, ""), cause: "service-stopped", says: []string{"deployment/shop is scaled to 0", "scale deployment/shop --replicas=1"}},
	{
		name: "a quota forbids the pods", target: "ingress/shop", base: shop, without: []string{"pod 1", "pod 2"}, swap: []string{endpoint, "endpoints: []"}, cause: "service-failed", says: []string{"deployment/shop cannot make its pods", "exceeded quota", "since "},
		add: deployment(2, `{type: ReplicaFailure, status: "True", reason: FailedCreate, lastTransitionTime: @-20m, message: 'pods "shop-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=10, limited: pods=10'}`),
	},
	{name: "no selector and nothing by hand", target: "ingress/shop", base: shop, swap: []string{selected + ", ", ""}, without: []string{"pod 1", "pod 2", "slice"}, cause: "no-endpoints", says: []string{"no selector, and no EndpointSlice"}},
	{name: "nobody fills the EndpointSlice", target: "ingress/shop", base: shop, without: []string{"slice"}, cause: "no-endpoints", says: []string{"2 of 2 pods are ready, and its EndpointSlices have no ready address"}},

	// The pods.
	{
		name: "readiness: 503", target: "ingress/shop", base: shop, swap: both(notReadyNo), add: happened("shop-1", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"), cause: "nobody-available",
		says: []string{"service/shop → pods is broken", "2 of 2 pods are not ready", "readiness probe (GET :8080/healthz)", "statuscode: 503", "since ", "12 minutes"}, beside: []string{"42 times", "The program says itself that it is not ready"},
	},
	{name: "readiness: refused", target: "service/shop", base: shop, swap: both(notReadyNo), add: happened("shop-2", "Unhealthy", "Readiness probe failed: Get \"http://10.0.0.2:8080/healthz\": dial tcp 10.0.0.2:8080: connect: connection refused"), cause: "nobody-available", says: []string{"2 of 2 pods", "connection refused"}, beside: []string{"not on 127.0.0.1 alone"}},
	{name: "readiness of one", target: "ingress/shop", base: shop, swap: first(notReadyNo), add: happened("shop-1", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404"), cause: "nobody-available", says: []string{"broken in part", "1 of 2 pods is not ready", "404"}, beside: []string{"path is not one"}},
	{name: "killed for want of memory again and again", target: "ingress/shop", base: shop, swap: both(crash("137", "OOMKilled")), cause: "out-of-memory", says: []string{"2 of 2 pods", "CrashLoopBackOff (7 restarts)", "OOMKilled, exit code 137", "its limit is 128Mi", "logs shop-1 -c web --previous"}},
	{name: "the command is not there", target: "ingress/shop", base: shop, swap: both(crash("127", "ContainerCannotRun")), cause: "worker-crashed", says: []string{"did not find its command (exit code 127)"}},
	{name: "a crash by a signal", target: "ingress/shop", base: shop, swap: first(crash("139", "Error")), cause: "worker-crashed", says: []string{"1 of 2 pods", "SIGSEGV"}},
	{name: "it ends by itself", target: "ingress/shop", base: shop, swap: both(crash("0", "Completed")), cause: "service-stopped", says: []string{"ended by itself (exit code 0)"}, beside: []string{"stay in the foreground"}},
	{name: "liveness kills it", target: "ingress/shop", base: shop, swap: both(crash("137", "Error")), add: happened("shop-1", "Unhealthy", "Liveness probe failed: Get \"http://10.0.0.1:8080/live\": context deadline exceeded"), cause: "worker-killed", says: []string{"2 of 2 pods", "kubelet killed it since its liveness probe fails"}},
	{name: "killed a moment ago, and ready", target: "ingress/shop", base: shop, swap: []string{runs1, `ready: true, started: true, restartCount: 3, state: {running: {startedAt: @-2m}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: @-3m}}`}, cause: "out-of-memory", says: []string{"broken in part", "container web of pod/shop-1", "3 minutes ago", "1 of 2 pods"}},
	{name: "no image", target: "ingress/shop", base: shop, swap: both(waiting("ImagePullBackOff", `Back-off pulling image "shop:1": not found`)), cause: "service-failed", says: []string{"ImagePullBackOff", "its image cannot be pulled, shop:1"}, beside: []string{"imagePullSecrets"}},
	{name: "no ConfigMap", target: "ingress/shop", base: shop, swap: both(waiting("CreateContainerConfigError", `configmap "settings" not found`)), cause: "service-failed", says: []string{`configmap "settings" not found`}, beside: []string{`configmap "settings" not found`}},
	{name: "no node", target: "ingress/shop", base: shop, cause: "service-failed", says: []string{"1 of 2 pods is not ready since", "Pending", "Insufficient memory", "since "}, beside: []string{"resources.requests"}, swap: []string{
		`{type: PodScheduled, status: "True", lastTransitionTime: @-30h}, ` + ready1, `{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/3 nodes are available: 3 Insufficient memory.", lastTransitionTime: @-20m}`, "phase: Running\n  podIP: 10.0.0.1", "phase: Pending",
		"\n  containerStatuses: [{name: web, image: \"shop:1\", imageID: \"\", " + runs1 + "}]", "", endpoint, oneOf, "  nodeName: node-a\n", "",
	}},
	{name: "no volume", target: "ingress/shop", base: shop, swap: both(waiting("ContainerCreating", "")), add: happened("shop-1", "FailedMount", `MountVolume.SetUp failed for volume "data" : secret "db" not found`), cause: "service-failed", says: []string{"has not started (ContainerCreating)", `secret "db" not found`}},
	{name: "an init container fails", target: "ingress/shop", base: shop, cause: "worker-crashed", says: []string{"init container migrate is in CrashLoopBackOff", "exit code 3"}, swap: []string{
		"containers: [{name: web,", "initContainers: [{name: migrate, image: m:1}]\n  containers: [{name: web,", ready1, unready, ready2, unready,
		runs1, waiting("PodInitializing", ""), runs2, waiting("PodInitializing", ""), endpoint, noneOf,
		"  containerStatuses:", "  initContainerStatuses: [{name: migrate, image: m, imageID: \"\", " + crash("3", "Error") + "}]\n  containerStatuses:",
	}},
	{name: "the node is lost", target: "ingress/shop", base: shop, swap: []string{ready1, unready, ready2, unready, endpoint, noneOf}, cause: "host-unreachable", says: []string{"2 of 2 pods", "node node-a is not ready", "Kubelet stopped posting node status"}, add: `apiVersion: v1
kind: Node
metadata: {name: node-a}
status: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown, message: Kubelet stopped posting node status., lastTransitionTime: @-15m}]}`},
	{name: "a readiness gate", target: "ingress/shop", base: shop, swap: []string{"  nodeName: node-a\n", "  nodeName: node-a\n  readinessGates: [{conditionType: lb.example/registered}]\n", ready1, unready, ready2, unready, endpoint, noneOf}, cause: "service-failed", says: []string{"readiness gate lb.example/registered is not true"}},
	{name: "all are being deleted", target: "ingress/shop", base: shop, fake: true, swap: []string{"creationTimestamp: @-30h", "creationTimestamp: @-30h, deletionTimestamp: @-9s, finalizers: [x/y]", "creationTimestamp: @-31h", "creationTimestamp: @-31h, deletionTimestamp: @-9s, finalizers: [x/y]", endpoint, noneOf}, cause: "service-stopped", says: []string{"2 of 2 pods are being deleted"}},

	{name: "ready at times", target: "ingress/shop", base: shop, swap: []string{ready1, `{type: Ready, status: "True", lastTransitionTime: @-40s}`}, add: happened("shop-1", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500"), cause: "nobody-available", says: []string{"broken in part", "1 of 2 pods is ready now, and was not a moment ago", "failed 42 times"}, fake: true},
	{name: "liveness kills it at times", target: "ingress/shop", base: shop, swap: []string{runs1, `ready: true, started: true, restartCount: 9, state: {running: {startedAt: @-2m}}, lastState: {terminated: {exitCode: 137, reason: Error, finishedAt: @-2m}}`}, add: happened("shop-1", "Unhealthy", "Liveness probe failed: context deadline exceeded"), cause: "worker-killed", says: []string{"9 restarts", "its liveness probe failed"}},
	{name: "an address of no pod", target: "ingress/shop", base: shop, swap: []string{endpoint, `endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions: {ready: true}}, {addresses: [10.0.0.9], conditions: {ready: true}}]`}, cause: "connect-timeout", says: []string{"service/shop → endpoints is broken in part", "1 of 3 addresses", "10.0.0.9"}},

	// What keeps packets away.
	{name: "a policy lets nobody in", target: "ingress/shop", base: shop, add: policy(`policyTypes: [Ingress]`), cause: "connect-timeout", says: []string{"networkpolicy/deny lets nobody reach the pods on port web"}},
	{name: "a policy lets in to another port", target: "ingress/shop", base: shop, add: policy(`ingress: [{ports: [{port: 9090}]}]`), cause: "connect-timeout", says: []string{"networkpolicy/deny"}},

	{name: "a policy lets in others than the controller", target: "ingress/shop", base: shop, add: policy(`ingress: [{from: [{podSelector: {}}], ports: [{port: 8080}]}]`) + "\n---\n" + controllerPod, cause: "connect-timeout", says: []string{"lets some reach the pods on port web, and not the ingress controller in namespace default"}},
	{name: "healthy: a policy lets in the controller", target: "ingress/shop", base: shop, add: policy(`ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}], ports: [{port: 8080}]}]`) + "\n---\n" + controllerPod},
	{name: "an EndpointSlice by hand with another port's name", target: "ingress/shop", base: shop, swap: []string{selected + ", ", "", "ports: [{name: http, port: 8080, protocol: TCP}]\nendpoints", "ports: [{name: web, port: 8080, protocol: TCP}]\nendpoints"}, without: []string{"pod 1", "pod 2"}, cause: "no-endpoints", says: []string{"none of its EndpointSlices has a port of the name http", "8080 (web)"}},
	{name: "a crash between two restarts", target: "ingress/shop", base: shop, swap: both(`ready: false, started: true, restartCount: 6, state: {running: {startedAt: @-3s}}, lastState: {terminated: {exitCode: 1, reason: Error, finishedAt: @-40s}}`), cause: "worker-crashed", says: []string{"2 of 2 pods", "started again", "6 restarts", "ended with exit code 1"}},
	{name: "no scheduler", target: "service/shop", base: shop, cause: "service-failed", says: []string{"1 of 2 pods is not ready", "no scheduler has looked at it"}, fake: true, swap: []string{
		`conditions: [{type: PodScheduled, status: "True", lastTransitionTime: @-30h}, ` + ready1 + `]`, "conditions: []", "phase: Running\n  podIP: 10.0.0.1", "phase: Pending",
		"\n  containerStatuses: [{name: web, image: \"shop:1\", imageID: \"\", " + runs1 + "}]", "", endpoint, oneOf, "  nodeName: node-a\n", "",
	}},
	{name: "a DaemonSet that no node takes", target: "ingress/shop", base: shop, without: []string{"pod 1", "pod 2"}, swap: []string{endpoint, "endpoints: []"}, cause: "service-stopped", says: []string{"daemonset/shop wants no pod on any node"}, add: `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: shop, namespace: web}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: web, image: shop:1}]}}}
status: {currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0}`},
	{name: "healthy: a host without a certificate", target: "ingress/shop", base: shop, swap: append([]string{"- host: shop.example.com\n", "- host: bare.example.net\n"}, withTLS...), add: certificate("shop.example.com", -9, 90), beside: []string{"no certificate is named for bare.example.net"}},

	// Two at once.
	{name: "two at once", target: "ingress/shop", base: shop, swap: append(both(crash("1", "Error")), withTLS...), cause: "worker-crashed", says: []string{"service/shop → pods is broken", "beside it, ingress/shop → secret/shop-tls"}},

	// The Gateway API.
	{name: "healthy route", target: "httproute/shop", base: routed, says: []string{"httproute/shop leads to service/shop with 2 of 2 pods ready"}},
	{name: "healthy route that redirects", target: "httproute/shop", base: routed, swap: []string{"backendRefs: [{name: shop, port: 80}]", "filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"}, says: []string{"it leads to no Service"}},
	{name: "no Gateway", target: "httproute/shop", base: routed, without: []string{"gateway"}, cause: "no-route", says: []string{"httproute/shop → gateway/edge", "there is no gateway/edge in namespace web"}},
	{name: "no GatewayClass", target: "httproute/shop", base: routed, without: []string{"gatewayclass"}, cause: "no-route", says: []string{"gateway/edge → gatewayclass/envoy", "no GatewayClass"}},
	{name: "the Gateway does not take it", target: "httproute/shop", base: routed, swap: []string{`{type: Accepted, status: "True", reason: Accepted, message: "", observedGeneration: 1, lastTransitionTime: @-9h}`, `{type: Accepted, status: "False", reason: NotAllowedByListeners, message: "", observedGeneration: 1, lastTransitionTime: @-9m}`}, cause: "no-route", says: []string{"gateway/edge does not accept it since", "(9 minutes): NotAllowedByListeners"}, beside: []string{"allowedRoutes"}},
	{name: "no listener of the name", target: "httproute/shop", base: routed, swap: []string{"hostname: '*.example.com'", "hostname: '*.example.net'"}, cause: "no-route", says: []string{"none of its listeners is for shop.example.com"}},
	{name: "a route to another namespace without leave", target: "httproute/shop", base: routed, swap: []string{"backendRefs: [{name: shop, port: 80}]", "backendRefs: [{name: shop, namespace: api, port: 80}]"}, cause: "route-broken", says: []string{"no ReferenceGrant"}},
	{name: "a route to no Service", target: "httproute/shop", base: routed, swap: []string{"backendRefs: [{name: shop,", "backendRefs: [{name: store,"}, cause: "route-broken", says: []string{"no Service store"}},
	{name: "a route's listener without its certificate", target: "httproute/shop", base: routed, swap: []string{"protocol: HTTP,", "protocol: HTTPS, tls: {certificateRefs: [{name: shop-tls}]},"}, cause: "tls-certificate-untrusted", says: []string{"secret/shop-tls", "does not exist"}},
	{name: "a rule without a backend", target: "httproute/shop", base: routed, swap: []string{"backendRefs: [{name: shop, port: 80}]", "backendRefs: [{name: shop, port: 80, weight: 0}]"}, cause: "route-broken", says: []string{"answers 500 itself"}},
	{name: "no controller takes the route", target: "httproute/shop", base: routed, swap: []string{routeStatus, "status: {parents: []}"}, cause: "no-route", says: []string{"no controller has taken it"}},
}

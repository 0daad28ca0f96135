package kubernetes

// This file is a table: the objects of a healthy site, and what each case changes of them.

// walkCase is a state of a cluster, with what is to be said of it.
type walkCase struct {
	name    string
	target  string
	base    string
	swap    []string // text of the base, and what stands in its place
	without []string // objects of the base that are not there
	add     string   // further objects
	cause   string   // empty for healthy
	says    []string // what the sentence has
	beside  []string // what proof, advice or notes have
	fake    bool     // the state cannot be made at a real API server, which sets what it depends on
}

// shop is an Ingress with its class, its Service, its EndpointSlice and two pods, all in order.
const shop = `# class
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
# ingress
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: web, creationTimestamp: @-48h}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.7}]}}
---
# service
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: web, creationTimestamp: @-48h}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web, protocol: TCP}]}
---
# slice
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-x, namespace: web, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions: {ready: true}}]
---
# pod 1
apiVersion: v1
kind: Pod
metadata: {name: shop-1, namespace: web, labels: {app: shop}, creationTimestamp: @-30h}
spec:
  nodeName: node-a
  containers: [{name: web, image: shop:1, ports: [{name: web, containerPort: 8080}], resources: {limits: {memory: 128Mi}}, readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 10, failureThreshold: 3}}]
status:
  phase: Running
  podIP: 10.0.0.1
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: @-30h}, {type: Ready, status: "True", lastTransitionTime: @-29h}]
  containerStatuses: [{name: web, image: "shop:1", imageID: "", ready: true, started: true, restartCount: 0, state: {running: {startedAt: @-30h}}}]
---
# pod 2
apiVersion: v1
kind: Pod
metadata: {name: shop-2, namespace: web, labels: {app: shop}, creationTimestamp: @-31h}
spec:
  nodeName: node-a
  containers: [{name: web, image: shop:1, ports: [{name: web, containerPort: 8080}], resources: {limits: {memory: 128Mi}}, readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 10, failureThreshold: 3}}]
status:
  phase: Running
  podIP: 10.0.0.2
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: @-31h}, {type: Ready, status: "True", lastTransitionTime: @-28h}]
  containerStatuses: [{name: web, image: "shop:1", imageID: "", ready: true, started: true, restartCount: 0, state: {running: {startedAt: @-31h}}}]`

// Pieces of the base, and what takes their place.
const (
	ready1    = `{type: Ready, status: "True", lastTransitionTime: @-29h}`
	ready2    = `{type: Ready, status: "True", lastTransitionTime: @-28h}`
	runs1     = `ready: true, started: true, restartCount: 0, state: {running: {startedAt: @-30h}}`
	runs2     = `ready: true, started: true, restartCount: 0, state: {running: {startedAt: @-31h}}`
	unready   = `{type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: @-12m}`
	endpoint  = `endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions: {ready: true}}]`
	noneOf    = `endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2], conditions: {ready: false}}]`
	oneOf     = `endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2], conditions: {ready: true}}]`
	addressed = `status: {loadBalancer: {ingress: [{ip: 203.0.113.7}]}}`
	noStatus  = `status: {loadBalancer: {}}`
	selected  = `selector: {app: shop}`
)

// both makes both pods not ready in the same way.
func both(state string) []string {
	return []string{ready1, unready, ready2, unready, runs1, state, runs2, state, endpoint, noneOf}
}

// first makes the first of the two pods not ready.
func first(state string) []string {
	return []string{ready1, unready, runs1, state, endpoint, oneOf}
}

// happened is an event of a pod.
func happened(pod, reason, message string) string {
	return `apiVersion: v1
kind: Event
metadata: {name: ` + pod + `.` + "e" + `, namespace: web}
involvedObject: {kind: Pod, name: ` + pod + `, namespace: web}
type: Warning
reason: ` + reason + `
count: 42
firstTimestamp: @-12m
lastTimestamp: @-10s
message: '` + message + `'`
}

const (
	crashing   = `ready: false, started: false, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff, message: back-off 5m0s}}, lastState: {terminated: {exitCode: %CODE, reason: %REASON, finishedAt: @-2m}}`
	notReadyNo = `ready: false, started: true, restartCount: 0, state: {running: {startedAt: @-30h}}`
)

package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// docOf gives one of the base's objects.
func docOf(base, begins string) string {
	for doc := range strings.SplitSeq(base, "\n---\n") {
		if strings.HasPrefix(doc, begins) {
			return doc
		}
	}
	panic("BUG: no " + begins)
}

// withTLS gives the Ingress a certificate.
var withTLS = []string{"  rules:\n", "  tls: [{hosts: [shop.example.com], secretName: shop-tls}]\n  rules:\n"}

func secret(kind, data string) string {
	return `apiVersion: v1
kind: Secret
metadata: {name: shop-tls, namespace: web}
type: ` + kind + `
data: ` + data
}

// certificate is a Secret with a certificate of the name, valid from and to so many days from now.
func certificate(name string, from, to int) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, to).Add(-time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	own, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	encode := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return secret("kubernetes.io/tls", "{tls.crt: "+encode("CERTIFICATE", der)+", tls.key: "+encode("PRIVATE KEY", own)+"}")
}

func deployment(replicas int, condition string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web}
spec: {replicas: ` + strconv.Itoa(replicas) + `, selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: web, image: shop:1}]}}}
status: {conditions: [` + condition + `]}`
}

func policy(spec string) string {
	return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: web, creationTimestamp: @-1h}
spec: {podSelector: {}, ` + spec + `}`
}

// controllerPod is the ingress controller, in a namespace of its own.
const controllerPod = `apiVersion: v1
kind: Pod
metadata: {name: ingress-nginx-1, namespace: default, labels: {app.kubernetes.io/name: ingress-nginx}}
spec: {containers: [{name: controller, image: nginx}]}
status: {phase: Running, conditions: [{type: Ready, status: "True", lastTransitionTime: @-29h}], containerStatuses: [{name: controller, image: nginx, imageID: "", ready: true, restartCount: 0, state: {running: {startedAt: @-30h}}}]}`

const routeStatus = `status: {parents: [{parentRef: {name: edge}, controllerName: gateway.envoyproxy.io/c, conditions: [{type: Accepted, status: "True", reason: Accepted, message: "", observedGeneration: 1, lastTransitionTime: @-9h}, {type: ResolvedRefs, status: "True", reason: ResolvedRefs, message: "", lastTransitionTime: @-9h}]}]}`

// routed is the shop behind a Gateway.
var routed = `# gatewayclass
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: envoy}
spec: {controllerName: gateway.envoyproxy.io/c}
status: {conditions: [{type: Accepted, status: "True", reason: Accepted, lastTransitionTime: @-48h}]}
---
# gateway
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web}
spec: {gatewayClassName: envoy, listeners: [{name: web, port: 80, protocol: HTTP, hostname: '*.example.com'}]}
status: {conditions: [{type: Accepted, status: "True", reason: Accepted, lastTransitionTime: @-48h}, {type: Programmed, status: "True", reason: Programmed, lastTransitionTime: @-48h}]}
---
# route
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web, creationTimestamp: @-48h}
spec:
  parentRefs: [{name: edge}]
  hostnames: [shop.example.com]
  rules: [{matches: [{path: {type: PathPrefix, value: /}}], backendRefs: [{name: shop, port: 80}]}]
` + routeStatus + "\n---\n" + shop[strings.Index(shop, "# service"):]

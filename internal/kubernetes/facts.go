package kubernetes

import (
	"crypto/x509"
	"time"
)

// facts are everything that a walk read.
type facts struct {
	now       time.Time
	where     Where
	cluster   string
	target    Target
	namespace string

	ingress  *ingress
	events   []event     // of the Ingress or the HTTPRoute
	class    *classFacts // nil where the walk does not begin at an Ingress
	route    *httpRoute
	gateways []*gatewayFacts
	secrets  []*secretFacts
	backends []*backend
	notes    []string // what is no fault, and what was not walked
	unread   []string // what may not be read, or could not be
}

// classFacts are who serves an Ingress.
type classFacts struct {
	name        string // as the Ingress names it, or the default's; empty where it names none and there is none
	named       bool   // the Ingress names it
	old         bool   // by the annotation
	class       *ingressClass
	state       state
	others      []string
	controllers []podView // of a controller whose labels are known
	looked      state     // found where they could be looked for
}

// gatewayFacts are a Gateway that a route names.
type gatewayFacts struct {
	ref     parentRef
	gateway *gateway
	state   state
	class   *gatewayClass
	classIs state
}

// secretFacts are what is looked at of a Secret: never its key.
type secretFacts struct {
	namespace, name string
	hosts           []string // that it is for
	state           state
	kind            string // its type
	hasCert, hasKey bool
	leaf            *x509.Certificate // nil where tls.crt has none
	problem         string            // why tls.crt cannot be read
}

// askedPort is a port that a rule names.
type askedPort struct {
	port portRef
	from string // the rule, in words
}

// backend is a Service that requests are sent to, with all behind it.
type backend struct {
	namespace, name string
	asked           []askedPort // none where the walk begins at the Service: all its ports are looked at
	noGrant         bool        // it is in another namespace, which does not allow it

	service  *service
	state    state
	others   []string // the Services of the namespace, where it is missing
	abroad   []string // the namespaces that have one of the name
	slices   []endpointSlice
	slicesIs state
	pods     []podView
	podsAre  state
	near     []pod // the namespace's pods, where the selector fits none
	makers   []workload
	policies []networkPolicy
	events   []event

	lookedUp  bool // the name of an ExternalName, from here
	noSuch    bool
	elsewhere *backend // the Service that an ExternalName of the cluster leads to
}

func (b *backend) label() string { return "service/" + b.name }

package kubernetes

import (
	"fmt"
	"strings"
)

// Target is the object where a walk begins.
type Target struct {
	Kind string // ingress, service or httproute
	Name string
}

func (t Target) String() string { return t.Kind + "/" + t.Name }

// kinds are the names that kubectl takes for what a walk may begin at.
var kinds = map[string]string{
	"ingress": "ingress", "ingresses": "ingress", "ing": "ingress", "ingress.networking.k8s.io": "ingress", "ingresses.networking.k8s.io": "ingress",
	"service": "service", "services": "service", "svc": "service",
	"httproute": "httproute", "httproutes": "httproute", "httproute.gateway.networking.k8s.io": "httproute", "httproutes.gateway.networking.k8s.io": "httproute",
}

// ParseTarget reads KIND/NAME as kubectl does.
func ParseTarget(text string) (Target, error) {
	kind, name, ok := strings.Cut(text, "/")
	known := kinds[strings.ToLower(kind)]
	switch {
	case !ok || name == "" || strings.Contains(name, "/"):
		return Target{}, fmt.Errorf("%q is no object: an Ingress, a Service or an HTTPRoute has its kind before its name", text)
	case known == "":
		return Target{}, fmt.Errorf("a walk begins at an Ingress, a Service or an HTTPRoute, and not at a %q", kind)
	case !isName(name):
		return Target{}, fmt.Errorf("%q is no name of an object", name)
	}
	return Target{known, name}, nil
}

// nameMax is how long a name may be: RFC 1123's subdomain, as Kubernetes takes it.
const nameMax = 253

func isName(name string) bool {
	return len(name) <= nameMax && name[0] != '.' && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
}

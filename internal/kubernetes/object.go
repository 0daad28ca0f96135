package kubernetes

import (
	"encoding/json"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The resources that are read.
var (
	ingresses      = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
	ingressClasses = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"}
	policies       = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}
	services       = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods           = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	secrets        = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	events         = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	nodes          = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	endpointSlices = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	deployments    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	statefulSets   = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	replicaSets    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	daemonSets     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	httpRoutes     = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
	gateways       = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	gatewayClasses = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gatewayclasses"}
	grants         = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "referencegrants"}
	grantsBeta     = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1beta1", Resource: "referencegrants"}
)

// Of each object the members that the walk looks at, and no other: what is not here is not kept. Environment variables, commands and the
// data of ConfigMaps are not among them.

type meta struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Created     time.Time         `json:"creationTimestamp"`
	Deleted     *time.Time        `json:"deletionTimestamp"`
	Generation  int64             `json:"generation"`
	Owners      []owner           `json:"ownerReferences"`
}

type owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"lastTransitionTime"`
}

// conditionOf finds a condition by its type, nil if there is none.
func conditionOf(all []condition, name string) *condition {
	for i := range all {
		if all[i].Type == name {
			return &all[i]
		}
	}
	return nil
}

// portRef is a port by its number or by its name: IntOrString.
type portRef struct {
	Number int
	Name   string
}

func (p *portRef) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &p.Name); err != nil {
			return err
		}
		if n, err := strconv.Atoi(p.Name); err == nil {
			*p = portRef{Number: n}
		}
		return nil
	}
	return json.Unmarshal(b, &p.Number)
}

func (p portRef) String() string {
	if p.Name != "" {
		return p.Name
	}
	return strconv.Itoa(p.Number)
}

type address struct {
	IP       string `json:"ip"`
	Hostname string `json:"hostname"`
}

type balancer struct {
	Ingress []address `json:"ingress"`
}

type ingress struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Class   string          `json:"ingressClassName"`
		Default *ingressBackend `json:"defaultBackend"`
		TLS     []struct {
			Hosts  []string `json:"hosts"`
			Secret string   `json:"secretName"`
		} `json:"tls"`
		Rules []struct {
			Host string `json:"host"`
			HTTP struct {
				Paths []struct {
					Path    string         `json:"path"`
					Backend ingressBackend `json:"backend"`
				} `json:"paths"`
			} `json:"http"`
		} `json:"rules"`
	} `json:"spec"`
	Status struct {
		Balancer balancer `json:"loadBalancer"`
	} `json:"status"`
}

type ingressBackend struct {
	Service *struct {
		Name string `json:"name"`
		Port struct {
			Name   string `json:"name"`
			Number int    `json:"number"`
		} `json:"port"`
	} `json:"service"`
	Resource *struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"resource"`
}

type ingressClass struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Controller string `json:"controller"`
	} `json:"spec"`
}

type service struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Type         string            `json:"type"`
		ClusterIP    string            `json:"clusterIP"`
		ExternalName string            `json:"externalName"`
		Selector     map[string]string `json:"selector"`
		Ports        []servicePort     `json:"ports"`
		NotReady     bool              `json:"publishNotReadyAddresses"`
		Internal     string            `json:"internalTrafficPolicy"`
		External     string            `json:"externalTrafficPolicy"`
	} `json:"spec"`
	Status struct {
		Balancer balancer `json:"loadBalancer"`
	} `json:"status"`
}

type servicePort struct {
	Name     string  `json:"name"`
	Port     int     `json:"port"`
	Target   portRef `json:"targetPort"`
	Protocol string  `json:"protocol"`
}

// target is the port of the pods: without one it is the Service's own.
func (p *servicePort) target() portRef {
	if p.Target == (portRef{}) {
		return portRef{Number: p.Port}
	}
	return p.Target
}

type endpointSlice struct {
	Meta      meta   `json:"metadata"`
	Type      string `json:"addressType"`
	Endpoints []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			Ready       *bool `json:"ready"`
			Serving     *bool `json:"serving"`
			Terminating *bool `json:"terminating"`
		} `json:"conditions"`
		Target *struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"targetRef"`
	} `json:"endpoints"`
	Ports []struct {
		Name string `json:"name"`
		Port int    `json:"port"`
	} `json:"ports"`
}

type probe struct {
	HTTP *struct {
		Path   string  `json:"path"`
		Port   portRef `json:"port"`
		Scheme string  `json:"scheme"`
	} `json:"httpGet"`
	TCP *struct {
		Port portRef `json:"port"`
	} `json:"tcpSocket"`
	GRPC *struct {
		Port int `json:"port"`
	} `json:"grpc"`
	Exec     *struct{} `json:"exec"`
	Delay    int       `json:"initialDelaySeconds"`
	Timeout  int       `json:"timeoutSeconds"`
	Period   int       `json:"periodSeconds"`
	Failures int       `json:"failureThreshold"`
}

type container struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	Restart string `json:"restartPolicy"` // of an init container: Always makes it one that goes on beside the others
	Ports   []struct {
		Name     string `json:"name"`
		Port     int    `json:"containerPort"`
		Protocol string `json:"protocol"`
	} `json:"ports"`
	Resources struct {
		Limits struct {
			Memory string `json:"memory"`
		} `json:"limits"`
	} `json:"resources"`
	Readiness *probe `json:"readinessProbe"`
	Liveness  *probe `json:"livenessProbe"`
	Startup   *probe `json:"startupProbe"`
}

type ended struct {
	Code     int       `json:"exitCode"`
	Signal   int       `json:"signal"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message"`
	Finished time.Time `json:"finishedAt"`
}

type containerState struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Running *struct {
		Started time.Time `json:"startedAt"`
	} `json:"running"`
	Terminated *ended `json:"terminated"`
}

type containerStatus struct {
	Name     string         `json:"name"`
	Ready    bool           `json:"ready"`
	Started  *bool          `json:"started"`
	Restarts int            `json:"restartCount"`
	State    containerState `json:"state"`
	Last     containerState `json:"lastState"`
}

type pod struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Node       string      `json:"nodeName"`
		Init       []container `json:"initContainers"`
		Containers []container `json:"containers"`
		Gates      []struct {
			Type string `json:"conditionType"`
		} `json:"readinessGates"`
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"`
		Reason     string            `json:"reason"`
		Message    string            `json:"message"`
		IP         string            `json:"podIP"`
		Conditions []condition       `json:"conditions"`
		Init       []containerStatus `json:"initContainerStatuses"`
		Containers []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

// workload is a Deployment, a StatefulSet, a DaemonSet or a ReplicaSet.
type workload struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"`
		Paused   bool `json:"paused"`
		Template struct {
			Meta meta `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
		Desired    int         `json:"desiredNumberScheduled"` // of a DaemonSet
	} `json:"status"`

	kind string
}

func (w *workload) label() string { return w.kind + "/" + w.Meta.Name }

type node struct {
	Meta   meta `json:"metadata"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type event struct {
	Meta   meta `json:"metadata"`
	Object struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"involvedObject"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int       `json:"count"`
	Last    time.Time `json:"lastTimestamp"`
	Time    time.Time `json:"eventTime"`
	Series  *struct {
		Count int       `json:"count"`
		Last  time.Time `json:"lastObservedTime"`
	} `json:"series"`
}

// at is when the event was seen last.
func (e *event) at() time.Time {
	last := e.Last
	if e.Series != nil && e.Series.Last.After(last) {
		last = e.Series.Last
	}
	if last.IsZero() {
		last = e.Time
	}
	if last.IsZero() {
		last = e.Meta.Created
	}
	return last
}

func (e *event) times() int {
	if e.Series != nil {
		return max(e.Series.Count, e.Count, 1)
	}
	return max(e.Count, 1)
}

type labelSelector struct {
	Match       map[string]string `json:"matchLabels"`
	Expressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

type policyPeer struct {
	Pods       *labelSelector `json:"podSelector"`
	Namespaces *labelSelector `json:"namespaceSelector"`
	Block      *struct {
		CIDR string `json:"cidr"`
	} `json:"ipBlock"`
}

type networkPolicy struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Pods    labelSelector `json:"podSelector"`
		Types   []string      `json:"policyTypes"`
		Ingress []struct {
			From  []policyPeer `json:"from"`
			Ports []struct {
				Port     *portRef `json:"port"`
				End      int      `json:"endPort"`
				Protocol string   `json:"protocol"`
			} `json:"ports"`
		} `json:"ingress"`
	} `json:"spec"`
}

type parentRef struct {
	Group     *string `json:"group"`
	Kind      string  `json:"kind"`
	Namespace string  `json:"namespace"`
	Name      string  `json:"name"`
	Section   string  `json:"sectionName"`
	Port      int     `json:"port"`
}

type backendRef struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Port      int    `json:"port"`
	Weight    *int   `json:"weight"`
}

type routeFilter struct {
	Type string `json:"type"`
}

type httpRoute struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Parents   []parentRef `json:"parentRefs"`
		Hostnames []string    `json:"hostnames"`
		Rules     []struct {
			Matches []struct {
				Path struct {
					Value string `json:"value"`
				} `json:"path"`
			} `json:"matches"`
			Filters  []routeFilter `json:"filters"`
			Backends []backendRef  `json:"backendRefs"`
		} `json:"rules"`
	} `json:"spec"`
	Status struct {
		Parents []struct {
			Parent     parentRef   `json:"parentRef"`
			Controller string      `json:"controllerName"`
			Conditions []condition `json:"conditions"`
		} `json:"parents"`
	} `json:"status"`
}

type gateway struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Class     string `json:"gatewayClassName"`
		Listeners []struct {
			Name     string `json:"name"`
			Hostname string `json:"hostname"`
			Port     int    `json:"port"`
			Protocol string `json:"protocol"`
			TLS      *struct {
				Mode         string `json:"mode"`
				Certificates []struct {
					Kind      string `json:"kind"`
					Name      string `json:"name"`
					Namespace string `json:"namespace"`
				} `json:"certificateRefs"`
			} `json:"tls"`
		} `json:"listeners"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Value string `json:"value"`
		} `json:"addresses"`
		Conditions []condition `json:"conditions"`
		Listeners  []struct {
			Name       string      `json:"name"`
			Conditions []condition `json:"conditions"`
		} `json:"listeners"`
	} `json:"status"`
}

type gatewayClass struct {
	Meta meta `json:"metadata"`
	Spec struct {
		Controller string `json:"controllerName"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type referenceGrant struct {
	Meta meta `json:"metadata"`
	Spec struct {
		From []struct {
			Group     string `json:"group"`
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
		} `json:"from"`
		To []struct {
			Group string `json:"group"`
			Kind  string `json:"kind"`
			Name  string `json:"name"`
		} `json:"to"`
	} `json:"spec"`
}

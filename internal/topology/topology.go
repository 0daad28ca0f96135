package topology

import (
	"strings"
	"time"

	"github.com/whygate/whygate/internal/conftree"
)

// Node is a line of a configuration with what stands in it.
type Node = conftree.Node

// Topology is everything that the files set up.
type Topology struct {
	Proxies  []*Proxy
	Apps     []*App
	Services []*Service // of compose files
	Objects  []*Object  // of Kubernetes
	Units    []*Unit    // of systemd
	Files    []string   // that were understood
	Problems []string   // what could not be read
	Unknown  []string   // files whose syntax nobody knows
	Empty    []*Node    // includes of a pattern that no file fits
	Idle     []string   // files that a main file beside them does not include

	index index
}

// Proxy is one proxy's configuration, of one or several files.
type Proxy struct {
	Product string // nginx, haproxy, apache, caddy, traefik, envoy, varnish, iis
	File    string // the main file, or the first
	Tree    []*Node
	Servers []*Server
	Groups  []*Group
	Routes  []*Route
	Service *Service // the container it runs in, where a compose file says so
	Whole   bool     // the main file is there, so that what is not said anywhere has its default
}

// Server is what takes requests: nginx's server, HAProxy's frontend, Apache's VirtualHost, Caddy's site.
type Server struct {
	Names  []string
	Listen []Listen
	Node   *Node
}

// Listen is an address that is listened on.
type Listen struct {
	Host string // empty: everywhere
	Port string
	Unix string
	TLS  bool
	Node *Node
}

// Group is several upstreams that stand for each other. One address alone is a group of one, without a name.
type Group struct {
	Name     string
	Node     *Node
	Members  []*Upstream
	Defaults []string // words of HAProxy's default-server that hold for the members
}

// Upstream is where requests are sent.
type Upstream struct {
	Host   string // a name or an address; empty for a unix socket, or where it is known only when a request comes
	Port   string
	Unix   string
	Scheme string // http, https, h2c, grpc, grpcs, fastcgi, uwsgi, scgi, ajp; empty where the route has it
	Backup bool
	Down   bool
	Node   *Node

	service *Object // of Kubernetes, that it is
}

// Timer is how long something may take. Node is the line that says so, nil for the product's default.
type Timer struct {
	Time time.Duration
	Off  bool // it is not limited, or not done at all
	Node *Node
}

// Route is a line that passes requests on, with what holds for them.
type Route struct {
	Proxy  *Proxy
	Server *Server // nil in a fragment
	Node   *Node   // the line that passes requests on
	Path   string  // what the line stands under: a location, a path; empty for everything
	Scheme string
	Target string // as it is written
	Group  *Group
	Scope  []*Level // what is said around the line, the outermost first: nginx's inheritance
	Host   string   // the Host header that upstreams get: HostClient, HostTarget, or the text itself
	Read   Timer    // until the answer begins, or between two parts of it
	Keep   Timer    // how long an idle connection to an upstream is kept
}

// What Route.Host says where it is no text.
const (
	HostClient = "\x00client" // the client's
	HostTarget = "\x00target" // the upstream's own name, as the configuration has it
)

// Members are the upstreams that a request may go to.
func (r *Route) Members() []*Upstream {
	if r.Group == nil {
		return nil
	}
	return r.Group.Members
}

// SchemeOf is the scheme that a member is spoken to with.
func (r *Route) SchemeOf(u *Upstream) string {
	if u.Scheme != "" {
		return u.Scheme
	}
	return r.Scheme
}

// TLS reports whether a member is spoken to by TLS.
func (r *Route) TLS(u *Upstream) bool {
	switch r.SchemeOf(u) {
	case "https", "grpcs", "wss", "h2":
		return true
	}
	return false
}

// Inherit gives the directives of a name that hold for the route: those of the innermost level that has any, as nginx inherits.
func (r *Route) Inherit(name string) []*Node {
	for i := len(r.Scope) - 1; i >= 0; i-- {
		if all := r.Scope[i].Named(name); len(all) > 0 {
			return all
		}
	}
	return nil
}

// Setting is the last directive of a name that holds for the route; nil if there is none.
func (r *Route) Setting(name string) *Node {
	if all := r.Inherit(name); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// Level is what stands in one block.
type Level struct {
	Nodes  []*Node
	byName map[string][]*Node // where there are many
}

// indexed is how many nodes a level has at least for an index to be worth it.
const indexed = 24

func newLevel(nodes []*Node) *Level {
	l := &Level{Nodes: nodes}
	if len(nodes) >= indexed {
		l.byName = map[string][]*Node{}
		for _, n := range nodes {
			l.byName[n.Name] = append(l.byName[n.Name], n)
		}
	}
	return l
}

// Folded is Named without regard to case.
func (l *Level) Folded(name string) (found []*Node) {
	if l.byName != nil {
		for other, nodes := range l.byName {
			if strings.EqualFold(other, name) {
				found = append(found, nodes...)
			}
		}
		return found
	}
	for _, n := range l.Nodes {
		if strings.EqualFold(n.Name, name) {
			found = append(found, n)
		}
	}
	return found
}

// Named gives the nodes of a name.
func (l *Level) Named(name string) (found []*Node) {
	if l.byName != nil {
		return l.byName[name]
	}
	for _, n := range l.Nodes {
		if n.Name == name {
			found = append(found, n)
		}
	}
	return found
}

// App is an application that listens for a proxy.
type App struct {
	Kind        string // gunicorn, uvicorn, hypercorn, daphne, uwsgi, puma, unicorn, tomcat, php-fpm, node
	Name        string
	Node        *Node
	Listen      []AppListen
	Keep        Timer // how long it keeps an idle connection; Off: it closes after each answer, and says so
	KeepSure    bool  // Keep is written down, or the same in every version
	Work        Timer // how long a request may take before its worker is killed
	Stop        Timer // how long requests may go on after it is told to stop
	Queue       int   // connections that may wait to be accepted; 0: not said
	QueueAt     *Node
	HeadMax     int // bytes of a request's head, or of a header, 0 where it is not said
	HeadAt      *Node
	Settings    []*Node
	ReadsProxy  bool     // it expects the PROXY protocol
	MaxRequests *Node    // gunicorn workers restart after so many
	Jitter      bool     // and not all at once
	Service     *Service // the container it runs in
	Unit        *Unit    // the unit that starts it
	Pods        *Object  // the workload of Kubernetes whose containers it runs in
}

// AppListen is where an application listens, and what it speaks there.
type AppListen struct {
	Host     string // empty: everywhere
	Port     string
	Unix     string
	Protocol string // http, https, fastcgi, uwsgi, ajp
	Node     *Node
	Sure     bool // it is written down
}

// Service is a container of a compose file.
type Service struct {
	Name     string
	Node     *Node
	File     string
	Project  *Node
	Ports    []Port
	Networks []string // default where none is named; empty for network_mode
	Mode     string   // network_mode
	Aliases  []string // further names of it
	Mounts   []string // paths on the host
	Image    string
	Command  []string
}

// Port is a published port.
type Port struct {
	Outer, Inner string // outer is empty where any may be taken
	Node         *Node
}

// Object is one of Kubernetes' objects.
type Object struct {
	Kind, Name, Namespace string
	Node                  *Node
}

// Unit is a unit of systemd.
type Unit struct {
	Name     string // with its ending
	Sections []*Node
	Node     *Node
}

// Get is the last setting of a key in a section; nil if there is none.
func (u *Unit) Get(section, key string) *Node {
	var found *Node
	for _, s := range u.Sections {
		if s.Name == section {
			if n := s.Get(key); n != nil {
				found = n
			}
		}
	}
	return found
}

package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Limits of what is read.
const (
	readsMax = 80  // requests to the API server in a run
	listMax  = 500 // objects of one list
)

// Where says which cluster is read, as kubectl's flags of the same names do. Empty members are what kubectl takes then: KUBECONFIG,
// ~/.kube/config, a pod's own service account, the current context and its namespace.
type Where struct {
	Kubeconfig string
	Context    string
	Namespace  string
}

// Cluster is an API server, to read.
type Cluster struct {
	client    dynamic.Interface
	server    string // its URL
	context   string // empty in a pod
	namespace string
	where     Where
	runs      string // the program that the credentials come from, empty if none has to be run
}

// silence keeps the library from printing: what it would print is in its errors as well.
var silence = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

// Open reads the kubeconfig. It asks nobody anything: whether the server answers the first read tells.
func Open(w Where, timeout time.Duration) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath, rules.WarnIfAllMissing, rules.Warner = w.Kubeconfig, false, func(error) {}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: w.Context}
	overrides.Context.Namespace = w.Namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	silence()
	config, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, errors.New("there is no kubeconfig: none in KUBECONFIG or ~/.kube/config, and this is no pod")
	case err != nil:
		return nil, err
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, err
	}
	config.Timeout, config.WarningHandler = timeout, rest.NoWarnings{}
	config.QPS, config.Burst = readsMax, readsMax // a run is bounded by readsMax; it need not be slowed down beside
	config.UserAgent = "whygate"
	c := &Cluster{server: config.Host, namespace: namespace, where: w}
	if raw, err := loader.RawConfig(); err == nil {
		c.context = raw.CurrentContext
		if w.Context != "" {
			c.context = w.Context
		}
	}
	if config.ExecProvider != nil {
		c.runs = config.ExecProvider.Command
	}
	c.client, err = dynamic.NewForConfig(config)
	return c, err
}

// title names the cluster for a person, without anything that its URL may hold beside the host.
func (c *Cluster) title() string {
	host := c.server
	if u, err := url.Parse(c.server); err == nil && u.Host != "" {
		host = u.Host
	}
	if c.context == "" {
		return host
	}
	return c.context + " (" + host + ")"
}

// state is what came of reading something.
type state uint8

const (
	found   state = iota
	missing       // there is no such object, or no such resource
	denied        // it may not be read
	unread        // the server did not give it, or the run's limits did not allow it
)

// reader reads for one run, and keeps what it read in words.
type reader struct {
	cluster *Cluster

	mu    sync.Mutex // guards the fields below
	reads int
	said  []string
	cut   bool  // a limit kept something from being read
	first error // the first that is about the server as a whole
}

// begin counts one request, and reports whether it may be made.
func (r *reader) begin(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reads >= readsMax {
		r.cut = true
		return false
	}
	r.reads++
	if !slices.Contains(r.said, what) {
		r.said = append(r.said, what)
	}
	return true
}

// judge sorts an error of the API server.
func (r *reader) judge(err error) state {
	switch {
	case err == nil:
		return found
	case apierrors.IsNotFound(err):
		return missing
	case apierrors.IsForbidden(err):
		return denied
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
	r.cut = r.cut || errors.Is(err, context.DeadlineExceeded)
	return unread
}

// fetch reads one object as it comes.
func (r *reader) fetch(ctx context.Context, of schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, state) {
	if name == "" || !r.begin("get "+of.Resource+" "+place(namespace, name)) {
		return nil, unread
	}
	u, err := r.cluster.client.Resource(of).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	return u, r.judge(err)
}

// get reads one object; one of no namespace where that is empty.
func get[T any](ctx context.Context, r *reader, of schema.GroupVersionResource, namespace, name string) (*T, state) {
	u, s := r.fetch(ctx, of, namespace, name)
	if s != found {
		return nil, s
	}
	out := new(T)
	if err := decode(u, out); err != nil {
		return nil, unread
	}
	return out, found
}

// either is get of an object of the Gateway API, which older clusters have as v1beta1 alone.
func either[T any](ctx context.Context, r *reader, of schema.GroupVersionResource, namespace, name string) (*T, state) {
	got, s := get[T](ctx, r, of, namespace, name)
	if s == missing {
		of.Version = "v1beta1"
		if old, is := get[T](ctx, r, of, namespace, name); is == found {
			return old, is
		}
	}
	return got, s
}

// chosen narrows a list.
type chosen struct{ labels, fields string }

// list reads the objects of a namespace, of all of them where that is empty: listMax at most.
func list[T any](ctx context.Context, r *reader, of schema.GroupVersionResource, namespace string, by chosen) ([]T, state) {
	what := "list " + of.Resource
	if namespace != "" {
		what += " in " + namespace
	}
	for _, by := range []string{by.labels, by.fields} {
		if by != "" {
			what += " (" + by + ")"
		}
	}
	if !r.begin(what) {
		return nil, unread
	}
	got, err := r.cluster.client.Resource(of).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: by.labels, FieldSelector: by.fields, Limit: listMax})
	if s := r.judge(err); s != found {
		return nil, s
	}
	if got.GetContinue() != "" {
		r.mu.Lock()
		r.cut = true
		r.mu.Unlock()
	}
	out := make([]T, 0, len(got.Items))
	for i := range got.Items[:min(len(got.Items), listMax)] {
		var one T
		if err := decode(&got.Items[i], &one); err == nil {
			out = append(out, one)
		}
	}
	return out, found
}

func decode(u *unstructured.Unstructured, into any) error {
	b, err := json.Marshal(u.Object)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func place(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// ServerError is that the cluster could not be asked: there is nothing to judge.
type ServerError struct {
	Cluster string
	Err     error
	Hint    string // what to type
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("cluster %s: %v", e.Cluster, e.Err)
}

func (e *ServerError) Unwrap() error { return e.Err }

package kubernetes

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"

	"github.com/whygate/whygate/internal/diagnose"
)

// listKinds are the kinds of lists that the fake gives.
var listKinds = map[schema.GroupVersionResource]string{
	ingresses: "IngressList", ingressClasses: "IngressClassList", policies: "NetworkPolicyList", services: "ServiceList", pods: "PodList", secrets: "SecretList",
	events: "EventList", nodes: "NodeList", endpointSlices: "EndpointSliceList", deployments: "DeploymentList", statefulSets: "StatefulSetList", replicaSets: "ReplicaSetList", daemonSets: "DaemonSetList",
	httpRoutes: "HTTPRouteList", gateways: "GatewayList", gatewayClasses: "GatewayClassList", grants: "ReferenceGrantList", grantsBeta: "ReferenceGrantList",
}

// moment finds @-5m in a text of objects: so long before now.
var moment = regexp.MustCompile(`@(-?\d+[hms])`)

// objects reads documents of YAML.
func objects(t *testing.T, text string, now time.Time) (all []*unstructured.Unstructured) {
	t.Helper()
	text = moment.ReplaceAllStringFunc(text, func(m string) string {
		d, err := time.ParseDuration(m[1:])
		if err != nil {
			t.Fatal(err)
		}
		return `"` + now.Add(d).UTC().Format(time.RFC3339) + `"`
	})
	for doc := range strings.SplitSeq(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if len(u.Object) > 0 {
			all = append(all, u)
		}
	}
	return all
}

// resourceOf is where the API server keeps an object.
func resourceOf(t *testing.T, u *unstructured.Unstructured) schema.GroupVersionResource {
	t.Helper()
	for of, kind := range listKinds {
		if kind == u.GetKind()+"List" && of.Group == u.GroupVersionKind().Group && of.Version == u.GroupVersionKind().Version {
			return of
		}
	}
	t.Fatalf("no resource for %v", u.GroupVersionKind())
	return schema.GroupVersionResource{}
}

// fakeCluster is a cluster of client-go's fake that holds the objects.
func fakeCluster(t *testing.T, all []*unstructured.Unstructured) (*Cluster, *fake.FakeDynamicClient) {
	t.Helper()
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), listKinds)
	for _, u := range all {
		if err := client.Tracker().Create(resourceOf(t, u), u, u.GetNamespace()); err != nil {
			t.Fatal(err)
		}
	}
	return &Cluster{client: client, server: "https://user:word@cluster.test:6443/?x=y", context: "test", namespace: "web"}, client
}

// text makes the objects of a case from those of a healthy one.
func (c *walkCase) text(t *testing.T) string {
	t.Helper()
	text := c.base
	for i := 0; i+1 < len(c.swap); i += 2 {
		if !strings.Contains(text, c.swap[i]) {
			t.Fatalf("the base has no %q", c.swap[i])
		}
		text = strings.ReplaceAll(text, c.swap[i], c.swap[i+1])
	}
	for _, name := range c.without {
		docs := strings.Split(text, "\n---\n")
		left := docs[:0:0]
		for _, doc := range docs {
			if !strings.Contains(doc, "# "+name+"\n") {
				left = append(left, doc)
			}
		}
		if len(left) == len(docs) {
			t.Fatalf("the base has no object %q", name)
		}
		text = strings.Join(left, "\n---\n")
	}
	if c.add != "" {
		text += "\n---\n" + c.add
	}
	return text
}

func noName(_ context.Context, name string) ([]string, error) {
	if strings.HasPrefix(name, "gone.") {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []string{"192.0.2.1"}, nil
}

// check compares a report with what a case wants.
func (c *walkCase) check(t *testing.T, r *Report) {
	t.Helper()
	v := &r.Verdict
	if v.Healthy != (c.cause == "") || !v.Healthy && v.Cause.String() != c.cause {
		t.Errorf("cause %v (healthy %v), want %q\n%s", v.Cause, v.Healthy, c.cause, show(r))
	}
	for _, want := range c.says {
		if !strings.Contains(v.Sentence, want) {
			t.Errorf("the sentence lacks %q\n%s", want, show(r))
		}
	}
	rest := strings.Join(append(append(append([]string{}, v.Proof...), v.Advice...), v.Notes...), "\n") + strings.Join(v.Missing, "\n")
	for _, want := range c.beside {
		if !strings.Contains(rest, want) {
			t.Errorf("proof, advice, notes lack %q\n%s", want, show(r))
		}
	}
	if c.cause != "" && !strings.Contains(v.Sentence, "kubectl ") {
		t.Errorf("the sentence has no command\n%s", show(r))
	}
	failed := false
	for _, s := range r.Steps {
		failed = failed || s.Mark == diagnose.Failed
	}
	if failed != !v.Healthy {
		t.Errorf("rows and verdict differ\n%s", show(r))
	}
}

func show(r *Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %-8s %-10s %s: %s\n", s.Mark, s.Name, s.Of, s.Text)
	}
	v := &r.Verdict
	fmt.Fprintf(&b, "  %s %s: %s\n", v.Cause, v.Confidence, v.Sentence)
	for title, list := range map[string][]string{"proof": v.Proof, "in order": v.RuledOut, "do": v.Advice, "missing": v.Missing, "note": v.Notes} {
		for _, line := range list {
			fmt.Fprintf(&b, "    %-8s %s\n", title, line)
		}
	}
	return b.String()
}

// Each broken state is named by its link, its object, its count and its proof, and what only looks broken is not.
func TestWalk(t *testing.T) {
	t.Parallel()
	for i := range walkCases {
		c := &walkCases[i]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			cluster, _ := fakeCluster(t, objects(t, c.text(t), now))
			target, err := ParseTarget(c.target)
			if err != nil {
				t.Fatal(err)
			}
			r, err := cluster.walk(t.Context(), &Options{Object: target}, noName, now)
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, r)
			if testing.Verbose() {
				t.Log("\n" + show(r))
			}
		})
	}
}

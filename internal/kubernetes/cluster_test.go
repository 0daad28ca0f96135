package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/whygate/whygate/internal/diagnose"
)

// Nothing is changed in the cluster, and nothing is read but what the walk is about.
func TestItOnlyReads(t *testing.T) {
	t.Parallel()
	for i := range walkCases {
		c := &walkCases[i]
		cluster, client := fakeCluster(t, objects(t, c.text(t), time.Now()))
		target, _ := ParseTarget(c.target)
		r, err := cluster.walk(t.Context(), &Options{Object: target}, noName, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range client.Actions() {
			if a.GetVerb() != "get" && a.GetVerb() != "list" || a.GetResource().Resource == "secrets" && a.GetVerb() == "list" {
				t.Errorf("%s: %s %s", c.name, a.GetVerb(), a.GetResource().Resource)
			}
		}
		if n := len(client.Actions()); n > readsMax || n == 0 || len(r.Kubernetes.Read) == 0 {
			t.Errorf("%s: %d requests, and the report names %d", c.name, n, len(r.Kubernetes.Read))
		}
	}
}

// What is secret is in no report: the keys of a Secret, credentials in the server's URL, what messages hold.
func TestNoSecretLeaves(t *testing.T) {
	t.Parallel()
	c := walkCase{
		base: shop, swap: append(both(crash("1", "Error")), withTLS...),
		add: certificate("shop.example.com", -9, 90) + "\n---\n" + happened("shop-1", "Unhealthy", `Readiness probe failed: Get "http://user:hunter2@10.0.0.1:8080/x?token=hunter2&a=b": Authorization: Bearer hunter2hunter2, password=hunter2, API_TOKEN: "hunter2", eyJhbGciOiJIUzI1NiJ9.hunter2.x`),
	}
	c.swap = append(c.swap, "exitCode: 1,", `message: 'panic: cannot connect to postgres://app:hunter2@db/x PASSWORD=hunter2', exitCode: 1,`, "image: shop:1,", "image: shop:1, env: [{name: KEY, value: hunter2}], args: [--password=hunter2],")
	cluster, _ := fakeCluster(t, objects(t, c.text(t), time.Now()))
	r, err := cluster.walk(t.Context(), &Options{Object: Target{"ingress", "shop"}}, noName, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE KEY"))
	for _, word := range []string{"hunter2", "PRIVATE KEY", key[:20], "user:word"} {
		if strings.Contains(string(b), word) {
			t.Errorf("the report has %q: %s", word, b)
		}
	}
	if !strings.Contains(string(b), "its last words: panic: cannot connect to postgres://***@db/x") {
		t.Errorf("what is no secret is gone too: %s", b)
	}
}

// What may not be read is said, and what was read is judged.
func TestRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ denied, missing, cause string }{
		{"pods", "may not read pods: kubectl auth can-i list pods -n web", "no-endpoints"},
		{"secrets", "may not read secrets", "out-of-memory"},
		{"events", "may not read events", "out-of-memory"},
		{"ingressclasses", "may not read ingressclasses", "out-of-memory"},
		{"services", "may not read services", ""},
	} {
		w := walkCase{base: shop, swap: append(both(crash("137", "OOMKilled")), withTLS...), add: certificate("shop.example.com", -9, 90)}
		cluster, client := fakeCluster(t, objects(t, w.text(t), time.Now()))
		client.PrependReactor("*", c.denied, func(a clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", errors.New("no"))
		})
		r, err := cluster.walk(t.Context(), &Options{Object: Target{"ingress", "shop"}}, noName, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Verdict.Cause.String(); got != c.cause && (c.cause != "" || !r.Verdict.Healthy) {
			t.Errorf("%s: %s", c.denied, show(r))
		}
		if !strings.Contains(strings.Join(r.Verdict.Missing, "\n"), c.missing) || r.Verdict.Healthy && r.Verdict.Confidence == diagnose.Certain {
			t.Errorf("%s: %s", c.denied, show(r))
		}
	}
}

// A cluster that gives nothing is no verdict.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"unauthorized": {apierrors.NewUnauthorized("Unauthorized"), "Unauthorized"},
		"away":         {errors.New("dial tcp 192.0.2.1:6443: connect: connection refused"), "connection refused"},
		"forbidden":    {apierrors.NewForbidden(ingresses.GroupResource(), "shop", errors.New("no")), "may not read ingresses in namespace web"},
	} {
		cluster, client := fakeCluster(t, objects(t, shop, time.Now()))
		client.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, c.err })
		_, err := cluster.walk(t.Context(), &Options{Object: Target{"ingress", "shop"}}, noName, time.Now())
		var server *ServerError
		if !errors.As(err, &server) || !strings.Contains(err.Error(), c.says) || server.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	cluster, _ := fakeCluster(t, objects(t, shop, time.Now()))
	if _, err := cluster.walk(t.Context(), &Options{Object: Target{"ingress", "shp"}}, noName, time.Now()); err == nil || !strings.Contains(err.Error(), "there is no ingress/shp in namespace web; there are shop") {
		t.Errorf("%v", err)
	}
}

// The kubeconfig is found as kubectl finds it.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := func(name, current, namespace string) string {
		path := filepath.Join(dir, name)
		text := "apiVersion: v1\nkind: Config\ncurrent-context: " + current + "\nclusters: [{name: c, cluster: {server: 'https://" + name + ".test:6443'}}]\nusers: [{name: u, user: {token: hunter2}}, {name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: login-helper, interactiveMode: Never}}}]\n" +
			"contexts: [{name: a, context: {cluster: c, user: u, namespace: " + namespace + "}}, {name: b, context: {cluster: c, user: x}}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HOME", dir)
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	if _, err := Open(Where{}, time.Second); err == nil || !strings.Contains(err.Error(), "there is no kubeconfig") {
		t.Errorf("without a kubeconfig: %v", err)
	}
	t.Setenv("KUBECONFIG", file("first", "a", "shop"))
	other := file("second", "b", "x")
	for _, c := range []struct {
		where                  Where
		server, namespace, run string
	}{
		{Where{}, "https://first.test:6443", "shop", ""},
		{Where{Namespace: "api"}, "https://first.test:6443", "api", ""},
		{Where{Context: "b"}, "https://first.test:6443", "default", "login-helper"},
		{Where{Kubeconfig: other}, "https://second.test:6443", "default", "login-helper"},
		{Where{Kubeconfig: other, Context: "a"}, "https://second.test:6443", "x", ""},
	} {
		got, err := Open(c.where, time.Second)
		if err != nil || got.server != c.server || got.namespace != c.namespace || got.runs != c.run {
			t.Errorf("%+v: %+v, %v", c.where, got, err)
		}
	}
	if _, err := Open(Where{Context: "nosuch"}, time.Second); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a context that does not exist: %v", err)
	}
	if _, err := Open(Where{Kubeconfig: filepath.Join(dir, "none")}, time.Second); err == nil {
		t.Error("a kubeconfig that does not exist is no error")
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Target{
		"ingress/shop": {"ingress", "shop"}, "ing/shop": {"ingress", "shop"}, "Ingresses/shop": {"ingress", "shop"}, "ingress.networking.k8s.io/shop": {"ingress", "shop"},
		"svc/shop": {"service", "shop"}, "service/a.b-c": {"service", "a.b-c"}, "httproute/shop": {"httproute", "shop"}, "httproutes.gateway.networking.k8s.io/x": {"httproute", "x"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "shop", "ingress/", "/shop", "pod/shop", "ingress/shop/x", "ingress/Shop", "ingress/$(x)", "ingress/../x", "ingress/" + strings.Repeat("a", nameMax+1)} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A hostile API server gets nothing into a command, and no report without end.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	all := objects(t, shop, time.Now())
	for _, u := range all {
		if u.GetKind() == "Pod" {
			u.SetName("x; rm -rf $(y)" + u.GetName())
			for _, path := range [][]string{{"status", "containerStatuses"}, {"status", "conditions"}} {
				delete(u.Object["status"].(map[string]any), path[1])
			}
			u.Object["status"].(map[string]any)["phase"] = strings.Repeat("A", 1<<20)
		}
	}
	cluster, _ := fakeCluster(t, all)
	r, err := cluster.walk(t.Context(), &Options{Object: Target{"ingress", "shop"}}, noName, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append(slices.Clone(r.Verdict.Advice), r.Verdict.Sentence) {
		if strings.Contains(a, "pod x;") || len(a) > 4000 {
			t.Errorf("%.300s", a)
		}
	}
	if b, _ := json.Marshal(r); len(b) > 64<<10 {
		t.Errorf("a report of %d octets", len(b))
	}
}

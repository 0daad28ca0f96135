package kubernetes

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// realServer is kube-apiserver with etcd, on loopback.
type realServer struct {
	kubeconfig string
	client     dynamic.Interface
}

// programs finds what a real server needs, or skips and says why.
func programs(t *testing.T) (apiserver, etcd string) {
	t.Helper()
	apiserver = os.Getenv("WHYGATE_KUBE_APISERVER")
	if apiserver == "" {
		t.Skip("no kube-apiserver: make test-kubernetes builds one, and names it in WHYGATE_KUBE_APISERVER")
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("no etcd: apt-get install etcd-server")
	}
	return apiserver, etcd
}

// freePort is a port of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// start runs a program until the test ends, and shows what it wrote if the test failed.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			b := out.Bytes()
			t.Logf("%s:\n%s", filepath.Base(name), b[max(len(b)-3000, 0):])
		}
	})
}

// serve starts etcd and the API server, and waits until that answers.
func serve(t *testing.T) *realServer {
	t.Helper()
	apiserver, etcd := programs(t)
	dir := t.TempDir()
	client, peer, port := freePort(t), freePort(t), freePort(t)
	start(t, etcd, "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", "http://127.0.0.1:"+client, "--advertise-client-urls", "http://127.0.0.1:"+client,
		"--listen-peer-urls", "http://127.0.0.1:"+peer, "--initial-advertise-peer-urls", "http://127.0.0.1:"+peer, "--initial-cluster", "default=http://127.0.0.1:"+peer)
	key := filepath.Join(dir, "accounts.key")
	write(t, key, accountKey(t))
	tokens := filepath.Join(dir, "tokens.csv")
	write(t, tokens, "root-token-of-the-test,root,1,system:masters\npoor-token-of-the-test,poor,2\nviewer-token-of-the-test,viewer,3\n")
	start(t, apiserver, "--etcd-servers", "http://127.0.0.1:"+client, "--cert-dir", dir, "--bind-address", "127.0.0.1", "--endpoint-reconciler-type", "none", "--advertise-address", "192.0.2.1", "--secure-port", port, "--service-cluster-ip-range", "10.96.0.0/16",
		"--authorization-mode", "RBAC", "--token-auth-file", tokens, "--service-account-issuer", "https://issuer.test", "--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--disable-admission-plugins", "ServiceAccount", "--v", "0")
	s := &realServer{kubeconfig: filepath.Join(dir, "kubeconfig")}
	plugin := filepath.Join(dir, "plugin")
	write(t, plugin, "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"root-token-of-the-test\"}}'\n")
	if err := os.Chmod(plugin, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s.kubeconfig, kubeconfig(port, filepath.Join(dir, "apiserver.crt"), plugin))
	wait(t, time.Minute, func(context.Context) error { // it makes the certificate itself
		_, err := os.ReadFile(filepath.Join(dir, "apiserver.crt"))
		return err
	})
	c := s.open(t, "root")
	s.client = c.client
	wait(t, time.Minute, func(ctx context.Context) error {
		_, err := c.client.Resource(ingressClasses).List(ctx, metav1.ListOptions{})
		return err
	})
	return s
}

func accountKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kubeconfig has a context for each user; "exec" is root by a credential plugin.
func kubeconfig(port, authority, plugin string) string {
	text := "apiVersion: v1\nkind: Config\ncurrent-context: root\nclusters: [{name: real, cluster: {server: 'https://127.0.0.1:" + port + "', certificate-authority: " + authority + ", tls-server-name: kubernetes}}]\ncontexts:\n"
	users := "users:\n"
	for _, user := range []string{"root", "poor", "viewer", "stranger"} {
		text += "- {name: " + user + ", context: {cluster: real, user: " + user + ", namespace: web}}\n"
		users += "- {name: " + user + ", user: {token: " + user + "-token-of-the-test}}\n"
	}
	text += "- {name: exec, context: {cluster: real, user: exec, namespace: web}}\n"
	users += "- {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: " + plugin + ", interactiveMode: Never}}}\n"
	return text + users
}

func (s *realServer) open(t *testing.T, context string) *Cluster {
	t.Helper()
	c, err := Open(Where{Kubeconfig: s.kubeconfig, Context: context}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wait polls until there is no error.
func wait(t *testing.T, most time.Duration, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %v: %v", most, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// clusterScoped are the kinds that are in no namespace.
var clusterScoped = map[string]bool{"IngressClass": true, "GatewayClass": true, "Node": true, "Namespace": true, "CustomResourceDefinition": true}

// hold makes the objects at the server, their status too, and takes pods and those of no namespace away when the test ends.
func (s *realServer) hold(t *testing.T, all []*unstructured.Unstructured) {
	t.Helper()
	for _, u := range all {
		of := resourceOf(t, u)
		client := s.client.Resource(of).Namespace(u.GetNamespace())
		status, has := u.Object["status"]
		made, err := client.Create(t.Context(), u, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("%s %s: %v", u.GetKind(), u.GetName(), err)
		}
		if has {
			made.Object["status"] = status
			if _, err := client.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
				t.Fatalf("status of %s %s: %v", u.GetKind(), u.GetName(), err)
			}
		}
		if clusterScoped[u.GetKind()] || u.GetKind() == "Pod" { // a controller's pods are looked for in every namespace
			t.Cleanup(func() {
				now := int64(0)
				if err := client.Delete(context.Background(), u.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

var (
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// gatewayAPI makes the server know the Gateway API's kinds: their names alone, without a check of what is in them.
func (s *realServer) gatewayAPI(t *testing.T) {
	t.Helper()
	for kind, plural := range map[string]string{"HTTPRoute": "httproutes", "Gateway": "gateways", "GatewayClass": "gatewayclasses", "ReferenceGrant": "referencegrants"} {
		scope := "Namespaced"
		if clusterScoped[kind] {
			scope = "Cluster"
		}
		u := objects(t, fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s.gateway.networking.k8s.io, annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/gateway-api/pull/2466"}}
spec:
  group: gateway.networking.k8s.io
  scope: %s
  names: {kind: %s, plural: %s, singular: %s}
  versions: [{name: v1, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]`,
			plural, scope, kind, plural, strings.ToLower(kind)), time.Now())[0]
		if _, err := s.client.Resource(definitions).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []schema.GroupVersionResource{httpRoutes, gateways, gatewayClasses, grants} {
		wait(t, time.Minute, func(ctx context.Context) error {
			_, err := s.client.Resource(of).List(ctx, metav1.ListOptions{})
			return err
		})
	}
}

// The same states as in TestWalk, at a real API server, which checks what it is given and selects by labels and fields itself.
func TestRealAPIServer(t *testing.T) {
	s := serve(t)
	t.Run("a route without the Gateway API", func(t *testing.T) { s.withoutGatewayAPI(t) })
	s.gatewayAPI(t)
	for i := range walkCases {
		c := walkCases[i]
		t.Run(c.name, func(t *testing.T) {
			if c.fake {
				t.Skip("the API server sets creationTimestamp and deletionTimestamp itself")
			}
			s.play(t, &c, fmt.Sprintf("case-%d", i))
		})
	}
	t.Run("rights", func(t *testing.T) { s.rights(t) })
}

// play makes a case's state in a namespace of its own, and walks it.
func (s *realServer) play(t *testing.T, c *walkCase, namespace string) {
	t.Helper()
	move := strings.NewReplacer("namespace: web", "namespace: "+namespace, "namespace web", "namespace "+namespace, "-n web", "-n "+namespace)
	now := time.Now()
	s.namespace(t, namespace)
	s.hold(t, objects(t, move.Replace(c.text(t)), now))
	for _, list := range [][]string{c.says, c.beside} {
		for i := range list {
			list[i] = move.Replace(list[i])
		}
	}
	cluster := s.open(t, "root")
	cluster.namespace, cluster.where = namespace, Where{}
	target, err := ParseTarget(c.target)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cluster.walk(t.Context(), &Options{Object: target}, noName, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.check(t, r)
}

func (s *realServer) namespace(t *testing.T, name string) {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	if _, err := s.client.Resource(namespaces).Create(t.Context(), u, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

func (s *realServer) withoutGatewayAPI(t *testing.T) {
	t.Helper()
	s.namespace(t, "web")
	_, err := s.open(t, "root").walk(t.Context(), &Options{Object: Target{"httproute", "shop"}}, noName, time.Now())
	if err == nil || !strings.Contains(err.Error(), "the Gateway API is not installed") {
		t.Errorf("%v", err)
	}
}

// rights walks as users who may read less, as one who is none, and by a credential plugin.
func (s *realServer) rights(t *testing.T) {
	t.Helper()
	c := walkCase{base: shop, swap: append(both(crash("137", "OOMKilled")), withTLS...)}
	s.hold(t, objects(t, c.text(t), time.Now()))
	for resource, text := range map[string]string{
		"clusterroles": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: viewer}
rules: [{apiGroups: ["", apps, networking.k8s.io, discovery.k8s.io], resources: [services, pods, events, deployments, statefulsets, replicasets, ingresses, networkpolicies, endpointslices], verbs: [get, list]}]`,
		"clusterrolebindings": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]`,
	} {
		of := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: resource}
		if _, err := s.client.Resource(of).Create(t.Context(), objects(t, text, time.Now())[0], metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(context, kind string) (*Report, error) {
		return Run(t.Context(), &Options{Object: Target{kind, "shop"}, Where: Where{Kubeconfig: s.kubeconfig, Context: context}})
	}
	var r *Report
	wait(t, 20*time.Second, func(context.Context) (err error) { // the server learns of a role a moment after it was made
		r, err = run("viewer", "ingress")
		return err
	})
	if v := r.Verdict; v.Cause.String() != "out-of-memory" || !strings.Contains(v.Sentence, "--context viewer") || !strings.Contains(strings.Join(v.Missing, "\n"), "may not read secrets") {
		t.Errorf("a viewer: %s", show(r))
	}
	if r, err := run("exec", "service"); err != nil || r.Verdict.Cause.String() != "out-of-memory" || !strings.Contains(strings.Join(r.Sent, "\n"), "plugin") {
		t.Errorf("by a credential plugin: %v, %+v", err, r)
	}
	for user, want := range map[string]string{"poor": "your account may not read ingresses in namespace web", "stranger": "Unauthorized"} {
		var server *ServerError
		if _, err := run(user, "ingress"); !errors.As(err, &server) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) || server.Hint == "" {
			t.Errorf("%s: %v", user, err)
		}
	}
	if _, err := run("nosuch", "ingress"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a context that does not exist: %v", err)
	}
	if _, err := Run(t.Context(), &Options{Object: Target{"service", "shopp"}, Where: Where{Kubeconfig: s.kubeconfig}}); err == nil || !strings.Contains(err.Error(), "there are shop") {
		t.Errorf("a Service that does not exist: %v", err)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// apiServer answers as an API server whose Ingress leads to a Service with one pod that crashes; where it is well, the pod is ready.
func apiServer(t *testing.T, well bool) (kubeconfig string) {
	t.Helper()
	ready, state := "False", `{"name":"web","ready":false,"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}`
	if well {
		ready, state = "True", `{"name":"web","ready":true,"restartCount":0,"state":{"running":{}}}`
	}
	objects := map[string]string{
		"/apis/networking.k8s.io/v1/namespaces/web/ingresses/shop":  `{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"shop"},"spec":{"ingressClassName":"x","rules":[{"host":"shop.example.com","http":{"paths":[{"path":"/","backend":{"service":{"name":"shop","port":{"number":80}}}}]}}]},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}`,
		"/apis/networking.k8s.io/v1/ingressclasses/x":               `{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"x"},"spec":{"controller":"x/y"}}`,
		"/api/v1/namespaces/web/services/shop":                      `{"apiVersion":"v1","kind":"Service","metadata":{"name":"shop"},"spec":{"selector":{"app":"shop"},"ports":[{"port":80,"targetPort":8080}]}}`,
		"/apis/discovery.k8s.io/v1/namespaces/web/endpointslices":   fmt.Sprintf(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSliceList","items":[{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"s"},"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":%v}}]}]}`, well),
		"/api/v1/namespaces/web/pods":                               `{"apiVersion":"v1","kind":"PodList","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"shop-1","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{"name":"web","image":"x"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"` + ready + `","lastTransitionTime":"2026-01-01T00:00:00Z"}],"containerStatuses":[` + state + `]}}]}`,
		"/api/v1/namespaces/web/events":                             `{"apiVersion":"v1","kind":"EventList","items":[]}`,
		"/apis/networking.k8s.io/v1/namespaces/web/networkpolicies": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicyList","items":[]}`,
	}
	shop := objects["/apis/networking.k8s.io/v1/namespaces/web/ingresses/shop"]
	objects["/apis/networking.k8s.io/v1/ingresses"] = `{"apiVersion":"networking.k8s.io/v1","kind":"IngressList","items":[` + strings.Replace(shop, `"name":"shop"}`, `"name":"shop","namespace":"web"}`, 1) + `]}`
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, known := objects[r.URL.Path]
		switch {
		case r.Method != http.MethodGet:
			t.Errorf("%s %s", r.Method, r.URL)
		case r.Header.Get("Authorization") != "Bearer hunter2hunter2":
			w.WriteHeader(http.StatusUnauthorized)
			body = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`
		case !known:
			w.WriteHeader(http.StatusNotFound)
			body = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not found","reason":"NotFound","code":404}`
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: good\nclusters: [{name: c, cluster: {server: '" + server.URL + "', certificate-authority-data: " + authority + "}}]\nusers: [{name: u, user: {token: hunter2hunter2}}, {name: none, user: {}}]\n" +
		"contexts: [{name: good, context: {cluster: c, user: u, namespace: web}}, {name: stranger, context: {cluster: c, user: none, namespace: web}}]\n"
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// diagnosed runs whygate diagnose with the arguments.
func diagnosed(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"diagnose"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestDiagnoseKubernetes(t *testing.T) {
	t.Parallel()
	sick, well := apiServer(t, false), apiServer(t, true)
	page := filepath.Join(t.TempDir(), "report.html")
	code, out, errs := diagnosed(t, "--kubernetes", "ingress/shop", "--kubeconfig", sick, "--html", page)
	if code != exitFault || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	for _, want := range []string{"service/shop → pods is broken: its only pod is not ready", "OOMKilled", "out-of-memory", "✗ pods", "✓ class", "read ", "to the API server of good"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("it lacks %q in\n%s", want, out)
		}
	}
	b, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(b), "<svg") || !strings.Contains(string(b), "pods of shop") || strings.Contains(string(b)+out, "hunter2") {
		t.Errorf("the page: %v %.200s", err, b)
	}
	code, out, _ = diagnosed(t, "--kubernetes", "ing/shop", "--kubeconfig", well)
	if code != exitFine || !strings.Contains(out, "HEALTHY") || !strings.Contains(out, "1 of 1 pod ready") {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, out, _ = diagnosed(t, "--kubernetes", "svc/shop", "--kubeconfig", sick, "--json")
	var r struct {
		Schema  int
		URL     string
		Verdict struct {
			Healthy         bool
			Cause, Sentence string
		}
		Kubernetes struct {
			Cluster, Namespace string
			Links, Pods        []map[string]any
			Read               []string
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitFault || r.Schema != 1 || r.URL != "service/shop" || r.Verdict.Cause != "out-of-memory" || len(r.Kubernetes.Links) == 0 || len(r.Kubernetes.Pods) != 1 || len(r.Kubernetes.Read) == 0 {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
}

// What cannot be asked is wrong use, with what to type.
func TestDiagnoseKubernetesErrors(t *testing.T) {
	t.Parallel()
	file := apiServer(t, true)
	for _, c := range []struct{ args, says string }{
		{"--kubernetes ingress/store", "there is no ingress/store in namespace web"},
		{"--kubernetes httproute/shop", "the Gateway API is not installed"},
		{"--kubernetes pod/shop", "begins at an Ingress, a Service or an HTTPRoute"},
		{"--kubernetes shop", "has its kind before its name"},
		{"--kubernetes svc/shop --context stranger", "Unauthorized"},
		{"--kubernetes svc/shop --context nosuch", "nosuch"},
		{"--kubernetes svc/shop --upstream 127.0.0.1:1", "--upstream is about a URL"},
		{"--kubernetes svc/shop http://127.0.0.1/", "got \"http://127.0.0.1/\" beside"},
		{"--kubernetes=", "names no object"},
	} {
		code, out, errs := diagnosed(t, append(strings.Fields(c.args), "--kubeconfig", file)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.says) || !strings.Contains(errs, "hint: ") {
			t.Errorf("%s: exit %d, %s%s", c.args, code, out, errs)
		}
	}
	if code, _, errs := diagnosed(t, "http://127.0.0.1/", "-n", "web"); code != exitUsage || !strings.Contains(errs, "--namespace goes with --kubernetes") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// TestHereAsksTheCluster: with --here a gateway's 503 is explained by the Ingress of its host, and without it nobody is asked.
func TestHereAsksTheCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", apiServer(t, false))
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "nginx")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
	}))
	defer gateway.Close()
	_, port, _ := strings.Cut(gateway.Listener.Addr().String(), ":")
	args := []string{"http://shop.example.com:" + port + "/", "--address", "127.0.0.1", "--count", "0", "--no-traceroute"}
	_, out, errs := diagnosed(t, append(args, "--here", "--json")...)
	if !strings.Contains(out, `"cause": "out-of-memory"`) || !strings.Contains(out, "Kubernetes, namespace web: service/shop → pods is broken") || !strings.Contains(out, "Kubernetes: list pods in web (app=shop)") {
		t.Errorf("%s%s", out, errs)
	}
	if _, out, _ := diagnosed(t, append(args, "--json")...); strings.Contains(out, "Kubernetes: ") {
		t.Errorf("it asked without --here: %s", out)
	}
}

// The walk is repeated with --watch, and a line tells when the verdict changes.
func TestDiagnoseKubernetesWatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"diagnose", "--kubernetes", "svc/shop", "--kubeconfig", apiServer(t, false), "--watch", "--every", "1s"}, strings.NewReader(""), &out, &errs)
	if lines := strings.Count(out.String(), "\n"); code != exitFault || lines != 1 || !strings.Contains(out.String(), "out-of-memory") {
		t.Errorf("exit %d, %d lines\n%s%s", code, lines, &out, &errs)
	}
}

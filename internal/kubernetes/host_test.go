package kubernetes

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// What serves a host is found by its rules, in all namespaces or in the one that may be read, and nothing else is walked.
func TestOfHost(t *testing.T) {
	t.Parallel()
	c := walkCase{base: shop, swap: both(crash("137", "OOMKilled")), add: strings.NewReplacer("name: shop, namespace: web", "name: other, namespace: web", "shop.example.com", "other.example.com").Replace(docOf(shop, "# ingress"))}
	for host, want := range map[string]string{"shop.example.com": "ingress/shop out-of-memory", "SHOP.example.com": "ingress/shop out-of-memory", "www.example.com": "", "example.com": ""} {
		for _, narrow := range []string{"", "web"} {
			cluster, client := fakeCluster(t, objects(t, c.text(t), time.Now()))
			if narrow != "" {
				client.PrependReactor("list", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
					if a.GetNamespace() == "" {
						return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
					}
					return false, nil, nil
				})
			}
			found, read := cluster.ofHost(t.Context(), host)
			got := ""
			for _, f := range found {
				got += f.Object + " " + f.Verdict.Cause.String()
			}
			if got != want || len(read) == 0 {
				t.Errorf("%s: %q, want %q; read %v", host, got, want, read)
			}
		}
	}
	wild := walkCase{base: shop, swap: []string{"host: shop.example.com", `host: "*.example.com"`}}
	cluster, _ := fakeCluster(t, objects(t, wild.text(t), time.Now()))
	if found, _ := cluster.ofHost(t.Context(), "a.example.com"); len(found) != 1 || !found[0].Verdict.Healthy {
		t.Errorf("%+v", found)
	}
	if found, _ := cluster.ofHost(t.Context(), "a.b.example.com"); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

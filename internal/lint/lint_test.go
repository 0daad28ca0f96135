package lint

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/topology"
)

// example is a rule's failing and healthy configuration: testdata/rules/ID.txtar, whose comment says which lines the rule finds.
type example struct {
	id   string
	want []string // FILE:LINE SEVERITY
	text *txtar.Archive
}

var wantLine = regexp.MustCompile(`(?m)^want: (\S+:\d+ (?:fault|risk|note))$`)

func examples(t *testing.T) map[string]*example {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples: ", err)
	}
	all := map[string]*example{}
	for _, f := range files {
		archive, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		e := &example{id: strings.TrimSuffix(filepath.Base(f), ".txtar"), text: archive}
		for _, m := range wantLine.FindAllSubmatch(archive.Comment, -1) {
			e.want = append(e.want, string(m[1]))
		}
		all[e.id] = e
	}
	return all
}

// write writes the files of one side, bad or good, and gives the directory.
func (e *example) write(t *testing.T, side string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range e.text.Files {
		name, ok := strings.CutPrefix(f.Name, side+"/")
		if !ok {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lintDir lints a directory, and gives the findings with names relative to it.
func lintDir(t *testing.T, dir string) []Finding {
	t.Helper()
	top, err := topology.Read(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Problems) > 0 {
		t.Errorf("problems: %v", top.Problems)
	}
	if len(top.Files) == 0 {
		t.Errorf("nothing in %s was understood", dir)
	}
	found, err := Lint(context.Background(), top)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i].File = strings.TrimPrefix(found[i].File, dir+"/")
	}
	return found
}

func (f *Finding) short() string {
	return f.File + ":" + strconv.Itoa(f.Line) + " " + f.Severity.String()
}

// TestExamples: each rule finds the lines of its failing example, where nothing else fails, and nothing fails in the healthy one, in
// which the rule itself finds nothing.
func TestExamples(t *testing.T) {
	all := examples(t)
	for _, rule := range Rules() {
		if rule.Asked {
			continue
		}
		e := all[rule.ID]
		if e == nil {
			t.Errorf("%s has no example: testdata/rules/%s.txtar", rule.ID, rule.ID)
			continue
		}
		delete(all, rule.ID)
		t.Run(rule.ID, func(t *testing.T) {
			var got []string
			highest := Note
			for _, f := range lintDir(t, e.write(t, "bad")) {
				if f.Rule == rule.ID {
					got = append(got, f.short())
					highest = max(highest, f.Severity)
				} else if f.Severity > Note {
					t.Errorf("bad: besides, %s: %s: %s", f.short(), f.Rule, f.Message)
				}
			}
			if !slices.Equal(got, e.want) || len(got) == 0 {
				t.Errorf("bad: found %q, want %q", got, e.want)
			}
			if highest != rule.Severity {
				t.Errorf("its example is a %v, the rule says %v", highest, rule.Severity)
			}
			for _, f := range lintDir(t, e.write(t, "good")) {
				if f.Rule == rule.ID || f.Severity > Note {
					t.Errorf("good: %s: %s: %s", f.short(), f.Rule, f.Message)
				}
			}
		})
	}
	for id := range all {
		t.Errorf("testdata/rules/%s.txtar is no rule's", id)
	}
}

// TestRules: what a rule says is complete, its causes are in the catalogue.
func TestRules(t *testing.T) {
	slugs := map[string]bool{}
	for _, e := range fault.Catalogue() {
		slugs[e.Slug] = true
	}
	seen := map[string]bool{}
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	for _, r := range Rules() {
		switch {
		case seen[r.ID] || !kebab.MatchString(r.ID):
			t.Errorf("%q: twice, or not kebab-case", r.ID)
		case r.Title == "" || r.Happens == "" || r.Fix == "" || r.Source == "" || len(r.Products) == 0 || (r.check == nil) != r.Asked:
			t.Errorf("%s: something is not said", r.ID)
		case len(r.Causes) == 0:
			t.Errorf("%s: no cause", r.ID)
		case strings.HasSuffix(r.Title, ".") || !strings.HasSuffix(r.Happens, ".") || !strings.HasSuffix(r.Fix, "."):
			t.Errorf("%s: a title has no full stop, the sentences have", r.ID)
		}
		seen[r.ID] = true
		for _, c := range r.Causes {
			if !slugs[c] {
				t.Errorf("%s: no cause is called %q", r.ID, c)
			}
		}
	}
}

// TestIngressRace: behind an Ingress, the application is found by its Service, its pods and their command.
func TestIngressRace(t *testing.T) {
	text, err := os.ReadFile("testdata/ingress-race.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command string
		want    bool
	}{{"shop:app", true}, {`--timeout-keep-alive", "75", "shop:app`, false}} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(strings.ReplaceAll(string(text), "shop:app", c.command)), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(lintDir(t, dir), func(f Finding) bool { return f.Rule == "keepalive-race" && f.Severity == Risk && f.Line == 33 }); got != c.want {
			t.Errorf("%s: found %v", c.command, got)
		}
	}
}

// TestHealthy: configurations that are right, in the shape of those that projects recommend, have no finding but notes.
func TestHealthy(t *testing.T) {
	dirs, err := filepath.Glob("testdata/healthy/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no healthy configurations: ", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			for _, f := range lintDir(t, dir) {
				if f.Severity > Note {
					t.Errorf("%s: %s: %s", f.short(), f.Rule, f.Message)
				}
			}
		})
	}
}

// TestUnreadInclude: what may stand in a file that could not be read is not missing for sure.
func TestUnreadInclude(t *testing.T) {
	for include, want := range map[string]Severity{"": Fault, "include /config/nginx/proxy.conf;": Note} {
		file := filepath.Join(t.TempDir(), "app.conf")
		conf := "http { server { listen 80; location / { " + include + " proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_pass http://127.0.0.1:8000; } } }"
		if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		top, err := topology.Read(context.Background(), []string{file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Lint(context.Background(), top)
		if err != nil {
			t.Fatal(err)
		}
		if !has(found, "nginx-upgrade-without-connection", want) {
			t.Errorf("with %q: %+v", include, found)
		}
	}
}

// TestTooMuch: a rule that has too much to do says so.
func TestTooMuch(t *testing.T) {
	c := &check{ctx: context.Background(), spent: spendMax - 1}
	if !c.spend() || c.spend() {
		t.Error("the bound does not hold")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if c = (&check{ctx: ctx, spent: 4095}); c.spend() {
		t.Error("it goes on after its context")
	}
}

// TestUpgradeByHTTP10: a version that is said is looked at, and not only one that is not.
func TestUpgradeByHTTP10(t *testing.T) {
	for version, want := range map[string]bool{"1.0": true, "1.1": false} {
		dir := t.TempDir()
		conf := "events {}\nhttp {\nserver {\nlisten 80;\nlocation / {\nproxy_pass http://127.0.0.1:8000;\nproxy_http_version " + version + ";\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n}\n}\n}\n"
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(lintDir(t, dir), func(f Finding) bool { return f.Rule == "nginx-upgrade-http10" && f.Line == 7 }); got != want {
			t.Errorf("%s: found %v", version, got)
		}
	}
}

// TestStopsAll: as many pods as there are may stop at once, in whatever way that is written.
func TestStopsAll(t *testing.T) {
	const shop = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web}]}\n---\n" +
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n  {REPLICAS}\n  strategy: {rollingUpdate: {maxUnavailable: {MOST}}}\n  selector: {matchLabels: {app: shop}}\n  template:\n    metadata: {labels: {app: shop}}\n    spec: {containers: [{name: shop, image: x, ports: [{name: web, containerPort: 80}]}]}\n---\n" +
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\nspec: {rules: [{host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {name: http}}}}]}}]}\n"
	for _, s := range []struct {
		replicas, most string
		want           bool
	}{{"replicas: 1", "1", true}, {"replicas: 3", "3", true}, {"replicas: 3", "100%", true}, {"replicas: 3", "1", false}, {"replicas: 2", "50%", false}, {"", "1", false}} {
		dir := t.TempDir()
		text := strings.NewReplacer("{REPLICAS}", s.replicas, "{MOST}", s.most).Replace(shop)
		if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(lintDir(t, dir), func(f Finding) bool { return f.Rule == "rollout-stops-all" }); got != s.want {
			t.Errorf("%s, maxUnavailable: %s: found %v", s.replicas, s.most, got)
		}
	}
}

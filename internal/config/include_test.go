package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// including writes files into a directory and loads the one called main.yaml. Names with a slash are in a directory of it.
func including(t *testing.T, files map[string]string) (dir string, cfg *Config, problems Problems) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, problems = Load(filepath.Join(dir, "main.yaml"))
	return dir, cfg, problems
}

const includesAll = "version: 1\ninclude: [conf.d/*.yaml]\nlisten: [{address: \":8080\"}]\n"

// TestInclude: routes and pools of several files are one configuration, in order, each with its place.
func TestInclude(t *testing.T) {
	dir, cfg, problems := including(t, map[string]string{
		"main.yaml":           includesAll + "routes:\n  - {host: main.test, pool: web}\npools:\n  web: {endpoints: [http://127.0.0.1:1]}\n",
		"conf.d/b.yaml":       "# a site\nroutes:\n  - host: b.test\n    pool: web\n",
		"conf.d/a.yaml":       "pools:\n  a:\n    endpoints: [https://127.0.0.1:2]\n    tls: {ca: ca.pem}\nroutes:\n  - {host: a1.test, pool: a}\n  - {host: a2.test, pool: a}\n",
		"conf.d/c.yaml":       "# nothing yet\n",
		"conf.d/.hidden.yaml": "this is no configuration",
		"conf.d/other.yml":    "nor is this",
	})
	if problems != nil {
		t.Fatal(problems)
	}
	var hosts []string
	for _, r := range cfg.Routes {
		hosts = append(hosts, r.Host)
	}
	if want := []string{"main.test", "a1.test", "a2.test", "b.test"}; !slices.Equal(hosts, want) {
		t.Errorf("%v, want %v", hosts, want)
	}
	for path, want := range map[string]string{
		"routes[0]": "main.yaml:5:5", "routes[2]": "conf.d/a.yaml:7:5", "routes[3].pool": "conf.d/b.yaml:4:11", "pools.web": "main.yaml:7:3", "pools.a.tls.ca": "conf.d/a.yaml:4:15",
	} {
		file, line, column := cfg.Position(path)
		if got := fmt.Sprintf("%s:%d:%d", file, line, column); got != filepath.Join(dir, want) {
			t.Errorf("%s is in %s, want %s", path, got, want)
		}
	}
	if got, want := cfg.Pool("a").TLS.CA, filepath.Join(dir, "conf.d", "ca.pem"); got != want {
		t.Errorf("the file is %s, want %s", got, want)
	}
}

// TestIncludeAlone: all routes may stand in included files.
func TestIncludeAlone(t *testing.T) {
	_, cfg, problems := including(t, map[string]string{"main.yaml": strings.Replace(includesAll, "[conf.d/*.yaml]", "sites.yaml", 1), "sites.yaml": "routes: [{respond: {status: 204}}]\n"})
	if problems != nil || len(cfg.Routes) != 1 {
		t.Error(problems)
	}
}

// TestIncludeProblems: what is wrong is told with the file that it is in, its line and what stands there.
func TestIncludeProblems(t *testing.T) {
	many := map[string]string{"main.yaml": includesAll}
	for i := range includedMax + 1 {
		many[fmt.Sprintf("conf.d/%d.yaml", i)] = "routes: [{respond: {status: 204}}]\n"
	}
	route := "routes: [{respond: {status: 204}}]\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string // FILE:LINE:COLUMN and words of the message, in order
	}{
		"a mistake":         {map[string]string{"main.yaml": includesAll, "conf.d/a.yaml": "\n\nroutes:\n  - host: a.test\n    pool: none\npools: {web: {endpoints: [http://127.0.0.1:1]}}\n"}, []string{"conf.d/a.yaml:5:11: there is no pool \"none\"", "5 |     pool: none"}},
		"no YAML":           {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "routes:\n\t- x\n"}, []string{"conf.d/a.yaml:2:", "tabs"}},
		"no UTF-8":          {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "routes:\n# \xff\n"}, []string{"conf.d/a.yaml:2:1: the line is not UTF-8"}},
		"two documents":     {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "pools: {}\n---\nroutes: []\n"}, []string{"conf.d/a.yaml:3:1: a second document"}},
		"what stands once":  {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "admin: 127.0.0.1:1\n"}, []string{"conf.d/a.yaml:1:1: \"admin\" cannot stand in an included file", "main.yaml"}},
		"an include":        {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "include: [a.yaml]\n"}, []string{"conf.d/a.yaml:1:1: \"include\" cannot stand"}},
		"an unknown key":    {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "servers: []\n"}, []string{"conf.d/a.yaml:1:1: unknown key \"servers\"", "routes and pools"}},
		"a pool twice":      {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "pools:\n  web: {endpoints: [http://127.0.0.1:1]}\n", "conf.d/b.yaml": "pools:\n  web: {endpoints: [http://127.0.0.1:1]}\n"}, []string{"conf.d/b.yaml:2:3: the pool \"web\" was already given in line 2 of", "conf.d/a.yaml"}},
		"an alias":          {map[string]string{"main.yaml": includesAll + "routes: [&one {respond: {status: 204}}]\n", "conf.d/a.yaml": "routes: [*one]\n"}, []string{"conf.d/a.yaml:1:10: the alias *one has no anchor"}},
		"never reached":     {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "\nroutes: [{respond: {status: 204}}]\n"}, []string{"conf.d/a.yaml:2:10: warning: this route is never reached: the one in line 4 takes"}},
		"no file":           {map[string]string{"main.yaml": strings.Replace(includesAll, "*", "a", 1) + route}, []string{"main.yaml:2:11: the included file cannot be read"}},
		"no directory":      {map[string]string{"main.yaml": includesAll + route}, []string{"main.yaml:2:11: the directory cannot be read"}},
		"no route anywhere": {map[string]string{"main.yaml": includesAll, "conf.d/a.yaml": "# nothing\n"}, []string{"main.yaml:2:1: no route is in this file"}},
		"itself":            {map[string]string{"main.yaml": strings.Replace(includesAll, "[conf.d/*.yaml]", "['*.yaml']", 1) + route}, []string{"main.yaml:2:11: the file includes itself"}},
		"a file twice":      {map[string]string{"main.yaml": strings.Replace(includesAll, "[", "[conf.d/a.yaml, ", 1) + route, "conf.d/a.yaml": "# nothing\n"}, []string{"main.yaml:2:26:", "a.yaml is included twice"}},
		"a directory":       {map[string]string{"main.yaml": strings.Replace(includesAll, "[conf.d/*.yaml]", "['*/a.yaml']", 1) + route}, []string{"main.yaml:2:11: \"include\"", "not the directory"}},
		"too many":          {many, []string{"main.yaml:2:11: more than 256 files"}},
		"too large":         {map[string]string{"main.yaml": includesAll + route, "conf.d/a.yaml": "#" + strings.Repeat("a", 600<<10), "conf.d/b.yaml": "#" + strings.Repeat("a", 600<<10)}, []string{"main.yaml:2:11: the file and those that it includes have more than 1MiB"}},
		"in order":          {map[string]string{"main.yaml": includesAll + "limits: {idle: x}\n", "conf.d/a.yaml": "\n\n\n\n\n\nroutes: [{pole: web}]\n", "conf.d/b.yaml": "routes: [{pole: web}]\n"}, []string{"main.yaml:4:", "conf.d/a.yaml:7:", "conf.d/b.yaml:1:"}},
		"a header's secret": {map[string]string{"main.yaml": includesAll, "conf.d/a.yaml": "routes:\n  - respond: {status: 204}\n    set_response:\n      X-Key: [hunter2]\n"}, []string{"conf.d/a.yaml:4:"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, problems := including(t, c.files)
			text := strings.ReplaceAll(fmt.Sprint(problems.Error()), dir+"/", "")
			rest := text
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q, or not in order, in\n%s", want, text)
				}
				rest = after
			}
			if strings.Contains(text, "hunter2") {
				t.Error("a secret is told")
			}
		})
	}
}

// TestIncludeNowhere: what has no files includes none.
func TestIncludeNowhere(t *testing.T) {
	for _, pattern := range []string{"a.yaml", "'*.yaml'"} {
		if _, problems := Parse("", []byte(strings.Replace(includesAll, "conf.d/*.yaml", pattern, 1)), Options{}); !strings.Contains(problems.Error(), "cannot be read here") {
			t.Error(problems)
		}
	}
}

// TestIncludeTooMany: routes of all files are counted together, and none is left out in silence.
func TestIncludeTooMany(t *testing.T) {
	half := "routes:\n" + strings.Repeat("  - {host: a.test, pool: p}\n", 5_001)
	_, cfg, problems := including(t, map[string]string{
		"main.yaml": includesAll + "pools: {p: {endpoints: [http://127.0.0.1:1]}}\n", "conf.d/a.yaml": half, "conf.d/b.yaml": half,
	})
	if cfg != nil || !strings.Contains(fmt.Sprint(problems), "10002 items") {
		t.Errorf("%.300s", fmt.Sprint(problems))
	}
}

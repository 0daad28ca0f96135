package proxyconf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
)

// present is whether a key is there with a value. The value is not looked at: its aliases could make it very large.
type present bool

// UnmarshalYAML notes that there is a value.
func (p *present) UnmarshalYAML(func(any) error) error {
	*p = true
	return nil
}

// traefikStatic is what matters of Traefik's static configuration.
type traefikStatic struct {
	EntryPoints map[string]struct {
		Address string `yaml:"address"`
		HTTP    struct {
			TLS present `yaml:"tls"`
		} `yaml:"http"`
	} `yaml:"entryPoints"`
	Providers struct {
		File struct {
			Filename  string `yaml:"filename"`
			Directory string `yaml:"directory"`
		} `yaml:"file"`
	} `yaml:"providers"`
	Log struct {
		FilePath string `yaml:"filePath"`
	} `yaml:"log"`
	AccessLog struct {
		FilePath string `yaml:"filePath"`
	} `yaml:"accessLog"`
}

// traefikDynamic is what matters of the file provider's files.
type traefikDynamic struct {
	HTTP struct {
		Routers map[string]struct {
			Rule        string   `yaml:"rule"`
			Service     string   `yaml:"service"`
			EntryPoints []string `yaml:"entryPoints"`
			Priority    int      `yaml:"priority"`
			TLS         present  `yaml:"tls"`
		} `yaml:"routers"`
		Services map[string]struct {
			LoadBalancer struct {
				Servers []struct {
					URL string `yaml:"url"`
				} `yaml:"servers"`
				ServersTransport string `yaml:"serversTransport"`
			} `yaml:"loadBalancer"`
		} `yaml:"services"`
		ServersTransports map[string]struct {
			ServerName         string `yaml:"serverName"`
			InsecureSkipVerify bool   `yaml:"insecureSkipVerify"`
		} `yaml:"serversTransports"`
	} `yaml:"http"`
}

type traefikFile struct {
	name string
	text string
	traefikDynamic
}

func readTraefik(c *Config, file string, files Files) error {
	b, err := c.read(files, file)
	if err != nil {
		return err
	}
	var static traefikStatic
	if err := yaml.Unmarshal(b, &static); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	c.log(static.Log.FilePath)
	c.log(static.AccessLog.FilePath)
	names := []string{file} // a file may hold both
	if f := static.Providers.File; f.Filename != "" {
		names = append(names, f.Filename)
	} else if f.Directory != "" {
		names = append(names, files.list(f.Directory, ".yml", ".yaml")...)
	}
	var dynamic []traefikFile
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		if name != file {
			if b, err = c.read(files, name); err != nil {
				c.problem("%v", err)
				continue
			}
		}
		d := traefikFile{name: name, text: string(b)}
		if err := yaml.Unmarshal(b, &d.traefikDynamic); err != nil {
			c.problem("%s: %v", name, err)
			continue
		}
		dynamic = append(dynamic, d)
	}
	c.match = func(q Request) *Route { return traefikRoute(static, dynamic, q) }
	return nil
}

// place finds the line that has a key or a value; its line is 0 where it cannot be found.
func (f *traefikFile) place(text string) Place {
	n := 0
	for line := range strings.Lines(f.text) {
		n++
		if strings.Contains(line, text) {
			return Place{f.name, n, strings.TrimSpace(line)}
		}
	}
	return Place{File: f.name, Text: text}
}

// router is the place of a router's rule, or of its name where the rule is written in another way.
func (f *traefikFile) router(name, rule string) Place {
	if p := f.place(rule); p.Line != 0 {
		return p
	}
	return f.place(name + ":")
}

// traefikRoute finds the router that takes the request: the one with the highest priority, which is its rule's length
// unless told otherwise.
func traefikRoute(static traefikStatic, files []traefikFile, q Request) *Route {
	var best *Route
	score := -1
	for i := range files {
		f := &files[i]
		var names []string
		for name := range f.HTTP.Routers {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			r := f.HTTP.Routers[name]
			if !traefikEnters(static, r.EntryPoints, bool(r.TLS), q) {
				continue
			}
			priority := r.Priority
			if priority == 0 {
				priority = len(r.Rule)
			}
			switch t := traefikRule(r.Rule, q); {
			case t == no || priority <= score:
			case t == maybe:
				if best != nil {
					best.Unsure = r.Rule
				}
			default:
				best, score = &Route{Name: r.Service, Place: f.router(name, r.Rule)}, priority
			}
		}
	}
	if best != nil {
		traefikServers(files, best)
	}
	return best
}

// traefikEnters reports whether a router is behind the entry point that the client connects to, with or without TLS as the
// client speaks it.
func traefikEnters(static traefikStatic, names []string, tls bool, q Request) bool {
	for name, e := range static.EntryPoints {
		port := strings.TrimSuffix(e.Address[strings.LastIndexByte(e.Address, ':')+1:], "/tcp")
		if port != q.port() || (tls || bool(e.HTTP.TLS)) != (q.Scheme == "https") {
			continue
		}
		if len(names) == 0 {
			return true
		}
		for _, n := range names {
			if n == name {
				return true
			}
		}
	}
	return len(static.EntryPoints) == 0
}

func traefikServers(files []traefikFile, route *Route) {
	name, _, _ := strings.Cut(route.Name, "@")
	for i := range files {
		f := &files[i]
		s, ok := f.HTTP.Services[name]
		if !ok {
			continue
		}
		for _, server := range s.LoadBalancer.Servers {
			u := withURL(server.URL, f.place(server.URL))
			transport := f.HTTP.ServersTransports[strings.TrimSuffix(s.LoadBalancer.ServersTransport, "@file")]
			u.ServerName, u.Insecure = transport.ServerName, transport.InsecureSkipVerify
			route.Upstreams = append(route.Upstreams, u)
		}
	}
}

var traefikMatcher = regexp.MustCompile(`^\s*(!?)\s*(\w+)\(([^)]*)\)`)

// traefikRule judges a rule: matchers joined by && and ||, without parentheses around several.
func traefikRule(rule string, q Request) truth {
	any := no
	for part := range strings.SplitSeq(rule, "||") {
		all := yes
		for one := range strings.SplitSeq(part, "&&") {
			all = min(all, traefikOne(strings.Trim(one, " \t\n"), q))
		}
		any = max(any, all)
	}
	return any
}

func traefikOne(text string, q Request) truth {
	m := traefikMatcher.FindStringSubmatch(strings.TrimLeft(text, "( "))
	if m == nil {
		return maybe
	}
	var values []string
	for v := range strings.SplitSeq(m[3], ",") {
		values = append(values, strings.Trim(v, " `\"'"))
	}
	t := no
	for _, v := range values {
		switch m[2] {
		case "Host":
			t = max(t, truthOf(strings.ToLower(v) == q.Host))
		case "PathPrefix":
			t = max(t, truthOf(strings.HasPrefix(q.path(), v)))
		case "Path":
			t = max(t, truthOf(q.path() == v))
		case "HostRegexp", "PathRegexp":
			subject := q.Host
			if m[2] == "PathRegexp" {
				subject = q.path()
			}
			re, err := regexp.Compile(v)
			if err != nil {
				return maybe
			}
			t = max(t, truthOf(re.MatchString(subject)))
		case "Method":
			t = max(t, truthOf(v == q.Method || q.Method == "" && v == "GET"))
		default:
			return maybe
		}
	}
	if m[1] == "!" {
		return -t
	}
	return t
}

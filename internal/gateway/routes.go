package gateway

import (
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/route"
)

// ruleOf is what a request must be like for a route.
func ruleOf(r config.Route) route.Rule {
	return route.Rule{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: conditions(r.Header), Query: conditions(r.Query)}
}

func conditions(fields []config.Field) []route.Condition {
	var out []route.Condition
	for _, f := range fields {
		out = append(out, route.Condition(f))
	}
	return out
}

// routeName is a route as logs name it: its name, what it matches, or its place.
func routeName(i int, r config.Route) string {
	if r.Name != "" {
		return r.Name
	}
	name := strings.Join(r.Methods, ",")
	if name != "" && r.Host+r.Path != "" {
		name += " "
	}
	if name += r.Host + r.Path; name != "" {
		return name
	}
	return "routes[" + strconv.Itoa(i) + "]"
}

// routeNames are the names that routes were given, which are counted by themselves.
func routeNames(cfg *config.Config) []string {
	var names []string
	for _, r := range cfg.Routes {
		if r.Name != "" {
			names = append(names, r.Name)
		}
	}
	return names
}

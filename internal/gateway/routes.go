package gateway

import (
	"context"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/htpasswd"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/route"
)

// routeOf makes a route. One whose files do not load answers 503, and what it is is told.
func (g *generation) routeOf(i int, r config.Route, broken string) (proxy.Route, *config.Problem) {
	made := proxy.Route{
		Name: routeName(i, r), Broken: broken, Strip: r.Strip, Priority: r.Priority,
		SetRequest: edits(r.SetRequest), SetResponse: edits(r.SetResponse), Maintenance: r.Maintenance == config.On,
	}
	if r.Pool != "" {
		made.Pool = g.pools[r.Pool].pool
	}
	problem := local(g.cfg, i, r, &made)
	if problem != nil && made.Broken == "" {
		made.Broken = problem.Message
	}
	return made, problem
}

// local sets up what a route has the gateway do by itself.
func local(cfg *config.Config, i int, r config.Route, made *proxy.Route) *config.Problem {
	path := "routes[" + strconv.Itoa(i) + "]"
	l := &proxy.Local{}
	if len(r.Allow)+len(r.Deny) > 0 {
		l.Access = proxy.NewAccess(r.Allow, r.Deny)
	}
	if r.Auth.Users != "" {
		users, err := htpasswd.Load(context.Background(), r.Auth.Users) // a regular file: it is never waited for
		if err != nil {
			return problemAt(cfg, path+".auth.users", err)
		}
		l.Auth = proxy.NewAuth(r.Auth.Realm, users.Check)
	}
	if r.Redirect.To != "" {
		to, err := proxy.NewTemplate(r.Redirect.To, r.Path)
		if err != nil {
			return problemAt(cfg, path+".redirect.to", err)
		}
		l.Redirect = &proxy.Redirect{To: to, Status: r.Redirect.Status, Slash: strings.HasPrefix(r.Redirect.To, "//")}
	}
	if r.Respond.Status != 0 {
		l.Respond = &proxy.Respond{Status: r.Respond.Status, Body: []byte(r.Respond.Body), Type: r.Respond.Type}
	}
	if *l != (proxy.Local{}) {
		made.Local = l
	}
	if r.Rewrite != "" {
		t, err := proxy.NewTemplate(r.Rewrite, r.Path)
		if err != nil {
			return problemAt(cfg, path+".rewrite", err)
		}
		made.Rewrite = t
	}
	return nil
}

// checkRoutes finds what routes need and this machine does not have, and texts with variables that there are not.
func checkRoutes(cfg *config.Config) (problems config.Problems) {
	for i, r := range cfg.Routes {
		if p := local(cfg, i, r, &proxy.Route{}); p != nil {
			problems = append(problems, *p)
		}
	}
	return problems
}

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

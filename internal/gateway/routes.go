package gateway

import (
	"context"
	"fmt"
	"mime"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/htpasswd"
	"github.com/whygate/whygate/internal/openfile"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/upstream"
)

// routeOf makes a route. One whose files do not load answers 503, and what it is is told.
func (g *generation) routeOf(i int, r config.Route, broken string) (proxy.Route, *config.Problem) {
	made := proxy.Route{
		Name: routeName(i, r), Broken: broken, Strip: string(route.Canonical(nil, []byte(r.Strip))), Priority: r.Priority,
		SetRequest: edits(r.SetRequest), SetResponse: edits(r.SetResponse), Maintenance: r.Maintenance == config.On, Compress: r.Compress == config.On,
	}
	if r.Pool != "" {
		made.Pool = g.poolFor(r)
	}
	problem := local(g.cfg, g.resolver, i, r, &made)
	if problem != nil && made.Broken == "" {
		made.Broken = problem.Message
	}
	return made, problem
}

// local sets up what a route has the gateway do by itself.
func local(cfg *config.Config, resolver *upstream.Resolver, i int, r config.Route, made *proxy.Route) *config.Problem {
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
	if r.Files.Root != "" {
		if err := directory(r.Files.Root); err != nil {
			return problemAt(cfg, path+".files.root", err)
		}
		l.Files = filesOf(r.Files)
	}
	if r.FastCGI.Address.Network != "" {
		l.FastCGI = fastCGIOf(r, resolver)
	}
	if *l != (proxy.Local{}) {
		made.Local = l
	}
	for j, e := range r.Errors {
		page, err := errorPage(e)
		if err != nil {
			return problemAt(cfg, path+".errors["+strconv.Itoa(j)+"].file", err)
		}
		made.ErrorPages = append(made.ErrorPages, page)
	}
	for _, list := range []struct {
		key  string
		from []config.Field
		to   *[]proxy.Edit
	}{{"make_request", r.MakeRequest, &made.SetRequest}, {"make_response", r.MakeResponse, &made.SetResponse}} {
		for _, f := range list.from {
			t, err := proxy.NewTemplate(f.Value, r.Path)
			if err != nil {
				return problemAt(cfg, path+"."+list.key+"."+f.Name, err)
			}
			*list.to = append(*list.to, proxy.Edit{Name: f.Name, Made: t})
		}
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
		if p := local(cfg, nil, i, r, &proxy.Route{}); p != nil {
			problems = append(problems, *p)
		}
	}
	return problems
}

// ruleOf is what a request must be like for a route.
func ruleOf(r config.Route) route.Rule {
	var ports []uint16
	for _, p := range r.Ports {
		ports = append(ports, uint16(p))
	}
	return route.Rule{Scheme: r.Scheme, Ports: ports, Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: conditions(r.Header), Query: conditions(r.Query)}
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

// directory reports what is wrong with a directory to serve from.
func directory(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	return err
}

func filesOf(f config.Files) *proxy.Files {
	files := &proxy.Files{Root: f.Root, Index: f.Index, Links: f.Links == config.LinksFollow, Hidden: f.Hidden, Scripts: f.Scripts}
	if len(files.Index) == 0 {
		files.Index = []string{"index.html"}
	}
	switch f.Missing {
	case config.MissingNotFound:
	case config.MissingNext:
		files.Next = true
	default:
		files.Fallback = f.Missing
	}
	return files
}

// errorPageMax is the largest page of one's own, in bytes.
const errorPageMax = 1 << 20

// errorPage reads a page of one's own.
func errorPage(e config.ErrorPage) (proxy.ErrorPage, error) {
	body, err := openfile.Read(context.Background(), e.File, openfile.Options{Max: errorPageMax}) // a regular file: it is never waited for
	p := proxy.ErrorPage{Body: body, Type: mime.TypeByExtension(filepath.Ext(e.File)), Upstream: e.Upstream}
	if p.Type == "" {
		p.Type = "text/html; charset=utf-8"
	}
	for _, r := range e.Status {
		p.Status = append(p.Status, proxy.StatusRange(r))
	}
	return p, err
}

// poolFor is the route's pool: with the time-outs of the route, where it has some. Such a pool shares everything with the one that it is
// made of, except connections.
func (g *generation) poolFor(r config.Route) *proxy.Pool {
	b := g.pools[r.Pool]
	own := b.cfg.Timeouts
	for _, t := range []struct {
		to   *time.Duration
		from time.Duration
	}{
		{&own.Connect, r.Timeouts.Connect}, {&own.Write, r.Timeouts.Write}, {&own.Head, r.Timeouts.Head}, {&own.Read, r.Timeouts.Read}, {&own.Response, r.Timeouts.Response},
	} {
		if t.from != config.PoolsOwn {
			*t.to = t.from
		}
	}
	if own == b.cfg.Timeouts {
		return b.pool
	}
	pool := *b.pool
	pool.Read, pool.Response = own.Read, own.Response
	if own.Response = b.cfg.Timeouts.Response; own == b.cfg.Timeouts {
		return &pool
	}
	pool.Endpoints = slices.Clone(pool.Endpoints)
	key := fmt.Sprint(own)
	for i, e := range b.cfg.Endpoints {
		name := key + " " + e.String()
		if old := b.before[name]; b.targets[name] == nil && old != nil && old.Endpoint == endpointOf(e) {
			b.targets[name] = old
		}
		if b.targets[name] == nil {
			b.targets[name] = b.newTarget(name, e, b.options(own, g.resolver))
		}
		pool.Endpoints[i].Target = b.targets[name]
	}
	return &pool
}

// fastCGIOf is an application, with the time-outs that a pool has by itself where the route sets none.
func fastCGIOf(r config.Route, resolver *upstream.Resolver) *proxy.FastCGI {
	a := r.FastCGI
	text := a.Address.String()
	if a.Address.Network == "tcp" {
		text = "fastcgi://" + text
	}
	or := func(own, other time.Duration) time.Duration {
		if own == config.PoolsOwn {
			return other
		}
		return own
	}
	e := upstream.Endpoint{Text: text, Network: a.Address.Network, Host: a.Address.Address}
	if e.Network == "tcp" {
		e.Host, e.Port, _ = net.SplitHostPort(a.Address.Address)
	}
	return &proxy.FastCGI{
		Target: upstream.New(e, upstream.Options{Connect: or(r.Timeouts.Connect, 3*time.Second), Resolver: resolver}), Root: a.Root, Index: a.Index, Split: a.Split, Params: edits(a.Params),
		Write: or(r.Timeouts.Write, 30*time.Second), Head: or(r.Timeouts.Head, time.Minute), Read: or(r.Timeouts.Read, time.Minute), Response: or(r.Timeouts.Response, 0),
	}
}

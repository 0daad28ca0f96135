// Package console has the pages on the admin address that show incidents: what fails now, in which groups, why, and what each attempt saw. They
// are made on the server and work without JavaScript; a script adds keys, copying and the live list. The same data is there as JSON below /api.
//
// It must not know how requests are served: what it shows comes from the store, and from what its user hands it.
package console

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/visible"
)

//go:embed templates/*.html static/*
var files embed.FS

// Options are what a Console shows.
type Options struct {
	Store    func() *store.Store
	Pools    func() []Pool                                        // as they are now, in the configuration's order
	Baseline func(pool string, since time.Time) []incident.Values // a sample of good traffic
	Advice   func(lines []string, pool string) []string           // in terms of the configuration
	Recent   func(id string) *incident.Incident                   // one that may not be in the store yet, nil for none
	Order    func(o Order) error                                  // does what somebody asks of an endpoint
	Token    string                                               // of forms
	Name     string                                               // of this gateway
	Version  string
	Log      *slog.Logger
}

// Pool is a pool as it is now.
type Pool struct {
	Name        string
	Endpoints   []Endpoint
	Maintenance string  // why somebody switched it on, empty where it is off
	Queue       int64   // requests that wait for room at an endpoint
	Rate        float64 // requests a second, over the last minute
	Failures    float64 // of them, those that failed, a second
	P50, P99    time.Duration
}

// Endpoint is an endpoint as it is now.
type Endpoint struct {
	Name     string
	State    string // empty where nobody watches it
	Reason   string
	Since    time.Time
	InFlight int64 // requests that it has now
	Limit    int64 // of them, as far as their answer has not begun; 0 for none
	Idle     int   // connections that wait for use
}

// Order is what somebody asks for: drain, ready or maintenance; without an endpoint for the whole pool.
type Order struct {
	Action, Pool, Endpoint, Reason string
	By                             string // who asks
}

// Console answers for the pages. New makes one.
type Console struct {
	options Options
	pages   map[string]*template.Template
	streams chan struct{} // one for each live list that there may be
}

// streamsMost is how many live lists there are at a time: each asks the store once a second.
const streamsMost = 16

// New makes a console.
func New(o Options) *Console {
	c := &Console{options: o, pages: map[string]*template.Template{}, streams: make(chan struct{}, streamsMost)}
	for _, name := range []string{"now", "groups", "group", "incidents", "incident", "live", "changes", "message"} {
		c.pages[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
	}
	return c
}

// formMax is the largest form, in bytes.
const formMax = 8 << 10

// Register adds the pages to the admin server.
func (c *Console) Register(s *admin.Server) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic("BUG: console: " + err.Error())
	}
	s.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)).ServeHTTP)
	s.Handle("GET /console", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/console/", http.StatusSeeOther) })
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /console/{$}":            c.now,
		"GET /console/groups":         c.groups,
		"GET /console/groups/{id}":    c.group,
		"GET /console/incidents":      c.incidents,
		"GET /console/incidents/{id}": c.incident,
		"GET /console/changes":        c.changes,
		"GET /console/live":           c.live,
		"GET /console/live/stream":    c.stream,
		"GET /console/find":           c.find,
		"GET /api/incidents":          c.apiIncidents,
		"GET /api/incidents/{id}":     c.apiIncident,
		"GET /api/groups":             c.apiGroups,
		"GET /api/groups/{id}":        c.apiGroup,
		"GET /api/changes":            c.apiChanges,
		"GET /api/find/{id}":          c.apiFind,
	} {
		s.Handle(pattern, h)
	}
	s.HandleBody("POST /console/groups/{id}", formMax, c.decide)
	s.HandleBody("POST /console/endpoints", formMax, c.order)
}

// page is what every page has beside its own data.
type page struct {
	Title   string
	Section string // which of the pages it is, for the navigation
	Name    string
	Version string
	Token   string
	Query   string // what was looked up
	Refresh int    // seconds after which a browser without JavaScript loads it again; 0 for never
	Failing string // why nothing is stored at the moment
	Dropped uint64
	Place   string
	Data    any
	Now     time.Time
}

// show answers with a page. It is made whole first, so that a slow browser holds nothing up.
func (c *Console) show(w http.ResponseWriter, status int, name string, p page) {
	s := c.options.Store()
	p.Name, p.Version, p.Token, p.Now = c.options.Name, c.options.Version, c.options.Token, time.Now().UTC()
	p.Dropped, p.Place = s.Dropped(), s.Place().String()
	if since, err := s.Failing(); err != nil {
		p.Failing = "since " + ago(p.Now, since) + ": " + err.Error()
	}
	var b bytes.Buffer
	if err := c.pages[name].Execute(&b, p); err != nil {
		c.options.Log.Error("BUG: a page of the console could not be made; please report this", "page", name, "error", err)
		admin.Text(w, http.StatusInternalServerError, "this page could not be made: "+err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(visible.Lines(b.String())))
}

// unread answers where the store cannot be read.
func (c *Console) unread(w http.ResponseWriter, section string, err error) {
	c.show(w, http.StatusServiceUnavailable, "message", page{Title: "The store cannot be read", Section: section, Data: message{
		"The store of incidents cannot be read.", err.Error(), "Traffic goes on. Look at the gateway's own log, and at incidents.store in its configuration.",
	}})
}

// message is a page with a few words only.
type message struct{ What, Why, Do string }

// missing answers for what there is not.
func (c *Console) missing(w http.ResponseWriter, section, what string) {
	c.show(w, http.StatusNotFound, "message", page{Title: "Not found", Section: section, Data: message{
		what, "It may have been deleted since, or it was counted without being kept whole: of a group with many incidents in a minute, some are.", "",
	}})
}

// lookAhead bounds what a page asks of the store.
const lookAhead = 4 * time.Second

func bounded(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), lookAhead)
}

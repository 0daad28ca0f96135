package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// Spans of time that pages look at.
const (
	day        = 24 * time.Hour
	sparkBars  = 48
	recently   = 5 * time.Minute // for what is on fire now
	changeLag  = time.Hour       // how long before a first incident a change may be the reason for it
	listed     = 100
	examples   = 20
	comparedOf = 500 // incidents of a group that are compared with good traffic
)

// nowData is what the first page shows.
type nowData struct {
	Pools    []poolNow
	Groups   []groupLine
	Recent   []store.Row
	Changes  []store.Change
	Day      int64 // incidents of the last day
	DaySaved int64
	Spark    spark
	Worried  bool // only what is not well is shown
}

// poolNow is a pool with the groups that trouble it.
type poolNow struct {
	Pool
	Lines   []endpointNow
	Groups  []store.Trouble // of the last minutes, at no endpoint
	Last    store.Group     // the last trouble, of the last day
	trouble bool
}

// endpointNow is an endpoint with what troubles it.
type endpointNow struct {
	Endpoint
	Groups []store.Trouble // of the last minutes
}

// poolLines puts the troubles of the last minutes to the pools that have them.
func poolLines(pools []Pool, groups []store.Group, troubles []store.Trouble) []poolNow {
	out := make([]poolNow, 0, len(pools))
	for _, p := range pools {
		line := poolNow{Pool: p, Lines: make([]endpointNow, len(p.Endpoints))}
		for i, e := range p.Endpoints {
			line.Lines[i].Endpoint = e
			line.trouble = line.trouble || e.State != "" && e.State != "up"
		}
		line.trouble = line.trouble || p.Maintenance != ""
		for _, t := range troubles {
			if t.Pool != p.Name {
				continue
			}
			line.trouble = true
			if i := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return e.Name == t.Endpoint }); i >= 0 {
				line.Lines[i].Groups = append(line.Lines[i].Groups, t)
			} else {
				line.Groups = append(line.Groups, t)
			}
		}
		for _, g := range groups { // the newest first
			if g.Pool == p.Name {
				line.Last = g
				break
			}
		}
		out = append(out, line)
	}
	return out
}

func (c *Console) now(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	s, now := c.options.Store(), time.Now()
	groups, err := s.Groups(ctx, store.Query{Since: now.Add(-day)})
	if err != nil {
		c.unread(w, "now", err)
		return
	}
	buckets, err := s.Buckets(ctx, "", now.Add(-day))
	if err != nil {
		c.unread(w, "now", err)
		return
	}
	d := nowData{Worried: r.URL.Query().Get("only") == "trouble"}
	d.Recent, err = s.Incidents(ctx, store.Query{Limit: 8})
	if err == nil {
		d.Changes, err = s.Changes(ctx, store.Query{Limit: 6})
	}
	if err != nil {
		c.unread(w, "now", err)
		return
	}
	var sum []store.Bucket
	for _, list := range buckets {
		for _, b := range list {
			d.Day, d.DaySaved = d.Day+b.Count, d.DaySaved+b.Saved
			sum = append(sum, b)
		}
	}
	d.Spark = sparkOf(sum, d.Changes, now)
	for _, g := range groups {
		if g.State == store.StateOpen && len(d.Groups) < 6 {
			d.Groups = append(d.Groups, groupLine{g, sparkOf(buckets[g.ID], nil, now)})
		}
	}
	troubles, err := s.Trouble(ctx, now.Add(-recently))
	if err != nil {
		c.unread(w, "now", err)
		return
	}
	for _, line := range poolLines(c.options.Pools(), groups, troubles) {
		if !d.Worried || line.trouble {
			d.Pools = append(d.Pools, line)
		}
	}
	c.show(w, http.StatusOK, "now", page{Title: "Now", Section: "now", Refresh: 15, Data: d})
}

// Troubled reports whether something failed in the pool in the last minutes, or an endpoint is not well.
func (p poolNow) Troubled() bool { return p.trouble }

// groupLine is a group in a list.
type groupLine struct {
	store.Group
	Spark spark
}

// groupsData is what the list of groups shows.
type groupsData struct {
	Groups       []groupLine
	State        string
	Since        string
	Pool, Cause  string
	Pools        []string
	Open, Others int
	More         int // that are not shown
}

// spans are those that lists offer, the default first.
var spans = []struct {
	Name string
	Span time.Duration
}{{"24h", day}, {"1h", time.Hour}, {"7d", 7 * day}, {"30d", 30 * day}, {"all", 0}}

// since gives what a list's span means.
func since(name string, now time.Time) (string, time.Time) {
	for _, s := range spans {
		if s.Name == name {
			if s.Span == 0 {
				return name, time.Time{}
			}
			return name, now.Add(-s.Span)
		}
	}
	return spans[0].Name, now.Add(-spans[0].Span)
}

func (c *Console) groups(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	s, now, q := c.options.Store(), time.Now(), r.URL.Query()
	d := groupsData{State: q.Get("state"), Pool: q.Get("pool"), Cause: q.Get("cause")}
	var from time.Time
	d.Since, from = since(q.Get("since"), now)
	groups, err := s.Groups(ctx, store.Query{Since: from, Pool: d.Pool, Cause: d.Cause})
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	buckets, err := s.Buckets(ctx, "", now.Add(-day))
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	for _, g := range groups {
		if !slices.Contains(d.Pools, g.Pool) && g.Pool != "" {
			d.Pools = append(d.Pools, g.Pool)
		}
		if g.State == store.StateOpen {
			d.Open++
		} else {
			d.Others++
		}
		switch {
		case d.State != "" && string(g.State) != d.State:
		case len(d.Groups) == listed:
			d.More++
		default:
			d.Groups = append(d.Groups, groupLine{g, sparkOf(buckets[g.ID], nil, now)})
		}
	}
	slices.Sort(d.Pools)
	c.show(w, http.StatusOK, "groups", page{Title: "Groups", Section: "groups", Data: d})
}

// groupData is what a group's page shows.
type groupData struct {
	store.Group
	Spark    spark
	Facets   []incident.Facet
	Compared int // good requests that it was compared with
	Of       int // incidents that were
	Before   *store.Change
	Lag      time.Duration
	Advice   []string
	Meaning  string
	Examples []store.Row
	States   []store.State
}

func (c *Console) group(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	s, now := c.options.Store(), time.Now()
	g, err := s.Group(ctx, r.PathValue("id"))
	if errors.Is(err, store.ErrNone) {
		c.missing(w, "groups", "There is no group of that id.")
		return
	}
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	d := groupData{Group: *g, States: []store.State{store.StateOpen, store.StateAcknowledged, store.StateResolved, store.StateMuted}}
	rows, err := s.Incidents(ctx, store.Query{Group: g.ID, Limit: comparedOf})
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	buckets, err := s.Buckets(ctx, g.ID, now.Add(-day))
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	changes, err := s.Changes(ctx, store.Query{Since: now.Add(-day), Limit: 200})
	if err != nil {
		c.unread(w, "groups", err)
		return
	}
	d.Spark = sparkOf(buckets[g.ID], changes, now)
	d.Facets, d.Compared, d.Of = c.different(g, rows)
	began := g.First
	if !g.Regressed.IsZero() {
		began = g.Regressed
	}
	if d.Before, err = s.Nearest(ctx, began, changeLag); err == nil && d.Before != nil {
		d.Lag = began.Sub(d.Before.At)
	}
	d.Meaning, d.Advice = c.advice(g.Cause, g.Pool)
	d.Examples = rows[:min(len(rows), examples)]
	c.show(w, http.StatusOK, "group", page{Title: g.Title, Section: "groups", Data: d})
}

// different compares a group's incidents with good traffic of the same pool and time.
func (c *Console) different(g *store.Group, rows []store.Row) (facets []incident.Facet, compared, of int) {
	if len(rows) == 0 {
		return nil, 0, 0
	}
	oldest := rows[len(rows)-1].At
	inside := make([]incident.Values, len(rows))
	for i := range rows {
		inside[i] = rows[i].Values()
	}
	outside := c.options.Baseline(g.Pool, oldest.Add(-10*time.Minute))
	return incident.Compare(inside, outside), len(outside), len(inside)
}

// advice is what a cause means and what to do about it.
func (c *Console) advice(cause, pool string) (meaning string, lines []string) {
	known, ok := fault.ParseCause(cause)
	if !ok {
		return "", nil
	}
	e := known.Entry()
	return e.Meaning, c.options.Advice(e.Advice, pool)
}

// ownAdvice are the lines of an incident that are not its cause's: somebody knew more, such as an authority's words.
func ownAdvice(cause string, lines []string) []string {
	known, ok := fault.ParseCause(cause)
	if !ok || known != fault.CauseCertificateNotObtained && known != fault.CauseOwnCertificateRevoked {
		return nil // older incidents have their cause's lines as they were
	}
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(known.Entry().Advice, line) })
}

// incidentsData is what the list of incidents shows.
type incidentsData struct {
	Rows        []store.Row
	Since       string
	Pool, Cause string
	Query       string
}

func (c *Console) incidents(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	q := r.URL.Query()
	d := incidentsData{Pool: q.Get("pool"), Cause: q.Get("cause")}
	var from time.Time
	d.Since, from = since(q.Get("since"), time.Now())
	var err error
	d.Rows, err = c.options.Store().Incidents(ctx, store.Query{Since: from, Pool: d.Pool, Cause: d.Cause, Group: q.Get("group"), Limit: listed})
	if err != nil {
		c.unread(w, "incidents", err)
		return
	}
	c.show(w, http.StatusOK, "incidents", page{Title: "Incidents", Section: "incidents", Data: d})
}

func (c *Console) incident(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	id := strings.ToUpper(r.PathValue("id"))
	row, err := c.one(ctx, id)
	if errors.Is(err, store.ErrNone) {
		c.missing(w, "incidents", "No incident of that id is kept.")
		return
	}
	if err != nil {
		c.unread(w, "incidents", err)
		return
	}
	v, err := viewOf(row)
	if err != nil {
		c.unread(w, "incidents", err)
		return
	}
	meaning, advice := c.advice(v.Cause, v.Pool)
	if len(advice) > 0 {
		v.Advice = append(ownAdvice(v.Cause, v.Advice), advice...)
	}
	v.Meaning = meaning
	if near, err := c.options.Store().Nearest(ctx, v.At, changeLag); err == nil && near != nil {
		v.Before, v.Lag = near, v.At.Sub(near.At)
	}
	v.Markdown = v.markdown()
	c.show(w, http.StatusOK, "incident", page{Title: v.Title, Section: "incidents", Data: v})
}

func (c *Console) changes(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	list, err := c.options.Store().Changes(ctx, store.Query{Limit: 200})
	if err != nil {
		c.unread(w, "changes", err)
		return
	}
	c.show(w, http.StatusOK, "changes", page{Title: "Changes", Section: "changes", Data: list})
}

// find looks up what somebody reads out: an incident's id, a request's or a trace's.
func (c *Console) find(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	if q == "" {
		http.Redirect(w, r, "/console/incidents", http.StatusSeeOther)
		return
	}
	rows, err := c.options.Store().Find(ctx, q)
	if err != nil {
		c.unread(w, "incidents", err)
		return
	}
	if len(rows) == 0 && c.options.Recent(strings.ToUpper(q)) != nil {
		rows = []store.Row{{ID: strings.ToUpper(q)}}
	}
	switch len(rows) {
	case 1:
		http.Redirect(w, r, "/console/incidents/"+rows[0].ID, http.StatusSeeOther)
	default:
		c.show(w, http.StatusOK, "incidents", page{Title: "Look-up", Section: "incidents", Query: q, Data: incidentsData{Rows: rows, Query: q, Since: "all"}})
	}
}

// mutedFor is how long a group stays muted.
const mutedFor = day

// decide sets the state of a group by the form on its page.
func (c *Console) decide(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	id, state, note := r.PathValue("id"), store.State(r.PostFormValue("state")), strings.TrimSpace(r.PostFormValue("note"))
	var until time.Time
	if state == store.StateMuted {
		until = time.Now().Add(mutedFor)
	}
	who := admin.Who(r)
	err := c.options.Store().Decide(ctx, id, state, note, until, who)
	switch {
	case errors.Is(err, store.ErrNone):
		c.missing(w, "groups", "There is no group of that id.")
		return
	case !state.Known() && err != nil:
		admin.Text(w, http.StatusBadRequest, err.Error()+"\n")
		return
	case err != nil:
		c.unread(w, "groups", err)
		return
	}
	c.options.Log.Info("the state of a group was set", "group", id, "state", string(state), "note", note, "by", who)
	http.Redirect(w, r, "/console/groups/"+id, http.StatusSeeOther)
}

// order does what the form in an endpoint's or a pool's row asks for.
func (c *Console) order(w http.ResponseWriter, r *http.Request) {
	o := Order{
		Action: r.PostFormValue("action"), Pool: r.PostFormValue("pool"), Endpoint: r.PostFormValue("endpoint"),
		Reason: strings.TrimSpace(r.PostFormValue("reason")), By: admin.Who(r),
	}
	if o.Pool == "" { // a form of ours names one; for every pool there is the command
		admin.Text(w, http.StatusBadRequest, "the form names no pool\n")
		return
	}
	if err := c.options.Order(o); err != nil {
		c.show(w, http.StatusUnprocessableEntity, "message", page{Title: "Not done", Section: "now", Data: message{"This was not done.", err.Error(), ""}})
		return
	}
	c.options.Log.Info("an order was given on the console", "action", o.Action, "pool", o.Pool, "endpoint", o.Endpoint, "reason", o.Reason, "by", o.By)
	http.Redirect(w, r, "/console/", http.StatusSeeOther)
}

package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// query reads what a question of the API chooses: since and until in RFC 3339 or as a duration before now, pool, cause, group, limit.
func query(r *http.Request, now time.Time) (store.Query, error) {
	v := r.URL.Query()
	q := store.Query{Pool: v.Get("pool"), Cause: v.Get("cause"), Group: v.Get("group")}
	var err error
	if q.Since, err = moment(v.Get("since"), now); err != nil {
		return q, errors.New("since is neither a time such as 2026-11-30T12:00:00Z nor a duration such as 1h")
	}
	if q.Until, err = moment(v.Get("until"), now); err != nil {
		return q, errors.New("until is neither a time such as 2026-11-30T12:00:00Z nor a duration such as 1h")
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 {
			return q, errors.New("limit is no number")
		}
	}
	return q, nil
}

func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

// answer sends what a question found, or why it found nothing.
func answer[T any](w http.ResponseWriter, name string, v T, err error) {
	switch {
	case err == nil:
		admin.JSON(w, http.StatusOK, map[string]T{name: v})
	case errors.Is(err, store.ErrNone):
		admin.JSON(w, http.StatusNotFound, map[string]string{"error": "there is none of that id"})
	default:
		admin.JSON(w, http.StatusServiceUnavailable, map[string]string{"error": "the store of incidents cannot be read: " + err.Error()})
	}
}

// asking runs a question with its query.
func asking[T any](w http.ResponseWriter, r *http.Request, name string, ask func(context.Context, store.Query) ([]T, error)) {
	ctx, cancel := bounded(r)
	defer cancel()
	q, err := query(r, time.Now())
	if err != nil {
		admin.JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	list, err := ask(ctx, q)
	if list == nil {
		list = []T{}
	}
	answer(w, name, list, err)
}

func (c *Console) apiIncidents(w http.ResponseWriter, r *http.Request) {
	asking(w, r, "incidents", c.options.Store().Incidents)
}

func (c *Console) apiGroups(w http.ResponseWriter, r *http.Request) {
	asking(w, r, "groups", c.options.Store().Groups)
}

func (c *Console) apiChanges(w http.ResponseWriter, r *http.Request) {
	asking(w, r, "changes", c.options.Store().Changes)
}

func (c *Console) apiIncident(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	row, err := c.one(ctx, strings.ToUpper(r.PathValue("id")))
	answer(w, "incident", row, err)
}

// apiFind gives the incidents of an id, of whatever kind it is, each whole.
func (c *Console) apiFind(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	id := r.PathValue("id")
	rows, err := c.options.Store().Find(ctx, id)
	if err == nil && len(rows) == 0 {
		var row *store.Row
		if row, err = c.one(ctx, strings.ToUpper(id)); err == nil {
			rows = []store.Row{*row}
		}
	}
	answer(w, "incidents", rows, err)
}

// Difference is what is different about a group.
type Difference struct {
	store.Group
	Facets   []incident.Facet `json:"facets"`
	Compared int              `json:"compared_with"` // good requests
	Before   *store.Change    `json:"change_before,omitempty"`
	LagS     float64          `json:"lag_s,omitempty"` // from that change to the group's first incident
}

func (c *Console) apiGroup(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	s := c.options.Store()
	g, err := s.Group(ctx, r.PathValue("id"))
	if err != nil {
		answer(w, "group", g, err)
		return
	}
	rows, err := s.Incidents(ctx, store.Query{Group: g.ID, Limit: comparedOf})
	d := Difference{Group: *g}
	if err == nil {
		d.Facets, d.Compared, _ = c.different(g, rows)
		if d.Before, err = s.Nearest(ctx, g.First, changeLag); err == nil && d.Before != nil {
			d.LagS = g.First.Sub(d.Before.At).Seconds()
		}
	}
	answer(w, "group", d, err)
}

// one gives an incident, whether or not it is in the store yet.
func (c *Console) one(ctx context.Context, id string) (*store.Row, error) {
	row, err := c.options.Store().Incident(ctx, id)
	if err == nil {
		return row, nil
	}
	i := c.options.Recent(id)
	if i == nil {
		return nil, err
	}
	i = store.Masked(i)
	doc, marshalErr := json.Marshal(i)
	if marshalErr != nil {
		return nil, marshalErr
	}
	return &store.Row{
		ID: i.ID, At: i.At, Pool: i.Pool, Cause: i.Cause.String(), Stage: i.Stage.String(), Title: i.Title, Status: i.Status, Saved: i.Saved, Late: i.Late,
		Route: i.Route, Method: i.Request.Method, Host: i.Request.Host, Request: i.Request.ID, Trace: i.Request.TraceID, Instance: c.options.Name, Reused: -1, Doc: doc,
	}, nil
}

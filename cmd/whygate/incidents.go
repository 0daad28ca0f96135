package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/console"
	"github.com/whygate/whygate/internal/store"
)

// incidentsFlags choose what is asked for, and where.
type incidentsFlags struct {
	file, admin, store string
	passwordFile       string
	since              string
	pool, cause        string
	limit              int
	json               bool
}

func (w *world) incidentsCommand() *cobra.Command {
	var f incidentsFlags
	cmd := &cobra.Command{
		Use:   "incidents [list | show ID | groups | tail | changes]",
		Short: "What failed at a gateway, and why",
		Long: `List the incidents that a gateway keeps, show one with all that was seen, or the groups that they make. The running gateway is asked at its
admin address; with --store its store is read instead, whether it runs or not. Without a subcommand it is list.`,
		Example: "  whygate incidents groups --since 1h\n  whygate incidents show 5CM75JH251\n  whygate incidents tail --pool web\n  whygate incidents list --store sqlite:/var/lib/whygate/incidents.db --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return w.listIncidents(cmd.Context(), &f) },
	}
	p := cmd.PersistentFlags()
	p.StringVarP(&f.file, "config", "c", defaultFile, "the gateway's configuration `FILE`, for its admin address")
	p.StringVar(&f.admin, "admin", "", "the gateway's admin `ADDRESS` (default: the file's, or 127.0.0.1:9502 without a file)")
	p.StringVar(&f.store, "store", "", "read this `STORE`: sqlite:PATH or postgres://user@host/database")
	p.StringVar(&f.passwordFile, "password-file", "", "a `FILE` with the password of the admin address (default: the configuration's console.password_file)")
	p.StringVar(&f.since, "since", "", "only what is newer: a `DURATION` such as 1h or 7d, or a time such as 2026-11-30T12:00:00Z (default 24h)")
	p.StringVar(&f.pool, "pool", "", "only of the pool of that `NAME`")
	p.StringVar(&f.cause, "cause", "", "only of that `CAUSE`, such as head-timeout")
	p.IntVarP(&f.limit, "limit", "n", 50, "at most so many")
	p.BoolVar(&f.json, "json", false, "print JSON")
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "Incidents, the newest first", Args: cobra.NoArgs, RunE: cmd.RunE},
		&cobra.Command{Use: "show ID", Short: "One incident, by its id, a request's or a trace's", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return w.showIncident(cmd.Context(), &f, args[0])
		}},
		&cobra.Command{Use: "groups", Short: "Incidents by pool, cause and stage", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return w.listGroups(cmd.Context(), &f) }},
		&cobra.Command{Use: "tail", Short: "Incidents as they come, until Ctrl-C", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return w.tailIncidents(cmd.Context(), &f) }},
		&cobra.Command{Use: "changes", Short: "Reloads, certificates, deploys: what happened beside the traffic", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return w.listChanges(cmd.Context(), &f) }},
	)
	return cmd
}

// source is where incidents are asked for: a running gateway, or the store itself.
type source struct {
	store   *store.Store // nil for a gateway
	gateway *asked
}

func (s *source) close() {
	if s.store != nil {
		s.store.Close()
	}
}

// source finds out whom to ask.
func (f *incidentsFlags) source() (*source, error) {
	if f.store != "" {
		place, err := store.ParsePlace(f.store)
		if err == nil && place.IsMemory() {
			err = errors.New("what is in another process's memory cannot be read")
		}
		if err != nil {
			return nil, withHint(fmt.Errorf("--store: %w", err), "whygate incidents --store sqlite:/var/lib/whygate/incidents.db")
		}
		if path, ok := strings.CutPrefix(f.store, "sqlite:"); ok {
			if _, err := os.Stat(path); err != nil {
				return nil, withHint(fmt.Errorf("--store: %w", err), "name the gateway's incidents.store, or leave --store away to ask the running gateway")
			}
		}
		return &source{store: store.NewReader(store.Options{Place: place, Instance: "command line"})}, nil
	}
	admin := f.admin
	if _, err := os.Stat(f.file); err != nil && admin == "" && f.file == defaultFile {
		admin = config.DefaultAdmin
	}
	address, err := adminAddress(f.file, admin)
	if err != nil {
		return nil, err
	}
	s := &source{gateway: newAsked(address, f.file)}
	s.gateway.password, err = adminPassword(f.file, f.passwordFile)
	return s, err
}

// query is what the flags choose.
func (f *incidentsFlags) query() (store.Query, error) {
	q := store.Query{Pool: f.pool, Cause: f.cause, Limit: f.limit}
	if f.limit < 1 || f.limit > store.Most {
		return q, fmt.Errorf("--limit must be between 1 and %d", store.Most)
	}
	since := f.since
	if since == "" {
		since = "24h"
	}
	if days, ok := strings.CutSuffix(since, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			since = strconv.Itoa(24*n) + "h"
		}
	}
	if d, err := time.ParseDuration(since); err == nil && d > 0 {
		q.Since = time.Now().Add(-d)
		return q, nil
	}
	at, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return q, withHint(fmt.Errorf("--since is neither a duration nor a time: %q", f.since), "--since 1h, --since 7d, --since 2026-11-30T12:00:00Z")
	}
	q.Since = at
	return q, nil
}

// fetch asks a gateway, and gives what stands under name in its answer.
func fetch[T any](ctx context.Context, s *source, path, name string, q store.Query) (v T, err error) {
	values := url.Values{}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	for k, text := range map[string]string{"pool": q.Pool, "cause": q.Cause} {
		if text != "" {
			values.Set(k, text)
		}
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.gateway.base+path+"?"+values.Encode(), nil)
	if err != nil {
		return v, err
	}
	if s.gateway.password != "" {
		req.SetBasicAuth(askedBy, s.gateway.password)
	}
	res, err := s.gateway.client.Do(req)
	if err != nil {
		if request := new(url.Error); errors.As(err, &request) {
			err = request.Err
		}
		return v, withHint(fmt.Errorf("ask the gateway at %s: %w", s.gateway.address, err), "is it running? Its store can be read without it: --store sqlite:PATH\nif it has another admin address, name that with --admin")
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, incidentsMax))
	if err != nil {
		return v, err
	}
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return v, withHint(fmt.Errorf("the gateway at %s asks for a password", s.gateway.address), "--password-file FILE, the one that its console.password_file names")
	case http.StatusNotFound:
		return v, store.ErrNone
	default:
		return v, fmt.Errorf("the gateway at %s answers %d: %s", s.gateway.address, res.StatusCode, strings.TrimSpace(string(b[:min(len(b), 300)])))
	}
	var answer map[string]json.RawMessage
	if json.Unmarshal(b, &answer) != nil || answer[name] == nil {
		return v, s.gateway.foreign("its answer to GET " + path + " is not what a gateway says")
	}
	return v, json.Unmarshal(answer[name], &v)
}

// incidentsMax bounds a gateway's answer, in bytes: a thousand incidents without their evidence are far below.
const incidentsMax = 8 << 20

func (s *source) incidents(ctx context.Context, q store.Query) ([]store.Row, error) {
	if s.store != nil {
		return s.store.Incidents(ctx, q)
	}
	return fetch[[]store.Row](ctx, s, "/api/incidents", "incidents", q)
}

func (s *source) groups(ctx context.Context, q store.Query) ([]store.Group, error) {
	if s.store != nil {
		return s.store.Groups(ctx, q)
	}
	return fetch[[]store.Group](ctx, s, "/api/groups", "groups", q)
}

func (s *source) changes(ctx context.Context, q store.Query) ([]store.Change, error) {
	if s.store != nil {
		return s.store.Changes(ctx, q)
	}
	return fetch[[]store.Change](ctx, s, "/api/changes", "changes", q)
}

// find gives the incidents of an id, each whole.
func (s *source) find(ctx context.Context, id string) ([]store.Row, error) {
	if s.store != nil {
		return s.store.Find(ctx, id)
	}
	return fetch[[]store.Row](ctx, s, "/api/find/"+url.PathEscape(id), "incidents", store.Query{})
}

// asking runs f with what the flags choose.
func (w *world) asking(f *incidentsFlags, do func(*source, store.Query) error) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	s, err := f.source()
	if err != nil {
		return err
	}
	defer s.close()
	return do(s, q)
}

func (w *world) showIncident(ctx context.Context, f *incidentsFlags, id string) error {
	return w.asking(f, func(s *source, _ store.Query) error {
		rows, err := s.find(ctx, id)
		if err == nil && len(rows) == 0 {
			err = store.ErrNone
		}
		if errors.Is(err, store.ErrNone) {
			return withHint(fmt.Errorf("nothing is kept of %q", id), "the access log has every request; whygate incidents list shows what is kept")
		}
		if err != nil {
			return err
		}
		for i := range rows {
			if f.json {
				if err := printJSON(w.stdout, rows[i].Doc); err != nil {
					return err
				}
				continue
			}
			text, err := console.Markdown(&rows[i])
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w.stdout, text); err != nil {
				return err
			}
		}
		return nil
	})
}

package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/telemetry"
)

// The kinds of changes that a gateway notes beside its incidents.
const (
	changeStart       = "start"
	changeReload      = "reload"
	changeCertificate = "certificate"
	changeDNS         = "dns"
	changeEndpoint    = "endpoint"
)

// placeOf is where a configuration has incidents kept.
func (g *Gateway) placeOf(cfg *config.Config) (store.Place, error) {
	if cfg.Incidents.Store == "" {
		return g.options.Store, nil
	}
	return store.ParsePlace(cfg.Incidents.Store)
}

// instanceName tells this gateway from the others that write to the same store.
func instanceName(cfg *config.Config) string {
	if host, err := os.Hostname(); err == nil && host != "" {
		return cfg.Name + "@" + host
	}
	return cfg.Name
}

// useStore makes the store that a configuration asks for the one that is written to. One that is as it was goes on.
func (g *Gateway) useStore(cfg *config.Config) error {
	old, was := g.store.Load(), g.served.Load()
	if old != nil && was != nil && was.Incidents == cfg.Incidents && was.Name == cfg.Name {
		return nil
	}
	place, err := g.placeOf(cfg)
	if err != nil {
		return fmt.Errorf("incidents.store: %w", err)
	}
	g.store.Store(store.New(store.Options{Place: place, Instance: instanceName(cfg), KeepFor: cfg.Incidents.Keep.For, KeepSize: cfg.Incidents.Keep.Size, Log: g.log, Told: g.groupChanged}))
	if old != nil {
		g.serving.Go(old.Close) // within two seconds
	}
	return nil
}

// Changed notes what happened beside the traffic, so that incidents can be held against it: its kind, what it is about, and what happened in a
// few words. It waits for nothing.
func (g *Gateway) Changed(kind, subject, text string) { g.store.Load().Note(kind, subject, text) }

// record keeps an incident in memory and in the store.
func (g *Gateway) record(i *incident.Incident) {
	g.recorder.Record(i)
	g.store.Load().Add(i)
	g.otlp.Load().Incident(i)
	g.alarm(i)
}

// sample takes a good exchange into what groups of incidents are compared with.
func (g *Gateway) sample(r *telemetry.Record) {
	good := incident.Good{
		At: g.clock.Load().wall, Pool: r.Pool, Route: r.Route, Client: r.Client, Method: r.Method, Host: r.Host, Target: r.Target,
		UserAgent: r.Agent, Version: r.Version.String(),
	}
	if n := len(r.Attempts); n > 0 {
		good.Endpoint, good.Reused = r.Attempts[n-1].Endpoint, r.Attempts[n-1].Reused
	}
	g.baseline.Add(&good)
}

// changeBodyMax is the largest body of POST /changes, in bytes.
const changeBodyMax = 4 << 10

// postChange notes a change that somebody tells of, such as a deploy: {"kind": "deploy", "subject": "web", "text": "version 1.2"}.
func (g *Gateway) postChange(w http.ResponseWriter, r *http.Request) {
	var c struct{ Kind, Subject, Text string }
	err := json.NewDecoder(io.LimitReader(r.Body, changeBodyMax)).Decode(&c)
	if err == nil && c.Text == "" {
		err = fmt.Errorf("text is missing")
	}
	if err != nil {
		admin.JSON(w, http.StatusBadRequest, map[string]any{"error": `the body is not {"kind": "deploy", "subject": "web", "text": "version 1.2"}: ` + err.Error()})
		return
	}
	if c.Kind == "" {
		c.Kind = "deploy"
	}
	g.Changed(c.Kind, c.Subject, c.Text)
	g.log.Info("a change was noted", "kind", c.Kind, "subject", c.Subject, "text", c.Text, "by", admin.Who(r))
	admin.JSON(w, http.StatusOK, map[string]any{"noted": true})
}

// password is what the console asks for, empty for none.
func password(cfg *config.Config) (string, error) {
	name := cfg.Console.PasswordFile
	if name == "" {
		return "", nil
	}
	line, err := firstLine(name)
	if err != nil {
		return "", fmt.Errorf("console.password_file: %w", err)
	}
	if len(line) < passwordMin {
		return "", &HintError{fmt.Errorf("console.password_file: the first line of %s has less than %d characters", name, passwordMin), "make one: head -c 18 /dev/urandom | base64 > " + name}
	}
	return line, nil
}

// Bounds of a password, in bytes.
const (
	passwordMin = 8
	passwordMax = 1 << 10
)

// agentMax is how much is kept of a User-Agent, in bytes.
const agentMax = 300

// withoutQuery is a request target whose query is masked: keys and tokens are often in it.
func withoutQuery(target []byte) string {
	path, query, found := bytes.Cut(target, []byte("?"))
	if !found {
		return string(path)
	}
	return string(path) + "?" + strings.Repeat("*", len(query))
}

// newIncident copies what is kept of a failed exchange.
func newIncident(r *telemetry.Record) *incident.Incident {
	i := &incident.Incident{
		ID: r.Incident, At: time.Now().Add(-r.Duration).UTC(), Status: r.Status, Saved: r.Saved, Late: r.Late,
		Type: r.Fault.Type, Cause: r.Fault.Cause, Family: r.Fault.Family(), Stage: r.Fault.Stage,
		Title: r.Fault.Title(), Route: r.Route, Pool: r.Pool, Duration: float64(r.Duration.Microseconds()) / 1000,
		Request: incident.Request{
			ID: string(r.ID), TraceID: string(telemetry.TraceID(r.Traceparent)), Client: r.Client, Method: string(r.Method), Host: string(r.Host), Target: withoutQuery(r.Target),
			Agent: string(r.Agent[:min(len(r.Agent), agentMax)]),
		},
		Retry: r.Retry,
	}
	for _, e := range r.Attempts {
		i.Attempts = append(i.Attempts, *e)
	}
	i.Request.Version = r.Version.String()
	if r.Fault.Is() {
		i.Advice = r.Fault.Cause.Entry().Advice
	}
	if r.Evidence != nil {
		e := *r.Evidence
		i.Evidence = &e
		i.Sentence = r.Fault.Sentence(&e)
	}
	return i
}

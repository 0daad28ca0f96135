// Package otlp sends what happened to an OpenTelemetry collector, over HTTP: each incident as a log record, and some exchanges as spans. What comes
// together is sent together, and again where the collector cannot take it. Whoever tells it something never waits: what there is no room for is counted.
//
// It must not know how an exchange works, nor where incidents are kept.
package otlp

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
)

// Options say where to send, and what.
type Options struct {
	Endpoint string      // the collector's URL; /v1/traces and /v1/logs are added to it
	Header   http.Header // sent along, such as who we are; often a secret
	Service  string      // service.name
	Instance string      // service.instance.id
	Version  string      // service.version
	Sample   uint32      // of good exchanges one in so many has a span; 0 for none but those that traceparent asks for
	Traces   bool
	Logs     bool
	Log      *slog.Logger
}

// Bounds and times.
const (
	waitingMost = 4096            // incidents or exchanges that wait to be sent
	batchMost   = 512             // of them in one request
	gather      = time.Second     // what comes within it is sent together
	askedMost   = 100             // spans a second that traceparent asks for
	closeTime   = 2 * time.Second // for what waits when it ends
)

// Exporter sends to a collector. New makes one; a nil one sends nothing. Its methods are safe for concurrent use.
type Exporter struct {
	o      Options
	spans  chan span
	logs   chan *incident.Incident
	client *http.Client
	stop   context.CancelFunc
	ending chan struct{} // closed when nothing more comes
	done   sync.WaitGroup

	dropped atomic.Uint64 // spans and records for which there was no room, or that the collector refused
	failing atomic.Bool   // the last request failed

	second atomic.Int64 // the second, on the monotonic clock, in which asked counts
	asked  atomic.Int64 // spans that traceparent asked for in it
}

// New makes an Exporter. Close ends it.
func New(o Options) *Exporter {
	ctx, stop := context.WithCancel(context.Background())
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	e := &Exporter{o: o, spans: make(chan span, waitingMost), logs: make(chan *incident.Incident, waitingMost), client: newClient(), stop: stop, ending: make(chan struct{})}
	if o.Traces {
		e.done.Go(func() { serve(ctx, e, e.spans, "/v1/traces", e.traces) }) // ends with ending or stop
	}
	if o.Logs {
		e.done.Go(func() { serve(ctx, e, e.logs, "/v1/logs", e.records) })
	}
	return e
}

// Close sends what waits, for two seconds at most.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	close(e.ending)
	timer := time.AfterFunc(closeTime, e.stop)
	e.done.Wait()
	timer.Stop()
	e.stop()
	e.client.CloseIdleConnections()
}

// Dropped is how many incidents and exchanges were not sent, because too many waited or the collector refused them.
func (e *Exporter) Dropped() uint64 {
	if e == nil {
		return 0
	}
	return e.dropped.Load()
}

// Failing reports whether the collector could not be reached, or refused, the last time.
func (e *Exporter) Failing() bool { return e != nil && e.failing.Load() }

// Incident has an incident sent. Nobody changes it any more.
func (e *Exporter) Incident(i *incident.Incident) {
	if e == nil || !e.o.Logs {
		return
	}
	put(e, e.logs, i)
}

// Takes reports whether an exchange has a span: every one with a fault or a 5xx, of the others one in so many by its trace or request id, so that
// gateways in a row take the same, and those whose traceparent says that the trace is sampled, up to a hundred a second.
//
// hot: once per request.
func (e *Exporter) Takes(r *telemetry.Record) bool {
	if e == nil || !e.o.Traces {
		return false
	}
	if !r.Good() {
		return true
	}
	id := r.ID
	if trace, _, sampled := telemetry.Trace(r.Traceparent); trace != nil {
		if id = trace; sampled && e.mayAsk() {
			return true
		}
	}
	return e.o.Sample == 1 || e.o.Sample > 1 && telemetry.Hash(id)%e.o.Sample == 0
}

// mayAsk counts a span that traceparent asks for, and reports whether it is within its second's bound: anybody can write the field.
func (e *Exporter) mayAsk() bool {
	now := int64(time.Duration(mono.Now()) / time.Second)
	if last := e.second.Load(); last != now && e.second.CompareAndSwap(last, now) {
		e.asked.Store(0)
	}
	return e.asked.Add(1) <= askedMost
}

// Exchange has an exchange sent as a span. It keeps nothing of the record.
func (e *Exporter) Exchange(r *telemetry.Record) { put(e, e.spans, newSpan(r)) }

// put hands one thing over, if there is room.
func put[T any](e *Exporter, to chan T, v T) {
	select {
	case to <- v:
	default:
		e.dropped.Add(1)
	}
}

// serve sends what comes, until nothing more does.
func serve[T any](ctx context.Context, e *Exporter, from chan T, path string, encode func([]T) ([]byte, error)) {
	var batch []T
	tick := time.NewTicker(gather)
	defer tick.Stop()
	for ending := false; ; {
		full := false
		select {
		case v := <-from:
			batch = append(batch, v)
			full = len(batch) == batchMost
		case <-tick.C:
			full = true
		case <-e.ending:
			ending, full = len(from) == 0, true
			for len(from) > 0 && len(batch) < batchMost {
				batch = append(batch, <-from)
			}
		case <-ctx.Done():
			e.dropped.Add(uint64(len(batch) + len(from)))
			return
		}
		if full && len(batch) > 0 {
			if body, err := encode(batch); err != nil || !e.send(ctx, path, body) {
				e.dropped.Add(uint64(len(batch)))
			}
			clear(batch)
			batch = batch[:0]
		}
		if ending {
			return
		}
	}
}

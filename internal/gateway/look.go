package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
)

const (
	lookTime    = 3 * time.Second // what an endpoint is given for each step at the start
	looksAtOnce = 16              // how many endpoints are looked at at a time
)

// Look is what an endpoint did when it was asked once.
type Look struct {
	Pool, Endpoint string
	Fault          fault.Fault // none if it answered
	Text           string      // what it did, in one sentence that follows its name
	Advice         string      // what to do about the fault
}

// LookAround asks every endpoint once, as the proxy would, and gives what each did to told: in the order of the configuration,
// from one goroutine, before it returns. It sends GET / and nothing else, and ends early with its context.
func (g *Gateway) LookAround(ctx context.Context, told func(Look)) {
	cfg := g.config()
	known := lists{}
	looks := make(chan chan Look, looksAtOnce-1) // and one that is waited for
	var all sync.WaitGroup
	all.Go(func() { // ends with the last endpoint, or with ctx
		defer close(looks)
		for _, p := range cfg.Pools {
			tlsConf, problem := clientTLS(cfg, p, known)
			if problem != nil {
				continue // it has been logged, and every request there is answered so
			}
			options := upstream.Options{
				Connect: bound(p.Timeouts.Connect), TLS: bound(p.Timeouts.TLS), Write: lookTime, Head: lookTime,
				HeadMax: int(p.Limits.ResponseHead), TLSConf: tlsConf, Resolver: upstream.NewResolver(cfg.Resolver.Servers, bound(cfg.Resolver.Timeout)),
				Protocol: protocol(p.Protocol), Announce: announceVersion(p.ProxyProtocol),
			}
			for _, e := range p.Endpoints {
				one := make(chan Look, 1)
				select {
				case looks <- one: // the queue is what bounds how many are under way
				case <-ctx.Done():
					return
				}
				all.Go(func() {
					look := Look{Pool: p.Name, Endpoint: e.String(), Text: "was not looked at: a bug of whygate"}
					defer func() { one <- look }()
					g.guarded("an endpoint could not be looked at", func() { look = g.lookAt(ctx, p, e, options) })
				})
			}
		}
	})
	for one := range looks {
		if look := <-one; ctx.Err() == nil {
			told(look)
		}
	}
	all.Wait()
}

func bound(d time.Duration) time.Duration {
	if d <= 0 {
		return lookTime
	}
	return min(d, lookTime)
}

// lookAt asks one endpoint and puts what came into words.
func (g *Gateway) lookAt(ctx context.Context, p config.Pool, e config.Endpoint, o upstream.Options) Look {
	look := Look{Pool: p.Name, Endpoint: e.String()}
	began := mono.Now()
	u := endpointOf(e)
	ev, version := question(ctx, u, o)
	mismatched(ctx, u, o, ev)
	f := fault.Classify(ev)
	if !f.Is() || f.Cause == fault.CauseUpstreamStatus {
		over := "HTTP/" + version.String()
		if u.Secure {
			over += " over TLS"
		}
		look.Text = fmt.Sprintf("answered %d in %.1f ms, %s", ev.Status, float64(mono.Now()-began)/1e6, over)
		return look
	}
	look.Fault = f
	look.Text = verb(ev) + ": " + sentence(f, ev)
	look.Advice = g.options.advise(g.config(), p.Name, f.Advice())
	if g.options.Flags && ev.Cert != nil {
		look.Advice += " Or --insecure, where nobody else can be on the way."
	}
	return look
}

// sentence says what happened. How long the look waits is its own bound, and no timer of the configuration.
func sentence(f fault.Fault, ev *fault.Evidence) string {
	if ev.Timer == fault.TimerNone || ev.After != lookTime {
		return f.Sentence(ev)
	}
	told := *ev
	told.Timer = fault.TimerNone
	return f.Sentence(&told) + ", which is as long as this look waits"
}

// verb begins the sentence on an endpoint that did not answer a request.
func verb(ev *fault.Evidence) string {
	switch {
	case ev.Cert != nil:
		return "answers, but its certificate is not accepted"
	case ev.Got > 0 || ev.End == fault.StreamReset || ev.End == fault.GoAway || ev.Told != fault.CauseNone || ev.End == fault.Alert || len(ev.Sample) > 0:
		return "answers, but not a request"
	}
	return "does not answer yet"
}

// question asks GET / and gives what was observed, and the version of the answer.
func question(ctx context.Context, e upstream.Endpoint, o upstream.Options) (*fault.Evidence, httpmsg.Version) {
	t := upstream.New(e, o)
	defer t.Close()
	var a upstream.Attempt
	var res httpmsg.Response
	a.Begin(t, mono.Now())
	a.Cancel = new(cancel.Cancel)
	defer context.AfterFunc(ctx, func() { a.Cancel.Cancel(cancel.NotWanted) })()
	defer a.Drop()
	var fields httpmsg.Fields
	fields.Append("User-Agent", []byte("whygate-probe"), httpmsg.Other)
	fields.Append("Accept", []byte("*/*"), httpmsg.Other)
	fields.AppendKnown(httpmsg.Connection, []byte("close"))
	head := upstream.Head{Method: []byte("GET"), Path: []byte("/"), Extra: &fields}
	if a.Ask(&head, nil, upstream.FreshConnection) {
		a.ReadHead(&res)
	}
	ev := a.Evidence
	return &ev, res.Version
}

// mismatched finds out whether an endpoint that did not answer speaks TLS where http:// is configured, or the other way round, and
// writes it down: both may look like an application that crashed.
func mismatched(ctx context.Context, e upstream.Endpoint, o upstream.Options, ev *fault.Evidence) {
	reached := ev.Stage >= fault.TLS && !slices.Contains([]fault.End{fault.Canceled, fault.Timeout, fault.Untrusted}, ev.End)
	switch {
	case !reached || e.Network != "tcp":
	case !e.Secure && (ev.End != fault.Completed || ev.Status == 400): // 400 is what some say to plain HTTP
		if is, err := upstream.SpeaksTLS(ctx, ev.Addr); err == nil && is {
			ev.Told = fault.CausePlainToTLSPort
		}
	case e.Secure && ev.Stage == fault.TLS:
		e.Secure = false
		if plain, _ := question(ctx, e, o); plain.Status >= 200 {
			ev.Told = fault.CauseTLSToPlainPort
		}
	}
}

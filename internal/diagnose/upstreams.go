package diagnose

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/whygate/whygate/internal/redact"
)

// upstreamsMax is how many upstreams are walked.
const upstreamsMax = 8

// upstreamTargets are the upstreams that were named.
func upstreamTargets(o *Options, front *Target) (all []Target, err error) {
	if len(o.Upstreams) > upstreamsMax {
		return nil, fmt.Errorf("%d upstreams are given, and %d at most are walked", len(o.Upstreams), upstreamsMax)
	}
	for _, text := range o.Upstreams {
		t, err := upstreamTarget(text, front)
		if err != nil {
			return nil, err
		}
		t.Insecure = o.Insecure
		all = append(all, t)
	}
	return all, nil
}

// hereFound is what Options.Here found.
type hereFound struct {
	here *Here
	err  error
}

// lookHere looks for the proxy on this machine beside the walk. The channel gives one answer.
func (r *runner) lookHere(ctx context.Context, front Target) <-chan hereFound {
	found := make(chan hereFound, 1)
	if r.o.Here == nil {
		found <- hereFound{}
		return found
	}
	go func() { // reads files and /proc; what it finds after ctx has ended is not waited for
		h, err := r.o.Here(ctx, front)
		found <- hereFound{h, err}
	}()
	return found
}

// addHere adds the upstreams that were found on this machine to those that are walked.
func (r *runner) addHere(ctx context.Context, found <-chan hereFound, front *Target, targets *[]Target) {
	var f hereFound
	select {
	case f = <-found:
	case <-ctx.Done():
		f.err = errors.New("looking for the proxy on this machine took too long")
	}
	if f.err != nil {
		r.report.HereError = f.err.Error()
		r.step(Step{Name: "here", Mark: Noted, Text: f.err.Error()})
		return
	}
	if f.here == nil {
		return
	}
	r.report.Here = f.here
	f.here.Redact()
	known := map[string]bool{}
	for i := range *targets {
		known[(*targets)[i].label()] = true
	}
	for _, u := range f.here.Upstreams {
		t, err := upstreamTarget(u.URL(), front)
		if err != nil {
			continue
		}
		t.found, t.assumed, t.proxied = true, false, u.SendsProxy
		if u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
			t.speaks = u.Scheme
		}
		if u.File != "" {
			t.Place = &ConfigPlace{File: u.File, Line: u.Line, Text: u.Text}
		}
		if u.Path != "" {
			t.URL = strings.TrimSuffix(t.URL, strings.TrimPrefix(redact.Query(t.Path), "/")) + strings.TrimPrefix(redact.Query(u.Path), "/")
			t.Path = u.Path
		}
		if u.Host != "" {
			t.Authority = u.Host
		}
		t.Insecure = r.o.Insecure || u.Insecure
		if u.ServerName != "" {
			t.ServerName = u.ServerName
		}
		if !known[t.label()] && len(*targets) < upstreamsMax {
			known[t.label()] = true
			*targets = append(*targets, t)
		}
	}
	if f.here.Proxy != "" {
		r.step(hereStep(f.here))
	}
	if len(f.here.Read) > 0 {
		r.step(Step{Name: "read", Text: strings.Join(f.here.Read, ", ")})
	}
}

// walkUpstreams walks to each upstream, all at once, beside the rest of the walk to the URL. Its end comes by the channel.
func (r *runner) walkUpstreams(ctx context.Context, targets []Target) <-chan struct{} {
	done := make(chan struct{})
	var group sync.WaitGroup
	for _, t := range targets {
		w := r.walker(t)
		r.report.Upstreams = append(r.report.Upstreams, w.walk)
		group.Go(func() { // ends with ctx at the latest
			w.begin(ctx)
			w.end(ctx)
		})
	}
	go func() { // ends with the walks
		group.Wait()
		close(done)
	}()
	return done
}

// tellUpstreams waits for the walks to the upstreams and tells of them.
func (r *runner) tellUpstreams() {
	<-r.walked
	for _, w := range r.report.Upstreams {
		r.step(upstreamStep(w))
	}
}

package store

import (
	"strconv"
	"time"

	"github.com/whygate/whygate/internal/incident"
)

// Bounds of what waits to be written.
const (
	examplesMax = 4096 // incidents that wait with all their evidence
	groupsMax   = 4096 // groups in a batch; pools and causes are few, so nobody reaches it
	bucketsMax  = 8192 // minutes, endpoints and routes apart; beyond it each group has one more for all the rest
	changesMax  = 1024

	wholePerMinute = 20 // examples kept of a group each minute; after them each that is a power of two
)

// pending is what happened since the last batch. Counts in it are exact, examples are sampled.
type pending struct {
	groups   map[groupKey]*delta
	buckets  map[bucketKey]*tally
	examples []*incident.Incident
	changes  []Change
	dropped  uint64 // examples for which there was no room
}

func newPending() *pending {
	return &pending{groups: map[groupKey]*delta{}, buckets: map[bucketKey]*tally{}}
}

func (p *pending) empty() bool { return len(p.groups) == 0 && len(p.changes) == 0 }

// groupKey is what makes a group.
type groupKey struct{ pool, cause, stage string }

// id is short enough for a URL, and the same in every process.
func (k groupKey) id() string {
	h := hash(hash(hash(offset64, k.pool)*prime64, k.cause)*prime64, k.stage)
	return strconv.FormatUint(mixed(h)|1<<63, 36)
}

// delta is what a batch adds to a group.
type delta struct {
	key                 groupKey
	family, kind, title string
	first, last         time.Time
	tally               tally
	clients             clients
	rest                *bucketKey // where counts go for which there is no bucket of their own any more; nil while there is room
}

type tally struct{ n, saved int64 }

func (t *tally) add(saved bool) {
	t.n++
	if saved {
		t.saved++
	}
}

// bucketKey is a minute of a group, at one endpoint on one route.
type bucketKey struct {
	minute          int64
	group           groupKey
	endpoint, route string
}

// add counts an incident, and keeps it as an example if it is one.
func (p *pending) add(i *incident.Incident, example bool) {
	key := groupKey{i.Pool, i.Cause.String(), i.Stage.String()}
	d := p.groups[key]
	if d == nil && len(p.groups) >= groupsMax {
		p.dropped++
		return
	}
	if d == nil {
		d = &delta{key: key, family: i.Family.String(), kind: i.Type.String(), title: i.Title, first: i.At, last: i.At}
		p.groups[key] = d
	}
	d.tally.add(i.Saved)
	if i.At.Before(d.first) {
		d.first = i.At
	}
	if i.At.After(d.last) {
		d.last = i.At
	}
	if i.Request.Client != "" {
		d.clients.add(host(i.Request.Client))
	}
	b := bucketKey{minute: i.At.Unix() / 60, group: key, endpoint: endpointOf(i), route: i.Route}
	if p.buckets[b] == nil && len(p.buckets) >= bucketsMax {
		if b.endpoint, b.route = "", ""; p.buckets[b] == nil && d.rest == nil {
			rest := b
			d.rest = &rest
		} else if p.buckets[b] == nil {
			b = *d.rest
		}
	}
	if p.buckets[b] == nil {
		p.buckets[b] = &tally{}
	}
	p.buckets[b].add(i.Saved)
	switch {
	case !example:
	case len(p.examples) < examplesMax:
		p.examples = append(p.examples, i)
	default:
		p.dropped++
	}
}

// sampler decides which incidents of a group are kept whole.
type sampler struct {
	minute int64
	seen   map[groupKey]uint32 // in this minute
}

// keeps reports whether the incident is an example.
func (s *sampler) keeps(i *incident.Incident) bool {
	if m := i.At.Unix() / 60; m != s.minute || s.seen == nil {
		s.minute, s.seen = m, map[groupKey]uint32{}
	}
	key := groupKey{i.Pool, i.Cause.String(), i.Stage.String()}
	s.seen[key]++
	n := s.seen[key]
	return n <= wholePerMinute || n&(n-1) == 0
}

// endpointOf is where the attempt that failed went.
func endpointOf(i *incident.Incident) string {
	if i.Evidence != nil && i.Evidence.Endpoint != "" {
		return i.Evidence.Endpoint
	}
	if n := len(i.Attempts); n > 0 {
		return i.Attempts[n-1].Endpoint
	}
	return ""
}

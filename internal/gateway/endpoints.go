package gateway

import (
	"net/http"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
)

// changesMax bounds the changes of state that wait for the log's writer. What does not fit is in the metrics all the same.
const changesMax = 256

// endpointChanged hands a change of an endpoint's state to tellChanges. It does not wait.
func (g *Gateway) endpointChanged(e health.Event) {
	select {
	case g.changes <- e:
	default:
	}
}

// tellChanges writes changes of endpoints' states to the log. It ends with stop.
func (g *Gateway) tellChanges() {
	for {
		select {
		case <-g.stop:
			return
		case e := <-g.changes:
			g.tellChange(e)
		}
	}
}

func (g *Gateway) tellChange(e health.Event) {
	g.Changed(changeEndpoint, e.Pool+" "+e.Endpoint, e.From.String()+" to "+e.To.String()+": "+e.Reason)
	args := []any{"pool", e.Pool, "endpoint", e.Endpoint, "from", e.From.String(), "to", e.To.String(), "reason", e.Reason}
	if e.To == health.Up {
		g.log.Info("an endpoint gets requests again", args...)
		return
	}
	g.log.Warn("an endpoint gets no requests", args...)
}

// PoolStatus is a pool as the admin address shows it.
type PoolStatus struct {
	Pool  string `json:"pool"`
	Queue int64  `json:"queue"` // requests that wait
	// Maintenance is why somebody switched it on; nil where it is off.
	Maintenance *string          `json:"maintenance,omitempty"`
	Resolve     *ResolveStatus   `json:"resolve,omitempty"` // how its names are followed; nil where they are not
	Endpoints   []EndpointStatus `json:"endpoints"`
}

// EndpointStatus is an endpoint as the admin address shows it.
type EndpointStatus struct {
	health.Status
	Zone  string `json:"zone,omitempty"`
	Limit int64  `json:"limit,omitempty"` // requests whose answer has not begun
}

// endpointStates are the endpoints of all pools, in the order of the configuration.
func (g *Gateway) endpointStates() []PoolStatus {
	g.mu.Lock()
	current := g.current
	g.mu.Unlock()
	out := make([]PoolStatus, 0, len(current.cfg.Pools))
	now := mono.Now()
	for _, p := range current.cfg.Pools {
		pool := current.pools[p.Name].pool
		s := PoolStatus{Pool: p.Name}
		if f := current.pools[p.Name].follow; f != nil {
			s.Resolve = f.status()
		}
		if pool.Gate != nil {
			s.Queue = pool.Gate.Length()
		}
		if reason, on := pool.Maintenance.Reason(); on {
			s.Maintenance = &reason
		}
		for i, e := range pool.Health.Statuses(now) {
			one := EndpointStatus{Status: e, Zone: current.pools[p.Name].cfg.Endpoints[i].Zone}
			if pool.Gate != nil {
				one.Limit = pool.Gate.Limiter.Limit(i)
			}
			s.Endpoints = append(s.Endpoints, one)
		}
		out = append(out, s)
	}
	return out
}

// listEndpoints shows how each endpoint stands, since when and why.
func (g *Gateway) listEndpoints(w http.ResponseWriter, _ *http.Request) {
	admin.JSON(w, http.StatusOK, map[string]any{"pools": g.endpointStates()})
}

// queueMetrics are the queues for a scrape.
func (g *Gateway) queueMetrics() map[string]int64 {
	out := map[string]int64{}
	for _, p := range g.endpointStates() {
		out[p.Pool] = p.Queue
	}
	return out
}

// endpointMetrics are the states for a scrape.
func (g *Gateway) endpointMetrics() (out []telemetry.EndpointState) {
	for _, p := range g.endpointStates() {
		seen := map[string]bool{}
		for _, e := range p.Endpoints {
			if seen[e.Endpoint] { // it is listed twice
				continue
			}
			seen[e.Endpoint] = true
			out = append(out, telemetry.EndpointState{Pool: p.Pool, Endpoint: e.Endpoint, State: e.State.String(), InFlight: e.InFlight, Limit: e.Limit})
		}
	}
	return out
}

// resolveMetrics say for a scrape how names are followed.
func (g *Gateway) resolveMetrics() (out []telemetry.ResolveState) {
	for _, p := range g.endpointStates() {
		if r := p.Resolve; r != nil {
			out = append(out, telemetry.ResolveState{Pool: p.Pool, Endpoints: len(p.Endpoints), Failures: r.Failures, Failing: len(r.Failing) > 0})
		}
	}
	return out
}

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/mono"
)

// The actions of POST /endpoints.
const (
	ActionDrain       = "drain"       // endpoints get no new requests
	ActionReady       = "ready"       // they get them again, and a maintenance ends
	ActionMaintenance = "maintenance" // a pool's requests are answered in its place; of an endpoint it is a drain
)

// Order is what POST /endpoints asks for. An empty Pool means every pool, an empty Endpoint every endpoint of the pool.
type Order struct {
	Action   string `json:"action"`
	Pool     string `json:"pool"`
	Endpoint string `json:"endpoint"`
	Reason   string `json:"reason"`
}

// orderBodyMax is the largest body of POST /endpoints, in bytes, and reasonMax the longest reason.
const (
	orderBodyMax = 16 << 10
	reasonMax    = 200
)

// postEndpoints takes endpoints out, puts them back, or switches a pool's maintenance.
func (g *Gateway) postEndpoints(w http.ResponseWriter, r *http.Request) {
	var o Order
	body, err := io.ReadAll(io.LimitReader(r.Body, orderBodyMax+1))
	if err == nil && len(body) > orderBodyMax {
		err = errors.New("it is too large")
	}
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	if err != nil {
		admin.JSON(w, http.StatusBadRequest, map[string]any{"done": false, "error": "the body is not {\"action\": ..., \"pool\": ..., \"endpoint\": ..., \"reason\": ...}: " + err.Error()})
		return
	}
	pools, err := g.Obey(o)
	if err != nil {
		answer := map[string]any{"done": false, "error": err.Error()}
		var hint *HintError
		if errors.As(err, &hint) {
			answer["hint"] = hint.Hint
		}
		admin.JSON(w, http.StatusUnprocessableEntity, answer)
		return
	}
	admin.JSON(w, http.StatusOK, map[string]any{"done": true, "pools": pools})
}

// Obey does what an order says, and gives the pools that it concerned as they stand then. What it did outlives a reload, as long as the
// pool and the endpoint do. An error says what there is no such of, and nothing was changed.
func (g *Gateway) Obey(o Order) ([]PoolStatus, error) {
	if !slices.Contains([]string{ActionDrain, ActionReady, ActionMaintenance}, o.Action) {
		return nil, &HintError{fmt.Errorf("there is no action %q", o.Action), "the actions are drain, ready and maintenance"}
	}
	if len(o.Reason) > reasonMax {
		return nil, fmt.Errorf("the reason is longer than %d bytes", reasonMax)
	}
	if o.Endpoint != "" && o.Pool == "" {
		return nil, &HintError{errors.New("an endpoint was named without its pool"), "name the pool first: POOL ENDPOINT"}
	}
	if o.Reason == "" {
		o.Reason = "somebody said " + o.Action
	}
	g.reloading.Lock() // a reload that runs would begin with what was before
	defer g.reloading.Unlock()
	g.mu.Lock()
	current := g.current
	g.mu.Unlock()
	chosen, err := current.chosenBy(o)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range chosen {
		c.obey(o)
		names = append(names, c.built.cfg.Name)
		if o.Endpoint == "" {
			g.Changed(changeEndpoint, c.built.cfg.Name, o.Action+": "+o.Reason)
		}
		g.log.Info("whygate "+o.Action, "pool", c.built.cfg.Name, "endpoint", o.Endpoint, "reason", o.Reason)
	}
	return slices.DeleteFunc(g.endpointStates(), func(p PoolStatus) bool { return !slices.Contains(names, p.Pool) }), nil
}

// concerned is a pool that an order concerns, and which of its endpoints.
type concerned struct {
	built     *builtPool
	endpoints []int
}

// chosenBy finds what an order concerns.
func (g *generation) chosenBy(o Order) ([]concerned, error) {
	var out []concerned
	var names []string
	for _, p := range g.cfg.Pools {
		names = append(names, p.Name)
		if o.Pool != "" && o.Pool != p.Name {
			continue
		}
		c := concerned{built: g.pools[p.Name]}
		var all []string
		for i, e := range p.Endpoints {
			all = append(all, e.String())
			if o.Endpoint == "" || o.Endpoint == e.String() || o.Endpoint == e.Address() {
				c.endpoints = append(c.endpoints, i)
			}
		}
		if len(c.endpoints) == 0 && o.Endpoint != "" {
			return nil, &HintError{fmt.Errorf("the pool %s has no endpoint %s", p.Name, o.Endpoint), "its endpoints are " + strings.Join(all, ", ")}
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, &HintError{fmt.Errorf("there is no pool %s", o.Pool), "the pools are " + strings.Join(names, ", ")}
	}
	return out, nil
}

// obey does to a pool what an order says.
func (c *concerned) obey(o Order) {
	pool := c.built.pool
	switch {
	case o.Action == ActionMaintenance && o.Endpoint == "":
		pool.Maintenance.On(o.Reason)
		return
	case o.Action == ActionReady && o.Endpoint == "":
		pool.Maintenance.Off()
	}
	for _, i := range c.endpoints {
		if o.Action == ActionReady {
			pool.Health.Ready(i, o.Reason, mono.Now())
			continue
		}
		pool.Health.Drain(i, o.Reason)
		pool.Endpoints[i].Target.Renew() // its idle connections have no more use
	}
}

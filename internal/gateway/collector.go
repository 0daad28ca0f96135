package gateway

import (
	"net/http"
	"reflect"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/otlp"
)

// useCollector makes the OpenTelemetry collector that a configuration names the one that is sent to. One that is as it was goes on.
func (g *Gateway) useCollector(cfg *config.Config) {
	old, was := g.otlp.Load(), g.served.Load()
	if was != nil && reflect.DeepEqual(was.OTLP, cfg.OTLP) && was.Name == cfg.Name {
		return
	}
	var next *otlp.Exporter
	if c := cfg.OTLP; c.Endpoint != "" {
		o := otlp.Options{
			Endpoint: c.Endpoint, Header: http.Header{}, Service: cfg.Name, Instance: instanceName(cfg), Version: g.options.Version, Sample: uint32(c.Sample),
			Logs: c.Logs, Traces: c.Traces, Log: g.log,
		}
		for _, f := range c.Headers {
			o.Header.Add(f.Name, f.Value)
		}
		next = otlp.New(o)
	}
	g.otlp.Store(next)
	if old != nil {
		g.serving.Go(old.Close) // within two seconds
	}
}

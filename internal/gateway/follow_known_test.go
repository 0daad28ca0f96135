package gateway

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/config"
)

// A reload that adds a name forgets nothing of the others: they may not be there to be looked up now.
func TestNamesAreRememberedOverAReload(t *testing.T) {
	t.Parallel()
	app, more := config.Endpoint{Place: config.Place{Scheme: "http", Host: "app.test", Port: 80}}, config.Endpoint{Place: config.Place{Scheme: "http", Host: "more.test", Port: 80}}
	pool := config.Pool{Name: "web", Endpoints: []config.Endpoint{app}, Resolve: config.Resolve{On: true}}
	before := followOf(&config.Config{}, &pool, nil)
	before.known["app.test"] = []config.Endpoint{{Place: config.Place{At: "127.0.0.2"}}}
	before.known["gone.test"] = []config.Endpoint{{Place: config.Place{At: "127.0.0.3"}}}
	pool.Endpoints = []config.Endpoint{app, more}
	f := followOf(&config.Config{}, &pool, &builtPool{follow: before})
	if all := f.endpoints(); f == before || len(all) != 2 || all[0].String() != "http://127.0.0.2:80" || all[1] != more || len(f.known) != 1 {
		t.Errorf("%v", all)
	}
}

// A bug of ours in a look-up ends that look-up, and not the process.
func TestLookUpSurvivesABug(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&out, nil))}
	app := config.Endpoint{Place: config.Place{Scheme: "http", Host: "app.test", Port: 80}}
	f := followOf(&config.Config{}, &config.Pool{Name: "web", Endpoints: []config.Endpoint{app}, Resolve: config.Resolve{On: true, Every: config.EveryTTL}}, nil)
	f.lookup = nil // as bad as it can be
	g.guarded("this", func() { f.look(t.Context()) })
	if !strings.Contains(out.String(), "BUG: this") || !strings.Contains(out.String(), "nil pointer") || !strings.Contains(out.String(), "lookOne") {
		t.Errorf("%s", out.String())
	}
}

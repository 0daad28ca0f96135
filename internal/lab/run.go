package lab

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Run says how proxies are scored.
type Run struct {
	Self      string               // Whygate's own program
	Scenarios []*Scenario          // what is played
	Progress  func(done, all int)  // told of each scenario played; nil for nobody
	Ready     func(address string) // told when the proxy under test serves; nil for nobody
	Configure func(config string)  // told the configuration that is used; nil for nobody
}

// Score starts the proxy before a lab of its own and plays the scenarios through it: with the lab's network if this process
// is isolated, without if not. What keeps it from being scored is in the score's Error.
func (o *Run) Score(ctx context.Context, p *Proxy) *Score {
	began := time.Now()
	score := &Score{Proxy: p.Name}
	defer func() { score.Took = time.Since(began) }()
	program, err := p.Program(o.Self)
	if err != nil {
		score.Error = err.Error()
		return score
	}
	score.Version = p.Version(program)
	if err := o.score(ctx, p, score); err != nil {
		score.Error = err.Error()
	}
	return score
}

func (o *Run) score(ctx context.Context, p *Proxy, score *Score) error {
	dir, err := os.MkdirTemp("", "whygate-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the proxy's workers may be another user's
		return err
	}
	options := Options{Base: -1, Dir: dir}
	if Isolated() {
		if options.Network, err = OpenNetwork(); err != nil {
			return err
		}
		defer options.Network.Close()
		options.Base = DefaultBase
	}
	served := withControl(o.Scenarios)
	lab, err := Open(served, options)
	if err != nil {
		return err
	}
	defer lab.Close()
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	setup := &Setup{Lab: lab, Scenarios: served, Listen: listen, Dir: dir, Self: o.Self}
	running, err := p.Start(ctx, setup)
	if err != nil {
		return err
	}
	defer running.Stop()
	if options.Network != nil {
		time.Sleep(p.settle)
	}
	player := &Player{Address: listen, Explains: p.explains, Requests: lab.Requests, Progress: o.Progress, Skip: func(s *Scenario) string {
		if why := lab.Skipped[s.Name]; why != "" {
			return why
		}
		return p.Skip(s)
	}}
	score.Results = player.Play(ctx, o.Scenarios)
	if alive, said := running.Alive(); !alive {
		return fmt.Errorf("%s ended while it was being scored: %s", p.Name, said)
	}
	return ctx.Err()
}

// withControl adds the scenario by which a proxy shows that it still serves, if it is not among them.
func withControl(scenarios []*Scenario) []*Scenario {
	own := Get(control.Name)
	if slices.Contains(scenarios, own) {
		return scenarios
	}
	return append(slices.Clone(scenarios), own)
}

// freeAddress finds a port on loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// ScoreURL plays the scenarios through a proxy that runs already, at the URL, in front of the lab that is served meanwhile:
// as the configurations of lab config have it. Its path, if it has one, goes before each scenario's name.
func (o *Run) ScoreURL(ctx context.Context, u *url.URL, options Options) *Score {
	began := time.Now()
	score := &Score{Proxy: u.String()}
	lab, err := Open(withControl(o.Scenarios), options)
	if err != nil {
		score.Error = err.Error()
		return score
	}
	defer lab.Close()
	port := u.Port()
	if port == "" {
		port = "80"
	}
	player := &Player{Address: net.JoinHostPort(u.Hostname(), port), Prefix: strings.TrimSuffix(u.Path, "/"), Requests: lab.Requests, Progress: o.Progress, Skip: func(s *Scenario) string {
		return lab.Skipped[s.Name]
	}}
	if why := leads(ctx, player, lab); why != "" {
		score.Error = fmt.Sprintf("%s does not lead to the lab: %s; see whygate lab config", u, why)
		return score
	}
	score.Results = player.Play(ctx, o.Scenarios)
	score.Took = time.Since(began)
	return score
}

// leads says why the player's proxy has something else behind it than this lab, empty if it has the lab: many of the requests
// that a score plays look like attacks, and they are not sent to strangers.
func leads(ctx context.Context, player *Player, lab *Lab) string {
	own := Get(control.Name)
	before := lab.Requests(own)
	switch a, _ := player.answers(ctx, control); {
	case len(a) != 1 || a[0].Status != 200:
		return fmt.Sprintf("a healthy upstream, /%s/, was answered %s", own.Name, summary(a))
	case a[0].Body != okBody:
		return fmt.Sprintf("/%s/ was answered %s with another body than the lab's", own.Name, summary(a))
	case lab.Requests(own) == before:
		return fmt.Sprintf("/%s/ was answered as the lab does, and the lab got no request", own.Name)
	}
	return ""
}

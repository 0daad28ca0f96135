package gateway

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/whygate/whygate/internal/alert"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/store"
)

// alertTargets are whom a configuration has told.
func alertTargets(cfg *config.Config) ([]alert.Target, error) {
	var out []alert.Target
	for i, n := range cfg.Notify {
		t := alert.Target{Webhook: n.Webhook, Command: n.Command, Format: alert.Format(n.Format), Every: n.Every}
		if n.KeyFile != "" {
			key, err := firstLine(n.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("notify[%d].key_file: %w", i, err)
			}
			t.Key = key
		}
		out = append(out, t)
	}
	return out, nil
}

// firstLine reads the first line of a file with a secret.
func firstLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, passwordMax)).ReadString('\n')
	if err != nil && err != io.EOF { //nolint:errorlint // bufio returns io.EOF as it is
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// useAlerts makes those be told whom a configuration names. Where they are as they were, what waits for them goes on.
func (g *Gateway) useAlerts(cfg *config.Config) error {
	old, was := g.notifier.Load(), g.served.Load()
	if old != nil && was != nil && reflect.DeepEqual(was.Notify, cfg.Notify) {
		return nil
	}
	targets, err := alertTargets(cfg)
	if err != nil {
		return err
	}
	g.notifier.Store(alert.New(instanceName(cfg), targets, g.log))
	if old != nil {
		g.serving.Go(old.Close) // at once: what was under way is given up
	}
	return nil
}

// groupChanged tells of a group that is new or came back. Those that clients bring about are none of anybody's business at night.
func (g *Gateway) groupChanged(e store.Event) {
	if e.Group.Family == fault.FamilyClient.String() || e.Group.Cause == fault.CauseNoRoute.String() || e.Group.State == store.StateMuted {
		return
	}
	a := alert.Event{Kind: alert.KindNew, Pool: e.Group.Pool, Cause: e.Group.Cause, Title: e.Group.Title, Group: e.Group.ID, Count: e.Group.Count, Time: e.Group.Last}
	if e.Kind == store.Regression {
		a.Kind = alert.KindRegressed
	}
	if admin := g.AdminURL(); strings.HasPrefix(admin, "http") {
		a.URL = admin + "/console/groups/" + e.Group.ID
	}
	g.notifier.Load().Tell(a)
}

// alarm tells of a pool in which no endpoint is left.
func (g *Gateway) alarm(i *incident.Incident) {
	if i.Cause == fault.CauseNoEndpoints {
		g.notifier.Load().Tell(alert.Event{Kind: alert.KindNoEndpoint, Pool: i.Pool, Cause: i.Cause.String(), Title: i.Title, Count: 1, Time: i.At})
	}
}

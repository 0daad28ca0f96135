package adoption

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/whygate/whygate/internal/conftree"
	"github.com/whygate/whygate/internal/topology"
)

// Result is what configurations became.
type Result struct {
	File     []byte   // Whygate's configuration
	Notes    []Note   // what is not in it, except as a comment
	Problems []string // what could not be read
	Product  string
}

// ErrNothing: there is no configuration that can be translated in the files.
var ErrNothing = errors.New("no configuration of nginx, HAProxy, Caddy, Traefik or Apache")

// Translate reads the files of one proxy, as topology.Read does, and translates them. The errors are those of Read, and ErrNothing.
func Translate(ctx context.Context, names []string, stdin io.Reader) (*Result, error) {
	t, err := topology.Read(ctx, names, stdin)
	if err != nil {
		return nil, err
	}
	d := newDraft()
	product := ""
	var proxies []*topology.Proxy
	for _, p := range t.Proxies {
		if translators[p.Product] == nil {
			continue
		}
		if product != "" && product != p.Product {
			return nil, fmt.Errorf("files of %s and of %s: import one after the other", product, p.Product)
		}
		product, proxies = p.Product, append(proxies, p)
	}
	if product == "" {
		return nil, ErrNothing
	}
	d.at = conftree.Place{File: proxies[0].File, Line: 1}
	for _, name := range t.Unknown {
		t.Problems = append(t.Problems, name+": of a kind that is not known; it is left out")
	}
	d.unread = len(t.Problems) > 0
	for _, n := range t.Empty {
		d.note(&d.notes, n, "no file fits it")
	}
	if product == "traefik" {
		d.composed(t.Services)
	}
	if err := translators[product](ctx, d, proxies); err != nil {
		return nil, err
	}
	file := d.settle(names)
	return &Result{File: file, Notes: d.all, Problems: t.Problems, Product: product}, nil
}

// translators are the products whose configurations are translated. Each gets all files of the product.
var translators = map[string]func(context.Context, *draft, []*topology.Proxy) error{
	"nginx":   fromNginx,
	"haproxy": each(fromHAProxy),
	"caddy":   each(fromCaddy),
	"traefik": fromTraefik,
	"apache":  fromApache,
}

// each translates one file after the other, until the context ends.
func each(translate func(*draft, *topology.Proxy)) func(context.Context, *draft, []*topology.Proxy) error {
	return func(ctx context.Context, d *draft, all []*topology.Proxy) error {
		for _, p := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			translate(d, p)
		}
		return nil
	}
}

package gateway

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/fault"
)

// The catalogue names settings by their place in the reference: pools.NAME.tls.ca. Here it is put in terms of what the user
// has: the pool's own name with the file and the line, or the flags of the command.

// keyed matches what may be a key's path in prose. Whether it is one, the configuration's table says.
var keyed = regexp.MustCompile(`[a-zA-Z_]+(?:\[\])?(?:\.[a-zA-Z_]+)+`)

// flagOf are the flags of whygate proxy that set what a key sets.
var flagOf = map[string]string{
	"acme.ca": "--acme-ca", "acme.directory": "--acme-directory", "acme.email": "--email", "acme.names": "--domain",
	"listen[].address": "--from", "pools.NAME.endpoints": "--to", "admin": "--admin", "access_log.to": "--access-log",
	"pools.NAME.tls.ca": "--ca", "pools.NAME.tls.server_name": "--server-name", "pools.NAME.tls.verify": "--insecure",
}

// anyPool stands in the reference where a pool's name does.
const anyPool = "pools.NAME."

// advise puts a line of the catalogue's advice in terms of the configuration. pool is the one it is about, empty where none is.
func (o *Options) advise(cfg *config.Config, pool, text string) string {
	if pool == "" && len(cfg.Pools) == 1 {
		pool = cfg.Pools[0].Name
	}
	told := "" // the place that was named already
	return keyed.ReplaceAllStringFunc(text, func(key string) string {
		if !config.IsKey(key) {
			if key = anyPool + key; !config.IsKey(key) {
				return key[len(anyPool):]
			}
		}
		if o.Flags {
			if flag := flagOf[key]; flag != "" {
				return flag
			}
		}
		rest, ofPool := strings.CutPrefix(key, anyPool)
		path := key
		switch {
		case ofPool && pool == "":
			return "the pool's " + rest
		case ofPool:
			path = "pools." + pool + "." + rest
		}
		place := o.place(cfg, path)
		if place == told {
			return path
		}
		told = place
		return path + place
	})
}

// Advise puts lines of advice on a pool in terms of a configuration file: the pool's name, the file and the line.
func Advise(cfg *config.Config, pool string, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = (&Options{}).advise(cfg, pool, line)
	}
	return out
}

// place says where a key is to be set, in brackets and after a space; nothing where it is not known.
func (o *Options) place(cfg *config.Config, path string) string {
	if o.Flags {
		return " (in a file: add --print-config to this command to get one)"
	}
	if file, line, _ := cfg.Position(path); line > 0 {
		return fmt.Sprintf(" (%s, line %d)", file, line)
	}
	return ""
}

// where names what gave a value: the key with its file and line, or the flag.
func (o *Options) where(cfg *config.Config, path, flag string) string {
	if o.Flags {
		return flag
	}
	return path + o.place(cfg, path)
}

// adviceOn is the first line of what to do about a fault.
func (g *Gateway) adviceOn(f fault.Fault, pool string) string {
	return g.options.advise(g.config(), pool, f.Advice())
}

// allAdvice is what to do about a cause, line by line.
func (g *Gateway) allAdvice(lines []string, pool string) []string {
	cfg := g.config()
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = g.options.advise(cfg, pool, line)
	}
	return out
}

// config is the configuration that is served.
func (g *Gateway) config() *config.Config { return g.served.Load() }

package gateway

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/route"
)

// Check finds what a configuration needs and this machine does not have: certificates that do not load, files that do not
// open. It finds all of it, and changes nothing.
func Check(cfg *config.Config) config.Problems {
	var problems config.Problems
	add := func(p *config.Problem) {
		if p != nil {
			problems = append(problems, *p)
		}
	}
	for i, l := range cfg.Listen {
		path := "listen[" + strconv.Itoa(i) + "]."
		for j, p := range l.TLS.Pairs() {
			if _, err := certs.LoadPair(p.Cert, p.Key); err != nil {
				add(problemAt(cfg, path+l.TLS.PairPath(j)+".cert", err))
			}
		}
		if l.TLS.ClientCA != "" {
			if _, err := certs.LoadPool(l.TLS.ClientCA); err != nil {
				add(problemAt(cfg, path+"tls.client_ca", err))
			}
		}
		if l.TLS.TicketKeys != "" {
			if _, err := certs.LoadTicketKeys(l.TLS.TicketKeys); err != nil {
				p := problemAt(cfg, path+"tls.ticket_keys", err)
				p.Hint = ticketKeysHint
				add(p)
			}
		}
	}
	if cfg.Auto() && cfg.ACME.CA != "" {
		if _, err := certs.LoadPool(cfg.ACME.CA); err != nil {
			add(problemAt(cfg, "acme.ca", err))
		}
	}
	known := lists{}
	for _, p := range cfg.Pools {
		_, problem := clientTLS(cfg, p, known)
		add(problem)
	}
	problems = append(problems, checkRoutes(cfg)...)
	add(checkLog(cfg))
	add(checkIncidents(cfg))
	return problems
}

// CheckFlags is Check for a configuration made of flags, in whose terms it says what is not there; nil if all is.
func CheckFlags(cfg *config.Config) error {
	problems := Check(cfg)
	for i := range problems {
		p := &problems[i]
		key := p.Path
		if rest, ok := strings.CutPrefix(key, "pools."+config.FlagPool+"."); ok {
			key = anyPool + rest
		}
		if flag := flagOf[key]; flag != "" {
			p.Message = strings.Replace(p.Message, p.Path, flag, 1)
			p.Path = flag
		}
	}
	return problems.Err()
}

// checkLog looks whether the access log can be written, without making it.
func checkLog(cfg *config.Config) *config.Problem {
	switch cfg.AccessLog.To {
	case config.LogStdout, config.LogStderr, config.LogOff:
		return nil
	}
	info, err := os.Stat(filepath.Dir(cfg.AccessLog.To))
	switch {
	case err != nil:
		return problemAt(cfg, "access_log.to", err)
	case !info.IsDir():
		p := problemAt(cfg, "access_log.to", os.ErrNotExist)
		p.Message = cfg.Unexpanded(filepath.Dir(cfg.AccessLog.To) + " is not a directory")
		return p
	}
	if f, err := os.OpenFile(cfg.AccessLog.To, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0); err == nil {
		_ = f.Close()
	} else if !os.IsNotExist(err) {
		return problemAt(cfg, "access_log.to", err)
	}
	return nil
}

// checkIncidents looks whether the store's file can be there, and whether the console's password can be read.
func checkIncidents(cfg *config.Config) *config.Problem {
	if _, err := password(cfg); err != nil {
		return problemAt(cfg, "console.password_file", err)
	}
	if c := cfg.Console.TLS; c.Cert != "" {
		if _, err := certs.LoadPair(c.Cert, c.Key); err != nil {
			return problemAt(cfg, "console.tls.cert", err)
		}
		if c.ClientCA != "" {
			if _, err := certs.LoadPool(c.ClientCA); err != nil {
				return problemAt(cfg, "console.tls.client_ca", err)
			}
		}
	}
	if _, err := alertTargets(cfg); err != nil {
		return problemAt(cfg, "notify", err)
	}
	if path, ok := strings.CutPrefix(cfg.Incidents.Store, "sqlite:"); ok {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return problemAt(cfg, "incidents.store", &os.PathError{Op: "open", Path: path, Err: syscall.EISDIR})
		}
	}
	return nil
}

// problemAt is an error of the world outside the file, at the place in the file that asked for it.
func problemAt(cfg *config.Config, path string, err error) *config.Problem {
	file, line, column := cfg.Position(path)
	return &config.Problem{File: file, Line: line, Column: column, Path: path, Message: path + ": " + cfg.Unexpanded(err.Error())}
}

// MatchRoute says which route a request without headers falls under: its index, -1 for none. path may have a query.
func MatchRoute(cfg *config.Config, method, host, path string) int {
	rules := make([]route.Rule, len(cfg.Routes))
	for i, r := range cfg.Routes {
		rules[i] = ruleOf(r)
	}
	table, err := route.New(rules)
	if err != nil {
		panic("BUG: gateway: " + err.Error())
	}
	path, query, _ := strings.Cut(path, "?")
	return table.Find(&route.Ask{Host: []byte(host), Method: []byte(method), Path: []byte(path), Query: []byte(query)})
}

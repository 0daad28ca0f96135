package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/incident"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/store"
)

// adminPaths is what is to be had on the admin address, for who looks at it first.
const adminPaths = "whygate admin\n\n/console/ (in a browser)\n/api/groups?since=1h\n/api/incidents?since=1h\n/api/changes\n/healthz\n/readyz\n/version\n/metrics\n/endpoints\nPOST /endpoints\n/certificates\nPOST /certificates\n/incidents?n=20\n/incidents/ID\nPOST /changes\nPOST /reload\n"

// openAdmin opens the admin address; nil if it is off.
func (g *Gateway) openAdmin(cfg *config.Config) (*admin.Server, error) {
	a := cfg.Admin
	if a.Network == "" {
		return nil, nil
	}
	var l net.Listener
	var err error
	if list := g.inherited.take(adminName); list != nil && samePlace(list[0].Addr(), a) {
		l = list[0]
	} else {
		for _, other := range list {
			_ = other.Close()
		}
		if a.Network == "unix" {
			if err := removeStale(a.Address); err != nil {
				return nil, err
			}
		}
		l, err = net.Listen(networkOf(a), a.Address)
	}
	if g.options.AnyAdminPort && errors.Is(err, syscall.EADDRINUSE) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, listenError(err, a, g.options.where(cfg, "admin", "--admin"))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(g.metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	o := admin.Options{Hosts: cfg.Console.Hosts, Exposed: a.Exposed(), Log: g.log}
	if o.Password, err = password(cfg); err != nil {
		_ = l.Close()
		return nil, err
	}
	if err = g.secureAdmin(cfg, &o); err != nil {
		_ = l.Close()
		return nil, err
	}
	s := admin.New(l, o)
	s.HandleOpen("GET /{$}", root)
	g.openConsole(s, cfg)
	s.HandleOpen("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { admin.Text(w, http.StatusOK, "ok\n") })
	s.HandleOpen("GET /readyz", g.readyz)
	s.HandleOpen("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP)
	s.Handle("GET /endpoints", g.listEndpoints)
	s.HandleBody("POST /endpoints", orderBodyMax, g.postEndpoints)
	s.Handle("GET /certificates", g.listCertificates)
	s.HandleBody("POST /certificates", orderBodyMax, g.postCertificates)
	s.Handle("GET /incidents", g.listIncidents)
	s.Handle("GET /incidents/{id}", g.showIncident)
	s.HandleOpen("GET /version", g.showVersion)
	s.HandleBody("POST /changes", changeBodyMax, g.postChange)
	s.HandleBody("POST /reload", reloadBodyMax, g.postReload)
	return s, nil
}

// secureAdmin puts TLS into the options, where it is spoken.
func (g *Gateway) secureAdmin(cfg *config.Config, o *admin.Options) error {
	c := cfg.Console.TLS
	if c.Cert == "" {
		return nil
	}
	s, err := certs.NewServer(certs.Options{
		Pairs: []certs.Files{{Cert: c.Cert, Key: c.Key}}, ClientCA: c.ClientCA, ClientAuth: tls.VerifyClientCertIfGiven, Protocols: []string{"http/1.1"},
		Changed: func(file string, err error) {
			if err != nil {
				g.log.Error("a file of console.tls cannot be read again: the old one stays", "file", file, "error", err)
				return
			}
			g.log.Info("a file of console.tls was read again", "file", file)
		},
	})
	if err != nil {
		return fmt.Errorf("console.tls: %w", err)
	}
	g.adminCerts = s
	o.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Config(), nil }}
	o.Certs = c.ClientCA != ""
	return nil
}

// AdminURL is where the admin address is asked: https://HOST:PORT, http://HOST:PORT, or unix:PATH, empty if there is none.
func (g *Gateway) AdminURL() string {
	switch address := g.Admin(); {
	case address == "":
		return ""
	case strings.HasPrefix(address, "/"):
		return "unix:" + address
	case g.adminCerts != nil:
		return "https://" + address
	default:
		return "http://" + address
	}
}

// root leads people to the console, and tells programs what there is.
func root(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return
	}
	admin.Text(w, http.StatusOK, adminPaths)
}

func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	g.readyAsked.Store(mono.Now())
	if g.ready.Load() {
		admin.Text(w, http.StatusOK, "ready\n")
		return
	}
	admin.Text(w, http.StatusServiceUnavailable, "draining\n")
}

// listedMax is how many incidents a list has at most.
const listedMax = 100

func (g *Gateway) listIncidents(w http.ResponseWriter, r *http.Request) {
	n := listedMax
	if s := r.URL.Query().Get("n"); s != "" {
		if m, err := strconv.Atoi(s); err == nil && m > 0 {
			n = min(m, incident.Kept)
		}
	}
	list := g.Incidents(n)
	admin.JSON(w, http.StatusOK, map[string]any{"seen": g.recorder.Seen(), "incidents": list})
}

func (g *Gateway) showIncident(w http.ResponseWriter, r *http.Request) {
	id := strings.ToUpper(r.PathValue("id"))
	if i := g.recorder.Find(id); i != nil {
		admin.JSON(w, http.StatusOK, g.advised(i))
		return
	}
	row, err := g.store.Load().Incident(r.Context(), id)
	switch {
	case err == nil:
		admin.JSON(w, http.StatusOK, row.Doc)
	case errors.Is(err, store.ErrNone):
		admin.JSON(w, http.StatusNotFound, map[string]any{"error": "no incident of that id is kept"})
	default:
		admin.JSON(w, http.StatusServiceUnavailable, map[string]any{"error": "the store of incidents cannot be read: " + err.Error()})
	}
}

// advised is an incident as it is shown: masked as in the store, and with its advice in terms of the configuration that is served now.
func (g *Gateway) advised(i *incident.Incident) *incident.Incident {
	shown := store.Masked(i)
	shown.Advice = g.allAdvice(i.Advice, i.Pool)
	return shown
}

// Incidents are up to n of those kept, the newest first.
func (g *Gateway) Incidents(n int) []*incident.Incident {
	list := g.recorder.Last(n)
	out := make([]*incident.Incident, len(list))
	for k, i := range list {
		out[k] = g.advised(i)
	}
	return out
}

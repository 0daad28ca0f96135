// Package whygate holds what concerns the whole module: today, the test that guards its layers.
package whygate

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/whygate/whygate/"

// layers lists every package with its layer. An import goes from a higher layer to a lower one, never upward or sideways:
// characters (-1), words (0), octets (1), mechanisms (2), two of them combined for a purpose (3), the exchange (4), the wiring (5), programs (6).
var layers = map[string]int{
	"internal/visible": -1,
	"internal/mono":    -1,
	"internal/redact":  -1,
	"internal/httpmsg": -1,
	"internal/words":   -1,

	"internal/fault":    0,
	"internal/cancel":   0,
	"internal/openfile": 0,
	"internal/pgtest":   0,

	"internal/phrase":      1,
	"internal/h1":          1,
	"internal/fastcgi":     1,
	"internal/h2":          1,
	"internal/conn":        1,
	"internal/statuscode":  1,
	"internal/fingerprint": 1,
	"internal/term":        1,
	"internal/resolve":     1,
	"internal/proxyproto":  1,
	"internal/yamltree":    1,

	"internal/conftree": 2,
	"internal/topology": 3,
	"internal/lint":     4,
	"internal/adoption": 4,

	"internal/h3":         2,
	"internal/mux":        2,
	"internal/advice":     2,
	"internal/upstream":   2,
	"internal/exchange":   2,
	"internal/serve1":     3,
	"internal/serve2":     3,
	"internal/serve3":     3,
	"internal/listener":   4,
	"internal/route":      2,
	"internal/balance":    2,
	"internal/resilience": 2,
	"internal/overload":   2,
	"internal/certs":      2,
	"internal/incident":   2,
	"internal/admin":      2,
	"internal/alert":      2,
	"internal/telemetry":  2,
	"internal/config":     2,
	"internal/htpasswd":   2,
	"internal/explain":    3,
	"internal/store":      3,
	"internal/otlp":       3,
	"internal/lab":        2,
	"internal/machine":    2,
	"internal/proxyconf":  2,

	"internal/diagnose":   4,
	"internal/kubernetes": 5,
	"internal/here":       5,

	"internal/health":  3,
	"internal/console": 4,
	"internal/proxy":   4,
	"internal/gateway": 5,

	"cmd/whygate":   6,
	"bench":         6,
	"bench/explain": 6,
	"bench/chaos":   6,

	"bench/conformance": 6,
}

// only has packages that may import nothing of ours but what stands here, with the reason.
var only = map[string][]string{
	// It reads logs, and knows nothing of our own proxy.
	"internal/explain": {"internal/advice", "internal/fault", "internal/phrase", "internal/redact", "internal/visible", "internal/openfile"},

	// It serves, whatever is served.
	"internal/admin": {"internal/visible"},
	// What to do, wherever it is shown.
	"internal/advice": {"internal/fault", "internal/phrase"},
	// Words and what they mean, wherever they stand.
	"internal/phrase": {"internal/fault"},
	// Nobody but gateway reads it, and it reads nobody.
	"internal/config": {"internal/openfile", "internal/yamltree"},
	// It knows no addresses: it gives an index.
	"internal/balance": {"internal/mono"},
	// It is given octets.
	"internal/route": {},
	// It asks, and judges nothing.
	"internal/resolve": {"internal/openfile"},
	// It reads files, whatever they are for.
	"internal/proxyconf": {"internal/openfile", "internal/yamltree"},
	// Syntax, whatever it means.
	"internal/conftree": {"internal/openfile", "internal/yamltree"},
	// What is set up, right or wrong.
	"internal/topology": {"internal/conftree", "internal/openfile"},
	// Causes are slugs here, and a test holds them to the catalogue.
	"internal/lint": {"internal/redact", "internal/topology"},
	// It compares passwords.
	"internal/htpasswd": {"internal/openfile"},
	// What was set up, in our words.
	"internal/adoption": {"internal/config", "internal/conftree", "internal/topology"},
	// It reads /proc.
	"internal/machine": {"internal/openfile"},
	// It does not know HTTP.
	"internal/resilience": {"internal/fault", "internal/mono"},
	// No I/O: not conn.
	"internal/h1": {"internal/fault", "internal/httpmsg"},
	// The same.
	"internal/fastcgi": {},
	// The same.
	"internal/h2": {"internal/fault", "internal/httpmsg"},
	// The same; HTTP/2's messages are its own.
	"internal/h3": {"internal/fault", "internal/h2", "internal/httpmsg"},
	// It shows what is kept.
	"internal/console": {"internal/store", "internal/incident", "internal/admin", "internal/fault", "internal/visible"},
	// It tells, whatever it is.
	"internal/alert": {},
	// What is kept, whoever it happened to.
	"internal/store": {"internal/incident", "internal/fault", "internal/redact"},
	// It sends what it is given.
	"internal/otlp": {"internal/incident", "internal/telemetry", "internal/fault", "internal/redact", "internal/mono"},
	// It does not know where requests go.
	"internal/mux": {"internal/fault", "internal/h2", "internal/httpmsg"},
	// It must not share the codec that it tests.
	"internal/lab":  {"internal/fault"},
	"internal/conn": {"internal/fault", "internal/mono", "internal/cancel"},
	// Text for a terminal, whatever it says.
	"internal/term":       {"internal/visible"},
	"internal/statuscode": {"internal/fault"},
	// Messages as a status, fields and octets.
	"internal/fingerprint": {},
	// It reads an API server, and judges in diagnose's words.
	"internal/kubernetes": {"internal/fault", "internal/diagnose", "internal/redact", "internal/words"},
	// It looks at this machine, and judges nothing.
	"internal/here": {"internal/diagnose", "internal/explain", "internal/fault", "internal/machine", "internal/openfile", "internal/proxyconf", "internal/redact", "internal/resolve", "internal/words"},
}

// readers has packages that only some may import.
var readers = map[string][]string{
	"internal/conn":       {"internal/exchange", "internal/serve1", "internal/listener", "internal/upstream", "internal/diagnose"}, // a message's user sees no connection: not proxy, not gateway
	"internal/h1":         {"internal/serve1", "internal/upstream", "internal/diagnose"},
	"internal/serve1":     {"internal/listener"},
	"internal/serve2":     {"internal/listener"},
	"internal/mux":        {"internal/serve2", "internal/listener"},
	"internal/listener":   {"internal/gateway"},
	"internal/kubernetes": {"cmd/whygate"}, // five megabytes of libraries come with it, and nothing of the gateway's needs them
}

// libraries has modules of others that only one package may import: their types and habits go no further.
var libraries = map[string]string{
	"github.com/caddyserver/certmagic": "internal/certs",
	"github.com/mholt/acmez/":          "internal/certs",
	"go.uber.org/zap":                  "internal/certs",
}

// pure has packages that must not reach the network, a file or a clock, with what they may not import for it.
var pure = map[string][]string{
	"internal/advice":      {"net", "os", "io"},
	"internal/phrase":      {"net", "os", "time", "io"},
	"internal/h1":          {"net", "os", "time", "io"},
	"internal/h2":          {"net", "os", "time", "io", "sync"},
	"internal/httpmsg":     {"net", "os", "time", "io"},
	"internal/visible":     {"net", "os", "time"},
	"internal/redact":      {"net", "os", "time", "io"},
	"internal/fault":       {"net", "os"},
	"internal/statuscode":  {"net", "os"},
	"internal/fingerprint": {"net", "os", "time", "io"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		layer, known := layers[name]
		if !known {
			t.Errorf("%s is not listed: give it a layer in layers_test.go and a line in docs/ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(pure[name], imported) {
				t.Errorf("%s imports %s: it must stay pure", name, imported)
			}
			for library, owner := range libraries {
				if strings.HasPrefix(imported, library) && name != owner {
					t.Errorf("%s imports %s: only %s may", name, imported, owner)
				}
			}
			other, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if layers[other] >= layer {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports only go down", name, layer, other, layers[other])
			}
			if allowed, limited := only[name]; limited && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s: it may import %v only", name, other, allowed)
			}
			if allowed, limited := readers[other]; limited && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s: only %v may", name, other, allowed)
			}
		}
	}
}

// TestChain checks that the longest chain of imports is at most 7 packages long.
func TestChain(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range packages(t) {
		imports[p.ImportPath] = p.Imports
	}
	var depth func(p string) int
	depth = func(p string) int {
		longest := 0
		for _, i := range imports[p] {
			if strings.HasPrefix(i, module) {
				longest = max(longest, depth(i))
			}
		}
		return longest + 1
	}
	for p := range imports {
		if d := depth(p); d > 7 {
			t.Errorf("%s begins a chain of %d imports", p, d)
		}
	}
}

// packages lists the module's packages with what they import, tests left out.
func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath+"/" != module {
			all = append(all, p)
		}
	}
	if len(all) < len(layers)-1 {
		t.Fatalf("go list found %d packages, and %d are listed", len(all), len(layers))
	}
	return all
}

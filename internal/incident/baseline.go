package incident

import (
	"net/netip"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/mono"
)

// Bounds of the sample of good traffic, in which one of 256 exchanges is, and where it is light more.
const (
	sampleMax = 1 << 14 // samples kept, the last ones: some 0.6 MiB
	internMax = 1 << 12 // values told apart in a dimension; what comes after them is "other"
)

// sampleGap is the time after which a good exchange is in the sample in any case, so that there is one where traffic is light.
const sampleGap = 100 * time.Millisecond

// Wants reports whether the good exchange that began then is to be in the sample. The clock's low bits are as good as dice, and nobody
// shares them.
//
// hot: once per good request.
func (b *Baseline) Wants(began mono.Time) bool {
	if uint64(began)*0x9e3779b97f4a7c15>>56 == 0 {
		return true
	}
	last := b.last.Load()
	return began.Sub(last) >= sampleGap && b.last.CompareAndSwap(last, began)
}

// Good is a good exchange as the baseline takes it: views, of which it keeps none.
type Good struct {
	At                              time.Time
	Pool, Route, Endpoint, Client   string
	Method, Host, Target, UserAgent []byte
	Version                         string
	Reused                          bool
}

// Baseline is a sample of the traffic that was good: what a group of incidents is compared with. The zero value is ready.
type Baseline struct {
	last mono.Atomic // when an exchange began that was taken after a gap

	mu     sync.Mutex // guards the fields below
	ring   []sample
	next   int
	values [Dimensions + 1]intern // the last is of pools
}

// sample is one good exchange, its values by their numbers.
type sample struct {
	minute uint32
	pool   uint16
	values [Dimensions]uint16
}

// intern numbers texts, from 1; 0 is for none.
type intern struct {
	numbers map[string]uint16
	texts   []string
}

// other is what a value is called for which there is no number left.
const other = "other"

func (n *intern) number(text []byte) uint16 {
	if len(text) == 0 {
		return 0
	}
	if k, ok := n.numbers[string(text)]; ok {
		return k
	}
	if n.numbers == nil {
		n.numbers = map[string]uint16{}
		n.texts = []string{""}
	}
	s := string(text)
	if len(n.texts) >= internMax {
		s = other
		if k, ok := n.numbers[s]; ok {
			return k
		}
	}
	n.texts = append(n.texts, s)
	n.numbers[s] = uint16(len(n.texts) - 1)
	return n.numbers[s]
}

func (n *intern) text(k uint16) string {
	if int(k) < len(n.texts) {
		return n.texts[k]
	}
	return ""
}

// Add takes one good exchange into the sample.
func (b *Baseline) Add(g *Good) {
	var texts [Dimensions][]byte
	texts[Endpoint], texts[Route], texts[Connection] = []byte(g.Endpoint), []byte(g.Route), []byte(ConnectionName(g.Reused))
	texts[Method], texts[Host], texts[Version] = g.Method, g.Host, []byte(g.Version)
	texts[Path], texts[Client], texts[AgentFamily] = []byte(Template(string(g.Target))), []byte(Network(g.Client)), []byte(Agent(string(g.UserAgent)))
	b.mu.Lock()
	defer b.mu.Unlock()
	s := sample{minute: uint32(g.At.Unix() / 60), pool: b.values[Dimensions].number([]byte(g.Pool))}
	for d := range texts {
		s.values[d] = b.values[d].number(texts[d])
	}
	if len(b.ring) < sampleMax {
		b.ring = append(b.ring, s)
		return
	}
	b.ring[b.next] = s
	b.next = (b.next + 1) % sampleMax
}

// Since gives the sample of a pool's good traffic since then. instance is this gateway's name: it saw all of it.
func (b *Baseline) Since(pool string, since time.Time, instance string) []Values {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Values
	for i := range b.ring {
		s := &b.ring[i]
		if int64(s.minute) < since.Unix()/60 || b.values[Dimensions].text(s.pool) != pool {
			continue
		}
		var v Values
		for d := range v {
			v[d] = b.values[d].text(s.values[d])
		}
		v[Instance] = instance
		out = append(out, v)
	}
	return out
}

// ConnectionName says whether a connection had been used before.
func ConnectionName(reused bool) string {
	if reused {
		return "reused"
	}
	return "fresh"
}

// Network is the network of a client's address, with or without a port: 24 bits of IPv4, 48 of IPv6; empty where it has none.
func Network(client string) string {
	a, err := netip.ParseAddr(client)
	if err != nil {
		ap, err := netip.ParseAddrPort(client)
		if err != nil {
			return ""
		}
		a = ap.Addr()
	}
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

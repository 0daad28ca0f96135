package diagnose

import (
	"context"
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/redact"
	"github.com/whygate/whygate/internal/upstream"
)

// HTTP is what became of the requests that a gateway would send.
type HTTP struct {
	Main     *Exchange   `json:"main"`
	Head     *Exchange   `json:"head,omitempty"`      // the same by HEAD, after a failure
	Browser  *Exchange   `json:"browser,omitempty"`   // the same with a browser's user agent, after a failure
	Clamped  *Exchange   `json:"clamped,omitempty"`   // the same with small segments, after a silence
	Bare     *Exchange   `json:"bare,omitempty"`      // the same without its query, after a failure
	Coded    *Exchange   `json:"coded,omitempty"`     // the same with a browser's Accept-Encoding, after a success
	Stranger *Exchange   `json:"stranger,omitempty"`  // the same for a name that nobody has, where the page may be another site's
	TLSWorks *Tried      `json:"tls_works,omitempty"` // a handshake with a port that was asked in clear, after a failure
	Spoke    *Spoke      `json:"spoke,omitempty"`     // what the server does by itself, after a failure
	H2       *H2         `json:"h2,omitempty"`
	Follow   []*Exchange `json:"redirects,omitempty"` // the redirects followed
	Loop     string      `json:"redirect_loop,omitempty"`

	NotFollowed *NotFollowed `json:"redirect_not_followed,omitempty"`

	Limits []Limit `json:"head_limits,omitempty"` // limits of other proxies that the response head passes
}

// Limit is a limit of a proxy on the head of a response.
type Limit struct {
	Octets int    `json:"octets"`
	Of     string `json:"of"`
	Passed bool   `json:"passed"` // the head is larger
}

// headLimits are the limits that other proxies have by default, with the directive that sets them.
var headLimits = []Limit{
	{Octets: 4 << 10, Of: "nginx on machines with pages of 4 KiB (proxy_buffer_size)"},
	{Octets: 8 << 10, Of: "nginx elsewhere, Apache for one header (ResponseFieldSize)"},
	{Octets: 16 << 10, Of: "HAProxy (tune.bufsize)"},
	{Octets: 32 << 10, Of: "AWS ALB"},
}

// Exchange is one request and what became of it.
type Exchange struct {
	Label       string          `json:"label"`
	Method      string          `json:"method"`
	Address     string          `json:"address"` // asked; empty where a name was
	Evidence    *fault.Evidence `json:"evidence"`
	Cause       fault.Cause     `json:"cause"`
	Status      int             `json:"status"`
	Fields      []Field         `json:"fields,omitempty"` // redacted
	HeadSize    int             `json:"head_octets"`
	BodySize    int64           `json:"body_octets"`
	Interim     int             `json:"interim,omitempty"`
	Retransmits int             `json:"retransmits,omitempty"` // of segments of ours, the SYN too; of a fresh connection, on Linux
	Reused      bool            `json:"reused,omitempty"`      // on a connection that had carried another
	Streams     bool            `json:"streams,omitempty"`     // the body still came when we stopped reading
	FirstByte   Millis          `json:"first_byte_ms"`
	Took        Millis          `json:"took_ms"`
	Caret       *Pointed        `json:"broke,omitempty"` // the octet that broke a rule

	answer fingerprint.Answer
	wanted bool    // it was to go on a kept connection
	keeps  bool    // the answer leaves the connection to be used again
	cut    bool    // the budget ended it: it tells nothing
	to     *Target // where it was sent, where that is not the walk's target
}

// Pointed is a line of a message with the octet that breaks a rule.
type Pointed struct {
	Line   string `json:"line"`
	Column int    `json:"column"`
	Rule   string `json:"rule"`
}

// bodyKept is how much of a body is kept to see who made it, in octets; bodyMax is how much is read. Larger ones are left.
const (
	bodyKept = fingerprint.BodyMax
	bodyMax  = 8 << 20
)

// interimMax is how many interim responses a gateway takes.
const interimMax = 10

// headMax is the largest response head that is read: that of a gateway with generous limits.
const headMax = 64 << 10

// userAgent and browserAgent are the two that are compared. A filter that knows only browsers answers them differently.
const (
	userAgent    = "whygate-diagnose"
	browserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// client asks one target, or one of its addresses, with the live proxy's own code.
type client struct {
	target  *Target
	address string // ip:port; empty is the name itself
	o       *Options
	up      *upstream.Target
	tally   *tally
	ctx     context.Context // of the run: no request goes on after its deadline

	at       netip.AddrPort
	patience time.Duration // bounds each wait
	guard    *guard        // of where redirects may lead, nil for none
}

// newClient makes a client of the name or of one address of it.
func newClient(ctx context.Context, t *Target, o *Options, at netip.AddrPort, said *tally) *client {
	c := &client{target: t, o: o, tally: said, ctx: ctx, at: at}
	e := upstream.Endpoint{Text: t.scheme() + "://" + t.label(), Network: t.Network, Host: t.Host, Port: t.Port, Secure: t.Secure}
	if t.Network == "unix" {
		e.Text, e.Secure = "unix:"+t.Host, false
	}
	if at.IsValid() {
		e.Host = at.Addr().String()
		c.address = at.String()
	}
	timeout := min(o.timeout(), c.left())
	c.patience = timeout
	c.up = upstream.New(e, upstream.Options{
		Connect: timeout, TLS: timeout, Write: timeout, Head: timeout, Read: timeout, Idle: time.Minute,
		Protocol: upstream.ProtocolHTTP1, // HTTP/2 has a probe of its own
		HeadMax:  headMax, TLSConf: c.tlsConfig(), Resolver: upstream.NewResolver(o.Servers, timeout),
	})
	return c
}

// tlsConfig is what a gateway would use for the target.
func (c *client) tlsConfig() *tls.Config {
	settings := upstream.ClientTLS{ServerName: c.target.ServerName, Roots: c.o.Roots, Certificate: c.o.Certificate, Unverified: c.target.Insecure, Revoked: c.o.Revoked.Verify}
	return settings.Config()
}

// left is how long the run may still take.
func (c *client) left() time.Duration {
	end, ok := c.ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return max(time.Until(end), leftLeast)
}

// leftLeast is what a request is given when the run's time is up.
const leftLeast = 10 * time.Millisecond

func (c *client) close() { c.up.Close() }

// watch lets a guard decide which addresses are dialed.
func (c *client) watch(g *guard) {
	if c.guard = g; g != nil {
		c.up.Refuse = g.refuse
	}
}

// query is a request to send.
type query struct {
	label, method, path, agent string
	host                       string // another than the target's, empty for that
	cookie                     string // that answers before it set
	kept                       bool   // on a connection that carried one before, if there is one
	coded                      bool   // compressed as browsers want it
	elsewhere                  bool   // it goes to another scheme or port than the URL's: secrets stay here
}

// ask sends one request and reads its answer to the end.
func (c *client) ask(q query) *Exchange {
	if c.left() < c.patience { // a new connection would wait for longer than the run may
		g := c.guard
		c = newClient(c.ctx, c.target, c.o, c.at, c.tally)
		defer c.close()
		c.watch(g)
	}
	x := &Exchange{Label: q.label, Method: q.method, Address: c.address, wanted: q.kept}
	c.tally.request(q.method, c.target.label())
	began := time.Now()
	var a upstream.Attempt
	a.Begin(c.up, mono.Now())
	whole := min(2*c.o.timeout(), c.left())
	a.Whole = upstream.Whole{Until: mono.Now().Add(whole), Setting: whole}
	good := c.exchange(&a, q, x)
	x.keeps = good
	if !a.Evidence.Reused {
		a.Control(func(fd uintptr) { x.Retransmits = retransmits(fd) })
	}
	if good {
		a.Keep(mono.Now()) // which also finds octets that nobody asked for
	} else {
		a.Drop()
	}
	x.Took = Millis(time.Since(began))
	x.Evidence = &a.Evidence
	x.Evidence.Endpoint = c.up.Text
	if c.address != "" && x.Evidence.Addr == "" {
		x.Evidence.Addr = c.address
	}
	x.Cause = fault.Classify(x.Evidence).Cause
	x.cut = x.Evidence.End == fault.Timeout && c.left() <= leftLeast
	x.Reused = x.Evidence.Reused
	x.FirstByte = Millis(x.Evidence.Spent[fault.Write] + x.Evidence.Spent[fault.FirstByte])
	if line, column, ok := Caret(x.Evidence.Sample, x.Evidence.Offset); ok && x.Evidence.End == fault.Malformed {
		x.Caret = &Pointed{Line: line, Column: column, Rule: x.Evidence.Rule.Text()}
	}
	return x
}

// exchange makes the attempt, and reports whether the connection may carry another.
func (c *client) exchange(a *upstream.Attempt, q query, x *Exchange) bool {
	fresh := upstream.FreshConnection
	if q.kept {
		fresh = upstream.AnyConnection
	}
	a.Interim = func(*httpmsg.Response) { x.Interim++ }
	if !a.Ask(c.head(q), nil, fresh) && (a.Evidence.Stage != fault.Write || !a.AnswerAnyway()) {
		return false
	}
	var res httpmsg.Response
	if !a.ReadHead(&res) {
		return false
	}
	x.HeadSize = a.HeadSize()
	x.read(&res)
	return c.body(a, x)
}

// read notes the head. Its views into the connection's buffer do not outlive it.
func (x *Exchange) read(res *httpmsg.Response) {
	x.Status = res.Status
	x.answer.Status, x.answer.Reason = res.Status, string(res.Reason)
	for i := range res.Fields.Len() {
		f := Field{Name: string(res.Fields.Name(i)), Value: string(res.Fields.Value(i))}
		x.answer.Fields = append(x.answer.Fields, fingerprint.Field(f))
		x.Fields = append(x.Fields, redactField(f))
	}
}

// redactField masks the values that are secrets.
func redactField(f Field) Field {
	line := []byte("HTTP/1.1 200 OK\r\n" + f.Name + ": " + f.Value)
	masked := string(redact.Head(line))
	_, value, _ := strings.Cut(masked, "\n")
	if value != f.Name+": "+f.Value {
		return Field{f.Name, "***"}
	}
	if strings.EqualFold(f.Name, "Location") || strings.EqualFold(f.Name, "Content-Location") {
		f.Value = redact.URL(f.Value)
	}
	return Field{f.Name, redact.URLs(f.Value)}
}

// body reads the body as a gateway does, with its first bytes kept. A large one is not read to its end, and neither is a stream:
// one that still comes when our patience ends.
func (c *client) body(a *upstream.Attempt, x *Exchange) bool {
	for {
		data, found := a.Next()
		switch found {
		case upstream.Piece:
			if room := bodyKept - len(x.answer.Body); room > 0 {
				x.answer.Body = append(x.answer.Body, data[:min(room, len(data))]...)
			}
			x.BodySize += int64(len(data))
		case upstream.Awaited:
			if x.BodySize > bodyMax {
				a.Finish(mono.Now()) // it is large, and so far in order
				return false
			}
			a.Await()
		case upstream.Ended:
			a.Finish(mono.Now())
			return a.Reusable()
		default:
			ev := &a.Evidence
			if ev.End == fault.Timeout && (ev.Timer == fault.TimerResponse && x.BodySize > 0 || x.live()) {
				x.Streams = true
				a.Finish(mono.Now())
			}
			return false
		}
	}
}

// live reports whether the answer is a stream that may be silent for as long as there is nothing to tell.
func (x *Exchange) live() bool {
	kind, _, _ := strings.Cut(strings.ToLower(x.field("Content-Type")), ";")
	switch strings.TrimSpace(kind) {
	case "text/event-stream", "multipart/x-mixed-replace", "application/grpc", "application/x-ndjson":
		return true
	}
	return false
}

// line is the request's method, path and Host.
func (c *client) line(q query) (method, path, host []byte) {
	if q.path == "" {
		q.path = c.target.Path
	}
	if q.host == "" {
		q.host = c.target.Authority
	}
	return []byte(q.method), []byte(q.path), []byte(q.host)
}

// head is the request as a message.
func (c *client) head(q query) *upstream.Head {
	method, path, host := c.line(q)
	var fields httpmsg.Fields
	for _, f := range c.fields(q) {
		fields.Append(f.Name, []byte(f.Value), httpmsg.Other)
	}
	return &upstream.Head{Method: method, Path: path, Authority: host, Extra: &fields}
}

// request is the request as HTTP/1.1 spells it, for a port that is not known to speak HTTP.
func (c *client) request(q query) []byte {
	method, path, host := c.line(q)
	b := appendField(h1.AppendRequestLine(nil, method, path, nil), "Host", string(host))
	for _, f := range c.fields(q) {
		b = appendField(b, f.Name, f.Value)
	}
	return append(b, '\r', '\n')
}

// fields are the request's but for Host: the usual ones, and those given.
func (c *client) fields(q query) []Field {
	agent := q.agent
	if agent == "" {
		agent = userAgent
	}
	given := c.given(q)
	all := make([]Field, 0, len(given)+3)
	if q.coded {
		all = append(all, Field{"Accept-Encoding", "gzip, deflate, br, zstd"})
	}
	for _, f := range [...]Field{{"User-Agent", agent}, {"Accept", "*/*"}} {
		own := slices.ContainsFunc(given, func(g Field) bool { return strings.EqualFold(g.Name, f.Name) })
		if !own || f.Name == "User-Agent" && q.agent != "" {
			all = append(all, f)
		}
	}
	for _, f := range given {
		if q.agent == "" || !strings.EqualFold(f.Name, "User-Agent") {
			all = append(all, f)
		}
	}
	return all
}

// given are the fields of the options, of the URL's user information, and of answers before. Secrets go where they were given for.
func (c *client) given(q query) (all []Field) {
	login := c.target.login
	for _, f := range c.o.Fields {
		if strings.EqualFold(f.Name, "Authorization") {
			login = ""
		}
		if strings.EqualFold(f.Name, "Cookie") && q.cookie != "" && !q.elsewhere {
			f.Value, q.cookie = f.Value+"; "+q.cookie, ""
		}
		if !q.elsewhere || redactField(f).Value == f.Value {
			all = append(all, f)
		}
	}
	if login != "" && !q.elsewhere {
		all = append(all, Field{"Authorization", login})
	}
	if q.cookie != "" {
		all = append(all, Field{"Cookie", q.cookie})
	}
	return all
}

func appendField(b []byte, name, value string) []byte {
	return h1.AppendField(b, []byte(name), []byte(value))
}

// field gives the value of a field of the answer, empty where it has none.
func (x *Exchange) field(name string) string {
	for _, f := range x.answer.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// limits compares the head with the limits of other proxies.
func (x *Exchange) limits() []Limit {
	out := make([]Limit, len(headLimits))
	for i, l := range headLimits {
		l.Passed = x.HeadSize > l.Octets
		out[i] = l
	}
	return out
}

// answered reports whether a final response came, whole or not.
func (x *Exchange) answered() bool { return x != nil && x.Status >= 200 }

// broken reports whether the exchange ended in a fault of the transport or of the message.
func (x *Exchange) broken() bool {
	return x != nil && x.Cause != fault.CauseNone && x.Cause != fault.CauseUpstreamStatus
}

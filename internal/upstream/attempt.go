package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/proxyproto"
)

// Attempt is one try at one endpoint. The zero value is ready; an exchange reuses its own.
type Attempt struct {
	Evidence fault.Evidence
	Whole    Whole // set after Begin

	// Interim is called with each interim response head (RFC 9110, section 15.2), except 101. It may be nil. Set after Begin.
	Interim func(*httpmsg.Response)

	// Charge is told how many octets more of an answer over HTTP/2 wait in memory than ever before in the attempt, by the goroutine that reads
	// the connection, until Keep or Drop. It may be nil. Set after Begin.
	Charge func(n int64)

	// Again says that the request may be sent again if its connection ends before an answer: it may then be what finds out whether an
	// endpoint keeps connections open. Set after Begin.
	Again bool

	// Cancel ends whatever the attempt waits for: a name, a connection, a handshake, room to write, the answer. It may be nil. Set
	// after Begin.
	Cancel *cancel.Cancel

	// Client says who the client is, for an endpoint that is told by the PROXY protocol; nil where that is nobody's, such as a check's. Set
	// after Begin.
	Client *proxyproto.Header

	target     *Target
	call       *call           // in place of conn over HTTP/2
	trailers   *httpmsg.Fields // where those of the response go
	conn       *Conn           // from the moment there is a connection until Keep or Drop
	began      mono.Time       // when the present stage began
	method     httpmsg.Method
	upgrade    []byte        // the protocols asked for; a view that lives as long as the request
	uploading  bool          // another goroutine sends the request body
	tunnel     bool          // after a 101
	tunnelIdle time.Duration // bounds each write then
	sentAll    bool          // the request was sent to its end

	// The message on the connection, as HTTP/1.1 frames it.
	parse    h1.Progress
	limits   h1.Limits
	enc      h1.Encoder // of the request body; belongs to whoever sends it
	frame    []byte     // what enc appends
	dec      h1.Decoder // of the response body
	length   int64      // the response body's, as httpmsg.Response has it
	given    int        // octets of the connection's buffer that the view given out by Next takes
	keep     bool       // the response lets the connection carry another exchange
	headSize int        // of the last response head, in octets
	ended    Body       // what Next says once the endpoint's octets have ended; Awaited before
}

// Whole bounds the whole exchange with the upstream, from its first attempt to the last octet of the answer: the moment and
// the setting it comes from, which is timeouts.response where Timer says nothing else. The zero value is no bound.
type Whole struct {
	Until   mono.Time
	Setting time.Duration
	Timer   fault.Timer
}

// over notes that the bound ended a wait.
func (w Whole) over(ev *fault.Evidence) {
	ev.Timer, ev.After = w.Timer, w.Setting
	if w.Timer == fault.TimerNone {
		ev.Timer = fault.TimerResponse
	}
}

// cap is the earlier of a moment and the bound; 0 is no moment.
func (w Whole) cap(until mono.Time) mono.Time { return mono.Earlier(until, w.Until) }

// gap is a deadline for the next octets of a body that may pause for d.
func (w Whole) gap(d time.Duration) mono.Time {
	if d <= 0 {
		return w.Until
	}
	return w.cap(mono.Now().Add(d))
}

// Fresh says whether an attempt may use a connection that has carried an exchange before.
type Fresh bool

// The two kinds of connection an attempt can ask for.
const (
	AnyConnection   Fresh = false
	FreshConnection Fresh = true
)

// Begin starts an attempt's evidence.
func (a *Attempt) Begin(t *Target, now mono.Time) {
	a.Evidence = fault.Evidence{Stage: fault.Select, Endpoint: t.Text, Declared: -1}
	a.call, a.conn, a.target, a.began, a.Whole, a.Interim = nil, nil, t, now, Whole{}, nil
	a.trailers, a.Charge, a.Client = nil, nil, nil
	a.tunnel, a.uploading, a.sentAll, a.Again, a.Cancel, a.upgrade = false, false, false, false, nil, nil
	a.parse.Reset()
	a.limits = h1.Limits{Head: t.HeadMax, Trailers: t.HeadMax}
}

// Ask gets a connection, writes a request whose body is here (it may be empty), and waits for the first octets of the answer.
// False means that the attempt failed, and Evidence says how.
//
// hot: once per attempt.
func (a *Attempt) Ask(h *Head, body []byte, fresh Fresh) bool {
	a.asks(h)
	t := a.target
	if t.shares(h, a.began) {
		end := bodyFollows
		if len(body) == 0 && (h.SaysLength || a.method != httpmsg.POST) {
			end = headAlone
		}
		if !a.begin(h, fresh, end) {
			return false
		}
		if a.call != nil {
			return a.askShared(body, end)
		}
		return a.asked(a.ask(append(appendHead(conn.GetBuffer(), h, &t.Endpoint), body...), false))
	}
	request := append(appendHead(conn.GetBuffer(), h, &t.Endpoint), body...)
	for fresh == AnyConnection {
		c := t.take(a.Again, a.began)
		if c == nil {
			break
		}
		a.use(c, a.began)
		// However short it was idle: an answer that nobody asked for would be taken for this request's.
		stage, end := a.ask(request, true)
		if stage != fault.Select {
			return a.asked(stage, end)
		}
		// The endpoint had closed it while it was idle, or is out of step: no fault, no byte written, take the next.
		a.passOver(end)
	}
	if !a.dial() {
		conn.PutBuffer(request)
		return false
	}
	return a.asked(a.ask(request, false))
}

// Open gets a connection and writes the head of a request whose body follows by Send and SendEnd, which another goroutine may
// call while this one waits in AwaitHead.
func (a *Attempt) Open(h *Head, fresh Fresh) bool {
	a.asks(h)
	if a.Cancel == nil {
		a.Cancel = new(cancel.Cancel) // whoever sends the body bounds the wait for the answer by it
	}
	a.enc.Reset(h.Length)
	if a.target.shares(h, a.began) {
		if !a.begin(h, fresh, bodyFollows) {
			return false
		}
		if a.call != nil {
			a.uploading = true
			a.call.until = a.Whole.Until // until the request has ended: SendEnd
			a.Cancel.LateAt(0)           // the bound on the answer to an attempt before this one
			a.call.whole = a.Whole
			return true
		}
		head := appendHead(conn.GetBuffer(), h, &a.target.Endpoint)
		defer conn.PutBuffer(head)
		return a.writeHead(head)
	}
	head := appendHead(conn.GetBuffer(), h, &a.target.Endpoint)
	defer conn.PutBuffer(head)
	for fresh == AnyConnection {
		c := a.target.take(a.Again, a.began)
		if c == nil {
			break
		}
		a.use(c, a.began)
		end := c.Idle()
		if end == fault.Completed {
			return a.writeHead(head)
		}
		a.passOver(end)
	}
	return a.dial() && a.writeHead(head)
}

// passOver lets go of a connection that was found not to be idle, and learns from it if the endpoint had closed it.
func (a *Attempt) passOver(end fault.End) {
	c := a.letGo()
	if end == fault.Closed || end == fault.Reset {
		a.target.gone(c, c.nth-1, a.began)
	}
	c.Close()
	a.Evidence.Reused, a.Evidence.Nth, a.Evidence.Idle = false, 0, 0
}

// begin gets a stream of HTTP/2 for a request, or a new connection where the endpoint turns out to speak HTTP/1.1: then there is no
// call.
func (a *Attempt) begin(h *Head, fresh Fresh, end endOfHead) bool {
	c := calls.Get().(*call)
	c.frames = appendHeadHTTP2(c.frames[:0], h, &a.target.Endpoint, end)
	c.left, c.charge = h.Length, a.Charge
	a.call = c
	plain, ok := a.share(fresh, end)
	if c.link != nil {
		return ok
	}
	a.call = nil
	c.release(a, 0)
	if plain == nil {
		return false
	}
	a.began = mono.Now()
	a.use(plain, a.began)
	return true
}

// asks notes what of the request decides how its answer is read.
func (a *Attempt) asks(h *Head) {
	a.method, a.upgrade = httpmsg.ParseMethod(h.Method), h.Upgrade
}

// dial makes a new connection the attempt's.
func (a *Attempt) dial() bool {
	c := a.open()
	if c == nil {
		return false
	}
	a.began = mono.Now()
	a.use(c, a.began)
	return true
}

// use makes c the attempt's connection.
func (a *Attempt) use(c *Conn, now mono.Time) {
	ev := &a.Evidence
	a.conn = c
	c.nth++
	ev.Nth, ev.Addr, ev.Version = c.nth, c.addr, httpmsg.HTTP11
	if c.nth > 1 {
		ev.Reused, ev.Idle = true, time.Duration(now-c.since)
	}
	c.sent, c.got = c.Sent(), c.Received()
	if a.Cancel != nil {
		c.Obey(a.Cancel, a.Cancel, now)
	}
}

// letGo takes the connection from the attempt.
func (a *Attempt) letGo() *Conn {
	c := a.conn
	a.conn = nil
	if a.Cancel != nil {
		c.Obey(nil, nil, 0) // from here on another exchange may have it
	}
	return c
}

// ask is conn.Ask with the attempt's deadlines.
func (a *Attempt) ask(request []byte, check bool) (fault.Stage, fault.End) {
	c := a.conn
	c.SetReadUntil(a.Whole.cap(a.began.Until(a.target.Head)))
	c.boundWrite(a.began, a.Whole)
	return c.Conn.Ask(request, check)
}

// asked notes how far Ask came.
func (a *Attempt) asked(stage fault.Stage, end fault.End) bool {
	ev := &a.Evidence
	now := mono.Now()
	if wrote := a.conn.Wrote(); wrote > a.began {
		ev.Spent[fault.Write] = time.Duration(wrote - a.began)
		ev.Spent[fault.FirstByte] = time.Duration(now - wrote)
	} else {
		ev.Spent[fault.FirstByte] = time.Duration(now - a.began)
	}
	a.began = now
	ev.Stage = stage
	ev.Sent = a.conn.Sent() - a.conn.sent
	a.sentAll = stage > fault.Write
	if end == fault.Completed {
		return true
	}
	if stage == fault.Write {
		a.writeFailed(end)
	} else {
		a.readFailed(stage, end)
	}
	a.raced()
	return false
}

// writeHead writes the head on the attempt's connection.
func (a *Attempt) writeHead(head []byte) bool {
	a.Evidence.Stage = fault.Write
	a.began = mono.Now()
	a.conn.whole, a.conn.answered, a.uploading = a.Whole, false, true
	a.conn.SetReadUntil(a.Whole.Until) // until the request has ended: SendEnd
	a.Cancel.LateAt(0)                 // the bound on the answer to an attempt before this one
	a.conn.boundWrite(a.began, a.Whole)
	end := a.conn.Conn.Write(head)
	a.Evidence.Sent = a.conn.Sent() - a.conn.sent
	if end != fault.Completed {
		a.writeFailed(end)
		return false
	}
	return true
}

// Drop closes the connection, if there is one. One of HTTP/2 goes on without the attempt's stream.
func (a *Attempt) Drop() {
	if a.call != nil {
		a.dropShared()
	}
	if a.conn != nil {
		a.letGo().Close()
	}
}

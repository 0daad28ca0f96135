package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fastcgi"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// FastCGI is an application that speaks FastCGI, such as php-fpm.
type FastCGI struct {
	Target *upstream.Target
	Root   string // the directory of the scripts, as the application sees it
	Index  string // the script of a path that ends with a slash
	Split  string // what a script's name ends with: behind it is PATH_INFO
	Params []Edit // further parameters

	Write, Head, Read, Response time.Duration // 0 for no bound
}

// Limits of one exchange with an application.
const (
	requestHeld = 1 << 20 // octets of a request body whose length is not known
	stderrHeld  = 2 << 10 // octets of what the application says on its side
	earlyHeld   = 1 << 20 // octets of an answer that comes while the request is sent
	cgiGlance   = 50 * time.Millisecond
	cgiLook     = time.Second
)

// calling is one request at an application.
type calling struct {
	s      *serving
	f      *FastCGI
	c      net.Conn
	ev     fault.Evidence
	since  time.Time // the stage began
	in     []byte    // what was read and not looked at
	out    []byte    // of the answer, without records
	stderr []byte
	left   record
	ended  bool
	status byte // of the protocol
}

// record is what is left of the record that is being read.
type record struct {
	kind             fastcgi.Kind
	content, padding int
}

// callFastCGI answers a request by an application. It always answers.
func (s *serving) callFastCGI(f *FastCGI) {
	script, info, ok := f.script(s.scriptPath())
	if s.indexed != "" {
		script, info, ok = s.indexed, "", true
	}
	if !ok {
		s.failEarly(&fault.Evidence{Stage: fault.Select, End: fault.NoRoute})
		return
	}
	c := &calling{s: s, f: f, since: time.Now()}
	c.ev = fault.Evidence{Stage: fault.Dial, Endpoint: f.Target.Text, Declared: -1}
	body, bad := c.held()
	if bad != nil {
		s.failEarly(bad)
		return
	}
	if f.Response > 0 {
		s.until = s.now.Add(f.Response)
	}
	params := c.params(script, info) // which tell the body's length
	if !c.dial() {
		c.fail()
		return
	}
	defer c.c.Close()
	woken := &cancel.Waiter{Wake: func() { _ = c.c.SetReadDeadline(time.Unix(1, 0)) }}
	s.x.Cancel.Join(woken)
	defer s.x.Cancel.Leave(woken)
	if !c.send(params, body) {
		c.fail()
		return
	}
	c.answer()
}

// held reads a request body whose length is not known, since an application asks for it beforehand. bad says how it broke, or that it is too
// long to be held.
func (c *calling) held() (body []byte, bad *fault.Evidence) {
	x := c.s.x
	if x.BodyHere {
		return x.Body, nil
	}
	if x.BodyRead || x.Request.Length >= 0 {
		return nil, nil
	}
	x.Detach()
	for {
		piece, end := x.Next()
		switch {
		case end != fault.Completed:
			return nil, &x.Broke
		case len(piece) == 0:
			x.Request.Length = int64(len(body))
			return body, nil
		case len(body)+len(piece) > requestHeld:
			return nil, &fault.Evidence{Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleBodySize, Limit: requestHeld, Declared: -1}
		}
		body = append(body, piece...)
	}
}

// dial connects. It ends when nobody waits for the answer any more, or timeouts.response is over.
func (c *calling) dial() bool {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var bug *upstream.Panic
	done := make(chan struct{})
	go func() { // ends by its own timer, or with ctx; the loop below waits for it
		defer close(done)
		defer upstream.Caught(&bug)
		c.c = c.f.Target.Reach(ctx, &c.ev)
	}()
	look := time.NewTicker(cgiLook)
	defer look.Stop()
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	if c.s.until != 0 {
		late.Reset(c.s.until.Sub(mono.Now()))
	}
	x := c.s.x
	for ended := x.Cancel.Done(); ; {
		select {
		case <-done:
			if bug != nil {
				panic(bug)
			}
			c.since = time.Now()
			if c.c == nil && (x.Cancel.Reason() != cancel.None || c.s.expired()) && c.canceled() {
				c.ev.Errno, c.ev.Detail = 0, "" // of the dial that we cut
			}
			return c.c != nil
		case <-ended:
			stop()
			ended = nil
		case <-late.C:
			stop()
		case <-look.C:
			x.Cancel.Ask()
		}
	}
}

// spent notes how long a stage took.
func (c *calling) spent(stage fault.Stage) {
	now := time.Now()
	c.ev.Spent[stage] += now.Sub(c.since)
	c.since = now
}

// kernelSaid notes how the kernel ended something.
func (c *calling) kernelSaid(err error, timer fault.Timer, after time.Duration) {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		c.ev.Errno, c.ev.End = errno, fault.EndOf(errno)
	case errors.Is(err, os.ErrDeadlineExceeded), os.IsTimeout(err):
		c.ev.End, c.ev.Timer, c.ev.After = fault.Timeout, timer, after
	default:
		c.ev.End = fault.Closed
	}
	c.ev.Detail = c.said()
}

// said is what the application said on its side, in one line.
func (c *calling) said() string {
	if len(c.stderr) == 0 {
		return ""
	}
	return "the application says: " + strconv.Quote(strings.Join(strings.Fields(string(c.stderr)), " "))
}

// send gives the application the request.
func (c *calling) send(params, body []byte) bool {
	c.ev.Stage = fault.Write
	head := fastcgi.AppendStream(fastcgi.AppendStream(fastcgi.AppendBegin(nil), fastcgi.Params, params), fastcgi.Params, nil)
	if !c.write(head) {
		return false
	}
	x := c.s.x
	switch {
	case len(body) > 0:
		if !c.write(fastcgi.AppendStream(nil, fastcgi.Stdin, body)) {
			return false
		}
	case !x.BodyRead && !x.BodyHere:
		x.Detach()
		for {
			piece, end := x.Next()
			if end != fault.Completed {
				c.ev.By, c.ev.End = fault.PartyClient, end
				return false
			}
			if len(piece) == 0 {
				break
			}
			if c.canceled() || !c.write(fastcgi.AppendStream(nil, fastcgi.Stdin, piece)) {
				return false
			}
		}
	}
	if !c.write(fastcgi.AppendStream(nil, fastcgi.Stdin, nil)) {
		return false
	}
	c.spent(fault.Write)
	return true
}

// write gives the application a piece. An answer that comes meanwhile is read, so that neither waits for the other.
func (c *calling) write(piece []byte) bool {
	stalled := time.Now()
	for len(piece) > 0 {
		_ = c.c.SetWriteDeadline(time.Now().Add(cgiGlance))
		n, err := c.c.Write(piece)
		piece = piece[n:]
		c.ev.Sent += int64(n)
		if n > 0 {
			stalled = time.Now()
		}
		switch {
		case err == nil:
		case !os.IsTimeout(err):
			if c.glance(); len(c.out) > 0 || c.ended { // it answered and does not read the rest
				return true
			}
			c.kernelSaid(err, fault.TimerWrite, c.f.Write)
			return false
		case c.f.Write > 0 && time.Since(stalled) > c.f.Write:
			c.kernelSaid(os.ErrDeadlineExceeded, fault.TimerWrite, c.f.Write)
			return false
		case c.canceled():
			return false
		case len(c.out) > earlyHeld:
			return true
		default:
			c.glance()
		}
	}
	return true
}

// glance reads what is there already.
func (c *calling) glance() {
	_ = c.c.SetReadDeadline(time.Now().Add(time.Millisecond))
	buf := pieces.Get().(*piece)
	defer pieces.Put(buf)
	n, _ := c.c.Read(buf[:])
	c.ev.Got += int64(n)
	c.in = append(c.in, buf[:n]...)
	_ = c.parse()
}

// read waits for more of the answer, up to a time of silence. Each second it looks whether the client is still there.
func (c *calling) read(buf []byte, timer fault.Timer, silence time.Duration) bool {
	for since := time.Now(); ; {
		look := cgiLook
		if c.s.until != 0 {
			look = min(look, c.s.until.Sub(mono.Now()))
		}
		_ = c.c.SetReadDeadline(time.Now().Add(look))
		if (c.s.x.Cancel.Reason() != cancel.None || c.s.expired()) && c.canceled() { // what came before the deadline was set woke nobody
			return false
		}
		n, err := c.c.Read(buf)
		if n > 0 {
			c.ev.Got += int64(n)
			c.in = append(c.in, buf[:n]...)
			if err := c.parse(); err != nil {
				c.ev.End, c.ev.Rule, c.ev.Detail, c.ev.Sample = fault.Malformed, fault.RuleStatusLine, err.Error(), bytes.Clone(c.in[:min(len(c.in), fault.SampleMax)])
				return false
			}
			return true
		}
		switch {
		case err != nil && !os.IsTimeout(err):
			c.kernelSaid(err, timer, silence)
			return false
		case silence > 0 && time.Since(since) > silence:
			c.kernelSaid(os.ErrDeadlineExceeded, timer, silence)
			return false
		case c.canceled():
			return false
		}
	}
}

// canceled reports whether nobody waits for the answer any more, and notes why.
func (c *calling) canceled() bool {
	switch {
	case c.s.expired():
		c.ev.End, c.ev.Timer, c.ev.After = fault.Timeout, fault.TimerResponse, c.f.Response
	case c.s.drained():
		c.ev.End, c.ev.Rule, c.ev.By = fault.Unavailable, fault.RuleDraining, fault.PartyGateway
	case c.s.x.Left():
		c.ev.By, c.ev.End = fault.PartyClient, fault.Canceled
	default:
		return false
	}
	return true
}

// parse takes records apart.
func (c *calling) parse() error {
	for !c.ended {
		if c.left.content == 0 && c.left.padding == 0 {
			if len(c.in) < fastcgi.HeaderSize {
				return nil
			}
			h, err := fastcgi.ParseHeader(c.in)
			if err != nil {
				return err
			}
			if h.Kind == fastcgi.End {
				if len(c.in) < fastcgi.HeaderSize+h.Content {
					return nil
				}
				_, c.status, _ = fastcgi.ParseEnd(c.in[fastcgi.HeaderSize : fastcgi.HeaderSize+h.Content])
				c.ended = true
				return nil
			}
			c.left, c.in = record{h.Kind, h.Content, h.Padding}, c.in[fastcgi.HeaderSize:]
			continue
		}
		if len(c.in) == 0 {
			return nil
		}
		n := min(len(c.in), c.left.content)
		if c.left.kind == fastcgi.Stdout {
			c.out = append(c.out, c.in[:n]...)
		} else if room := stderrHeld - len(c.stderr); room > 0 {
			c.stderr = append(c.stderr, c.in[:min(n, room)]...)
		}
		c.left.content -= n
		c.in = c.in[n:]
		n = min(len(c.in), c.left.padding)
		if c.left.content == 0 {
			c.left.padding -= n
			c.in = c.in[n:]
		}
	}
	return nil
}

// answer reads the answer and passes it on.
func (c *calling) answer() {
	c.ev.Stage = fault.FirstByte
	held := pieces.Get().(*piece)
	defer pieces.Put(held)
	buf := held[:] // what was read is copied out of it
	var head fastcgi.Head
	for {
		h, n, err := fastcgi.ParseHead(c.out)
		if err != nil {
			c.ev.Stage, c.ev.End, c.ev.Rule = fault.Head, fault.Malformed, fault.RuleFieldName
			c.ev.Detail, c.ev.Sample = err.Error(), bytes.Clone(c.out[:min(len(c.out), fault.SampleMax)])
			c.fail()
			return
		}
		if n > 0 {
			head = fastcgi.Head{Status: h.Status, Length: h.Length, Reason: bytes.Clone(h.Reason)}
			for _, f := range h.Fields {
				head.Fields = append(head.Fields, fastcgi.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
			}
			c.out = c.out[n:]
			break
		}
		if c.ended {
			c.noHead()
			return
		}
		if !c.read(buf, fault.TimerHead, c.f.Head) {
			c.fail()
			return
		}
		if len(c.out) > 0 && c.ev.Stage == fault.FirstByte {
			c.spent(fault.FirstByte)
			c.ev.Stage = fault.Head
		}
	}
	c.spent(c.ev.Stage)
	c.ev.Stage, c.ev.Status, c.ev.Declared = fault.Body, head.Status, head.Length
	if c.replaced(&head) {
		return
	}
	c.head(&head)
	c.body(buf)
}

// noHead is an end without an answer.
func (c *calling) noHead() {
	c.ev.Detail = c.said()
	switch c.status {
	case fastcgi.Overloaded: // it has no worker, and no room to wait for one
		c.ev.End, c.ev.Told, c.ev.By = fault.Unavailable, fault.CauseQueueFull, fault.PartyUpstream
	default:
		c.ev.End = fault.Closed
	}
	c.fail()
}

// replaced answers with a page of the route's where there is one for the status.
func (c *calling) replaced(h *fastcgi.Head) bool {
	if h.Status < 400 {
		return false
	}
	p := c.s.errorPage(h.Status, true)
	if p == nil {
		return false
	}
	c.note(h.Status)
	c.s.beginOwn(h.Status, int64(len(p.Body)))
	c.s.record.By = telemetry.ByOrigin
	c.s.extra.AppendKnown(httpmsg.ContentType, []byte(p.Type))
	for _, f := range h.Fields {
		for _, name := range keptOfErrors {
			if strings.EqualFold(string(f.Name), name) {
				c.s.extra.Append(name, f.Value, httpmsg.Other)
			}
		}
	}
	c.s.endOwn(p.Body)
	return true
}

// keptOfErrors are headers of an error that mean something without its body: who may ask, when again, and how.
var keptOfErrors = []string{"WWW-Authenticate", "Retry-After", "Allow"}

// ours are headers of an answer that the connection to the client has of its own.
var ours = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Trailer", "TE"}

// head passes the answer's head on.
func (c *calling) head(h *fastcgi.Head) {
	s := c.s
	length := h.Length
	if length < 0 {
		length = httpmsg.LengthUnknown
	}
	s.beginOwn(h.Status, length)
	s.record.By = telemetry.ByOrigin
	s.head.Reason = h.Reason
	for _, f := range h.Fields {
		name := string(f.Name)
		own := false
		for _, o := range ours {
			own = own || strings.EqualFold(o, name)
		}
		if !own && !strings.EqualFold(name, "Date") && !edited(s.route.SetResponse, f.Name) {
			s.extra.Append(name, f.Value, httpmsg.Other)
		}
	}
	s.setOwn()
	s.x.Head(&s.head)
	s.extraBuf = s.extra.Buffer()
}

// body passes the answer's body on, and ends it only where the application did.
func (c *calling) body(buf []byte) {
	s := c.s
	long := false
	for {
		if rest := c.ev.Declared - c.ev.Body; c.ev.Declared >= 0 && int64(len(c.out)) > rest {
			c.out, long = c.out[:rest], true
		}
		if len(c.out) > 0 && !s.head.NoBody {
			if s.x.Write(c.out) != fault.Completed {
				c.ev.By, c.ev.End = fault.PartyClient, fault.Canceled
				c.fail()
				return
			}
		}
		c.ev.Body += int64(len(c.out))
		c.out = c.out[:0]
		if c.ended {
			break
		}
		s.x.Flush()
		if !c.read(buf, fault.TimerRead, c.f.Read) {
			c.fail()
			return
		}
	}
	c.spent(fault.Body)
	if !s.x.End(nil) && !s.head.NoBody && c.ev.Declared > c.ev.Body {
		c.ev.End = fault.Closed
		c.fail()
		return
	}
	if long {
		c.ev.Detail = "the application sent more than its Content-Length says; the rest was left out"
		own := s.keepOwn(&c.ev)
		own.Told, own.By = fault.CauseExtraOctets, fault.PartyUpstream
		s.record.Fault, s.record.Evidence = fault.Classify(own), own
		s.record.Incident = NewIncidentID()
		return
	}
	c.note(c.ev.Status)
}

// note keeps what the application answered with an error, and what it said on its side: php-fpm's "Primary script unknown" is a 404.
func (c *calling) note(status int) {
	if status < 500 && (status != 404 || len(c.stderr) == 0) {
		return
	}
	c.ev.Detail = c.said()
	c.s.record.Fault = fault.Fault{Cause: fault.CauseUpstreamStatus, Stage: fault.Done}
	c.s.record.Evidence = c.s.keepOwn(&c.ev)
	if c.s.record.Incident == "" {
		c.s.record.Incident = NewIncidentID()
	}
}

// fail ends the exchange with what was observed.
func (c *calling) fail() {
	if c.ev.Detail == "" {
		c.ev.Detail = c.said()
	}
	own := c.s.keepOwn(&c.ev)
	c.s.conclude(own, fault.Classify(own))
}

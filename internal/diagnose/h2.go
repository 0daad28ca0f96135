package diagnose

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// H2 is what became of the same request by HTTP/2.
type H2 struct {
	Status   int         `json:"status,omitempty"`
	BodySize int64       `json:"body_octets,omitempty"`
	Complete bool        `json:"complete"`        // the stream came to its end
	Error    string      `json:"error,omitempty"` // what ended it instead, in words
	Frame    string      `json:"frame,omitempty"` // RST_STREAM or GOAWAY, where one did
	Code     string      `json:"code,omitempty"`  // its error code, by its name in RFC 9113, section 7
	Debug    string      `json:"debug,omitempty"` // what GOAWAY added
	Settings bool        `json:"settings"`        // the server sent its SETTINGS
	Cause    fault.Cause `json:"cause"`
	Tries    int         `json:"tries"` // how often it was asked: a failure is looked at twice
	Took     Millis      `json:"took_ms"`

	cut bool // the budget ended it
}

const (
	h2Frames = 100_000         // the most frames of one answer
	h2Window = bodyMax + 1<<20 // octets that the server may send: more than is read
)

// probeH2 asks by HTTP/2, and once more if that fails: one failure may be chance.
func (s *shaker) probeH2(ctx context.Context, fields []Field) *H2 {
	h := s.askH2(ctx, fields)
	if h.Error != "" && ctx.Err() == nil && h.Cause != fault.CauseHTTP2NotWanted {
		h = s.askH2(ctx, fields)
		h.Tries++
	}
	return h
}

// askH2 makes one connection and one stream.
func (s *shaker) askH2(ctx context.Context, fields []Field) *H2 {
	h := &H2{Tries: 1}
	began := time.Now()
	defer func() { h.Took = Millis(time.Since(began)) }()
	short, cancel := context.WithTimeout(ctx, 2*s.o.timeout())
	defer cancel()
	nc, err := s.openH2(short)
	if err != nil {
		h.failed(err)
		h.cut = ctx.Err() != nil
		return h
	}
	defer nc.Close()
	stop := context.AfterFunc(short, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	x := newH2Exchange(h, nc, nc)
	if err = x.send(s.o.method(), s.target, fields); err == nil {
		err = x.read(short, s.o.timeout(), nc)
	}
	if err != nil && !h.Complete && h.Error == "" {
		h.failed(err)
	}
	h.cut = h.Error != "" && ctx.Err() != nil
	return h
}

// openH2 opens a connection on which HTTP/2 is agreed.
func (s *shaker) openH2(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: s.o.timeout()}
	nc, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil, err
	}
	c := s.config()
	c.NextProtos = []string{"h2"}
	session := tls.Client(nc, c)
	if err := session.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return session, nil
}

// h2Exchange is one connection with one stream on it.
type h2Exchange struct {
	*H2
	conn   *h2.Conn
	stream h2.Stream
	in     io.Reader
	out    io.Writer
	buf    []byte // what has come and was not read: buf[:have]
	have   int
	head   []byte
	answer httpmsg.Response
	extra  httpmsg.Fields // trailers
}

func newH2Exchange(h *H2, in io.Reader, out io.Writer) *h2Exchange {
	return &h2Exchange{
		H2: h, in: in, out: out, buf: make([]byte, h2.FrameHead+h2.FrameMax),
		conn: h2.NewConn(h2.Config{Role: h2.Client, Settings: h2.Settings{InitialWindow: h2Window}, Window: h2Window, Limits: h2.Limits{Head: headMax, Trailers: headMax}}),
	}
}

// send sends the preface, SETTINGS, and the request on stream 1.
func (x *h2Exchange) send(method string, target *Target, fields []Field) error {
	b := x.conn.Start(nil)
	if !x.conn.Open(&x.stream, httpmsg.ParseMethod([]byte(method))) {
		return errors.New("BUG: diagnose: a connection without its first stream")
	}
	at := len(b)
	b = h2.BeginHeaders(b, x.stream.ID)
	b = h2.AppendRequestLine(b, &h2.RequestLine{Method: []byte(method), Scheme: []byte("https"), Authority: []byte(target.Authority), Path: []byte(target.Path)})
	for _, f := range fields {
		switch strings.ToLower(f.Name) {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host": // RFC 9113, section 8.2.2
		default:
			b = h2.AppendField(b, []byte(f.Name), []byte(f.Value))
		}
	}
	b = h2.FinishHeaders(b, at, x.stream.ID, true)
	x.conn.Ended(&x.stream)
	_, err := x.out.Write(b)
	return err
}

// read reads frames until the stream has ended, in one way or another.
func (x *h2Exchange) read(ctx context.Context, patience time.Duration, nc net.Conn) error {
	for range h2Frames {
		var ev h2.Event
		n, bad := x.conn.Next(x.buf[:x.have], &ev)
		if bad != nil {
			return x.broken(bad)
		}
		if n == 0 {
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			if ctx.Err() != nil { // its end had set a deadline, which this one undid
				return ctx.Err()
			}
			n, err := x.in.Read(x.buf[x.have:])
			if x.have += n; n == 0 && err != nil {
				return err
			}
			continue
		}
		ended, err := x.event(&ev)
		x.have = copy(x.buf, x.buf[n:x.have])
		if ended || err != nil {
			return err
		}
		if x.BodySize > bodyMax {
			x.Complete = true // it is large, and so far in order
			return nil
		}
	}
	return errors.New("too many frames")
}

// event acts on what a frame means, and reports whether the stream ended with it.
func (x *h2Exchange) event(ev *h2.Event) (ended bool, err error) {
	var bad *h2.Error
	switch ev.Kind {
	case h2.EventSettings, h2.EventPing:
		x.Settings = x.Settings || ev.Kind == h2.EventSettings
		_, err := x.out.Write(x.conn.Answer(nil, ev))
		return false, err
	case h2.EventGoAway:
		return x.goAway(ev), nil
	case h2.EventReset:
		x.ended("RST_STREAM", ev.Code)
		return true, nil
	case h2.EventResponse:
		x.head, bad = x.conn.ReadResponse(ev, x.head[:0], &x.answer)
		if bad == nil {
			x.Status, x.Complete = x.answer.Status, ev.End
		}
	case h2.EventTrailers:
		_, bad = x.conn.ReadTrailers(ev, nil, &x.extra)
		x.Complete = bad == nil
	case h2.EventData:
		x.BodySize += int64(len(ev.Data))
		x.Complete = ev.End
	}
	if bad != nil {
		return false, x.broken(bad)
	}
	return x.Complete, nil
}

// goAway ends the connection: with an error, or without one for a stream that is above the last.
func (x *h2Exchange) goAway(ev *h2.Event) bool {
	if ev.ID >= x.stream.ID && ev.Code == h2.NoError {
		return false // the stream goes on to its end
	}
	x.Debug = firstLine(ev.Data)
	x.ended("GOAWAY", ev.Code)
	return true
}

// errNotH2 is a server whose first octets are not HTTP/2's.
var errNotH2 = errors.New("the server's bytes are no HTTP/2")

// broken notes a rule that the server broke. A body that is not as long as its Content-Length is what clients refuse, and the server does not
// tell: RFC 9113, section 8.1.1.
func (x *h2Exchange) broken(bad *h2.Error) error {
	if !x.Settings {
		return errNotH2
	}
	x.Cause = fault.CauseHTTP2ProtocolError
	x.Error = "the server broke a rule of HTTP/2: " + bad.Rule.Text()
	if bad.Field != "" {
		x.Error += " (" + bad.Field + ")"
	}
	if bad.Rule == fault.RuleH2Length {
		if bad.Size < bad.Limit {
			x.Cause = fault.CauseHTTP2StreamCut
		}
		x.Error = fmt.Sprintf("Content-Length says %d, %d bytes came, and the stream ends as if that were all", bad.Limit, bad.Size)
	}
	return bad
}

// ended notes the frame that ended the stream.
func (h *H2) ended(frame string, code h2.Code) {
	h.Frame, h.Code = frame, code.String()
	h.Error = frame + " " + h.Code
	if h.Debug != "" {
		h.Error += " (" + h.Debug + ")"
	}
	switch {
	case code == h2.HTTP11Required:
		h.Cause = fault.CauseHTTP2NotWanted
	case frame == "GOAWAY":
		h.Cause = fault.CauseHTTP2GoAway
	case code == h2.RefusedStream:
		h.Cause = fault.CauseHTTP2RefusedStream
	case h.Status >= 200:
		h.Cause = fault.CauseHTTP2StreamCut
	default:
		h.Cause = fault.CauseHTTP2StreamReset
	}
}

// failed notes an error that no frame tells of.
func (h *H2) failed(err error) {
	h.Error, h.Cause = shortError(err), fault.CauseHTTP2ProtocolError
	switch {
	case errors.Is(err, errNotH2):
	case h.Status >= 200:
		h.Cause = fault.CauseHTTP2StreamCut
	case !h.Settings && stalled(err):
		h.Error, h.Cause = "no SETTINGS came", fault.CauseHTTP2NoSettings
	case stalled(err):
		h.Error, h.Cause = "no answer came on the stream", fault.CauseHeadTimeout
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		h.Error = "the server closed the connection before it answered"
	}
}

// judgeH2: HTTP/2 is offered and fails where HTTP/1.1 does not.
func judgeH2(w *Walk) *finding {
	if w.HTTP == nil || w.HTTP.H2 == nil || w.HTTP.Main.broken() {
		return nil
	}
	h, x := w.HTTP.H2, w.HTTP.Main
	proof := []string{"by HTTP/1.1: " + answerWords(x)}
	switch {
	case h.cut || h.Cause == fault.CauseHTTP2NotWanted:
		return nil // it says itself that HTTP/1.1 is what it wants
	case h.Error != "":
		proof = append(proof, fmt.Sprintf("by HTTP/2: %s, %d of %d times", h.Error, h.Tries, h.Tries))
		return &finding{cause: h.Cause, confidence: Likely, proof: proof, sentence: fmt.Sprintf("%s offers HTTP/2 in its handshake and fails by it, where HTTP/1.1 is answered: %s", w.Target.label(), h.Error)}
	case h.Status >= 500 && x.Status < 500 && x.answered():
		proof = append(proof, fmt.Sprintf("by HTTP/2: %d in %s", h.Status, mono.Words(time.Duration(h.Took))))
		return &finding{cause: fault.CauseUpstreamStatus, confidence: Likely, proof: proof, sentence: fmt.Sprintf("%s answers the same request %d by HTTP/1.1 and %d by HTTP/2", w.Target.label(), x.Status, h.Status)}
	}
	return nil
}

// refineH2 tells a server that answers by HTTP/2 only.
func refineH2(w *Walk, f *finding) {
	h := w.HTTP.H2
	if h != nil && h.Error == "" && h.Complete && h.Status >= 200 {
		switch f.cause {
		case fault.CauseBodyShort, fault.CauseChunksCut, fault.CauseBodyReset:
			f.proof = append(f.proof, fmt.Sprintf("by HTTP/2 the same answer is %d and ends as if it were whole, with %s: those clients cannot see that it is cut", h.Status, size(h.BodySize)))
			return
		}
	}
	if h != nil && h.Error != "" && h.Status >= 200 && f.evidence.Stage == fault.Body {
		f.proof = append(f.proof, "by HTTP/2: "+h.Error)
	}
	if h == nil || h.Error != "" || h.Status < 200 || h.Status >= 500 || f.evidence.Stage < fault.Write {
		return
	}
	f.proof = append(f.proof, fmt.Sprintf("by HTTP/2 the same request is answered %d in %s", h.Status, mono.Words(time.Duration(h.Took))))
	switch f.cause {
	case fault.CauseClosedBeforeAnswer, fault.CauseResetBeforeAnswer, fault.CauseNotHTTP, fault.CauseHeadTimeout, fault.CauseTLSALPN, fault.CauseWrongService:
		f.cause, f.kind, f.confidence = fault.CauseHTTP1OnHTTP2Port, fault.TypeNone, Likely
		f.sentence = w.Target.label() + " answers by HTTP/2 and not by HTTP/1.1, which is what it was asked by"
	}
}

// h2Notes say what HTTP/2 gave where that is no fault.
func h2Notes(of string, w *Walk) (out []string) {
	h, x := w.HTTP.H2, w.HTTP.Main
	switch {
	case h.Cause == fault.CauseHTTP2NotWanted:
		out = append(out, of+"by HTTP/2 it asks for HTTP/1.1 ("+h.Error+"): clients follow, and it is no fault")
	case h.Error == "" && h.Status != 0 && h.Status != x.Status && h.Status < 500:
		out = append(out, of+fmt.Sprintf("by HTTP/2 the same request is answered %d, by HTTP/1.1 %d", h.Status, x.Status))
	}
	return out
}

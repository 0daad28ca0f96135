package h2

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

// conversation is octets of a client in which most things happen, with what a server makes of them.
func conversation() (octets string, want []string) {
	octets = clientStart + frame(SettingsFrame, FlagAck, 0, "") +
		get(1, "cookie: a=1", "cookie: b=2", "x-own: v", "cookie: c=3") +
		post(3, "content-length: 3") + frame(Data, FlagPadded, 3, "\x02ab\x00\x00") + frame(Ping, 0, 0, "12345678") + frame(Data, FlagEndStream, 3, "c") +
		frame(0xbe, 0xff, 9, "unknown") + frame(Priority, 0, 99, "12345") +
		frame(Headers, FlagEndStream|FlagPadded|FlagPriority, 5, "\x03\x00\x00\x00\x01\x10"+literals(line("PUT", "/x?y")...)+"\x00\x00\x00") +
		frame(Continuation, 0, 5, "") + frame(Continuation, FlagEndHeaders, 5, literals("a: b")) +
		post(7) + frame(Data, 0, 7, "") + head(7, FlagEndStream, "x-sum: 1") +
		post(9) + frame(RSTStream, 0, 9, u32(8)) +
		head(11, FlagEndStream, line("OPTIONS", "*")...) +
		head(13, 0, ":method: CONNECT", ":authority: a.test:443") +
		frame(WindowUpdate, 0, 0, u32(70000)) + frame(WindowUpdate, 0, 13, u32(1)) + frame(GoAway, 0, 0, u32(0)+u32(2)+"why")
	want = []string{
		"request GET / end", "request POST /", "data ab", "data c end", "request PUT /x?y end", "request POST /", "data ", "trailers",
		"request POST /", "reset CANCEL", "request OPTIONS * end", "request CONNECT a.test:443", "goaway INTERNAL_ERROR",
	}
	return octets, want
}

func TestConversation(t *testing.T) {
	octets, want := conversation()
	e := newEndpoint(Config{})
	e.Start(nil)
	if e.feed(octets); e.err != nil || !slices.Equal(e.told, want) {
		t.Errorf("%v\n%q\nwant\n%q", e.err, e.told, want)
	}
	if answers := frame(SettingsFrame, FlagAck, 0, "") + frame(Ping, FlagAck, 0, "12345678"); string(e.out) != answers {
		t.Errorf("answered %q", e.out)
	}
	got := e.Counts
	got.Frames = 0
	if want := (Counts{Settings: 2, Pings: 1, Priorities: 1, Resets: 1, EmptyData: 1, SmallWindows: 1, Fragments: 2, EmptyBlocks: 1, Unknown: 1}); got != want {
		t.Errorf("counted %+v", got)
	}
}

// The same octets mean the same wherever they are split, as they come.
func TestSplitAnywhere(t *testing.T) {
	octets, want := conversation()
	for i := range len(octets) {
		e := newEndpoint(Config{})
		e.Start(nil)
		if e.feed(octets[:i]).feed(octets[i:]); e.err != nil || !slices.Equal(e.told, want) {
			t.Fatalf("split at %d: %v %q", i, e.err, e.told)
		}
	}
	e := newEndpoint(Config{})
	e.Start(nil)
	for i := range len(octets) {
		e.feed(octets[i : i+1])
	}
	if e.err != nil || !slices.Equal(e.told, want) {
		t.Fatalf("octet by octet: %v %q", e.err, e.told)
	}
}

func TestRequestOfAHead(t *testing.T) {
	e := newEndpoint(Config{Settings: Settings{Connect: true}})
	e.feed(clientStart + get(1, "cookie: a=1", "cookie: b=2", "x-own: v", "cookie: c=3", "te: trailers", "priority: u=1, i"))
	r := &e.req
	if r.Version != httpmsg.HTTP2 || r.Method != httpmsg.GET || string(r.Scheme) != "https" || string(r.Authority) != "a.test" || string(r.Path) != "/" || r.Query != nil || r.Length != 0 {
		t.Errorf("%+v", r)
	}
	if c := r.Fields.Get(httpmsg.Cookie); string(c) != "a=1; b=2; c=3" {
		t.Errorf("cookie %q", c)
	}
	kept := 0
	for i := range r.Fields.Len() {
		if !r.Fields.Dropped(i) {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("%d fields are kept of %q", kept, e.buf)
	}
	if u := e.find(1).Urgency; u != (Urgency{1, true}) {
		t.Errorf("urgency %+v", u)
	}
	e.feed(head(3, 0, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /chat?x", ":authority: a.test", "host: A.test"))
	if e.err != nil || string(r.Protocol) != "websocket" || string(r.Path) != "/chat" || string(r.Query) != "?x" || r.Length != httpmsg.LengthUnknown {
		t.Errorf("%v %+v", e.err, r)
	}
	e.feed(head(5, FlagEndStream, ":method: GET", ":scheme: http", ":path: /", "host: b.test:80"))
	if e.err != nil || string(r.Authority) != "b.test:80" {
		t.Errorf("%v %q", e.err, r.Authority)
	}
	e.feed(frame(Headers, FlagEndHeaders|FlagEndStream, 7, literals(line("GET", "/")...)+"\x10\x01a\x01b"+"\x00\x01c\x01d"))
	if e.err != nil || !r.Fields.Span(0).Sensitive || r.Fields.Span(1).Sensitive {
		t.Errorf("%v: never indexed is not kept", e.err)
	}
}

func TestExtendedConnectIsRefusedWhereItIsNotOffered(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + head(1, 0, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /", ":authority: a"))
	if e.err == nil || e.err.Stream != 1 || e.err.Field != ":protocol" {
		t.Error(e.err)
	}
}

// A head that breaks a rule leaves the table in step, and the stream open for an answer.
func TestMalformedHeadKeepsTheTable(t *testing.T) {
	e := newEndpoint(Config{})
	e.keep = true
	indexed := literals(line("GET", "/")...) + "\x40\x05x-own\x01v"
	e.feed(clientStart + frame(Headers, FlagEndHeaders|FlagEndStream, 1, indexed+literals("Bad: x")+"\x40\x03x-b\x01w"))
	if e.err == nil || e.err.Stream != 1 || e.find(1) == nil {
		t.Fatalf("%v", e.err)
	}
	e.feed(frame(Headers, FlagEndHeaders|FlagEndStream, 3, literals(line("GET", "/")...)+"\xbe\xbf"))
	if v, _ := e.req.Fields.Lookup("x-own"); string(v) != "v" {
		t.Errorf("%v %q", e.told, e.buf)
	}
}

// What is on its way when we reset a stream is ignored, decoded, and given back to the connection's window.
func TestLateFramesAfterOurReset(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + post(1))
	e.out = e.Reset(nil, 1, Cancel)
	late := frame(Data, 0, 1, strings.Repeat("x", FrameMax)) + head(1, FlagEndStream, "x-sum: 1") + frame(RSTStream, 0, 1, u32(8)) + frame(WindowUpdate, 0, 1, u32(5))
	for range 40 {
		e.feed(frame(Data, 0, 1, strings.Repeat("x", FrameMax)))
		e.out = e.AppendCredit(e.out, nil)
	}
	e.feed(late)
	if e.err != nil || e.Streams() != 0 || e.Counts.Late != 44 {
		t.Errorf("%v, %d streams, %+v", e.err, e.Streams(), e.Counts)
	}
}

func TestGoAwayStopsNewStreams(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + post(1))
	warned := e.GoAway(nil, WindowMax, NoError, "")
	if string(warned) != frame(GoAway, 0, 0, u32(WindowMax)+u32(0)) {
		t.Errorf("%q", warned)
	}
	e.feed(post(3))
	if last := e.GoAway(nil, e.LastStream(), NoError, "bye"); string(last) != frame(GoAway, 0, 0, u32(3)+u32(0)+"bye") {
		t.Errorf("%q", last)
	}
	e.feed(post(5) + frame(Data, 0, 5, "x") + head(5, FlagEndStream, "a: b") + frame(Data, FlagEndStream, 3, "y"))
	if want := []string{"request POST /", "request POST /", "data y end"}; e.err != nil || !slices.Equal(e.told, want) {
		t.Errorf("%v %q", e.err, e.told)
	}
}

func TestCredit(t *testing.T) {
	e := newEndpoint(Config{Settings: Settings{InitialWindow: 100_000}, Window: 200_000})
	if start := string(e.Start(nil)); !strings.HasSuffix(start, frame(WindowUpdate, 0, 0, u32(200_000-WindowDefault))) {
		t.Errorf("%q", start)
	}
	e.feed(clientStart + post(1))
	st := e.find(1)
	credit := func() string { return string(e.AppendCredit(nil, st)) }
	e.feed(frame(Data, 0, 1, strings.Repeat("x", 16000)) + frame(Data, FlagPadded, 1, "\xff"+strings.Repeat("x", 1000+255)))
	if c := credit(); c != "" {
		t.Errorf("early credit %q", c)
	}
	e.feed(strings.Repeat(frame(Data, 0, 1, strings.Repeat("x", 16384)), 2))
	if c := credit(); c != frame(WindowUpdate, 0, 1, u32(16000+1256+2*16384)) {
		t.Errorf("credit of half the stream's window: %q", c)
	}
	e.feed(strings.Repeat(frame(Data, 0, 1, strings.Repeat("x", 16384)), 4))
	if c := credit(); c != frame(WindowUpdate, 0, 1, u32(4*16384))+frame(WindowUpdate, 0, 0, u32(16000+1256+6*16384)) {
		t.Errorf("credit of both: %q", c)
	}
	e.Grow(st, 1_000_000)
	e.Grow(nil, 2_000_000)
	if c := credit(); c != frame(WindowUpdate, 0, 1, u32(900_000))+frame(WindowUpdate, 0, 0, u32(1_800_000)) {
		t.Errorf("growth: %q", c)
	}
}

// A stream that nobody reads holds most of the connection's window: another that is read goes on in the rest.
func TestOneUnreadStreamStarvesNoOther(t *testing.T) {
	e := &slowEndpoint{newEndpoint(Config{})}
	piece := func(id uint32, n int) string { return frame(Data, 0, id, strings.Repeat("x", n)) }
	e.feed(t, clientStart+post(1)+post(3)+strings.Repeat(piece(1, 15_000), 4))
	for sent := 0; sent < 100_000; sent += 2500 {
		e.feed(t, piece(3, 2500))
		e.Consume(e.find(3), 2500)
		e.AppendCredit(nil, e.find(3))
	}
	if e.err != nil {
		t.Error(e.err)
	}
}

// What a stream holds that nobody will consume goes back to the connection when it is closed, and once only.
func TestHeldOctetsAreGivenBack(t *testing.T) {
	e := &slowEndpoint{newEndpoint(Config{})}
	e.feed(t, clientStart+post(1)+frame(Data, 0, 1, strings.Repeat("x", 10_000)))
	st := e.find(1)
	e.Reset(nil, 1, Cancel)
	e.Consume(st, 10_000)
	if e.owed != 10_000 || e.held != 0 {
		t.Errorf("%d octets are owed, %d held", e.owed, e.held)
	}
}

func TestPeersWindows(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + get(1) + get(3))
	a, b := e.find(1), e.find(3)
	e.Spend(a, 60_000)
	if e.Room(a) != 5535 || e.Room(b) != 5535 || e.StreamRoom(b) != WindowDefault {
		t.Error(e.Room(a), e.Room(b))
	}
	e.feed(frame(SettingsFrame, 0, 0, setting(4, 50_000)))
	if e.Room(a) != 50_000-60_000 {
		t.Error("a window that shrinks may be less than nothing:", e.Room(a))
	}
	e.feed(frame(WindowUpdate, 0, 0, u32(100_000)) + frame(WindowUpdate, 0, 1, u32(10_001)))
	if e.Room(a) != 1 || e.Room(b) != 50_000 || e.err != nil {
		t.Error(e.Room(a), e.Room(b), e.err)
	}
	e.feed(get(5))
	if e.Room(e.find(5)) != 50_000 {
		t.Error("a new stream has the new window")
	}
}

func TestPriorityUpdateComesFirst(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart + frame(PriorityUpdate, 0, 0, u32(5)+"u=0") + frame(PriorityUpdate, 0, 0, u32(3)+"u=7") + frame(PriorityUpdate, 0, 0, u32(5)+"u=1,i") + get(5) + get(7))
	if u := e.find(5).Urgency; u != (Urgency{1, true}) {
		t.Errorf("%+v", u)
	}
	e.feed(frame(PriorityUpdate, 0, 0, u32(7)+"u=6"))
	if u := e.find(7).Urgency; u != (Urgency{6, false}) || len(e.early) != 0 {
		t.Errorf("%+v, %v", u, e.early)
	}
	for id := uint32(101); id < 300; id += 2 {
		e.feed(frame(PriorityUpdate, 0, 0, u32(id)+"u=0"))
	}
	if len(e.early) != earlyMax || e.err != nil {
		t.Errorf("%d priorities are remembered", len(e.early))
	}
}

func TestParsePriority(t *testing.T) {
	for value, want := range map[string]Urgency{
		"": {3, false}, "u=0": {0, false}, "i": {3, true}, " u=7 , i=?1": {7, true}, "i=?0, u=2;x=1": {2, false}, "u=8": {3, false}, "u=-1, i;x": {3, true}, "u, foo=bar, u=5, u=4": {4, false},
		"u=1.5,,": {3, false},
	} {
		if got := ParsePriority([]byte(value)); got != want {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
}

func TestClientOpensStreams(t *testing.T) {
	c := NewConn(Config{Role: Client, Settings: Settings{MaxStreams: 1}})
	if start := string(c.Start(nil)); !strings.HasPrefix(start, Preface) || !strings.Contains(start, setting(2, 0)) {
		t.Errorf("%q", start)
	}
	for i := range streamsBlind {
		var st Stream
		if !c.Open(&st, httpmsg.GET) || st.ID != uint32(2*i+1) || st.State() != Open {
			t.Fatalf("stream %d: %+v", i, st)
		}
	}
	if c.Open(new(Stream), httpmsg.GET) {
		t.Error("more streams than a server must take")
	}
	e := &endpoint{Conn: c}
	e.feed(frame(SettingsFrame, 0, 0, setting(3, 101)))
	if !c.Open(new(Stream), httpmsg.GET) || c.Open(new(Stream), httpmsg.GET) {
		t.Error("the server takes 101")
	}
	e.feed(frame(RSTStream, 0, 1, u32(7)) + frame(GoAway, 0, 0, u32(3)+u32(0)))
	if last, going := c.Going(); last != 3 || !going || c.Open(new(Stream), httpmsg.GET) {
		t.Error("a stream after GOAWAY")
	}
}

// A response that comes long after its stream was reset is no error of the server's.
func TestClientIgnoresLateResponses(t *testing.T) {
	e := newEndpoint(Config{Role: Client})
	e.feed(frame(SettingsFrame, 0, 0, ""))
	for range 300 {
		var st Stream
		if !e.Open(&st, httpmsg.GET) {
			t.Fatal("no stream")
		}
		e.Reset(nil, st.ID, Cancel)
	}
	e.feed(head(1, 0, ":status: 200") + frame(Data, FlagEndStream, 1, "x"))
	if e.err != nil || e.Counts.Late != 2 {
		t.Error(e.err, e.Counts)
	}
}

func TestResponses(t *testing.T) {
	e := newEndpoint(Config{Role: Client})
	e.feed(frame(SettingsFrame, 0, 0, ""))
	var a, b Stream
	e.Open(&a, httpmsg.GET)
	e.Open(&b, httpmsg.HEAD)
	e.Ended(&a)
	e.Ended(&b)
	e.feed(head(1, 0, ":status: 103", "link: x") + head(1, 0, ":status: 200", "content-length: 3") + frame(Data, 0, 1, "abc") + head(1, FlagEndStream, "grpc-status: 0"))
	if want := []string{"response 1xx", "response 2xx", "data abc", "trailers"}; !slices.Equal(e.told, want) || e.err != nil || a.State() != Closed {
		t.Errorf("%q %v", e.told, e.err)
	}
	if v, _ := e.trailer.Lookup("grpc-status"); string(v) != "0" || e.res.Status != 200 || e.res.Version != httpmsg.HTTP2 || e.res.Length != 3 {
		t.Errorf("%+v", e.res)
	}
	e.feed(head(3, FlagEndStream, ":status: 200", "content-length: 99"))
	if e.err != nil || e.res.Length != 0 || b.State() != Closed {
		t.Errorf("HEAD: %v %+v", e.err, e.res)
	}
}

// next is RFC 9113's figure 2 without push: what becomes of a stream by what is done on it.
var next = map[State]map[string]State{
	Open:             {"recv ES": HalfClosedRemote, "send ES": HalfClosedLocal, "recv R": Closed, "send R": Closed, "recv D": Open},
	HalfClosedRemote: {"send ES": Closed, "recv R": Closed, "send R": Closed},
	HalfClosedLocal:  {"recv ES": Closed, "recv R": Closed, "send R": Closed, "recv D": HalfClosedLocal},
}

// TestStatesFollowTheFigure does at random what the figure allows and what it does not.
func TestStatesFollowTheFigure(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		e := newEndpoint(Config{})
		e.keep = true
		e.feed(clientStart + post(1))
		st, state := e.find(1), Open
		var done []string
		for state != Closed {
			what := []string{"recv ES", "send ES", "recv R", "send R", "recv D"}[r.IntN(5)]
			to, legal := next[state][what]
			if !legal && strings.HasPrefix(what, "send") {
				continue // we do not do it
			}
			done = append(done, what)
			switch what {
			case "recv ES":
				e.feed([]string{frame(Data, FlagEndStream, 1, ""), head(1, FlagEndStream, "a: b")}[r.IntN(2)])
			case "recv D":
				e.feed(frame(Data, 0, 1, "x"))
			case "recv R":
				e.feed(frame(RSTStream, 0, 1, u32(8)))
			case "send ES":
				e.Ended(st)
			case "send R":
				e.Reset(nil, 1, Cancel)
			}
			if legal != (e.err == nil) {
				t.Fatalf("%q: legal %v, error %v", done, legal, e.err)
			}
			if !legal {
				break
			}
			if state = to; st.State() != state {
				t.Fatalf("%q: %s, want %s", done, st.State(), state)
			}
		}
		if open := e.Streams() == 1; open != (st.State() != Closed) {
			t.Fatalf("%q: %s, and %d streams open", done, st.State(), e.Streams())
		}
	}
}

func TestStreamsAreFoundAndForgotten(t *testing.T) {
	e := newEndpoint(Config{})
	e.feed(clientStart)
	r := rand.New(rand.NewPCG(3, 4))
	open := map[uint32]bool{}
	id := uint32(1)
	for range 2000 {
		if len(open) == 0 || r.IntN(2) == 0 && len(open) < 100 {
			e.feed(post(id))
			open[id] = true
			id += 2
		} else {
			for old := range open {
				e.Reset(nil, old, Cancel)
				delete(open, old)
				break
			}
		}
		if e.Streams() != len(open) || e.err != nil {
			t.Fatal(e.Streams(), len(open), e.err)
		}
	}
	for old := range open {
		if st := e.find(old); st == nil || st.ID != old {
			t.Fatal(fmt.Sprint("stream ", old, " is not found"))
		}
	}
}

// A head of ours that does not fit a frame is divided, and read as one.
func TestLargeHeadIsDivided(t *testing.T) {
	for _, size := range []int{FrameMax - 100, FrameMax - 12, FrameMax - 11, FrameMax - 10, FrameMax - 9, FrameMax, 30_000} {
		value := strings.Repeat("v", size)
		b := BeginHeaders([]byte("before"), 1)
		b = AppendStatus(b, 200)
		b = AppendField(b, []byte("x-a"), []byte(value))
		b = FinishHeaders(b, len("before"), 1, true)
		e := newEndpoint(Config{Role: Client})
		e.feed(frame(SettingsFrame, 0, 0, ""))
		e.Open(new(Stream), httpmsg.GET)
		e.feed(string(b[len("before"):]))
		if v, _ := e.res.Fields.Lookup("x-a"); string(v) != value || e.err != nil || !slices.Equal(e.told, []string{"response 2xx end"}) {
			t.Errorf("%d octets: %v %q", size, e.err, e.told)
		}
	}
}

func TestPeersSettings(t *testing.T) {
	e := newEndpoint(Config{})
	if e.Settled() || e.Peer().MaxStreams != 1<<32-1 || e.Peer().InitialWindow != WindowDefault {
		t.Errorf("before SETTINGS: %+v", e.Peer())
	}
	e.Start(nil)
	if e.Unacknowledged() != 1 {
		t.Error("our SETTINGS are not acknowledged yet")
	}
	e.feed(Preface + frame(SettingsFrame, 0, 0, setting(1, 99)+setting(2, 0)+setting(3, 7)+setting(4, 1000)+setting(5, 20_000)+setting(6, 5000)+setting(8, 1)+setting(9, 1)+setting(0x99, 1)) +
		frame(SettingsFrame, FlagAck, 0, "") + frame(Ping, FlagAck, 0, "12345678"))
	want := Settings{MaxStreams: 7, InitialWindow: 1000, MaxFrame: 20_000, MaxHeaderList: 5000, Connect: true, NoPriorities: true, NoPush: true}
	if *e.Peer() != want || !e.Settled() || e.Unacknowledged() != 0 || e.err != nil {
		t.Errorf("%+v, %v", *e.Peer(), e.err)
	}
}

// A head that breaks compression ends the connection, whatever it was to be.
func TestBrokenCompressionIsFatalEverywhere(t *testing.T) {
	e := newEndpoint(Config{Role: Client})
	e.feed(frame(SettingsFrame, 0, 0, ""))
	e.Open(new(Stream), httpmsg.GET)
	e.feed(frame(Headers, FlagEndHeaders, 1, "\xff\xff"))
	if e.err == nil || !e.err.Fatal() || e.err.Code != CompressionError {
		t.Errorf("a response: %v", e.err)
	}
	for name, octets := range map[string]string{
		"trailers": post(1) + frame(Headers, FlagEndHeaders|FlagEndStream, 1, "\xff\xff"), "a refused stream": frame(Headers, FlagEndHeaders|FlagPriority, 1, u32(1)+"\x00\xff\xff"),
	} {
		e := newEndpoint(Config{})
		if e.feed(clientStart + octets); e.err == nil || !e.err.Fatal() || e.err.Code != CompressionError {
			t.Errorf("%s: %v", name, e.err)
		}
	}
	c := NewConn(Config{})
	var ev Event
	in := []byte(clientStart + get(1))
	for ev.Kind != EventRequest {
		n, err := c.Next(in, &ev)
		if err != nil {
			t.Fatal(err)
		}
		in = in[n:]
	}
	if err := c.Skip(&ev); err != nil || c.Streams() != 0 {
		t.Errorf("a head that is skipped: %v", err)
	}
}

func TestWhatMustNotHappenPanics(t *testing.T) {
	for name, f := range map[string]func(*endpoint){
		"a stream used twice":       func(e *endpoint) { e.open(e.find(1), 99, Open) },
		"a stream reset in use":     func(e *endpoint) { e.find(1).Reset() },
		"more data than the window": func(e *endpoint) { e.Spend(e.find(1), WindowDefault+1) },
		"a head that is not there":  func(e *endpoint) { _ = e.Skip(&Event{}) },
		"a window below the RFC's":  func(*endpoint) { NewConn(Config{Settings: Settings{InitialWindow: 1}}) },
		"a head that was not read": func(e *endpoint) {
			var ev Event
			_, _ = e.Next([]byte(get(3)), &ev)
			_, _ = e.Next([]byte(get(5)), &ev)
		},
	} {
		e := newEndpoint(Config{})
		e.feed(clientStart + post(1))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing happens", name)
				}
			}()
			f(e)
		}()
	}
}

package console

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/store"
)

// view is an incident as its page shows it.
type view struct {
	store.Row
	Family, Type string
	Sentence     string
	Advice       []string
	Meaning      string
	Target       string
	Client       string // with its port
	Duration     time.Duration
	Retry        string
	Attempts     []attempt
	Broken       *broken // the first bytes of what was wrong, nil where there are none
	Before       *store.Change
	Lag          time.Duration
	Markdown     string
}

// attempt is one attempt as its page shows it.
type attempt struct {
	Number            int
	Endpoint, Address string
	End, By           string
	Stage             string
	Failed            bool
	Reused            bool
	Nth               int64
	Idle              time.Duration
	Sent, Got         int64
	Status            int64
	Total             time.Duration
	Bars              []bar
	Facts             []fact
	HasConnection     bool
}

// bar is one stage of an attempt, from and long in percent of the whole.
type bar struct {
	Name       string
	Took       time.Duration
	From, Long float64
	Reached    bool
	Failed     bool
}

// fact is a line of what was observed.
type fact struct{ Name, Value string }

// document is an incident's JSON, as far as its page needs it. Evidence is an object whose keys are looked up by name: rows are older than the
// program that shows them.
type document struct {
	Family   string           `json:"family"`
	Type     string           `json:"type"`
	Sentence string           `json:"sentence"`
	Advice   []string         `json:"advice"`
	Retry    string           `json:"retry"`
	Duration float64          `json:"duration_ms"`
	Evidence map[string]any   `json:"evidence"`
	Attempts []map[string]any `json:"attempts"`
	Request  struct {
		Client    string `json:"client"`
		Target    string `json:"target"`
		UserAgent string `json:"user_agent"`
	} `json:"request"`
}

// viewOf reads an incident's document.
func viewOf(row *store.Row) (*view, error) {
	var d document
	if err := json.Unmarshal(row.Doc, &d); err != nil {
		return nil, fmt.Errorf("the document of incident %s cannot be read: %w", row.ID, err)
	}
	v := &view{
		Row: *row, Family: d.Family, Type: d.Type, Sentence: d.Sentence, Advice: d.Advice, Target: d.Request.Target, Client: d.Request.Client,
		Duration: time.Duration(d.Duration * float64(time.Millisecond)), Retry: d.Retry,
	}
	list := d.Attempts
	if len(list) == 0 && d.Evidence != nil {
		list = append(list, d.Evidence)
	}
	for i, e := range list {
		v.Attempts = append(v.Attempts, attemptOf(i+1, e))
	}
	if len(list) == 1 || d.Evidence == nil && len(list) > 0 {
		d.Evidence = list[len(list)-1]
	}
	v.Broken = brokenOf(d.Evidence)
	return v, nil
}

// object is evidence as JSON has it.
type object map[string]any

// text gives the first of these keys that is there.
func (o object) text(keys ...string) string {
	for _, k := range keys {
		if s, ok := o[k].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func (o object) number(keys ...string) float64 {
	for _, k := range keys {
		if n, ok := o[k].(float64); ok {
			return n
		}
	}
	return 0
}

func (o object) millis(keys ...string) time.Duration {
	return time.Duration(o.number(keys...) * float64(time.Millisecond))
}

func (o object) inner(key string) object {
	m, _ := o[key].(map[string]any)
	return m
}

// stagesShown are those with a bar.
var stagesShown = []fault.Stage{fault.Resolve, fault.Dial, fault.TLS, fault.Write, fault.FirstByte, fault.Head, fault.Body}

func attemptOf(n int, raw map[string]any) attempt {
	o := object(raw)
	a := attempt{
		Number: n, Endpoint: o.text("endpoint"), Address: o.text("address"), End: o.text("end"), By: o.text("by"), Stage: o.text("stage"),
		Nth: int64(o.number("nth")), Idle: o.millis("idle_ms"), Sent: int64(o.number("sent_bytes", "sent")), Got: int64(o.number("got_bytes", "received_bytes", "got")),
		Status: int64(o.number("status")),
	}
	a.Reused, _ = o["reused"].(bool)
	a.HasConnection = a.Nth > 0
	a.Failed = a.End != "" && a.End != fault.Completed.String()
	if a.By == "" {
		a.By = "upstream"
	}
	spent := o.inner("spent_ms")
	for _, s := range stagesShown {
		a.Total += spent.millis(s.String())
	}
	from, passed := time.Duration(0), false
	for _, s := range stagesShown {
		b := bar{Name: stageTitle(s.String()), Took: spent.millis(s.String())}
		b.Failed = a.Failed && s.String() == a.Stage
		b.Reached = !passed && (b.Took > 0 || b.Failed)
		if a.Total > 0 {
			b.From = 100 * float64(from) / float64(a.Total)
			b.Long = max(100*float64(b.Took)/float64(a.Total), 0.6)
			b.From = min(b.From, 100-b.Long)
		}
		from += b.Took
		passed = passed || b.Failed
		a.Bars = append(a.Bars, b)
	}
	a.Facts = factsOf(o)
	return a
}

// stageTitle is a stage's name for people.
func stageTitle(stage string) string {
	switch stage {
	case "first_byte":
		return "first byte"
	case "tls":
		return "TLS"
	}
	return stage
}

// factsOf lists what was observed beside the stages and the four bits.
func factsOf(o object) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, fact{name, value})
		}
	}
	if e := o.text("errno_name"); e != "" {
		add("system error", e+" ("+o.text("errno_text")+")")
	}
	if t := o.text("timer"); t != "" {
		add("time limit", t+", "+short(o.millis("after_ms")))
	}
	add("TLS alert", o.text("alert_name"))
	add("client certificate", o.text("client_certificate"))
	add("broken rule", o.text("rule_text"))
	add("source of the rule", o.text("rule_reference"))
	add("header", o.text("field"))
	if o.number("limit", "limit_bytes") > 0 {
		add("limit", fmt.Sprintf("%.0f, found %.0f", o.number("limit", "limit_bytes"), o.number("size", "size_bytes")))
	}
	if n := o.number("declared_bytes", "declared"); n > 0 {
		add("Content-Length", fmt.Sprintf("%.0f bytes, %.0f came", n, o.number("body_bytes", "body")))
	}
	if up, _ := o["upload"].(bool); up {
		add("request body", "was not sent to its end")
	}
	if d := o.inner("dns"); d != nil {
		add("name asked for", d.text("name"))
		add("name server", d.text("server"))
		add("its answer", strings.TrimSpace(d.text("rcode_name")+" "+d.text("ede_name")+" "+d.text("ede_text")))
	}
	if c := o.inner("certificate"); c != nil {
		add("certificate", strings.ReplaceAll(c.text("problem"), "_", " "))
		add("name wanted", c.text("wanted"))
		add("authority", c.text("authority"))
	}
	add("the bytes look like", o.text("sample_protocol"))
	if n := o.number("stream"); n > 0 {
		add("stream", fmt.Sprintf("%.0f of the connection", n))
	}
	add("HTTP/2 error code", o.text("code"))
	if un, _ := o["unprocessed"].(bool); un {
		add("the upstream says", "it has not processed the request")
	}
	add("HTTP version of the connection", o.text("version"))
	add("detail", o.text("detail"))
	return out
}

// broken are the first bytes of a malformed message, with the place where a rule was broken.
type broken struct {
	Lines []brokenLine
	Hex   []hexRow
	Rule  string
	Cut   bool
}

type brokenLine struct {
	Text  string
	Caret string // spaces and a caret below the text, empty where the rule was not broken in this line
}

// hexRow is sixteen bytes.
type hexRow struct {
	Offset string
	Cells  []hexCell
}

type hexCell struct {
	Hex, Char string
	Bad       bool
}

// Bounds of the bytes that are shown.
const (
	bytesShown = 512
	linesShown = 12
	lineShown  = 160
)

func brokenOf(raw map[string]any) *broken {
	o := object(raw)
	sample, err := hex.DecodeString(o.text("sample_hex"))
	if err != nil || len(sample) == 0 {
		return nil
	}
	at := -1
	if o.text("rule") != "" {
		at = int(o.number("offset", "offset_bytes"))
	}
	b := &broken{Rule: o.text("rule_text"), Cut: len(sample) > bytesShown}
	if ref := o.text("rule_reference"); ref != "" {
		b.Rule = strings.TrimSpace(b.Rule + " (" + ref + ")")
	}
	begin := 0
	if at >= bytesShown { // what was broken is what is to be seen
		begin = at &^ 15
		begin = max(begin-bytesShown/2, 0)
	}
	if begin >= len(sample) {
		begin, at = 0, -1
	}
	shown := sample[begin:min(len(sample), begin+bytesShown)]
	b.Lines = linesOf(shown, at-begin)
	for i := 0; i < len(shown); i += 16 {
		row := hexRow{Offset: fmt.Sprintf("%04x", begin+i)}
		for k, c := range shown[i:min(i+16, len(shown))] {
			cell := hexCell{Hex: fmt.Sprintf("%02x", c), Char: ".", Bad: begin+i+k == at}
			if c >= ' ' && c < 0x7f {
				cell.Char = string(rune(c))
			}
			row.Cells = append(row.Cells, cell)
		}
		b.Hex = append(b.Hex, row)
	}
	return b
}

// linesOf shows bytes as lines, what is not text escaped, with a caret below the byte at.
func linesOf(b []byte, at int) []brokenLine {
	var out []brokenLine
	for start := 0; start < len(b) && len(out) < linesShown; {
		end := start
		for end < len(b) && b[end] != '\n' && end-start < lineShown {
			end++
		}
		if end < len(b) && b[end] == '\n' {
			end++
		}
		var text strings.Builder
		caret := -1
		for i := start; i < end; i++ {
			if i == at {
				caret = text.Len()
			}
			switch c := b[i]; {
			case c == '\r':
				text.WriteString(`\r`)
			case c == '\n':
				text.WriteString(`\n`)
			case c == '\t':
				text.WriteString(`\t`)
			case c >= ' ' && c < 0x7f:
				text.WriteByte(c)
			default:
				fmt.Fprintf(&text, `\x%02x`, c)
			}
		}
		line := brokenLine{Text: text.String()}
		if at == end && end == len(b) && caret < 0 { // broken behind the last byte: something is missing
			caret = text.Len()
		}
		if caret >= 0 {
			line.Caret = strings.Repeat(" ", caret) + "^"
		}
		out = append(out, line)
		start = end
	}
	return out
}

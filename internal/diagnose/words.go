package diagnose

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/fingerprint"
	"github.com/whygate/whygate/internal/phrase"
)

// What an answer says of itself: the fields that products name their error in, the reason phrase, the page's text.

// Bounds of the text that is read: a page that is longer is about something, and no report of an error.
const (
	textMax   = 6 << 10
	refusalIs = 1 << 10 // of an answer of 4xx, which as a rule is what it says
)

// wordFields name an error in words or in a product's own name for it.
var wordFields = [...]string{"X-Squid-Error", "L5d-Proxy-Error", "X-Vercel-Error", "Ngrok-Error-Code", "X-Azure-ExternalError", "X-Amzn-ErrorType", "X-Envoy-Response-Code-Details", "X-Cf-RouterError", "Grpc-Message"}

// reading is what an answer's words tell.
type reading struct {
	causes  []fault.Cause // the likeliest first
	line    string        // the words, for a proof
	place   string        // where they stand: a field, the reason phrase, the page
	address string        // with whom, where the words have it
	by      phrase.Who
	is      phrase.Strength
	rank    int8
	inPage  bool
	store   string // a database or the like that they are about, empty for an upstream
}

// read reads the answer's words; nil where they tell nothing.
func (x *Exchange) words() *reading {
	for _, name := range wordFields {
		value := x.field(name)
		if value == "" {
			continue
		}
		place := "its header " + name
		if causes := causesNamed(name, value); causes != nil {
			return &reading{causes: causes, line: name + ": " + firstLine([]byte(value)), place: place, is: phrase.Strong, rank: phrase.Worded}
		}
		if r := readWords(value, place); r != nil {
			r.line = name + ": " + firstLine([]byte(value))
			return r
		}
	}
	for _, f := range x.answer.Fields {
		if !strings.Contains(strings.ToLower(f.Name), "error") {
			continue
		}
		if r := readWords(f.Value, "its header "+f.Name); r != nil {
			r.line = f.Name + ": " + firstLine([]byte(f.Value))
			return r
		}
	}
	if reason := strings.TrimSpace(x.answer.Reason); reason != "" {
		if r := readWords(reason, "its reason phrase"); r != nil {
			r.line = strconv.Itoa(x.Status) + " " + firstLine([]byte(reason))
			return r
		}
	}
	text := plainText(x.answer.Body)
	if len(text) > textMax {
		return nil
	}
	r := readWords(text, "its page")
	if r != nil {
		r.inPage = true
	}
	return r
}

// readWords reads one text.
func readWords(text, place string) *reading {
	said := phrase.Read([]byte(text))
	if len(said.Causes()) == 0 {
		return nil
	}
	r := &reading{causes: said.Causes(), place: place, by: said.Phrase.By, is: said.Phrase.Is, rank: said.Phrase.Rank}
	from, to := max(0, said.From-40), min(len(text), said.To+80)
	r.line = escape([]byte(strings.ToValidUTF8(strings.TrimSpace(text[from:to]), "")))
	if at := addressIn.FindString(text[said.From:min(len(text), said.To+120)]); at != "" {
		r.address = at
	} else if all := addressIn.FindAllString(text[:said.From], -1); len(all) > 0 {
		r.address = all[len(all)-1]
	}
	r.store = storeOf(text, r.address)
	return r
}

// addressIn finds an address with a port in a text.
var addressIn = regexp.MustCompile(`(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,39}\]|::1|\b[a-zA-Z0-9_-]{1,63}(?:\.[a-zA-Z0-9_-]{1,63}){0,5}):\d{2,5}\b`)

// stores are what an application leans on besides upstreams of HTTP, by port and by words: that one of them fails is the
// application's own error.
var (
	storePorts = map[string]string{
		"5432": "PostgreSQL", "6432": "PgBouncer", "3306": "MySQL", "6379": "Redis", "26379": "Redis", "27017": "MongoDB", "1433": "SQL Server", "1521": "Oracle", "5672": "RabbitMQ", "9092": "Kafka",
		"11211": "memcached", "2181": "ZooKeeper", "9042": "Cassandra", "389": "LDAP", "636": "LDAP", "25": "mail", "587": "mail", "465": "mail", "8086": "InfluxDB", "2379": "etcd",
	}
	storeWords = []struct{ word, name string }{
		{"postgres", "PostgreSQL"},
		{"psycopg", "PostgreSQL"},
		{"sqlstate", "its database"},
		{"mysql", "MySQL"},
		{"mariadb", "MariaDB"},
		{"redis", "Redis"},
		{"mongo", "MongoDB"},
		{"sqlalchemy", "its database"},
		{"jdbc", "its database"},
		{"hikari", "its database"},
		{"activerecord", "its database"},
		{"amqp", "its message broker"},
		{"rabbitmq", "RabbitMQ"},
		{"kafka", "Kafka"},
		{"memcache", "memcached"},
		{"smtp", "its mail server"},
		{"ldap", "LDAP"},
		{"database", "its database"},
	}
)

// storeOf names the store that the words are about, empty where they are about none that is known.
func storeOf(text, address string) string {
	if at := strings.LastIndexByte(address, ':'); at >= 0 {
		if name := storePorts[address[at+1:]]; name != "" {
			return name
		}
	}
	lower := strings.ToLower(text)
	for _, s := range storeWords {
		if strings.Contains(lower, s.word) {
			return s.name
		}
	}
	return ""
}

// unseen are the parts of a page that nobody reads.
var unseen = regexp.MustCompile(`(?is)<(style|script|head)\b[^>]*>.*?</(style|script|head)\s*>|<!--.*?-->`)

// titleOf is a page's title.
var titleOf = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// plainText is the text of a page in one line: its title, and what a browser shows.
func plainText(body []byte) string {
	text := string(body[:min(len(body), bodyKept)])
	if !strings.Contains(text, "<") {
		return strings.Join(strings.Fields(text), " ")
	}
	title := ""
	if m := titleOf.FindStringSubmatch(text); m != nil {
		title = m[1] + " "
	}
	var b strings.Builder
	b.WriteString(title)
	rest := unseen.ReplaceAllString(text, " ")
	for {
		at := strings.IndexByte(rest, '<')
		if at < 0 {
			break
		}
		b.WriteString(rest[:at])
		b.WriteByte(' ')
		end := strings.IndexByte(rest[at:], '>')
		if end < 0 {
			rest = ""
			break
		}
		rest = rest[at+end+1:]
	}
	b.WriteString(rest)
	return strings.Join(strings.Fields(html.UnescapeString(b.String())), " ")
}

// ofOwnWords asks the answer's words and what is known of its maker's own answers: words that leave one link first, then the maker's
// answer, then words that leave several. What is known of the maker's answer says more than words of an application, or of a status.
func ofOwnWords(w *Walk, x *Exchange) *finding {
	words := ofWords(w, x)
	own := ofStock(w, x)
	said := words != nil && words.cause != fault.CauseUnknown && !words.weak
	if own == nil || said && (own.cause == fault.CauseUnknown || words.by != phrase.Application && words.cause != fault.CauseUpstreamStatus) {
		return words
	}
	return own
}

// ofWords is the finding that an answer's words make.
func ofWords(w *Walk, x *Exchange) *finding {
	r := x.words()
	maker, made := fingerprint.Maker(&x.answer)
	gateway := made && isGateway(maker.Product)
	switch {
	case r == nil:
		return nil
	case r.is == phrase.Weak && !gateway:
		return nil
	case x.Status < 500 && !gateway && (r.is != phrase.Strong || x.BodySize > refusalIs || r.by != phrase.Gateway || r.inPage && strings.Contains(string(x.answer.Body), "<")):
		return nil // a site's own page may speak of many things
	case r.store != "" && !gateway:
		return ofStore(w, x, r)
	}
	return r.finding(w, x)
}

// finding puts the words of an answer together.
func (r *reading) finding(w *Walk, x *Exchange) *finding {
	causes := slices.Clone(r.causes)
	if i := slices.Index(causes, fault.CauseClosedBeforeAnswer); i > 0 && causes[0] == fault.CauseKeepaliveRace && (w.Again == nil || w.Again.Pattern != Sometimes) {
		causes[0], causes[i] = causes[i], causes[0] // a race would be lost now and then
	}
	causes = ofStatus(x.Status, causes)
	cause, alone := oneLink(causes)
	f := &finding{cause: cause, confidence: Likely, weak: r.is == phrase.Weak, by: r.by, proof: []string{fmt.Sprintf("%s says: %s", r.place, r.line)}}
	who := subject(w, x)
	switch {
	case cause == fault.CauseUnknown:
		f.confidence = Possible
		f.sentence = fmt.Sprintf("%s got no answer from its upstream, and answers %d", who, x.Status)
		f.missing = append(f.missing, "which it was: "+titlesOf(causes))
	case r.by == phrase.Application:
		f.sentence = fmt.Sprintf("%s answers %d: %s", who, x.Status, lowerFirst(cause.Entry().Title))
	default:
		f.sentence = who + " " + clauseOf(cause, r.address)
		if !alone {
			f.missing = append(f.missing, "it may also be: "+titlesOf(causes[1:]))
		}
	}
	if r.by == phrase.Gateway {
		f.missing = append(f.missing, straightHint)
	}
	return f
}

// straightHint is how to see what a gateway met.
const straightHint = "the same walk straight to the upstream: --upstream HOST:PORT"

// ofStore: the application says that what it leans on fails.
func ofStore(w *Walk, x *Exchange, r *reading) *finding {
	if x.Status < 500 {
		return nil
	}
	at := ""
	if r.address != "" {
		at = " (" + r.address + ")"
	}
	how := ", " + lowerFirst(r.causes[0].Entry().Title)
	if r.causes[0] == fault.CauseApplicationError {
		how = ""
	}
	return &finding{
		cause: fault.CauseApplicationError, confidence: Likely,
		sentence: fmt.Sprintf("the application at %s failed on the request and answers %d itself: %s%s fails it%s", w.Target.label(), x.Status, r.store, at, how),
		proof:    []string{r.place + " says: " + r.line}, missing: []string{"whether " + r.store + at + " can be connected to from the application's machine"},
	}
}

func titlesOf(causes []fault.Cause) string {
	names := make([]string, 0, len(causes))
	for _, c := range causes {
		if t := lowerFirst(c.Entry().Title); !slices.Contains(names, t) {
			names = append(names, t)
		}
	}
	return strings.Join(names, "; ")
}

// subject names who made an answer and who passed it on, as the beginning of a sentence: nginx behind Cloudflare (shop.test:443).
func subject(w *Walk, x *Exchange) string {
	chain := fingerprint.Chain(&x.answer)
	at := w.Target.label()
	if len(chain) == 0 {
		return someone(w, x)
	}
	last := chain[len(chain)-1]
	var before []string
	for _, m := range chain[:len(chain)-1] {
		before = append(before, m.Title)
	}
	switch {
	case !last.Own && isGateway(last.Product):
		return join(append(before, last.Title)) + " at " + at
	case !last.Own:
		return "the gateway at " + at
	case len(before) > 0:
		return makerTitle(last) + " behind " + join(before) + " (" + at + ")"
	}
	return makerTitle(last) + " at " + at
}

// makerTitle names who made an answer, with the doubt that there is.
func makerTitle(m fingerprint.Match) string {
	if m.Certainty == fingerprint.Hint {
		return "what may be " + m.Title
	}
	return m.Title
}

func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

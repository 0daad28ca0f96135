package statuscode

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// fixture reads the lines of a file in testdata, without its comments.
func fixture(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestRegistry: each code that IANA has registered is here, with its name and source, and no other says that it is.
func TestRegistry(t *testing.T) {
	registered := map[string]bool{}
	for _, line := range fixture(t, "iana") {
		row, source, _ := strings.Cut(line, "|")
		code, title, _ := strings.Cut(row, " ")
		registered[code] = true
		e := ByCode(code)
		if e == nil {
			t.Errorf("%s %s is missing", code, title)
			continue
		}
		if e.Kind != Registered || e.Title != title || !strings.HasPrefix(e.Source, source) {
			t.Errorf("%s: %s, %q, %q; the registry has %q, %q", code, e.Kind, e.Title, e.Source, title, source)
		}
	}
	if len(registered) != 64 {
		t.Errorf("the list has %d codes", len(registered))
	}
	for _, e := range All() {
		if e.Kind == Registered && !registered[e.Code] {
			t.Errorf("%s is not in the registry", e.Code)
		}
	}
}

func TestEntriesAreComplete(t *testing.T) {
	number := regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	seen := map[string]bool{}
	for _, e := range All() {
		if seen[e.Code] || !number.MatchString(e.Code) {
			t.Errorf("%s is there twice, or is no number", e.Code)
		}
		seen[e.Code] = true
		for what, text := range map[string]string{"meaning": e.Meaning, "caching": e.Caching, "retry": e.Retry, "gateway": e.Gateway} {
			if len(text) < 15 || !strings.Contains(".)", text[len(text)-1:]) || strings.Contains(text, "  ") {
				t.Errorf("%s: %s is no sentence: %q", e.Code, what, text)
			}
		}
		if e.Title == "" || e.Source == "" || len(e.Steps) == 0 || len(e.Related) == 0 || (e.Owner == "") != (e.Kind == Registered) {
			t.Errorf("%s: title, source, owner, steps or related is missing", e.Code)
		}
		for _, s := range e.Steps {
			if s.Title == "" || len(s.Do) < 15 || s.Command == "" || !strings.HasSuffix(s.Do, ".") {
				t.Errorf("%s: step %+v is not complete", e.Code, s)
			}
		}
		checkExample(t, e)
	}
	for _, e := range All() {
		for _, r := range e.Related {
			if !seen[r] || r == e.Code {
				t.Errorf("%s is related to %s", e.Code, r)
			}
		}
	}
}

// checkExample: an example's response has the code, and what is never sent has none.
func checkExample(t *testing.T, e *Entry) {
	t.Helper()
	number, _, _ := strings.Cut(e.Code, ".")
	switch number {
	case "494", "495", "496", "497":
		number = "400" // nginx sends that in their place
	}
	switch {
	case e.Kind == LogOnly:
		if e.Request != "" || e.Response != "" {
			t.Errorf("%s is never sent and has an example", e.Code)
		}
	case !strings.Contains(e.Request, " HTTP/") || !strings.HasPrefix(e.Response, "HTTP/1.1 "+number+" "):
		t.Errorf("%s: the example is\n%s\n%s", e.Code, e.Request, e.Response)
	}
}

// TestExamplesSayTheirLength: where an example has a body, Content-Length counts it.
func TestExamplesSayTheirLength(t *testing.T) {
	length := regexp.MustCompile(`\nContent-Length: (\d+)\n`)
	for _, e := range All() {
		for _, message := range []string{e.Request, e.Response} {
			head, body, _ := strings.Cut(message, "\n\n")
			m := length.FindStringSubmatch(head + "\n")
			if body != "" && body != "(and then nothing)" && (m == nil || m[1] != strconv.Itoa(len(body))) {
				t.Errorf("%s: Content-Length of %d octets is %q in\n%s", e.Code, len(body), m, message)
			}
		}
	}
}

// TestSourcesAgreeWithGo compares the sections with those that net/http's source names in comments.
func TestSourcesAgreeWithGo(t *testing.T) {
	text := goSource(t)
	line := regexp.MustCompile(`= (\d{3}) +// RFC (\d+), ([\d.]*\d)`)
	found := line.FindAllStringSubmatch(text, -1)
	if len(found) < 50 {
		t.Fatalf("net/http names %d sources", len(found))
	}
	for _, m := range found {
		e := ByCode(m[1])
		want := fmt.Sprintf("RFC %s section %s", m[2], m[3])
		if e == nil || !strings.HasPrefix(e.Source, want) && !strings.HasPrefix(e.Earlier, want) {
			t.Errorf("%s: net/http says %s, and here is %+v", m[1], want, e)
		}
	}
}

func goSource(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "src", "net", "http", "status.go"))
	if err != nil {
		t.Skipf("no source of net/http: %v", err)
	}
	return string(b)
}

// TestTitlesAgreeWithGo: but for the names that RFC 9110 changed.
func TestTitlesAgreeWithGo(t *testing.T) {
	changed := map[string]string{"413": "Request Entity Too Large", "414": "Request URI Too Long", "416": "Requested Range Not Satisfiable", "418": "I'm a teapot", "422": "Unprocessable Entity"}
	for n := 100; n < 600; n++ {
		text := http.StatusText(n)
		if text == "" {
			continue
		}
		code := strconv.Itoa(n)
		e := ByCode(code)
		if e == nil || e.Title != text && changed[code] != text {
			t.Errorf("%d: net/http calls it %q, and here is %+v", n, text, e)
		}
	}
}

// TestHeuristicallyCacheable is the list of RFC 9110 section 15.1, and 451 by RFC 7725.
func TestHeuristicallyCacheable(t *testing.T) {
	got := []string{}
	for _, e := range All() {
		if e.Cacheable {
			got = append(got, e.Code)
		}
	}
	if want := "200 203 204 206 300 301 308 404 405 410 414 451 501"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestEveryAnswerHasItsCauses: each cause stands under the code that the gateway answers with.
func TestEveryAnswerHasItsCauses(t *testing.T) {
	listed := map[fault.Cause]bool{}
	for _, e := range All() {
		seen := map[fault.Cause]bool{}
		for _, c := range e.Causes {
			listed[c] = true
			if seen[c] {
				t.Errorf("%s lists %s twice", e.Code, c)
			}
			seen[c] = true
		}
	}
	for _, c := range fault.Catalogue() {
		status := fault.Fault{Type: c.Type, Cause: c.Cause}.Status()
		if e := ByCode(strconv.Itoa(status)); status != 0 && (e == nil || !listed[c.Cause]) {
			t.Errorf("%s is answered with %d, and no code lists it", c.Slug, status)
		}
	}
}

// TestGuides: 502, 503 and 504 are complete guides, with each of the six families that people know.
func TestGuides(t *testing.T) {
	for _, code := range []string{"502", "503", "504"} {
		e := ByCode(code)
		var all strings.Builder
		for _, s := range e.Steps {
			fmt.Fprintln(&all, s.Title, s.Do, s.Command)
		}
		for _, want := range []string{"Refresh", "server logs", "upstream servers", "network", "DNS", "configuration", "maintenance", "firewalls", "whygate diagnose", "whygate explain", "whygate check", "ping ", "traceroute ", "dig "} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no step says %q", code, want)
			}
		}
		families := map[fault.Family]bool{}
		for _, r := range e.Reasons {
			families[r.Family] = true
		}
		for f := fault.FamilyOverload; f <= fault.FamilySecurity; f++ {
			if !families[f] {
				t.Errorf("%s: nothing is said of %s", code, f)
			}
		}
	}
	if e := ByCode("502"); len(e.Causes) < 60 || len(e.ByFamily()) != 6 || len(e.Substatuses()) != 7 {
		t.Errorf("502 has %d causes, %d families, %d substatuses", len(e.Causes), len(e.ByFamily()), len(e.Substatuses()))
	}
}

// TestSubstatuses: what an engineer of IIS looks up is here, under the code before its point, and causes nothing that the
// code alone would.
func TestSubstatuses(t *testing.T) {
	for code, want := range map[string]string{"400.604": "Client Gone", "401.1": "Logon Failed", "403.14": "Directory Listing Denied", "404.13": "Content Length Too Large", "500.19": "Configuration Data Is Invalid", "500.30": "ASP.NET Core In-Process Start Failure", "503.2": "Concurrent Request Limit Exceeded"} {
		e := ByCode(code)
		if e == nil || e.Title != want || e.Kind != Substatus || e.Owner != iis {
			t.Errorf("%s: %+v", code, e)
			continue
		}
		base, _, _ := strings.Cut(code, ".")
		if e.Related[0] != base || !strings.HasPrefix(e.Response, "HTTP/1.1 "+base+" "+ByCode(base).Title+"\n") {
			t.Errorf("%s: related to %v, its response is %q", code, e.Related, e.Response)
		}
	}
	if causes := ByCode("404.3").Causes; len(causes) != 0 {
		t.Errorf("404.3 has causes of 404: %v", causes)
	}
	for _, e := range All() {
		if base, _, found := strings.Cut(e.Code, "."); found && ByCode(base) == nil {
			t.Errorf("%s has no code before its point", e.Code)
		}
	}
}

func TestKindsAndClasses(t *testing.T) {
	for code, want := range map[string]string{"103": "Informational", "226": "Successful", "306": "Redirection", "499": "Client error", "502.3": "Server error", "999": "Outside of all classes", "009": "Only in logs", "-1": "Only in logs"} {
		if got := ByCode(code).Class(); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	if text, err := Substatus.MarshalText(); err != nil || string(text) != "substatus" || Kind(200).String() != "unofficial" {
		t.Errorf("%s %v", text, err)
	}
	if first, last := All()[0], All()[len(All())-1]; first.Code != "100" || last.Code != "009" {
		t.Errorf("the list goes from %s to %s", first.Code, last.Code)
	}
}

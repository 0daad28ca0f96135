package explain

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// iisDirected is a log whose fields are chosen anew twice, in orders of which the shape of a line does not tell.
const iisDirected = `#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-03-14 12:00:00
#Fields: date time cs-method cs-uri-stem sc-status sc-win32-status time-taken c-ip
2026-03-14 12:00:01 GET /a 200 0 15 203.0.113.9
2026-03-14 12:00:02 GET /a 502 12029 2031 203.0.113.9
#Fields: date time c-ip sc-status sc-substatus cs-method cs-uri-stem cs(User-Agent)
2026-03-14 12:00:03 203.0.113.9 502 4 GET /b curl/8.5
2026-03-14 12:00:04 203.0.113.9 404 0 GET /200/x 503+504
`

// TestDirective checks that the lines of IIS are read as the #Fields: directive before them says, also where the directive is
// in another block than the line, and that without one their shape tells.
func TestDirective(t *testing.T) {
	t.Parallel()
	filling := strings.Repeat("2026-03-14 12:00:05 203.0.113.9 200 0 GET /b curl/8.5\n", 3*blockSize/50)
	for name, text := range map[string]string{"short": iisDirected, "in another block": iisDirected + filling, "CRLF": strings.ReplaceAll(iisDirected, "\n", "\r\n")} {
		text += "2026-03-14 12:00:06 203.0.113.9 503 2 GET /c curl/8.5\n"
		r, err := Explain(t.Context(), Options{Sources: []Source{{Name: "u_ex.log", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}}, Now: corpusNow})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range r.Findings {
			got = append(got, fmt.Sprint(f.Cause, " ", f.Groups[0].Route))
		}
		if want := "[connection-refused /a queue-full /c nobody-available /b]"; fmt.Sprint(got) != want || r.Unknown != 1 {
			t.Errorf("%s: %v, %d unknown, want %s", name, got, r.Unknown, want)
		}
	}
}

// FuzzDirective holds that no directive and no line behind it does harm.
func FuzzDirective(f *testing.F) {
	for line := range strings.Lines(iisDirected) {
		f.Add("#Fields: date time cs-method cs-uri-stem sc-status", line)
		f.Add(line, "2026-03-14 12:00:03 203.0.113.9 502 4 GET /b curl/8.5")
	}
	f.Fuzz(func(_ *testing.T, directive, line string) {
		var e Entry
		r := NewRecogniser(formats, corpusNow)
		r.Read(&e, []byte(directive))
		r.Read(&e, []byte(line))
	})
}

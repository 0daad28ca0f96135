package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	tables = regexp.MustCompile(`(?s)<table>.*?</table>`)
	cells  = regexp.MustCompile(`(?s)<td[^>]*>.*?</td>`)
)

// On a telephone a table becomes a card for each row: its cells say what they are, since the heading is gone, and pictures keep
// their own width beside a page that does not scroll.
func TestPagesOnNarrowScreens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "error.log")
	line := `2026/11/22 03:00:01 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: s, request: "GET /x HTTP/1.1", upstream: "http://127.0.0.1:3000/x", host: "s"` + "\n"
	if err := os.WriteFile(log, []byte(line+line), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer server.Close()
	for _, args := range [][]string{{"explain", log}, {"diagnose", server.URL, "--no-traceroute", "--no-here", "--count", "2"}} {
		file := filepath.Join(dir, args[0]+".html")
		var out bytes.Buffer
		run(t.Context(), append(args, "--html", file), strings.NewReader(""), &out, &out)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, &out)
		}
		page := string(b)
		if !strings.Contains(page, "@media (max-width:600px)") && !strings.Contains(page, "@media (max-width: 600px)") {
			t.Errorf("%s: nothing is said for narrow screens", args[0])
		}
		if pictures, wide := strings.Count(page, "<svg"), strings.Count(page, `<div class="wide"><svg`); pictures == 0 || pictures != wide {
			t.Errorf("%s: %d of %d pictures have their own width", args[0], wide, pictures)
		}
		headed := 0
		for _, table := range tables.FindAllString(page, -1) {
			if !strings.Contains(table, "<tr><th>") || strings.Contains(table, "<th>Step</th>") || !strings.Contains(table, "</th><th>") {
				continue // the headings are in the rows, or the cells speak for themselves
			}
			headed++
			for _, cell := range cells.FindAllString(table, -1) {
				if !strings.Contains(cell, "data-of=") && !strings.HasSuffix(cell, "<td></td>") {
					t.Errorf("%s: a cell that does not say what it is: %s", args[0], cell)
				}
			}
		}
		if headed < 2 {
			t.Errorf("%s: %d tables with headings", args[0], headed)
		}
	}
}

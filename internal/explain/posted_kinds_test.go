package explain

import (
	"os"
	"strings"
	"testing"
)

// postedFile has inputs in the shape of what people post, one a line: the cause, the upstream, and the text in which \n and \t stand for
// themselves. A dash for a cause is said of what must not be judged.
const postedFile = "../../testdata/posted.tsv"

// TestPostedKinds: the first finding of each input has its cause and its upstream.
func TestPostedKinds(t *testing.T) {
	t.Parallel()
	const least = 400
	file, err := os.ReadFile(postedFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	for _, line := range lines {
		want := strings.SplitN(line, "\t", 3)
		if len(want) != 3 {
			t.Fatalf("%q is no line of three columns", line)
		}
		r := explainText(t, "posted.log", strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`).Replace(want[2])+"\n")
		cause, at := "-", ""
		switch {
		case len(r.Findings) > 0:
			cause = r.Findings[0].Cause.String()
			if len(r.Findings[0].Upstreams) > 0 {
				at = r.Findings[0].Upstreams[0].Name
			}
		case len(r.Clients) > 0 && r.Clients[0].Cause != "":
			cause = r.Clients[0].Cause
		}
		if cause != want[0] || at != want[1] {
			t.Errorf("%s at %q, want %s at %q: %s", cause, at, want[0], want[1], want[2])
		}
	}
	if len(lines) < least {
		t.Errorf("%d inputs, want %d at least", len(lines), least)
	}
}

package adoption

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whygate/whygate/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden: what configurations become. Each result is in order, and each line that is not in it is named by file and line.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.in")
	if err != nil || len(inputs) == 0 {
		t.Fatal("no inputs: ", err)
	}
	for _, in := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in"), func(t *testing.T) {
			text, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			names := strings.Fields(string(text))
			made, err := Translate(t.Context(), names, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			inOrder(t, made)
			var got bytes.Buffer
			got.Write(made.File)
			golden := strings.TrimSuffix(in, ".in") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// inOrder holds a result to what is promised of each: Whygate takes it, and what is not translated stands in it.
func inOrder(t *testing.T, made *Result) {
	t.Helper()
	cfg, problems := config.Parse("whygate.yaml", made.File, config.Options{})
	if cfg == nil {
		t.Errorf("%v\n%s", problems.Err(), made.File)
	}
	for _, n := range made.Notes {
		if n.File == "" || n.Line == 0 || !strings.Contains(string(made.File), "# "+comment(n.String())) {
			t.Errorf("not in the result: %s", n)
		}
	}
}

// TestHealthy: everything that lint has as an example of the products that are translated gives a result that Whygate takes.
func TestHealthy(t *testing.T) {
	dirs, err := filepath.Glob("../lint/testdata/healthy/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no examples: ", err)
	}
	translated := 0
	for _, dir := range dirs {
		made, err := Translate(t.Context(), []string{dir}, strings.NewReader(""))
		if err != nil {
			continue // of another product
		}
		translated++
		t.Run(filepath.Base(dir), func(t *testing.T) { inOrder(t, made) })
	}
	if translated < 10 {
		t.Errorf("only %d examples", translated)
	}
}

// FuzzTranslate: whatever the configuration, Whygate takes the result, and what is not translated stands in it, as a comment alone.
func FuzzTranslate(f *testing.F) {
	files, _ := filepath.Glob("../lint/testdata/healthy/*/*")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			return
		}
		made, err := Translate(t.Context(), []string{"-"}, bytes.NewReader(text))
		if err != nil {
			return
		}
		inOrder(t, made)
		for line := range strings.Lines(string(made.File)) {
			if strings.Contains(line, "not translated") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				t.Errorf("a comment is none: %q", line)
			}
		}
	})
}

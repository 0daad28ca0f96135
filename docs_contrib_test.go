package whygate

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContrib checks that docs/run.md shows the files of contrib as they are: go test . -update writes them into it.
func TestContrib(t *testing.T) {
	const page = "docs/run.md"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile("(?s)<!-- (contrib/[^ ]+) -->\n(```[a-z]*\n)(.*?)```\n").FindAllStringSubmatch(text, -1) {
		shown[m[1]] = true
		file, err := os.ReadFile(m[1])
		if err != nil {
			t.Error(err)
			continue
		}
		if string(file) == m[3] {
			continue
		}
		if !*update {
			t.Errorf("%s does not show %s as it is: run go test . -update", page, m[1])
		}
		text = strings.Replace(text, m[0], "<!-- "+m[1]+" -->\n"+m[2]+string(file)+"```\n", 1)
	}
	err = filepath.WalkDir("contrib", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !shown[filepath.ToSlash(path)] && !strings.HasSuffix(path, ".sysusers") {
			t.Errorf("%s does not show %s", page, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if *update && text != string(b) {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

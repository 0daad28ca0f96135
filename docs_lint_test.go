package whygate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/whygate/whygate/internal/lint"
)

// The pages of docs/lint are made here from the rules and from their examples.

// lintPages gives every page of the rules by its path.
func lintPages(t *testing.T) map[string][]byte {
	t.Helper()
	pages := map[string][]byte{"docs/lint/README.md": lintIndex()}
	for _, r := range lint.Rules() {
		archive := &txtar.Archive{}
		if !r.Asked {
			var err error
			if archive, err = txtar.ParseFile(filepath.Join("internal/lint/testdata/rules", r.ID+".txtar")); err != nil {
				t.Fatal(err)
			}
		}
		pages["docs/lint/"+r.ID+".md"] = lintPage(r, archive)
	}
	return pages
}

// proofOf names the product in front of which a rule was shown, empty if it was not.
func proofOf(id string) string {
	b, err := os.ReadFile(filepath.Join("internal/lint/testdata/proof", id+".txtar"))
	if err != nil {
		return ""
	}
	product, _, _ := strings.Cut(strings.TrimPrefix(string(b), "product: "), "\n")
	return product
}

func lintIndex() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "lint")
	b.WriteString("# What lint finds\n\nThe rules of `whygate lint`: what a proxy's configuration, or an application's, will make fail. A **fault** will fail, a **risk** fails under a condition " +
		"that the page names, a **note** is worth to know. Each rule has a failing and a healthy example that look alike; those with a proof were shown by the real " +
		"program, as Debian packages it, with the bad line and with the mended one (`make test-lint`).\n\n| Rule | Severity | What is wrong | Read in | Proof |\n|---|---|---|---|---|\n")
	for _, r := range lint.Rules() {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s |\n", r.ID, r.ID, r.Severity, text(r.Title), strings.Join(r.Products, ", "), proofOf(r.ID))
	}
	b.WriteString("\n[All causes](../causes/README.md) · [The command line](../cli.md)\n")
	return []byte(b.String())
}

func lintPage(r *lint.Rule, example *txtar.Archive) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, generatedNote, "lint")
	fmt.Fprintf(&b, "# %s\n\n`%s` · %s · read in configurations of %s\n\n## What will happen\n\n%s\n\n## What to write\n\n%s\n", text(r.Title), r.ID, r.Severity, strings.Join(r.Products, ", "), text(r.Happens), text(r.Fix))
	if r.Asked {
		b.WriteString("\nIt is found with `--probe` only.\n")
	} else {
		b.WriteString("\n## An example\n\nThis is found:\n")
		writeFiles(&b, example, "bad")
		b.WriteString("\nThis is not:\n")
		writeFiles(&b, example, "good")
	}
	if product := proofOf(r.ID); product != "" {
		fmt.Fprintf(&b, "\n## Proof\n\n`make test-lint` runs %s with the bad line and with the mended one, and asks it.\n", product)
	}
	fmt.Fprintf(&b, "\n## Source\n\n%s\n\n## Causes that it leads to\n\n", text(r.Source))
	for _, c := range r.Causes {
		fmt.Fprintf(&b, "- [%s](../causes/%s.md)\n", c, c)
	}
	b.WriteString("\n[All rules](README.md) · [All causes](../causes/README.md)\n")
	return []byte(b.String())
}

// writeFiles writes the files of one side. A file that both sides have alike is shown once.
func writeFiles(b *strings.Builder, example *txtar.Archive, side string) {
	for _, f := range example.Files {
		name, ok := strings.CutPrefix(f.Name, side+"/")
		if !ok {
			continue
		}
		if side == "good" && sameAsBad(example, name, f.Data) {
			fmt.Fprintf(b, "\n`%s`: the same\n", name)
			continue
		}
		fmt.Fprintf(b, "\n`%s`:\n\n```%s\n%s```\n", name, language(name), f.Data)
	}
}

func sameAsBad(example *txtar.Archive, name string, text []byte) bool {
	for _, f := range example.Files {
		if f.Name == "bad/"+name {
			return bytes.Equal(f.Data, text)
		}
	}
	return false
}

// language is what a code block is marked with.
func language(name string) string {
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		return "yaml"
	case ".py":
		return "python"
	case ".toml":
		return "toml"
	case ".xml", ".config":
		return "xml"
	case ".service", ".socket", ".ini":
		return "ini"
	case ".conf":
		switch name {
		case "nginx.conf":
			return "nginx"
		case "apache2.conf":
			return "apache"
		}
		return "ini"
	}
	return ""
}

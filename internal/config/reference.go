package config

import (
	"encoding/json"
	"slices"
	"strings"
)

// Reference is docs/config.md: every key with its kind, default, range and meaning, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for i := range keys {
		k := &keys[i]
		level := "##"
		if strings.ContainsAny(k.path, ".[") {
			level = "###"
		}
		b.WriteString("\n" + level + " `" + k.path + "`\n\n")
		b.WriteString(k.facts() + "\n\n" + k.doc + "\n")
	}
	return b.String()
}

const referenceHead = `# Configuration

This file is made from the table that the gateway itself reads its configuration by; do not edit it.

The configuration is one YAML file. An unknown or repeated key, a value of the wrong kind or out of its range, a missing key
and a route to a pool that does not exist are errors; ` + "`whygate check`" + ` shows all of them at once, each with line, column and what to
write instead.

- Durations are a number with a unit: ` + "`500ms`, `30s`, `2m`, `1h30m`" + `. Sizes are bytes or a number with a unit: ` + "`64KiB`, `1MiB`" + `.
- ` + "`${NAME}`" + ` in a value is the environment variable of that name, which must be set; ` + "`${NAME:-default}`" + ` need not be. ` + "`$${`" + ` is a literal ` + "`${`" + `.
- A relative path starts at the directory of the file.
- ` + "`&name`, `*name` and `<<: *name`" + ` repeat a value that was given above.

` + "```yaml" + `
` + Example + "```" + `
`

// Example is a small complete configuration.
const Example = `version: 1
listen:
  - address: :8080
routes:
  - host: shop.example.com
    path: /api/*
    pool: api
  - pool: web
pools:
  api:
    endpoints: [http://10.0.0.1:8080, http://10.0.0.2:8080]
    balance: least-requests
    timeouts: {connect: 1s, head: 30s}
  web:
    endpoints: [http://127.0.0.1:3000]
`

// facts is one line of what is known about a key besides its meaning.
func (k *key) facts() string {
	what := strings.ToUpper(k.kind.what[:1]) + k.kind.what[1:]
	if len(k.choices) > 0 {
		words := "`" + strings.Join(k.choices, "`, `") + "`"
		if k.kind == choice {
			what = "One of " + words
		} else {
			what += ", or " + words
		}
	}
	facts := []string{what}
	switch {
	case k.unless != "":
		facts = append(facts, "required without "+k.unless)
	case k.required:
		facts = append(facts, "required")
	}
	if k.def != "" {
		facts = append(facts, "default `"+k.def+"`")
	}
	if k.kind.format != nil {
		facts = append(facts, k.bounds())
	} else if k.kind.shape != scalarShape && k.max > 0 {
		facts = append(facts, "at most "+formatNumber(k.max))
	}
	s := strings.Join(facts, " · ") + "."
	if k.kind.syntax != "" && k.kind.format == nil {
		s += " " + k.kind.syntax
	}
	if k.example != "" {
		s += " Example: `" + k.name + ": " + k.example + "`"
	}
	return s
}

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. It is wider than Parse: a value with ${NAME} in it
// is valid wherever a word is.
func Schema() []byte {
	top := root.schema()
	if required, ok := top["required"].([]string); ok { // what a file includes may have them all
		top["required"] = slices.DeleteFunc(required, func(name string) bool { return name == "routes" })
		top["anyOf"] = []any{map[string]any{"required": []string{"routes"}}, map[string]any{"required": []string{"include"}}}
	}
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Whygate configuration"
	out, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return append(out, '\n')
}

// schema is what the key's value may be.
func (k *key) schema() map[string]any {
	s := map[string]any{}
	switch k.kind.shape {
	case sectionShape:
		s = k.object()
		if k.word != "" {
			s["type"] = []string{"object", "string"}
			if word := k.child(k.word); word.kind == choice {
				s["pattern"] = "^(" + strings.Join(word.choices, "|") + ")$"
			}
		}
	case sectionsShape:
		s = map[string]any{"type": "array", "items": k.object(), "minItems": k.min, "maxItems": k.max}
	case namedShape:
		s = map[string]any{
			"type": "object", "minProperties": k.min, "maxProperties": k.max,
			"propertyNames": map[string]any{"pattern": poolNameForm.String()}, "additionalProperties": k.object(),
		}
	case listShape:
		item := k.kind.item.schema
		if k.kind.item == choice {
			item = map[string]any{"type": "string", "enum": k.choices}
		}
		if len(k.children) > 0 {
			both := k.object()
			for name, v := range item {
				both[name] = v
			}
			both["type"] = []string{"string", "object"}
			s = map[string]any{"type": []string{"array", "string"}, "items": both, "minItems": k.min, "maxItems": k.max, "pattern": item["pattern"]}
			break
		}
		s["anyOf"] = []any{map[string]any{"type": "array", "items": item, "minItems": k.min, "maxItems": k.max}, item}
	case fieldsShape:
		for name, v := range k.kind.schema {
			s[name] = v
		}
		s["maxProperties"] = k.max
	case scalarShape:
		s["anyOf"] = k.scalarSchemas()
	}
	if k.doc != "" {
		s["description"] = strings.ReplaceAll(k.doc, "\n", " ")
	}
	if k.def != "" {
		s["default"] = k.def
	}
	return s
}

// scalarSchemas are the forms of a scalar: its kind's, one of its words, or something from the environment.
func (k *key) scalarSchemas() []any {
	own := map[string]any{}
	for name, v := range k.kind.schema {
		own[name] = v
	}
	if k.kind == number {
		own["minimum"], own["maximum"] = k.min, k.max
		if k.zero != "" {
			own["minimum"] = 0
		}
	}
	if k.kind == choice {
		own["enum"] = k.choices
	}
	forms := []any{own}
	if len(k.choices) > 0 && k.kind != choice {
		forms = append(forms, map[string]any{"enum": k.choices})
	}
	return append(forms, map[string]any{"type": "string", "pattern": `\$\{`})
}

// object is a mapping of the key's children.
func (k *key) object() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, c := range k.children {
		properties[c.name] = c.schema()
		if c.required && c.unless == "" {
			required = append(required, c.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

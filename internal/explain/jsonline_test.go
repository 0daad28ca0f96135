package explain

import (
	"encoding/json"
	"testing"
	"time"
)

func TestJSONFields(t *testing.T) {
	line := []byte(` { "a" : "x\"y" , "b":-12, "c":{"d":[1,{"e":"}"}],"f":"g"}, "h" : true,"i":null, "j":[ "one" , 2 ,[3]] ,"k":1.5e3} `)
	want := map[string]string{"a": `"x\"y"`, "b": "-12", "c": `{"d":[1,{"e":"}"}],"f":"g"}`, "h": "true", "i": "null", "j": `[ "one" , 2 ,[3]]`, "k": "1.5e3"}
	got := map[string]string{}
	fields := jsonObject(line)
	for fields.next() {
		got[string(fields.key)] = string(fields.value)
		switch string(fields.key) {
		case "b":
			if n := fields.value.num(); n != -12 {
				t.Errorf("b is %d", n)
			}
		case "c":
			inner := fields.value.fields()
			for inner.next() {
				if string(inner.key) == "f" && string(inner.value.text()) != "g" {
					t.Errorf("f is %q", inner.value)
				}
			}
			if !inner.complete() {
				t.Error("the nested object is not complete")
			}
		case "j":
			n := 0
			for items := fields.value.items(); items.next(); n++ {
			}
			if n != 3 {
				t.Errorf("j has %d items", n)
			}
		}
	}
	if !fields.complete() {
		t.Error("the object is not complete")
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, not %q", key, got[key], value)
		}
	}
}

func TestJSONFieldsRefuse(t *testing.T) {
	for _, line := range []string{
		``, ` `, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a":1,"b"}`, `{"a" 1}`, `{a:1}`, `[1]`, `{"a":"x}`, `{"a":tru}`, `{"a":1} x`, `{"a":1}{"b":2}`,
		`{"a":{"b":1}`, `{"a":"\"}`, `{"a":1 "b":2}`, `{,"a":1}`, `"a"`, `{"a":nul}`,
	} {
		fields := jsonObject([]byte(line))
		for fields.next() {
		}
		if fields.complete() {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestJSONEmptyObject(t *testing.T) {
	fields := jsonObject([]byte(" {} "))
	if fields.next() || !fields.complete() {
		t.Error("an empty object has no field and is complete")
	}
	items := jsonValue("[]").items()
	if items.next() {
		t.Error("an empty array has no item")
	}
}

func TestUnescapeJSON(t *testing.T) {
	for in, want := range map[string]string{
		`plain`:                "plain",
		`a\"b\\c\/d`:           `a"b\c/d`,
		`\n\t\r\b\f`:           "\n\t\r\b\f",
		`a\u0026b`:             "a&b",
		`\u00e9\u20ac`:         "é€",
		`\ud83d\ude00`:         "😀",
		`\ud83d`:               "\ufffd",
		`\ud83dx`:              "\ufffdx",
		`\u12`:                 `\u12`,
		`x\`:                   `x\`,
		`\u0041\u0042\\u0043`:  `AB\u0043`,
		"dial \\\"\\\\x15\\\"": `dial "\x15"`,
	} {
		if got := string(unescapeJSON([]byte(in))); got != want {
			t.Errorf("%q gives %q, not %q", in, got, want)
		}
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	line := []byte(`{"level":"info","ts":1795361722.868294,"request":{"uri":"/a?b=c","headers":{"Accept":["*/*"]}},"status":200,"duration":0.012}`)
	if n := testing.AllocsPerRun(100, func() {
		fields := jsonObject(line)
		for fields.next() {
			if string(fields.key) == "request" {
				inner := fields.value.fields()
				for inner.next() {
					_ = inner.value.plain()
				}
			}
			_ = fields.value.num()
			_ = fields.value.seconds()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestJSONNumbers(t *testing.T) {
	for in, want := range map[string]time.Duration{`1.5`: 1500 * time.Millisecond, `"0.25"`: 250 * time.Millisecond, `0`: 0, `-1`: -1, `x`: -1, `1e3`: -1, `"1."`: -1, `99999999999`: -1} {
		if got := jsonValue(in).seconds(); got != want {
			t.Errorf("%s is %v, not %v", in, got, want)
		}
	}
	for in, want := range map[string]int{`12`: 12, `"12"`: 12, `-3`: -3, `1.5`: 0, `""`: 0, `1234567890123456789012`: 0} {
		if got := jsonValue(in).num(); got != want {
			t.Errorf("%s is %d, not %d", in, got, want)
		}
	}
}

// FuzzJSONFields holds the scanner against encoding/json: what that takes as an object, the scanner takes too, with the
// same fields; and it never panics or runs on.
func FuzzJSONFields(f *testing.F) {
	f.Add([]byte(`{"a":"x\"y","b":-12,"c":{"d":[1,{"e":"}"}]},"h":true,"i":null,"j":["one",2,[3]],"k":1.5e3}`))
	f.Add([]byte(`{"a":"\ud83d\ude00\u0026","":1}`))
	f.Add([]byte(` { } `))
	f.Add([]byte(`{"a":1,}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		seen := map[string]string{}
		fields := jsonObject(line)
		for n := 0; fields.next(); n++ {
			if n > len(line) {
				t.Fatal("it runs on")
			}
			seen[string(unescapeJSON(fields.key))] = string(fields.value)
			_, _, _ = fields.value.num(), fields.value.seconds(), fields.value.plain()
			inner := fields.value.fields()
			for inner.next() {
			}
			for items := fields.value.items(); items.next(); {
			}
		}
		var document map[string]json.RawMessage
		if json.Unmarshal(line, &document) != nil || document == nil {
			return
		}
		if !fields.complete() {
			t.Fatalf("%q is an object", line)
		}
		for key, value := range document {
			if got, ok := seen[key]; ok && got != string(value) {
				t.Errorf("%q: %q is %q, not %q", line, key, got, value)
			}
		}
	})
}

package httpmsg

import (
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	for id := Other + 1; id < ids; id++ {
		name := id.String()
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := Identify([]byte(spelling)); got != id {
				t.Errorf("Identify(%q) = %d, want %d (%s)", spelling, got, id, name)
			}
		}
	}
	for _, name := range []string{"", "X", "Hos", "Hosts", "Content-Lengthy", "\x00ost", "X-Request-I\x04", strings.Repeat("a", 200)} {
		if got := Identify([]byte(name)); got != Other {
			t.Errorf("Identify(%q) = %s", name, got)
		}
	}
	if ids > 64 {
		t.Error("Fields keeps a bit for each ID: there is room for 64")
	}
}

func TestFields(t *testing.T) {
	var f Fields
	buf := []byte("Host: a\r\nX-Own: b\r\nHost: c\r\n")
	f.Reset(buf)
	f.Add(0, 4, 6, 7, Host)
	f.Add(9, 14, 16, 17, Other)
	f.Add(19, 23, 25, 26, Host)
	if f.Len() != 3 || string(f.Get(Host)) != "a" || !f.Has(Host) || f.Has(Via) || f.Get(Via) != nil {
		t.Errorf("len %d, Host %q", f.Len(), f.Get(Host))
	}
	if v, ok := f.Lookup("x-oWN"); !ok || string(v) != "b" {
		t.Errorf("Lookup = %q, %v", v, ok)
	}
	moved := append([]byte(nil), buf...)
	clear(buf)
	f.Suspend()
	if f.Len() != 0 || f.Has(Host) || f.Get(Host) != nil || f.Buffer() != nil {
		t.Error("a suspended section shows something")
	}
	f.Resume(moved)
	if f.Len() != 3 || !f.Has(Host) || string(f.Value(2)) != "c" || string(f.Name(1)) != "X-Own" {
		t.Errorf("after Resume: %d, %q %q", f.Len(), f.Value(2), f.Name(1))
	}
	f.Drop(0)
	if !f.Dropped(0) || f.Dropped(1) || string(f.Get(Host)) != "a" {
		t.Error("a dropped line is known still, and the others are not dropped")
	}
	f.Suspend()
	f.Reset(nil)
	if f.Resume(nil); f.Len() != 0 {
		t.Error("a Reset forgets what was suspended")
	}
	f.Append("A", []byte("1"), Other)
	f.AppendKnown(Via, []byte("1.1 x"))
	if f.Len() != 2 || string(f.Name(1)) != "Via" || string(f.Value(1)) != "1.1 x" || string(f.Value(0)) != "1" {
		t.Errorf("after Append: %q", f.Buffer())
	}
}

func TestMethods(t *testing.T) {
	for m := GET; int(m) < len(methodNames); m++ {
		if got := ParseMethod([]byte(methodNames[m])); got != m {
			t.Errorf("ParseMethod(%q) = %d", methodNames[m], got)
		}
	}
	for _, s := range []string{"", "get", "GETS", "BREW"} {
		if got := ParseMethod([]byte(s)); got != MethodOther {
			t.Errorf("ParseMethod(%q) = %d", s, got)
		}
	}
	// RFC 9110, section 9.2.2.
	for m, want := range map[Method]bool{GET: true, HEAD: true, PUT: true, DELETE: true, OPTIONS: true, TRACE: true, POST: false, PATCH: false, CONNECT: false, MethodOther: false} {
		if m.Idempotent() != want {
			t.Errorf("method %d: idempotent %v", m, !want)
		}
	}
}

func TestIdentifyAllocates(t *testing.T) {
	name := []byte("x-forwarded-for")
	if n := testing.AllocsPerRun(100, func() { Identify(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

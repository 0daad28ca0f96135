package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Match is Find for a request that has no headers and no query.
func (t *Table) Match(host, method, path []byte) int {
	return t.Find(&Ask{Host: host, Method: method, Path: path})
}

func TestMatch(t *testing.T) {
	rules := []Rule{
		0:  {Host: "shop.example.com", Path: "/api/*", Methods: []string{"GET", "HEAD"}},
		1:  {Host: "shop.example.com", Path: "/api/*"},
		2:  {Host: "*.example.com", Path: "/health"},
		3:  {Host: "Shop.Example.COM."},
		4:  {Path: "/admin"},
		5:  {Path: "/admin/*"},
		6:  {Host: "*.b.example.com"},
		7:  {Host: "*.example.com", Methods: []string{"POST"}},
		8:  {Host: "10.0.0.1"},
		9:  {Host: "2001:db8::1"},
		10: {Host: "static.test", Path: "/*"},
		11: {Path: "/~ann/*"},
		12: {Path: "/s%2ft"},
		13: {Host: "any.test"},
	}
	tests := []struct {
		host, method, path string
		want               int
	}{
		{"shop.example.com", "GET", "/api/", 0},
		{"shop.example.com", "GET", "/api/x/y", 0},
		{"shop.example.com", "POST", "/api/x", 1},
		{"shop.example.com", "get", "/api/x", 1}, // methods are case-sensitive
		{"shop.example.com", "GET", "/api", 3},   // /api/* begins below
		{"shop.example.com", "GET", "/health", 2},
		{"shop.example.com", "GET", "/admin", 3}, // the earlier rule wins over the one for the path
		{"SHOP.EXAMPLE.COM", "GET", "/", 3},
		{"shop.example.com.", "GET", "/", 3},
		{"shop.example.com:8443", "GET", "/", 3},
		{"shop.example.com.:8443", "GET", "/", 3},
		{"a.b.example.com", "GET", "/", 6},
		{"a.b.example.com", "GET", "/health", 2},
		{"x.a.b.example.com", "GET", "/", 6},
		{"b.example.com", "GET", "/", -1},
		{"b.example.com", "POST", "/", 7},
		{"example.com", "POST", "/", -1}, // not below itself
		{".example.com", "POST", "/", -1},
		{"notexample.com", "POST", "/", -1},
		{"10.0.0.1", "GET", "/", 8},
		{"10.0.0.1:80", "GET", "/", 8},
		{"[2001:db8::1]", "GET", "/", 9},
		{"[2001:DB8::1]:8080", "GET", "/", 9},
		{"other.test", "GET", "/admin", 4},
		{"other.test", "GET", "/admin/", 5},
		{"other.test", "GET", "/admin/x", 5},
		{"other.test", "GET", "/administrator", -1},
		{"", "GET", "/admin", 4},
		{"other.test", "GET", "/", -1},
		{"static.test", "GET", "/", 10},
		{"static.test", "OPTIONS", "*", -1},
		{"any.test", "OPTIONS", "*", 13},

		// Other spellings of the same path.
		{"other.test", "GET", "/a/../admin", 4},
		{"other.test", "GET", "/a/%2e%2E/admin", 4},
		{"other.test", "GET", "/a/.%2e/admin/x", 5},
		{"other.test", "GET", "/./admin/x", 5},
		{"other.test", "GET", "/admin/x/..", 5},
		{"other.test", "GET", "/admin/..", -1},
		{"other.test", "GET", "/admin/../public", -1},
		{"other.test", "GET", "/../../admin", 4},
		{"other.test", "GET", "/%61dmin", 4},
		{"other.test", "GET", "/%7Eann/x", 11},
		{"other.test", "GET", "/~ann/x", 11},
		{"other.test", "GET", "/s%2ft", 12},
		{"other.test", "GET", "/s/t", -1},
		{"other.test", "GET", "//admin", -1}, // slashes are kept
		{"other.test", "GET", "/.well-known/x", -1},
		{"other.test", "GET", "/admin/.well-known", 5},
		{"other.test", "GET", "/admin/...", 5},
		{"other.test", "GET", "/admin/a..b", 5},
		{"other.test", "GET", "/admin/%", 5},
		{"other.test", "GET", "/admin/%2", 5},
		{"other.test", "GET", "/admin/%zz", 5},

		// Paths that servers read in different ways fit nothing, not even a rule for everything.
		{"any.test", "GET", "/a/..%2fadmin", -1},
		{"any.test", "GET", "/a%2f../admin", -1},
		{"any.test", "GET", `/a/..\admin`, -1},
		{"any.test", "GET", "/a/..%5Cadmin", -1},
		{"any.test", "GET", "/a/..;/admin", -1},
		{"any.test", "GET", "/a/%2e%2e;x/admin", -1},
		{"any.test", "GET", "/a/%2e%2e%2fadmin", -1},
		{"any.test", "GET", `/a\..`, -1},
		{"any.test", "GET", "/a;x/b", 13},
		{"any.test", "GET", "/a%2fb", 13},
	}
	table, err := New(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if got := table.Match([]byte(tt.host), []byte(tt.method), []byte(tt.path)); got != tt.want {
			t.Errorf("%s %s%s: rule %d, want %d", tt.method, tt.host, tt.path, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, r := range []Rule{
		{Path: "a"},
		{Path: "/a*"},
		{Path: "/*/b"},
		{Path: "/a/../b"},
		{Path: "/a/./*"},
		{Path: "/a/%2e"},
		{Host: "*"},
		{Host: "a.*.example.com"},
		{Host: "*."},
	} {
		if _, err := New([]Rule{{}, r}); !errors.Is(err, ErrRule) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestEmptyTable(t *testing.T) {
	table, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := table.Match([]byte("a.test"), []byte("GET"), []byte("/")); i != -1 {
		t.Errorf("matched %d", i)
	}
}

func TestCanonical(t *testing.T) {
	for path, want := range map[string]string{
		// RFC 3986, section 5.2.4
		"/a/b/c/./../../g": "/a/g",
		"/a/b/.":           "/a/b/",
		"/a/b/..":          "/a/",
		"/..":              "/",
		"/.":               "/",
		"/../a":            "/a",
		"/a/../../b":       "/b",
		"/a//../b":         "/a/b",
		"//..":             "/",
		"//a":              "//a",
		"/...":             "/...",
		"/.a":              "/.a",
		"/%2e%2e/a":        "/a",
		"/%41%7e%2D":       "/A~-",
		"/%2f%25%00":       "/%2F%25%00", // section 6.2.2.1
		"/caf%c3%a9/%C3%a": "/caf%C3%A9/%C3%a",
		"/%4":              "/%4",
		"*":                "*",
		"":                 "",
		"/":                "/",
	} {
		if got := string(Canonical([]byte("x/y"), []byte(path))); got != "x/y"+want {
			t.Errorf("%s: %s, want %s", path, got[3:], want)
		}
	}
}

func TestDotted(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/a.b/c..d": false, "/.well-known": false, "/...": false, "/a%2fb": false, "/a;v=1.0": false, "/a;.": false, `/a\b`: false, "/%2e%2e%2e": false,
		"/.": true, "/..": true, "/a/./b": true, "/%2e": true, "/a/.%2E/b": true, "/a/..;/b": true, `/a/..\b`: true, "/a%5c..": true, "/a/..%2f": true,
	} {
		if got := Dotted([]byte(path)); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("/a/%2e%2e/b")
	f.Add(`/a/..\b%2f..;`)
	f.Fuzz(func(t *testing.T, path string) {
		once := Canonical(nil, []byte(path))
		if len(once) > len(path)+1 {
			t.Errorf("%q grew to %q", path, once)
		}
		if path == "" || path[0] != '/' {
			return
		}
		for _, segment := range strings.Split(string(once), "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q still has a dot segment as %q", path, once)
			}
		}
		if once[0] != '/' {
			t.Errorf("%q became %q", path, once)
		}
	})
}

func TestMatchAllocates(t *testing.T) {
	table, _ := New([]Rule{
		{Host: "a.test", Path: "/x"},
		{Host: "*.b.test"},
		{Path: "/c/*"},
		{Path: `~^/r/(\d+)$`},
		{Path: "/h", Headers: []Condition{{"X-Beta", "1"}}},
		{Path: "/q", Query: []Condition{{"debug", "~^[01]$"}}},
	})
	var kept []byte
	ask := Ask{Kept: &kept, Method: []byte("GET"), Query: []byte("?a=b&debug=1"), Header: func(string, int) ([]byte, bool) { return ask1, true }}
	for _, tt := range []struct{ host, path string }{
		{"A.test:80", "/x"},
		{"x.y.b.test", "/"},
		{"z.test", "/c/d"},
		{"none.test", "/"},
		{"z.test", "/a/%2e%2e/c/d"},
		{"z.test", "/a/..;/d"},
		{"z.test", "/r/17"},
		{"z.test", "/r/x"},
		{"z.test", "/h"},
		{"z.test", "/q"},
	} {
		ask.Host, ask.Path = []byte(tt.host), []byte(tt.path)
		if n := testing.AllocsPerRun(100, func() { table.Find(&ask) }); n != 0 {
			t.Errorf("%s%s: %v allocations", tt.host, tt.path, n)
		}
	}
}

var ask1 = []byte("1")

func BenchmarkMatch(b *testing.B) {
	many := []Rule{}
	for i := range 5000 {
		many = append(many, Rule{Host: fmt.Sprintf("h%d.test", i), Path: "/api/*"}, Rule{Host: fmt.Sprintf("h%d.test", i)})
	}
	many = append(many, Rule{Host: "*.w.test"}, Rule{})
	for _, bm := range []struct {
		name       string
		rules      []Rule
		host, path string
	}{
		{"one", []Rule{{}}, "example.com", "/index.html"},
		{"ten thousand, exact host", many, "h4999.test:8080", "/api/users/17"},
		{"ten thousand, wildcard", many, "a.b.w.test", "/api/users/17"},
		{"ten thousand, any host", many, "elsewhere.test", "/api/users/17"},
		{"dotted path", many, "h4999.test", "/x/%2e%2e/api/users"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			table, err := New(bm.rules)
			if err != nil {
				b.Fatal(err)
			}
			host, method, path := []byte(bm.host), []byte("GET"), []byte(bm.path)
			b.ReportAllocs()
			for b.Loop() {
				table.Match(host, method, path)
			}
		})
	}
}

package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestFind: the first rule in order that fits path, method, headers and query.
func TestFind(t *testing.T) {
	rules := []Rule{
		0: {Host: "a.test", Path: `~^/user/(\d+)$`, Methods: []string{"GET"}},
		1: {Host: "a.test", Path: `~\.php$`},
		2: {Host: "a.test", Path: `~(?i)\.(jpg|png)$`},
		3: {Host: "a.test", Path: "/beta/*", Headers: []Condition{{"X-Beta", "1"}, {"Cookie", `~(^|; )group=b(;|$)`}}},
		4: {Host: "a.test", Path: "/beta/*", Query: []Condition{{"debug", "*"}, {"user name", "ann lee"}}},
		5: {Host: "a.test", Path: "/plain/*", Headers: []Condition{{"Authorization", ""}}},
		6: {Host: "a.test", Path: `~^/caf%C3%A9/`},
		7: {Host: "a.test"},
	}
	tests := []struct {
		method, target string
		headers        string // lines
		want           int
	}{
		{"GET", "/user/17", "", 0},
		{"POST", "/user/17", "", 7},
		{"GET", "/user/17/x", "", 7},
		{"GET", "/%75ser/17", "", 0},
		{"GET", "/x/../user/1%37", "", 0},
		{"GET", "/a/index.php", "", 1},
		{"GET", "/a/index.php/x", "", 7},
		{"GET", "/A.JPG", "", 2},
		{"GET", "/beta/x", "x-beta: 1\ncookie: a=b; group=b", 3},
		{"GET", "/beta/x", "x-beta: 1\ncookie: a=b\ncookie: group=b; c=d", 3},
		{"GET", "/beta/x", "x-beta: 11\ncookie: group=b", 7},
		{"GET", "/beta/x", "cookie: group=b", 7},
		{"GET", "/beta/x?debug&user+name=ann%20lee", "", 4},
		{"GET", "/beta/x?debug=1&user%20name=bob&user%20name=ann+lee", "", 4},
		{"GET", "/beta/x?user+name=ann+lee", "", 7},
		{"GET", "/plain/", "", 5},
		{"GET", "/plain/", "authorization:", 5},
		{"GET", "/plain/", "authorization: Basic x", 7},
		{"GET", "/caf%C3%A9/x", "", 6},
	}
	for _, few := range []bool{true, false} {
		list := rules
		if !few { // so many that they are found by an index
			for i := range 100 {
				list = append(list, Rule{Host: "a.test", Path: fmt.Sprintf(`~^/other/%d/\d+$`, i)})
			}
		}
		table, err := New(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			path, query, _ := strings.Cut(tt.target, "?")
			a := &Ask{Host: []byte("a.test"), Method: []byte(tt.method), Path: []byte(path), Query: []byte("?" + query), Header: headersOf(tt.headers)}
			if got := table.Find(a); got != tt.want {
				t.Errorf("%d rules: %s %s %q: %d, want %d", len(list), tt.method, tt.target, tt.headers, got, tt.want)
			}
		}
	}
}

func headersOf(lines string) func(string, int) ([]byte, bool) {
	return func(name string, n int) ([]byte, bool) {
		for line := range strings.SplitSeq(lines, "\n") {
			key, value, found := strings.Cut(line, ":")
			if !found || !strings.EqualFold(key, name) {
				continue
			}
			if n == 0 {
				return []byte(strings.TrimSpace(value)), true
			}
			n--
		}
		return nil, false
	}
}

// TestIndex: an index finds what a comparison with one rule after the other finds.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	part := func() string {
		return []string{"a", "b", "ab", "abc", "x.php", "longer-than-the-others", ""}[random.IntN(7)]
	}
	paths := func() string { return "/" + part() + "/" + part() }
	for range 300 {
		var rules []Rule
		for range 5 + random.IntN(40) {
			path := paths()
			rules = append(rules, Rule{Path: []string{path, path + "/*", "~^" + path, "~" + part() + "$", "~^" + path + "$", "~" + part(), "~^/[a-c]+/", "/*", ""}[random.IntN(9)]})
		}
		indexed, err := New(rules)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			path := paths()
			a := &Ask{Path: []byte(path)}
			want := scan(indexed.any.rules, indexed.rules, len(rules), a, a.Path)
			if got := indexed.any.first(indexed.rules, len(rules), a, a.Path); got != want {
				t.Fatalf("%s: %d, want %d, with %+v", path, got, want, rules)
			}
		}
	}
}

func TestBadConditions(t *testing.T) {
	for _, r := range []Rule{
		{Path: "~("},
		{Path: "~" + strings.Repeat("a", PatternMax+1)},
		{Headers: []Condition{{"X", "~["}}},
		{Query: []Condition{{"x", "~a{2000}"}}},
	} {
		if _, err := New([]Rule{r}); err == nil {
			t.Errorf("%.40v is a rule", r)
		}
	}
}

// BenchmarkFindRegex: a thousand regular expressions of one host cost what ten do.
func BenchmarkFindRegex(b *testing.B) {
	for _, n := range []int{10, 1000} {
		var rules []Rule
		for i := range n {
			rules = append(rules, Rule{Host: "a.test", Path: fmt.Sprintf(`~^/service%d/(\d+)/items$`, i)})
		}
		table, err := New(rules)
		if err != nil {
			b.Fatal(err)
		}
		a := &Ask{Host: []byte("a.test"), Method: []byte("GET"), Path: fmt.Appendf(nil, "/service%d/17/items", n-1)}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Find(a)
			}
		})
	}
}

// A path that servers read in different ways has no rule where that makes a difference, and its rule where it makes none.
func TestAmbiguousSlashes(t *testing.T) {
	t.Parallel()
	table, err := New([]Rule{{Path: "/private/*"}, {Path: "/a+b/*"}, {Path: "/raw%2fx"}, {Path: "~^/v%2F"}, {}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/private/x": 0, "/%70rivate/x": 0, "//private/x": -1, "/private%2fx": -1, "/private%5Cx": -1, `/private\x`: -1, "/y//private/x": 4, "/private//x": 0,
		"/a+b/c": 1, "/a%2Bb/c": -1, "/raw%2fx": 2, "/v%2Fx": 3, "/group%2Fproject": 4, "//other": 4, "/caf%C3%A9": 4, "/": 4, "//": 4, "/100%25": 4,
	} {
		if got := table.Match(nil, []byte("GET"), []byte(path)); got != want {
			t.Errorf("%s: rule %d, want %d", path, got, want)
		}
	}
}

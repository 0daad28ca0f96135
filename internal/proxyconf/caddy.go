package proxyconf

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// caddyBlock is a line of a Caddyfile with the block that may follow it.
type caddyBlock struct {
	words []string
	inner []*caddyBlock
	place Place
}

func (b *caddyBlock) name() string { return b.words[0] }

// caddyReader reads a Caddyfile and what it imports.
type caddyReader struct {
	*reader
	imported int // lines that imports of snippets put in place so far
}

func readCaddy(all *reader, file string) error {
	r := &caddyReader{reader: all}
	blocks, err := r.file(file, 0)
	if err != nil {
		return err
	}
	var visit func([]*caddyBlock)
	visit = func(bs []*caddyBlock) {
		for _, b := range bs {
			if b.name() == "output" && len(b.words) > 2 && b.words[1] == "file" {
				r.log(b.words[2])
			}
			visit(b.inner)
		}
	}
	visit(blocks)
	r.Config.match = func(q Request) *Route { return caddyRoute(blocks, q) }
	return nil
}

// file reads a file, with imports in place: of files, and of snippets by name.
func (r *caddyReader) file(name string, depth int) ([]*caddyBlock, error) {
	b, err := r.read(name)
	if err != nil {
		return nil, err
	}
	s := &caddyScanner{r: r.reader, text: string(b), file: name}
	all, err := s.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, s.at, err)
	}
	f := &caddyFile{r, filepath.Dir(name), map[string][]*caddyBlock{}}
	for _, b := range all {
		if name := b.name(); strings.HasPrefix(name, "(") {
			f.snippets[strings.Trim(name, "()")] = b.inner
		}
	}
	return f.imports(all, caddyCopy{depth: depth})
}

// caddyFile is a file whose imports are put in place.
type caddyFile struct {
	*caddyReader
	dir      string // what relative imports start from
	snippets map[string][]*caddyBlock
}

// caddyCopy is where a copy stands: imports around it, and whether it is of a snippet.
type caddyCopy struct {
	depth   int
	snippet bool
}

// imports copies blocks with their imports in place: a snippet that imports itself would otherwise become a circle. Every block that is
// copied for a snippet is counted, wherever in it it stands.
func (f *caddyFile) imports(all []*caddyBlock, at caddyCopy) ([]*caddyBlock, error) {
	var whole []*caddyBlock
	for _, b := range all {
		if at.snippet {
			if f.imported++; f.imported > importsMax {
				return whole, fmt.Errorf("%v: imports of more than %d lines", b.place, importsMax)
			}
		}
		if err := f.build(blockSize); err != nil {
			return whole, err
		}
		if b.name() != "import" || len(b.words) < 2 {
			inner, err := f.imports(b.inner, at)
			if err != nil {
				return whole, err
			}
			whole = append(whole, &caddyBlock{b.words, inner, b.place})
			continue
		}
		if at.depth >= includeMax {
			f.problem("%v: imports within imports, %d deep", b.place, at.depth)
			continue
		}
		more, err := f.one(b, at)
		if err != nil {
			return whole, err
		}
		whole = append(whole, more...)
	}
	return whole, nil
}

// one gives what one import stands for.
func (f *caddyFile) one(b *caddyBlock, at caddyCopy) ([]*caddyBlock, error) {
	if inner, ok := f.snippets[b.words[1]]; ok {
		return f.imports(inner, caddyCopy{at.depth + 1, true})
	}
	pattern := b.words[1]
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(f.dir, pattern)
	}
	var whole []*caddyBlock
	for _, name := range f.glob(pattern) {
		more, err := f.file(name, at.depth+1)
		if err != nil {
			f.problem("%v: %v", b.place, err)
		}
		whole = append(whole, more...)
	}
	return whole, nil
}

type caddyScanner struct {
	r    *reader
	text string
	at   int // lines read
	file string
}

// line gives the next line without spaces around it, false at the end.
func (s *caddyScanner) line() (string, bool) {
	if s.text == "" {
		return "", false
	}
	s.at++
	var line string
	line, s.text, _ = strings.Cut(s.text, "\n")
	return strings.TrimSpace(line), true
}

// block reads lines up to the closing brace, or to the end at depth 0.
func (s *caddyScanner) block(depth int) ([]*caddyBlock, error) {
	if depth > nestMax {
		return nil, fmt.Errorf("blocks within blocks, more than %d", nestMax)
	}
	var all []*caddyBlock
	var before []string // words of a line that ends with a comma: the addresses go on
	for line, more := s.line(); more; line, more = s.line() {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(line) > lineMax {
			return nil, fmt.Errorf("a line of more than %d KiB", lineMax>>10)
		}
		words := haproxyWords(line)
		if err := s.r.words(words); err != nil {
			return nil, err
		}
		place := Place{s.file, s.at, strings.TrimSpace(strings.TrimSuffix(line, "{"))}
		words = append(before, words...)
		before = nil
		switch {
		case len(words) == 0:
		case words[0] == "}":
			if depth == 0 {
				return nil, fmt.Errorf("a closing brace too many")
			}
			return all, nil
		case words[len(words)-1] == "{":
			inner, err := s.block(depth + 1)
			if err != nil {
				return nil, err
			}
			if len(words) == 1 {
				words = []string{"{", "{"} // the global options
			}
			all = append(all, &caddyBlock{words[:len(words)-1], inner, place})
		case strings.HasSuffix(line, ","):
			before = words
		default:
			all = append(all, &caddyBlock{words, nil, place})
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("a block is not closed")
	}
	return all, nil
}

// caddyRoute finds the reverse_proxy that takes the request.
func caddyRoute(all []*caddyBlock, q Request) *Route {
	site := caddySite(all, q)
	if site == nil {
		return nil
	}
	if len(site.inner) == 0 && len(all) > 1 && site.place == all[0].place { // a file of one site needs no braces: the first line is its address
		site = &caddyBlock{site.words, all[1:], site.place}
	}
	return caddyIn(sorted(site.inner), q, nil)
}

// caddySite chooses the site block whose address fits best.
func caddySite(all []*caddyBlock, q Request) *caddyBlock {
	var best *caddyBlock
	score := -1
	for _, b := range all {
		if name := b.name(); name == "{" || strings.HasPrefix(name, "(") {
			continue
		}
		for _, w := range b.words {
			for address := range strings.SplitSeq(w, ",") {
				if n := caddyFits(address, q); address != "" && n > score {
					best, score = b, n
				}
			}
		}
	}
	return best
}

// caddyFits says how well a site's address fits: -1 if it does not.
func caddyFits(address string, q Request) int {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		rest, scheme = address, ""
	}
	rest, prefix, _ := strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(rest, ":")
	if !hasPort {
		port = map[string]string{"http": "80", "https": "443", "": q.port()}[scheme]
	}
	if port != q.port() || prefix != "" && !strings.HasPrefix(q.path(), "/"+strings.TrimSuffix(prefix, "*")) {
		return -1
	}
	switch {
	case host == "":
		return 1 + len(prefix)
	case hostFits(host, q.Host):
		return 100 + len(host) + len(prefix)
	}
	return -1
}

// caddyOrder is Caddy's order of the directives that are looked at. Those of one name go by their path, the longest first, and
// those without a matcher last. In a route block they stand as they are written.
var caddyOrder = map[string]int{"redir": 1, "handle": 2, "handle_path": 2, "route": 2, "respond": 3, "reverse_proxy": 4, "php_fastcgi": 5, "file_server": 6}

// sorted gives a block's directives in the order in which Caddy asks them.
func sorted(block []*caddyBlock) []*caddyBlock {
	rank := func(b *caddyBlock) (int, int) {
		order := caddyOrder[b.name()]
		switch matcher := b.matcher(); {
		case order == 0:
			return 0, 0
		case matcher == "" || matcher == "*":
			return order, 1
		case strings.HasPrefix(matcher, "/"):
			return order, -len(strings.TrimSuffix(matcher, "*"))
		}
		return order, 0 // a named one: its path is not looked for
	}
	block = slices.Clone(block)
	slices.SortStableFunc(block, func(a, b *caddyBlock) int {
		order1, path1 := rank(a)
		order2, path2 := rank(b)
		return cmp.Or(cmp.Compare(order1, order2), cmp.Compare(path1, path2))
	})
	return block
}

// matcher is the matcher that a directive begins with, empty if it has none.
func (b *caddyBlock) matcher() string {
	if len(b.words) > 1 && (b.words[1] == "*" || strings.HasPrefix(b.words[1], "@") || strings.HasPrefix(b.words[1], "/")) {
		return b.words[1]
	}
	return ""
}

// caddyMatchers are the named matchers of a block and of those around it, which go first.
type caddyMatchers struct {
	outer *caddyMatchers
	own   map[string]*caddyBlock
}

// find gives a named matcher, nil if there is none.
func (m *caddyMatchers) find(name string) *caddyBlock {
	var found *caddyBlock
	for ; m != nil; m = m.outer {
		if b := m.own[name]; b != nil {
			found = b
		}
	}
	return found
}

// caddyIn looks through a block's lines for the handler that takes the request. Matchers of blocks around are known.
func caddyIn(block []*caddyBlock, q Request, outer *caddyMatchers) *Route {
	matchers := &caddyMatchers{outer, map[string]*caddyBlock{}}
	for _, b := range block {
		if strings.HasPrefix(b.name(), "@") && matchers.own[b.name()] == nil {
			matchers.own[b.name()] = b
		}
	}
	for _, b := range block {
		switch b.name() {
		case "handle", "handle_path", "route":
			matcher := b.matcher()
			if caddyMatches(matcher, matchers, q) == yes {
				inner, lines := q, b.inner
				if b.name() == "handle_path" {
					inner.Path = "/" + strings.TrimLeft(strings.TrimPrefix(q.Path, strings.TrimRight(matcher, "*")), "/")
				}
				if b.name() != "route" {
					lines = sorted(lines)
				}
				if r := caddyIn(lines, inner, matchers); r != nil {
					if r.Path == "" && inner.Path != q.Path {
						r.Path = inner.Path
					}
					return r
				}
			}
		case "reverse_proxy":
			matcher, words := b.matcher(), b.words[1:]
			if matcher != "" {
				words = words[1:]
			}
			if caddyMatches(matcher, matchers, q) == yes {
				return caddyProxy(b, words)
			}
		case "respond", "redir", "file_server", "php_fastcgi":
			if len(b.words) > 1 && strings.HasPrefix(b.words[1], "/") && caddyMatches(b.words[1], matchers, q) != yes {
				continue
			}
			if b.name() == "php_fastcgi" && len(b.words) > 1 {
				target := b.words[len(b.words)-1]
				return &Route{Name: target, Place: b.place, Upstreams: []Upstream{caddyUpstream("fastcgi://"+strings.TrimPrefix(target, "fastcgi://"), b.place)}}
			}
			if b.name() == "respond" || b.name() == "redir" {
				return &Route{Name: b.name(), Place: b.place, Answer: b.place.Text}
			}
		}
	}
	return nil
}

// caddyMatches judges a matcher: a path, a named one, or none.
func caddyMatches(matcher string, known *caddyMatchers, q Request) truth {
	switch {
	case matcher == "" || matcher == "*":
		return yes
	case strings.HasPrefix(matcher, "/"):
		return truthOf(caddyPath(matcher, q.path()))
	}
	b := known.find(matcher)
	if b == nil {
		return maybe
	}
	key := judgement{b, q.Path}
	if t, known := q.work.judged[key]; known {
		return t
	}
	t := yes
	if len(b.words) > 1 {
		t = caddyCondition(&caddyBlock{words: b.words[1:]}, q)
	}
	for _, l := range b.inner {
		t = min(t, caddyCondition(l, q))
	}
	q.work.judged[key] = t
	return t
}

func caddyCondition(l *caddyBlock, q Request) truth {
	args := l.words[1:]
	switch l.name() {
	case "path":
		return truthOf(slices.ContainsFunc(args, func(p string) bool { return caddyPath(p, q.path()) }))
	case "host":
		return truthOf(slices.ContainsFunc(args, func(h string) bool { return hostFits(h, q.Host) }))
	case "method":
		method := q.Method
		if method == "" {
			method = "GET"
		}
		return truthOf(slices.Contains(args, method))
	case "not":
		if len(args) > 0 {
			return -caddyCondition(&caddyBlock{words: args}, q)
		}
	}
	return maybe
}

// caddyPath fits a path to a pattern with * at its ends, without regard to case.
func caddyPath(pattern, p string) bool {
	pattern, p = strings.ToLower(pattern), strings.ToLower(p)
	front, back := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	switch bare := strings.Trim(pattern, "*"); {
	case front && back:
		return strings.Contains(p, bare)
	case back:
		return strings.HasPrefix(p, bare)
	case front:
		return strings.HasSuffix(p, bare)
	}
	fits, _ := path.Match(pattern, p)
	return fits
}

// caddyProxy reads a reverse_proxy line and its block.
func caddyProxy(b *caddyBlock, targets []string) *Route {
	route := &Route{Name: strings.Join(targets, " "), Place: b.place}
	for _, t := range targets {
		route.Upstreams = append(route.Upstreams, caddyUpstream(t, b.place))
	}
	for _, l := range b.inner {
		switch l.name() {
		case "to":
			for _, t := range l.words[1:] {
				route.Upstreams = append(route.Upstreams, caddyUpstream(t, l.place))
			}
		case "dynamic":
			route.Upstreams = append(route.Upstreams, Upstream{Scheme: "http", Variable: l.place.Text, Place: l.place})
		case "transport":
			caddyTransport(route, l)
		default:
			route.Settings = append(route.Settings, l.place)
		}
	}
	return route
}

func caddyTransport(route *Route, transport *caddyBlock) {
	for _, l := range transport.inner {
		route.Settings = append(route.Settings, l.place)
		for i := range route.Upstreams {
			u := &route.Upstreams[i]
			switch l.name() {
			case "tls":
				u.Scheme = "https"
			case "tls_insecure_skip_verify":
				u.Scheme, u.Insecure = "https", true
			case "tls_server_name":
				if len(l.words) > 1 {
					u.ServerName = l.words[1]
				}
			}
		}
	}
}

func caddyUpstream(target string, place Place) Upstream {
	if rest, ok := strings.CutPrefix(target, "unix/"); ok {
		return Upstream{Scheme: "http", Unix: rest, Place: place}
	}
	if strings.HasPrefix(target, ":") {
		target = "localhost" + target
	}
	return withURL(target, place)
}

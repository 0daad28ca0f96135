package route

import (
	"cmp"
	"slices"
)

// list has the rules of one host, ascending. Where they are many, they are found by their paths.
type list struct {
	rules  []int32
	exact  map[string][]int32 // by their whole path
	heads  byEnd              // by what their paths begin with
	tails  byEnd              // by what their paths end with
	others []int32            // those of which nothing of the kind is known
}

// byEnd finds rules by a piece of a path.
type byEnd struct {
	rules map[string][]int32
	sizes []int // of the pieces, ascending
}

// fewRules is up to how many rules of a host it is cheaper to compare them all.
const fewRules = 4

// pieceSizes are the sizes that pieces are cut to, so that few sizes have to be looked for.
var pieceSizes = [...]int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64}

// make makes the index of a long list.
func (l *list) make(rules []rule) {
	if len(l.rules) <= fewRules {
		return
	}
	l.exact = map[string][]int32{}
	l.heads.rules, l.tails.rules = map[string][]int32{}, map[string][]int32{}
	for _, i := range l.rules {
		r := &rules[i]
		head, tail := r.path, ""
		if r.pattern != nil {
			head, tail = r.pattern.head, r.pattern.tail
		}
		switch {
		case r.pattern == nil && !r.below && !r.anyPath:
			l.exact[r.path] = append(l.exact[r.path], i)
		case len(head) > 1 || len(head) == 1 && tail == "": // each path begins with a slash
			l.heads.add(head[:pieceSize(len(head))], i)
		case tail != "":
			l.tails.add(tail[len(tail)-pieceSize(len(tail)):], i)
		default:
			l.others = append(l.others, i)
		}
	}
	slices.Sort(l.heads.sizes)
	slices.Sort(l.tails.sizes)
}

// pieceSize is the largest size of a piece that n bytes have.
func pieceSize(n int) int {
	i, exact := slices.BinarySearchFunc(pieceSizes[:], n, cmp.Compare)
	if !exact {
		i--
	}
	return pieceSizes[i]
}

func (b *byEnd) add(piece string, i int32) {
	if !slices.Contains(b.sizes, len(piece)) {
		b.sizes = append(b.sizes, len(piece))
	}
	b.rules[piece] = append(b.rules[piece], i)
}

// first gives the first of the listed rules that fits and is below best, otherwise best.
//
// hot: once per request and list.
func (l *list) first(rules []rule, best int, a *Ask, path []byte) int {
	if l.exact == nil {
		return scan(l.rules, rules, best, a, path)
	}
	best = scan(l.exact[string(path)], rules, best, a, path)
	for _, n := range l.heads.sizes {
		if n > len(path) {
			break
		}
		best = scan(l.heads.rules[string(path[:n])], rules, best, a, path)
	}
	for _, n := range l.tails.sizes {
		if n > len(path) {
			break
		}
		best = scan(l.tails.rules[string(path[len(path)-n:])], rules, best, a, path)
	}
	return scan(l.others, rules, best, a, path)
}

// scan compares one rule after the other.
func scan(list []int32, rules []rule, best int, a *Ask, path []byte) int {
	for _, i := range list {
		if int(i) >= best {
			return best
		}
		if int(i) >= a.From && rules[i].fits(a, path) {
			return int(i)
		}
	}
	return best
}

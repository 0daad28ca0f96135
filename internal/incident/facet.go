package incident

import (
	"cmp"
	"slices"
)

// Dimension is something that may be different about a group's requests.
type Dimension uint8

// The dimensions, in the order in which equals are shown.
const (
	Endpoint Dimension = iota
	Route
	Instance
	Connection // fresh or reused
	Path       // its template
	Method
	Host
	Client      // its network
	AgentFamily // the family of clients
	Version     // of HTTP
	dimensions
)

// Dimensions is how many there are.
const Dimensions = int(dimensions)

var dimensionNames = [Dimensions]string{"endpoint", "route", "gateway", "connection", "path", "method", "host", "client network", "client", "HTTP version"}

// String is the dimension's name as people read it.
func (d Dimension) String() string {
	if int(d) < Dimensions {
		return dimensionNames[d]
	}
	return ""
}

// Values are what one request has in each dimension; empty where it has none.
type Values [Dimensions]string

// Facet is a value that is far more frequent inside a group than outside it.
type Facet struct {
	Dimension string  `json:"dimension"`
	Value     string  `json:"value"`
	Inside    float64 `json:"inside"`  // its share in the group, from 0 to 1
	Outside   float64 `json:"outside"` // its share in good traffic of the same pool and time
	Score     float64 `json:"score"`   // what facets are ranked by
}

// When a value is shown: it has a part in the group worth naming, and is there more often than outside by half at least. Little is said of few:
// the score of less than ten incidents is lower by as much.
const (
	insideMin  = 0.2
	ratioMin   = 1.5
	surelyMany = 10
	facetsMost = 5
	outsideMin = 20 // good requests, without which nothing can be compared
)

// Compare finds what is different about inside, against a sample of good traffic: for each dimension the value whose share differs most, the
// largest difference first. It gives nothing where the sample is too small to tell.
func Compare(inside, outside []Values) []Facet {
	if len(inside) == 0 || len(outside) < outsideMin {
		return nil
	}
	sure := min(1, float64(len(inside))/surelyMany)
	var out []Facet
	for d := range Dimension(Dimensions) {
		in, base := shares(inside, d), shares(outside, d)
		best := Facet{Dimension: d.String()}
		for value, p := range in {
			q := base[value]
			if value == "" || p < insideMin || p < ratioMin*q {
				continue
			}
			if score := (p - q) * sure; score > best.Score || score == best.Score && value < best.Value {
				best.Value, best.Inside, best.Outside, best.Score = value, p, q, score
			}
		}
		if best.Value != "" {
			out = append(out, best)
		}
	}
	slices.SortStableFunc(out, func(a, b Facet) int { return cmp.Compare(b.Score, a.Score) })
	return out[:min(len(out), facetsMost)]
}

// shares gives each value's part in a list.
func shares(list []Values, d Dimension) map[string]float64 {
	out := map[string]float64{}
	for i := range list {
		out[list[i][d]] += 1 / float64(len(list))
	}
	return out
}

package main

import "slices"

// Report is everything that was measured; --json prints it as it is. Times end in US (microseconds) or S (seconds).
type Report struct {
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Seconds  int               `json:"seconds"`
	Peers    []string          `json:"peers"`
	Cases    []Result          `json:"cases"`
}

// Result is one case.
type Result struct {
	Case   string   `json:"case"`
	Title  string   `json:"title"`
	Unit   string   `json:"unit"` // what the CPU time is per: request or GiB
	Series []Series `json:"series,omitempty"`
	Ratios []Ratio  `json:"ratios,omitempty"`
	Memory []Memory `json:"memory,omitempty"` // the idle case has nothing else
	Error  string   `json:"error,omitempty"`  // why the figures are missing or incomplete

	figure unit // for the printed table
}

// Series is one proxy in one case. Of what is not CPU time, the median over the rounds is given.
type Series struct {
	Proxy       string  `json:"proxy"`
	MinCPUUS    float64 `json:"cpu_us_per_unit_min"`
	MedianCPUUS float64 `json:"cpu_us_per_unit_median"`
	PerSecond   float64 `json:"per_second"` // requests, or transfers
	P50US       float64 `json:"p50_us"`
	P99US       float64 `json:"p99_us"`
	Busy        float64 `json:"busy"`   // the part of its core that the proxy took
	Others      float64 `json:"others"` // the part that others took: noise, if it is more than a few hundredths
	Runs        []Run   `json:"runs"`
}

// Run is one timed run.
type Run struct {
	Count     int64   `json:"count"` // requests, or transfers
	CPUS      float64 `json:"cpu_s"`
	CPUUS     float64 `json:"cpu_us_per_unit"`
	PerSecond float64 `json:"per_second"`
	P50US     float64 `json:"p50_us"`
	P99US     float64 `json:"p99_us"`
	Busy      float64 `json:"busy"`
	Others    float64 `json:"others"`
}

// Ratio is Whygate's least CPU time per unit divided by the peer's.
type Ratio struct {
	Peer    string  `json:"peer"`
	Ratio   float64 `json:"ratio"`
	Limit   float64 `json:"limit"`
	Reached bool    `json:"reached"`
}

// summarise fills in the figures from the runs.
func (s *Series) summarise() {
	pick := func(figure func(Run) float64) []float64 {
		var values []float64
		for _, r := range s.Runs {
			values = append(values, figure(r))
		}
		slices.Sort(values)
		return values
	}
	cpu := pick(func(r Run) float64 { return r.CPUUS })
	s.MinCPUUS, s.MedianCPUUS = cpu[0], median(cpu)
	s.PerSecond = median(pick(func(r Run) float64 { return r.PerSecond }))
	s.P50US = median(pick(func(r Run) float64 { return r.P50US }))
	s.P99US = median(pick(func(r Run) float64 { return r.P99US }))
	s.Busy = median(pick(func(r Run) float64 { return r.Busy }))
	s.Others = median(pick(func(r Run) float64 { return r.Others }))
}

// median is the middle of sorted values, or the mean of the two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// compare relates the first series, Whygate's, to the others.
func (r *Result) compare(limits map[string]float64, p99 float64) {
	for _, peer := range r.Series[1:] {
		ratio := r.Series[0].MinCPUUS / peer.MinCPUUS
		limit := limits[peer.Proxy]
		if peer.Proxy == base {
			limit = baseLimit
		}
		r.Ratios = append(r.Ratios, Ratio{Peer: peer.Proxy, Ratio: ratio, Limit: limit, Reached: ratio <= limit})
		if peer.Proxy == calm && p99 > 0 {
			late := r.Series[0].P99US / peer.P99US
			r.Ratios = append(r.Ratios, Ratio{Peer: calm + " p99", Ratio: late, Limit: p99, Reached: late <= p99})
		}
	}
}

// failed says whether a case could not be measured.
func (r *Report) failed() bool {
	return slices.ContainsFunc(r.Cases, func(c Result) bool { return c.Error != "" })
}

// missed says whether a ratio, or the memory of an idle connection, is above its limit.
func (r *Report) missed() bool {
	return slices.ContainsFunc(r.Cases, func(c Result) bool {
		return slices.ContainsFunc(c.Ratios, func(x Ratio) bool { return !x.Reached }) ||
			slices.ContainsFunc(c.Memory, func(m Memory) bool { return m.Proxy == whygate && !m.reached() })
	})
}

// reached says whether one connection costs no more than Whygate may take for it.
func (m Memory) reached() bool { return m.PerConnection <= m.LimitKiB }

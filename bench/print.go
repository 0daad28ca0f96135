package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// writeJSON prints the whole report.
func (r *Report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// writeText prints the heading, a table for each case, and the summary.
func (r *Report) writeText(out io.Writer) error {
	var w strings.Builder
	r.writeHeading(&w)
	for _, c := range r.Cases {
		fmt.Fprintf(&w, "\n%s  [%s]\n\n", c.Title, c.Case)
		if c.Error != "" {
			fmt.Fprintf(&w, "  ✗ FAILED: %s\n", strings.ReplaceAll(c.Error, "\n", "\n    "))
			continue
		}
		if c.Memory != nil {
			c.writeMemory(&w)
			continue
		}
		c.writeSeries(&w)
	}
	r.writeSummary(&w)
	_, err := io.WriteString(out, w.String())
	return err
}

func (r *Report) writeHeading(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s; proxies on core %d, load and origin on core %d; load average before: %s\n", m.Processor, m.ProxyCore, m.LoadCore, m.Load)
	if m.Remark != "" {
		fmt.Fprintf(w, "%s\n", m.Remark)
	}
	fmt.Fprintf(w, "%d rounds of %d s, interleaved, each after %d s of warm-up\n", r.Rounds, r.Seconds, warmUpS)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(w, "  %-8s %s\n", name, r.Versions[name])
	}
}

// writeSeries prints the table of a case and the ratios under it.
func (r Result) writeSeries(w io.Writer) {
	rate := r.Unit + "s/s"
	if r.Unit == perGiB.name {
		rate = "transfers/s"
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "proxy\tCPU %s/%s min\tmedian\t%s\tp50\tp99\tof core\tothers\t\n", r.figure.symbol, r.Unit, rate)
	for _, s := range r.Series {
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.*f\t%s\t%s\t%.0f %%\t%.0f %%\t\n", s.Proxy, s.MinCPUUS/r.figure.us, s.MedianCPUUS/r.figure.us,
			decimals(s.PerSecond), s.PerSecond, latency(s.P50US), latency(s.P99US), s.Busy*100, s.Others*100)
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, x := range r.Ratios {
		fmt.Fprintf(w, "  whygate / %-8s %.3f, to reach ≤ %.2f: %s\n", x.Peer, x.Ratio, x.Limit, verdict(x.Reached))
	}
}

// writeMemory prints the table of the idle case.
func (r Result) writeMemory(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "proxy\tKiB/connection\tMiB before\tat once\tafter 10 s\tleast in %d s\t\n", r.Memory[0].WatchedS)
	for _, m := range r.Memory {
		at10s := "-"
		if m.After10sKiB > 0 {
			at10s = mib(m.After10sKiB)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\t%s\t%s\t\n", m.Proxy, m.PerConnection, mib(m.BeforeKiB), mib(m.AtOnceKiB), at10s, mib(m.MinKiB))
	}
	t.Flush()
	fmt.Fprintf(w, "\n  whygate %.2f KiB, to reach ≤ %.1f: %s\n", r.Memory[0].PerConnection, r.Memory[0].LimitKiB, verdict(r.Memory[0].reached()))
}

// writeSummary prints the table of ratios as the specification has it, in Markdown.
func (r *Report) writeSummary(w io.Writer) {
	fmt.Fprint(w, "\nCPU per request, Whygate / peer (ratio of minima, and the ratio to reach)\n\n")
	fmt.Fprint(w, "| case | nginx | HAProxy | the other build |\n|---|---|---|---|\n")
	for _, c := range r.Cases {
		switch {
		case c.Error != "":
			fmt.Fprintf(w, "| %s | ✗ FAILED | ✗ FAILED | |\n", c.Title)
		case c.Memory == nil:
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", c.Title, c.cell(nginx), c.cell(haproxy), strings.TrimSpace(c.cell(base)+" "+c.beside()))
		}
	}
	for _, c := range r.Cases {
		if c.Error != "" || c.Memory == nil {
			continue
		}
		m := c.Memory[0]
		fmt.Fprintf(w, "\n%s: %.2f KiB ≤ %.1f %s", c.Title, m.PerConnection, m.LimitKiB, verdict(m.reached()))
		for _, peer := range c.Memory[1:] {
			fmt.Fprintf(w, "; %s %.2f KiB", peer.Proxy, peer.PerConnection)
		}
		fmt.Fprintln(w)
	}
}

// cell is one ratio of the summary, empty where there is none.
func (r Result) cell(peer string) string {
	for _, x := range r.Ratios {
		if x.Peer == peer {
			return fmt.Sprintf("%.3f ≤ %.2f %s", x.Ratio, x.Limit, verdict(x.Reached))
		}
	}
	return ""
}

// beside are the ratios to what ran beside incidents that there were none of, empty where there are none.
func (r Result) beside() (text string) {
	for _, x := range r.Ratios {
		if strings.HasPrefix(x.Peer, calm) {
			text += fmt.Sprintf("%s: %.3f ≤ %.2f %s ", x.Peer, x.Ratio, x.Limit, verdict(x.Reached))
		}
	}
	return strings.TrimSpace(text)
}

// verdict says in a word and a sign whether a limit was kept.
func verdict(reached bool) string {
	if reached {
		return "✓ reached"
	}
	return "✗ missed"
}

// latency prints microseconds with the unit that suits them.
func latency(us float64) string {
	d := time.Duration(us * float64(time.Microsecond))
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// decimals leaves large rates without a fraction.
func decimals(rate float64) int {
	if rate < 100 {
		return 1
	}
	return 0
}

func mib(kib int) string { return fmt.Sprintf("%.1f", float64(kib)/1024) }

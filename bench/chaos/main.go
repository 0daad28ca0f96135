// Command chaos plays faults at three origins behind Whygate, nginx and HAProxy, under steady traffic, and prints how many requests were
// lost that need not have been. It runs on loopback alone, with programs that it starts and ends itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	var f flags
	flag.StringVar(&f.origin, "origin", "", "be an origin that listens there (chaos starts itself so)")
	flag.StringVar(&f.control, "control", "", "where that origin is told what to do")
	flag.StringVar(&f.ids, "ids", "", "the file for the ids of the POSTs that it gets")
	flag.DurationVar(&f.idle, "idle", 0, "after how long that origin closes idle connections; 0: never")
	flag.DurationVar(&f.length, "time", 10*time.Second, "how long a row is")
	flag.StringVar(&f.only, "rows", "", "only the rows whose names contain one of these words, separated by commas")
	flag.StringVar(&f.proxies, "proxies", "", "only the proxies whose names contain one of these words")
	flag.StringVar(&f.whygate, "whygate", "", "the program to test; empty: built from this tree")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.origin != "" {
		if err := serveOrigin(ctx, &f); err != nil {
			fmt.Fprintln(os.Stderr, "origin:", err)
			os.Exit(1)
		}
		return
	}
	if err := play(ctx, &f); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

type flags struct {
	origin, control, ids string
	idle, length         time.Duration
	only, whygate        string
	proxies              string
}

// play plays every row behind every proxy.
func play(ctx context.Context, f *flags) error {
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	proxies, err := programs(ctx, f, dir)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "row\tproxy\trequests\tlost\tsavable\ttwice\twrong\tp50\tp99\tnote")
	for _, row := range rows {
		if !wanted(f.only, row.name) {
			continue
		}
		for _, p := range proxies {
			if !wanted(f.proxies, p.name) || !wanted(row.only, p.name) {
				continue
			}
			r, err := one(ctx, f, filepath.Join(dir, "run"), row, p)
			if err != nil {
				return fmt.Errorf("%s behind %s: %w", row.name, p.name, err)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.1f ms\t%.1f ms\t%s\n", row.name, p.name, r.requests, r.lost, r.savable, r.twice, r.wrong, r.p50, r.p99, r.note)
			w.Flush()
		}
	}
	return nil
}

// wanted reports whether a row's name has one of the words.
func wanted(only, name string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(word string) bool { return strings.Contains(name, word) })
}

// one plays one row behind one proxy.
func one(ctx context.Context, f *flags, dir string, row row, p program) (*tally, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	origins := make([]*origin, 3)
	for i := range origins {
		o, err := startOrigin(ctx, dir, i, row.idle)
		if err != nil {
			return nil, err
		}
		defer o.stop()
		origins[i] = o
	}
	proxy, err := p.start(ctx, dir, origins, row)
	if err != nil {
		return nil, err
	}
	defer proxy.stop()
	t := newTally()
	run, cancel := context.WithTimeout(ctx, f.length)
	defer cancel()
	scene := &scene{origins: origins, proxy: proxy, tally: t, length: f.length}
	if err := row.prepare(ctx, scene); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { // ends with run
		defer close(done)
		row.during(run, scene)
	}()
	load := steady
	if row.load != nil {
		load = row.load
	}
	load(run, ctx, scene)
	<-done
	return t, t.judge(dir, row)
}

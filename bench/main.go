// Command bench measures Whygate, nginx and HAProxy side by side: each proxy in turn on the same core, in front of the
// same origin, under the same load, several rounds interleaved. It prints what one request costs in CPU time, and how
// Whygate's cost relates to that of the others.
//
// CPU time per request comes from the kernel's accounting of the proxy's processes. On a shared machine noise only adds
// to it, so the ratios are those of the minima over the rounds; the medians stand beside them.
//
// It knows Whygate only as a program with a configuration file, exactly as it knows the other two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Exit codes, as those of the whygate command.
const (
	exitFine     = 0
	exitFailed   = 1
	exitWrongUse = 2
)

// The bounds of the options: a hundred rounds or a minute per run say nothing that twenty and ten do not.
const (
	roundsMax  = 100
	secondsMax = 60
)

// options is the command line.
type options struct {
	json    bool
	strict  bool
	rounds  int
	seconds int      // the length of one timed run
	cases   []string // patterns of case names, as path.Match has them
	peers   []string // nginx, haproxy
	profile string   // the directory for profiles, empty for none
	base    string   // another build of Whygate, empty for none
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitFine
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitWrongUse
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	report, err := benchmark(ctx, opts, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		var h *hintError
		if errors.As(err, &h) {
			fmt.Fprintln(stderr, "hint:", h.hint)
		}
		return exitFailed
	}
	if opts.json {
		err = report.writeJSON(stdout)
	} else {
		err = report.writeText(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench: print:", err)
		return exitFailed
	}
	if report.failed() || opts.strict && report.missed() {
		return exitFailed
	}
	return exitFine
}

// parseOptions reads the command line and refuses what cannot be measured.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var patterns, peers string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.json, "json", false, "print everything as JSON")
	fs.BoolVar(&o.strict, "strict", false, "exit 1 if a ratio is not reached")
	fs.IntVar(&o.rounds, "rounds", 5, "rounds per case; each runs every proxy once")
	fs.IntVar(&o.seconds, "seconds", 3, "seconds of one timed run")
	fs.StringVar(&patterns, "cases", "*", "patterns of the cases to run, by commas: "+strings.Join(caseNames(), " "))
	fs.StringVar(&peers, "peers", "nginx,haproxy", "the proxies to compare with, by commas; empty for none")
	fs.StringVar(&o.profile, "profile", "", "also profile whygate with perf in every case, into this directory")
	fs.StringVar(&o.base, "base", "", "another build of whygate, which is measured too")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.cases, o.peers = fields(patterns), fields(peers)
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.rounds < 1 || o.rounds > roundsMax:
		return o, fmt.Errorf("--rounds %d: want 1 to %d", o.rounds, roundsMax)
	case o.seconds < 1 || o.seconds > secondsMax:
		return o, fmt.Errorf("--seconds %d: want 1 to %d", o.seconds, secondsMax)
	}
	for _, p := range o.peers {
		if p != nginx && p != haproxy {
			return o, fmt.Errorf("--peers: %q is not one of nginx, haproxy", p)
		}
	}
	if o.base != "" {
		o.peers = append(o.peers, base)
	}
	if len(selectCases(o.cases)) == 0 {
		return o, fmt.Errorf("--cases %s: none of %s", patterns, strings.Join(caseNames(), ", "))
	}
	return o, nil
}

// fields splits a list at its commas and leaves out what is empty.
func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// selectCases gives the cases whose name one of the patterns matches.
func selectCases(patterns []string) []benchCase {
	return slices.DeleteFunc(cases(), func(c benchCase) bool {
		return !slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, c.name)
			return ok && err == nil
		})
	})
}

// hintError is an error with the line that says what to type.
type hintError struct {
	what, hint string
}

func (e *hintError) Error() string { return e.what }

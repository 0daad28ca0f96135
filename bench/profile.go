package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// profileHz is how often perf samples: a prime, so that it does not keep step with anything periodic.
const profileHz = 997

// prepareProfiles makes the directory and says so if perf is not there; the benchmark itself does not need it.
func (b *bench) prepareProfiles() error {
	if _, err := exec.LookPath("perf"); err != nil {
		fmt.Fprintln(b.progress, "no profiles: perf is not installed (apt-get install linux-perf)")
		b.opts.profile = ""
		return nil
	}
	if err := os.MkdirAll(b.opts.profile, 0o755); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return nil
}

// profile runs Whygate once more, untimed, under perf. It leaves the recording and a flat list of functions.
func (b *bench) profile(ctx context.Context, c benchCase, p *proxy) error {
	recording := filepath.Join(b.opts.profile, c.name+".perf")
	recordCtx, cancel := context.WithTimeout(ctx, time.Duration(b.opts.seconds)*time.Second+startupMax)
	defer cancel()
	recorded := make(chan error, 1)
	// Ends when perf does, which is after the given time or when recordCtx ends; it is waited for below.
	go func() {
		_, err := output(recordCtx, "perf", "record", "-q", "-g", "-F", strconv.Itoa(profileHz), "-o", recording,
			"-p", strconv.Itoa(p.cmd.Process.Pid), "--", "sleep", strconv.Itoa(b.opts.seconds))
		recorded <- err
	}()
	_, err := b.drive(ctx, c, p, b.opts.seconds)
	if err := errors.Join(err, <-recorded); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	text, err := output(ctx, "perf", "report", "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.3", "-i", recording)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	path := filepath.Join(b.opts.profile, c.name+".txt")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	fmt.Fprintf(b.progress, "%s: profile in %s\n", c.name, path)
	return nil
}

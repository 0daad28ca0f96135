package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// wrkResult is the line that configs/load.lua.tmpl prints.
type wrkResult struct {
	Requests   int64     `json:"requests"`
	DurationUS int64     `json:"duration_us"`
	Bytes      int64     `json:"bytes"`
	P50US      float64   `json:"p50_us"`
	P99US      float64   `json:"p99_us"`
	Errors     wrkErrors `json:"errors"`
}

// wrkErrors are what wrk counts apart: failures of its sockets, statuses of 400 and above, answers after more than 2 s.
type wrkErrors struct {
	Connect int64 `json:"connect"`
	Read    int64 `json:"read"`
	Write   int64 `json:"write"`
	Status  int64 `json:"status"`
	Timeout int64 `json:"timeout"`
}

// parseWrk finds the result in wrk's output and refuses a run that had a single error: its figures would mean nothing.
func parseWrk(out string, c benchCase) (wrkResult, error) {
	var r wrkResult
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, `{"requests"`) {
			continue
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return r, fmt.Errorf("wrk: %w", err)
		}
		switch {
		case r.Errors != wrkErrors{}:
			return r, fmt.Errorf("wrk: %d requests with errors: %+v", r.Requests, r.Errors)
		case r.Requests == 0:
			return r, fmt.Errorf("wrk: no request was answered")
		case r.Bytes < r.Requests*c.answer:
			return r, fmt.Errorf("wrk: %d answers of %d octets in only %d octets", r.Requests, c.answer, r.Bytes)
		}
		return r, nil
	}
	return r, fmt.Errorf("wrk: no result in: %s", tail([]byte(out)))
}

// driveRequests loads a proxy with wrk from the other core.
func (b *bench) driveRequests(ctx context.Context, c benchCase, p *proxy, seconds int) (volume, error) {
	script, err := render("load.lua", b.dir, settings{Body: c.requestBody})
	if err != nil {
		return volume{}, err
	}
	argv := pinned([]int{b.machine.LoadCore}, []string{
		b.programs["wrk"], "--threads", "1", "--connections", strconv.Itoa(c.connections),
		"--duration", strconv.Itoa(seconds) + "s", "--script", script, p.url,
	})
	out, err := output(ctx, argv...)
	if err != nil {
		return volume{}, err
	}
	r, err := parseWrk(out, c)
	if err != nil {
		return volume{}, err
	}
	return volume{
		count:   r.Requests,
		units:   float64(r.Requests),
		elapsed: time.Duration(r.DurationUS) * time.Microsecond,
		p50:     time.Duration(r.P50US * float64(time.Microsecond)),
		p99:     time.Duration(r.P99US * float64(time.Microsecond)),
	}, nil
}

// driveStreams loads a proxy with h2load from the other core. It tells no percentiles.
func (b *bench) driveStreams(ctx context.Context, c benchCase, p *proxy, seconds int) (volume, error) {
	argv := pinned([]int{b.machine.LoadCore}, []string{
		b.programs["h2load"], "-t", "1", "-c", strconv.Itoa(c.connections), "-m", strconv.Itoa(c.streams), "-D", strconv.Itoa(seconds),
		"--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--npn-list", "h2", p.url,
	})
	out, err := output(ctx, argv...)
	if err != nil {
		return volume{}, err
	}
	n, err := parseH2load(out)
	if err != nil {
		return volume{}, err
	}
	return volume{count: n, units: float64(n), elapsed: time.Duration(seconds) * time.Second}, nil
}

// parseH2load finds how many requests were answered in h2load's output, and refuses a run that had an error.
func parseH2load(out string) (int64, error) {
	if !strings.Contains(out, "Application protocol: h2") {
		return 0, fmt.Errorf("h2load: HTTP/2 was not agreed on: %s", tail([]byte(out)))
	}
	for line := range strings.Lines(out) {
		var total, started, done, succeeded, failed, errored, timeout int64
		const format = "requests: %d total, %d started, %d done, %d succeeded, %d failed, %d errored, %d timeout"
		if n, _ := fmt.Sscanf(line, format, &total, &started, &done, &succeeded, &failed, &errored, &timeout); n < 7 {
			continue
		}
		if succeeded == 0 || failed+errored+timeout > 0 {
			return 0, fmt.Errorf("h2load: %s", strings.TrimSpace(line))
		}
		return succeeded, nil
	}
	return 0, fmt.Errorf("h2load: no result in: %s", tail([]byte(out)))
}

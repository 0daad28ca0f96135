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
	argv := pinned(b.machine.LoadCore, []string{
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

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// sideClients are the connections of the side load.
const sideClients = 64

// failPath leads to the pool in which nobody answers.
const failPath = "/fail"

// beside sends requests at the case's rate until stop, which tells whether they came to what was meant: nearly as many, and all failed.
func (b *bench) beside(ctx context.Context, c benchCase, p *proxy) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var sent atomic.Int64
	errs := make([]error, sideClients)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range sideClients {
		wg.Go(func() { errs[i] = pace(ctx, p.address, c.side/sideClients, &sent) }) // ends with cancel
	}
	return func() error {
		took := time.Since(began)
		n := sent.Load()
		cancel()
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return fmt.Errorf("%s: beside the load: %w", p.name, err)
			}
		}
		if least := int64(0.9 * float64(c.side) * took.Seconds()); n < least {
			return fmt.Errorf("%s: beside the load only %d requests in %s, want %d", p.name, n, took, least)
		}
		return nil
	}
}

// pace sends so many requests a second on one connection, in small bursts, until ctx ends.
func pace(ctx context.Context, address string, rate int, sent *atomic.Int64) error {
	conn, err := (&net.Dialer{Timeout: startupMax}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", failPath, address)
	r := bufio.NewReader(conn)
	const step = 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	began := time.Now()
	for done := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(rate)); done < due && ctx.Err() == nil; done++ {
			if _, err := conn.Write(request); err != nil {
				return err
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusBadGateway {
				return fmt.Errorf("%s is answered %d, want 502", failPath, res.StatusCode)
			}
			sent.Add(1)
		}
	}
}

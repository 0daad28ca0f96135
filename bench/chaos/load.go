package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// scene is what a row acts on.
type scene struct {
	origins []*origin
	proxy   *process
	tally   *tally
	length  time.Duration
}

// tally is what became of a row's requests.
type tally struct {
	mu       sync.Mutex // guards the fields below
	requests int
	lost     int
	wrong    int
	twice    int
	savable  int
	lostIDs  map[string]bool // of POSTs
	lostGETs int
	took     []time.Duration
	ends     []end
	p50, p99 float64
	note     string
}

// end is when an exchange ended, counted from the row's beginning, and how long it took.
type end struct {
	at, took time.Duration
	good     bool
}

func newTally() *tally { return &tally{lostIDs: map[string]bool{}} }

// steady is about 1,000 requests per second over 64 connections that are kept, 80 % GET and 20 % POST.
func steady(run, ctx context.Context, s *scene) {
	const connections, perSecond = 64, 1000
	tokens := make(chan int64, connections)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for n := range tokens {
				s.ask(ctx, client, n, began)
			}
		})
	}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for n := int64(0); ; n++ {
		select {
		case <-run.Done():
			close(tokens)
			all.Wait()
			return
		case <-tick.C:
			select {
			case tokens <- n:
			default: // every connection is busy
			}
		}
	}
}

// flood is three times what the origins can do, each request on its own, from clients that wait for five seconds.
func flood(run, ctx context.Context, s *scene) {
	const perSecond = 3 * 3 * 8 * 20
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var all sync.WaitGroup
	sent := 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := int64(0); ; {
		select {
		case <-run.Done():
			all.Wait()
			s.goodput(s.length)
			return
		case <-tick.C:
			for due := int(time.Since(began).Seconds() * perSecond); sent < due; sent++ {
				n++
				all.Go(func() { s.ask(ctx, client, n*5+1, began) }) // never a POST: what is lost is load
			}
		}
	}
}

// goodput notes which part of what the origins could do came to clients in time, of the whole and of its second half.
func (s *scene) goodput(length time.Duration) {
	const capacity = 3 * 8 * 20
	t := s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	all, late := 0, 0
	for _, e := range t.ends {
		if e.good && e.at <= length+time.Second {
			all++
			if e.at > length/2 && e.at <= length {
				late++
			}
		}
	}
	t.note = fmt.Sprintf("goodput %.0f %%, in the second half %.0f %%", 100*float64(all)/(capacity*length.Seconds()), 100*float64(late)/(capacity*length.Seconds()/2))
}

// ask sends one request and notes what became of it.
func (s *scene) ask(ctx context.Context, client *http.Client, n int64, began time.Time) {
	id := fmt.Sprintf("%d", n)
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if n%5 == 0 {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, bodySize))
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://"+s.proxy.address+"/x?id="+id, body)
	if err != nil {
		return
	}
	start := time.Now()
	res, err := client.Do(q)
	good, wrong := false, false
	if err == nil {
		got, readErr := io.ReadAll(res.Body)
		res.Body.Close()
		good = res.StatusCode == http.StatusOK && readErr == nil
		wrong = good && string(got) != answerOf(id)
	}
	took := time.Since(start)
	t := s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.ends = append(t.ends, end{time.Since(began), took, good})
	switch {
	case good && !wrong:
		t.took = append(t.took, took)
	case wrong:
		t.wrong++
	default:
		t.lost++
		if method == http.MethodPost {
			t.lostIDs[id] = true
		} else {
			t.lostGETs++
		}
	}
}

// judge reads which POSTs the origins got, and finds out which of the lost requests could have been saved, and which were done twice.
func (t *tally) judge(dir string, r row) error {
	seen := map[string]int{}
	files, err := filepath.Glob(filepath.Join(dir, "ids-*"))
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			seen[lines.Text()]++
		}
		f.Close()
	}
	for _, n := range seen {
		if n > 1 {
			t.twice++
		}
	}
	t.savable = t.lostGETs
	for id := range t.lostIDs {
		if seen[id] == 0 {
			t.savable++
		}
	}
	if r.load != nil {
		t.savable = 0
	}
	if len(t.took) > 0 {
		slices.Sort(t.took)
		t.p50 = t.took[len(t.took)/2].Seconds() * 1e3
		t.p99 = t.took[len(t.took)*99/100].Seconds() * 1e3
	}
	if r.judge != nil {
		r.judge(t)
	}
	return nil
}

// Package store keeps incidents in a database: in SQLite for one gateway, in PostgreSQL for many, in memory for none of it to stay. Counts
// are exact, examples are sampled. Whoever adds something never waits: one goroutine writes a batch every 200 ms, and what a database's
// failure keeps waiting is bounded.
//
// It must not know how an exchange works, nor who asks for an incident.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/incident"
)

// Times of the goroutine that writes.
const (
	batchEvery  = 200 * time.Millisecond // what a kill -9 loses at most
	retryFirst  = time.Second            // after a failure; twice as long each time
	retryMost   = time.Minute
	keepEvery   = time.Minute     // how often what is too old is deleted
	closingTime = 2 * time.Second // for the last batch
)

// Options are what a Store is made with.
type Options struct {
	Place    Place
	Instance string        // this gateway's name among those that write to the same place
	KeepFor  time.Duration // how long incidents are kept; 0 for always
	KeepSize int64         // bytes of all that is kept; 0 for no bound
	Log      *slog.Logger
	Told     func(Event) // is called for each event, from the goroutine that writes; nil for nobody
}

// Store keeps incidents. New makes one.
type Store struct {
	options Options
	process string // tells this Store from every other, so that a batch counts once

	mu      sync.Mutex // guards the fields below
	waiting *pending
	sampler sampler

	opening chan struct{} // has room for who opens the database, or closes it; others wait with a bound of their own
	db      atomic.Pointer[database]
	damage  onDamage
	closed  atomic.Bool

	lost    atomic.Uint64 // examples that were not kept, since too many waited
	failing atomic.Pointer[failure]

	stop chan struct{}
	done sync.WaitGroup

	seq   int64    // of the goroutine that writes: the number of batch
	batch *pending // and the one that it could not write yet, nil for none
	tries int      // how often the database answered, and refused that batch
}

// failure is why nothing can be written.
type failure struct {
	err   error
	since time.Time
}

// New makes a Store and begins to write. It does not wait for the database: one that cannot be reached is tried again.
func New(o Options) *Store {
	s := NewReader(o)
	s.damage = moveDamaged
	if o.Place != Nowhere {
		s.done.Go(s.run) // ends with stop
	}
	return s
}

// NewReader makes a Store that only reads, and writes what people decide.
func NewReader(o Options) *Store {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{options: o, process: strconv.FormatUint(rand.Uint64(), 36), waiting: newPending(), opening: make(chan struct{}, 1), stop: make(chan struct{})}
}

// Close writes what waits, and ends. It waits for a database that does not answer for two seconds at most.
func (s *Store) Close() {
	close(s.stop)
	s.done.Wait()
	s.closed.Store(true) // who opens it now sees that, and closes it
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	s.forget(ctx)
}

// Add counts an incident, which nobody changes any more, and keeps it if it is an example. It never waits for the database.
func (s *Store) Add(i *incident.Incident) {
	if s.options.Place == Nowhere {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.add(i, s.sampler.keeps(i))
}

// Note keeps a change: its kind (reload, endpoint, certificate, deploy), what it is about, and what happened in a few words.
func (s *Store) Note(kind, subject, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.Place != Nowhere && len(s.waiting.changes) < changesMax {
		s.waiting.changes = append(s.waiting.changes, Change{At: time.Now().UTC(), Instance: s.options.Instance, Kind: kind, Subject: subject, Text: text})
	}
}

// Dropped is how many incidents were counted but not kept as examples, since too many waited to be written.
func (s *Store) Dropped() uint64 { return s.lost.Load() }

// Failing is why nothing is written at the moment and since when; nil if all is well.
func (s *Store) Failing() (since time.Time, err error) {
	if f := s.failing.Load(); f != nil {
		return f.since, f.err
	}
	return time.Time{}, nil
}

// Place is where incidents are kept.
func (s *Store) Place() Place { return s.options.Place }

// run writes until stop, and then what is left.
func (s *Store) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.done.Go(func() { // ends with stop, or with run
		select {
		case <-s.stop:
			time.AfterFunc(closingTime, cancel)
		case <-ctx.Done():
		}
	})
	wait, kept := batchEvery, time.Now()
	if !s.options.Place.IsMemory() { // at once, so that a bad place is said at the start
		if _, err := s.open(ctx); err != nil {
			wait = s.failed(ctx, err, retryFirst/2)
		}
	}
	for {
		select {
		case <-s.stop:
			if s.options.Place.IsMemory() { // it ends here
				return
			}
			if err := s.flush(ctx); err != nil {
				s.options.Log.Error("the last incidents were not stored", "store", s.options.Place.String(), "error", err)
			}
			return
		case <-time.After(wait):
		}
		if err := s.flush(ctx); err != nil {
			wait = s.failed(ctx, err, wait)
			continue
		}
		wait = batchEvery
		s.well()
		if time.Since(kept) >= keepEvery {
			kept = time.Now()
			if err := s.keep(ctx); err != nil {
				s.options.Log.Warn("old incidents were not deleted", "store", s.options.Place.String(), "error", err)
			}
		}
	}
}

// failed says once why nothing is written, and gives the time until the next attempt.
func (s *Store) failed(ctx context.Context, err error, waited time.Duration) time.Duration {
	if s.failing.Load() == nil {
		args := []any{"store", s.options.Place.String(), "error", err}
		var hint *HintError
		if errors.As(err, &hint) {
			args = append(args, "hint", hint.Hint)
		}
		s.options.Log.Error("incidents cannot be stored: they wait in memory, and traffic goes on", args...)
		s.failing.Store(&failure{err, time.Now()})
	}
	if damaged(err) { // the next attempt moves the file aside
		s.forget(ctx)
	}
	return min(max(2*waited, retryFirst), retryMost)
}

// well says that writing works again.
func (s *Store) well() {
	if f := s.failing.Swap(nil); f != nil {
		s.options.Log.Info("incidents are stored again", "store", s.options.Place.String(), "after", time.Since(f.since).Round(time.Second), "examples_lost", s.lost.Load())
	}
}

// forget closes the database, so that it is opened anew.
func (s *Store) forget(ctx context.Context) {
	select {
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
	}
	if db := s.db.Swap(nil); db != nil {
		db.close()
	}
}

var (
	errClosed  = errors.New("the store is closed")
	errNowhere = fmt.Errorf("%w: incidents are not kept", ErrNone)
)

// opened is open for who must not wait for a database that cannot be reached: what the goroutine that writes found is told at once.
func (s *Store) opened(ctx context.Context) (*database, error) {
	if f := s.failing.Load(); f != nil && s.db.Load() == nil {
		return nil, f.err
	}
	return s.open(ctx)
}

// open gives the open database, and opens it where it is not.
func (s *Store) open(ctx context.Context) (*database, error) {
	if db := s.db.Load(); db != nil {
		return db, nil
	}
	select {
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return nil, fmt.Errorf("the database is being opened: %w", ctx.Err())
	}
	if db := s.db.Load(); db != nil {
		return db, nil
	}
	switch {
	case s.closed.Load():
		return nil, errClosed
	case s.options.Place == Nowhere:
		return nil, errNowhere
	}
	db, moved, err := open(ctx, s.options.Place, s.damage)
	if err != nil {
		return nil, err
	}
	if moved != "" {
		s.options.Log.Error("the file of incidents was damaged: it was moved aside, and a new one was begun", "store", s.options.Place.String(), "moved_to", moved)
	}
	s.db.Store(db)
	if s.closed.Load() {
		if db := s.db.Swap(nil); db != nil {
			db.close()
		}
		return nil, errClosed
	}
	return db, nil
}

// take gives the batch to write: the one that could not be written, or else all that waits; nil if nothing does.
func (s *Store) take() *pending {
	if s.batch != nil {
		return s.batch
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.empty() {
		return nil
	}
	s.batch, s.waiting = s.waiting, newPending()
	s.lost.Add(s.batch.dropped)
	s.seq++
	return s.batch
}

// triesMost is how often a batch is tried that the database refuses for what is in it: that must not keep all that follows from being written.
const triesMost = 5

// giveUp reports whether the batch is not tried again, and says so. A full disk, a lock or a time that is over says nothing about the batch.
func (s *Store) giveUp(err error) bool {
	if !refused(err) {
		return false
	}
	if s.tries++; s.tries < triesMost {
		return false
	}
	n := int64(0)
	for _, d := range s.batch.groups {
		n += d.tally.n
	}
	s.lost.Add(uint64(len(s.batch.examples)))
	s.options.Log.Error("BUG: the store refuses some incidents, which are lost; please report this", "incidents", n, "error", err)
	return true
}

// flush writes a batch, if there is something to write.
func (s *Store) flush(ctx context.Context) error {
	for b := s.take(); b != nil; b = s.take() {
		db, err := s.open(ctx)
		if err != nil {
			return err
		}
		events, err := db.save(ctx, &batch{pending: b, process: s.process, seq: s.seq, instance: s.options.Instance})
		if err != nil && !s.giveUp(err) {
			return err
		}
		s.batch, s.tries = nil, 0
		if s.options.Told != nil {
			for _, e := range events {
				s.options.Told(e)
			}
		}
	}
	return nil
}

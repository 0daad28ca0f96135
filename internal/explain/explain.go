package explain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options says what to read, and how.
type Options struct {
	Sources []Source
	Formats []*Format      // what lines are offered to; nil for every format
	Since   time.Duration  // only lines of the last so long; 0 for all
	Now     time.Time      // what Since counts from, and what dates logs that leave out the year
	Zone    *time.Location // of logs that name none; nil for that of the logs beside them, or the machine's

	Each     io.Writer     // gets one JSON object for every line; there is no report then
	Follow   bool          // go on reading what is appended, until the context ends
	Quiet    time.Duration // with Follow: how often Summary is called at most, where something changed
	Seen     func(*Seen)   // with Follow: called for each fault as it comes
	Summary  func(*Report) // with Follow: called with the state so far
	Progress func(octets int64)
	Workers  int // goroutines that parse; 0 for one on each core
}

// Seen is one fault, as it comes.
type Seen struct {
	File     string
	Line     int
	At       time.Time
	Format   *Format
	Entry    *Entry // good only until the call returns
	Grown    bool   // it was appended after its file had been opened, or came by a stream
	Sentence string
}

// File is what was read of one source.
type File struct {
	Name    string  `json:"name"`
	Lines   int64   `json:"lines"`
	Octets  int64   `json:"octets"`
	Unknown int64   `json:"unknown"`
	Long    int64   `json:"long"`
	Error   string  `json:"error,omitempty"`
	NotLog  *NotLog `json:"not_log,omitempty"` // what it is, where it is no log
	err     error
}

// ErrNothingRead is the error where no source could be read at all.
var ErrNothingRead = errors.New("nothing could be read")

// Explain reads the sources and gives what they tell. It holds a bounded amount of memory, whatever their size: blocks of
// lines under way, and the state of what failed. With Each or Follow it returns a report too, the former an empty one.
func Explain(ctx context.Context, o Options) (*Report, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := newRun(ctx, &o)
	if err := r.run(stop); err != nil {
		return nil, err
	}
	return r.engine.report(), r.failed()
}

func newRun(ctx context.Context, o *Options) *run {
	if o.Formats == nil {
		o.Formats = formats
	}
	r := &run{o: *o, ctx: ctx, jobs: make(chan job), ended: make(chan struct{}), engine: newEngine(o)}
	if o.Zone != nil {
		r.zone = o.Zone
	}
	for i := range o.Sources {
		r.feeds = append(r.feeds, &feed{source: &o.Sources[i], file: &File{Name: o.Sources[i].Name}})
		r.engine.files = append(r.engine.files, r.feeds[i].file)
	}
	return r
}

// run reads all feeds to their ends. It calls stop, which ends its context, when nothing more is wanted of them.
func (r *run) run(stop func()) error {
	r.order()
	var workers sync.WaitGroup
	for range r.o.Workers {
		workers.Go(r.work) // ends when ended is closed
	}
	err := r.merge()
	stop()
	r.readers.Wait()
	close(r.ended)
	workers.Wait()
	return err
}

// run is one call of Explain.
type run struct {
	o       Options
	ctx     context.Context
	feeds   []*feed
	jobs    chan job
	ended   chan struct{} // closed when no more jobs are to be done
	readers sync.WaitGroup
	engine  *engine
	zone    *time.Location
}

// feed is one source on its way.
type feed struct {
	source  *Source
	file    *File
	start   time.Time   // of its first line that has a time, zero where it was not looked for
	blocks  chan *block // in order; done tells when each is parsed
	free    chan *block
	current *block
	at      int
	last    time.Time // of the last record that had a time
	tail    *tail     // of a followed file

	directed bool       // it begins with a directive, as a W3C log does
	w3c      *w3c       // the last #Fields: so far
	begun    bool       // its first line was read
	csv      *csvHeader // which named columns, nil where it did not
}

// job is a block to parse.
type job struct {
	block *block
	feed  *feed
}

// blocksMax bounds the blocks under way, over all feeds; feedsMax the feeds that are open at a time.
const (
	blocksMax = 12
	feedsMax  = 6
)

// order looks at the beginnings of several sources, so that they can be read side by side in the order of their times.
func (r *run) order() {
	if r.o.Each != nil {
		return
	}
	for _, f := range r.feeds {
		if f.source.Once {
			continue
		}
		p := peekSource(f.source, r.o.Now)
		f.start = p.start
		if p.zoned && r.zone == nil {
			r.zone = time.FixedZone("", p.offset)
		}
	}
	slices.SortStableFunc(r.feeds, func(a, b *feed) int { return a.start.Compare(b.start) })
}

// work parses blocks until there are no more.
func (r *run) work() {
	p := &parser{recogniser: NewRecogniser(r.o.Formats, r.o.Now), places: r.engine.places, zone: r.zone}
	if r.o.Since > 0 {
		p.since = r.o.Now.Add(-r.o.Since)
	}
	for {
		var j job
		select {
		case j = <-r.jobs:
		case <-r.ended:
			return
		}
		if r.o.Each != nil {
			p.each = &eachWriter{file: j.feed.source.Name}
		}
		p.parse(j.block)
		close(j.block.done)
	}
}

// open begins to read a feed with so many blocks.
func (r *run) open(f *feed, blocks int) {
	f.blocks, f.free = make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		f.free <- &block{space: make([]byte, 0, blockSize)}
	}
	r.goRead(f, func() { // ends with the source, or with the context
		defer close(f.blocks)
		if err := r.read(f); err != nil && !errors.Is(err, io.EOF) && r.ctx.Err() == nil {
			f.file.fail(err)
		}
	})
}

// goRead runs a feed's reader. Contrary to house style, nobody waits for that of a stream: a read of a terminal or a pipe
// cannot be interrupted, and ^C must end the run though nothing comes. It ends at the stream's next octet, or with the process.
func (r *run) goRead(f *feed, read func()) {
	if f.source.Once {
		go read()
		return
	}
	r.readers.Go(read)
}

// read cuts the source into blocks and hands them over, to be parsed and to be merged.
func (r *run) read(f *feed) error {
	raw, err := f.source.Open()
	if err != nil {
		return err
	}
	text, err := unpack(raw)
	if err != nil {
		raw.Close()
		return err
	}
	defer text.Close()
	return r.readLines(f, &lineReader{ctx: r.ctx, r: text})
}

func (r *run) readLines(f *feed, lines *lineReader) error {
	for {
		var b *block
		select {
		case b = <-f.free:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
		b.done = make(chan struct{})
		err := lines.fill(b, !r.o.Follow)
		if f.directed = f.directed || starts(b.text, "#"); f.directed {
			b.w3c = f.w3c
			f.w3c = f.w3c.follow(b.text)
		} else {
			b.w3c = nil
		}
		if !f.begun && len(b.text) > 0 {
			f.file.NotLog = lookAt(f.source.Name, b.text[:min(len(b.text), lookMax)])
			f.begun, f.csv = true, newCSV(bytes.TrimRight(upTo(b.text, '\n'), "\r"))
		}
		b.csv = f.csv
		b.grown = f.tail == nil || f.tail.grown
		if len(b.text) > 0 || b.octets > 0 {
			f.blocks <- b // has room for every block of the feed
			select {
			case r.jobs <- job{b, f}:
			case <-r.ctx.Done():
				close(b.done)
				return r.ctx.Err()
			}
		} else {
			f.free <- b
		}
		if err != nil {
			return err
		}
	}
}

// failed gives an error if no source could be read.
func (r *run) failed() error {
	var all error
	some := len(r.feeds) == 0
	for _, f := range r.feeds {
		if f.file.err == nil || f.file.Lines > 0 { // what came before the damage counts
			some = true
		}
		all = errors.Join(all, f.file.err)
	}
	if some {
		return nil
	}
	return errors.Join(ErrNothingRead, all)
}

// fail notes why the file could not be read to its end.
func (f *File) fail(err error) {
	f.err = err
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // those name the file
		f.err = fmt.Errorf("read %s: %w", f.Name, err)
	}
	f.Error = f.err.Error()
}

// Err gives why the file could not be read to its end, nil if it could.
func (f *File) Err() error { return f.err }

package explain

import "time"

// merge takes the parsed blocks of all feeds: line after line for --each, as they come when following, and otherwise in
// the order of time, so that what two logs say of one moment meets.
func (r *run) merge() error {
	switch {
	case r.o.Each != nil:
		return r.mergeEach()
	case r.o.Follow:
		return r.mergeFollow()
	}
	return r.mergeByTime()
}

// mergeEach prints the lines of one feed after another.
func (r *run) mergeEach() error {
	for _, f := range r.feeds {
		r.open(f, blocksMax)
		for {
			b := r.take(f)
			if b == nil {
				break
			}
			r.engine.tally(f, b)
			r.progress(b)
			if _, err := r.o.Each.Write(b.each); err != nil {
				return err
			}
			f.free <- b
		}
		if r.ctx.Err() != nil {
			break
		}
	}
	return r.ctx.Err()
}

// take gives the feed's next block when it is parsed, nil at the feed's end or when the context has ended.
func (r *run) take(f *feed) *block {
	select {
	case b, ok := <-f.blocks:
		if ok && r.await(b) {
			return b
		}
	case <-r.ctx.Done():
	}
	return nil
}

// await waits until a block is parsed. It is false if nobody will.
func (r *run) await(b *block) bool {
	select {
	case <-b.done:
		return r.ctx.Err() == nil
	case <-r.ctx.Done():
		return false
	}
}

func (r *run) progress(b *block) {
	if r.o.Progress != nil {
		r.o.Progress(b.octets)
	}
}

// mergeByTime takes the record with the least time of all that stand at the head of a feed. Feeds are opened when their
// time has come, so that a directory of rotated logs does not need all its files open.
func (r *run) mergeByTime() error {
	waiting := r.feeds
	var open []*feed
	blocks := blocksMax / min(max(len(r.feeds), 1), feedsMax)
	for len(open) > 0 || len(waiting) > 0 {
		least := leastOf(open)
		if len(waiting) > 0 && len(open) < feedsMax && (least == nil || !waiting[0].start.After(least.time())) {
			f := waiting[0]
			waiting = waiting[1:]
			r.open(f, blocks)
			if r.next(f) {
				open = append(open, f)
			}
			continue
		}
		if least == nil {
			break
		}
		rec := &least.current.records[least.at]
		r.engine.take(rec, least.file, least.time())
		least.last = least.time()
		least.at++
		if !r.next(least) {
			open = without(open, least)
		}
	}
	return r.ctx.Err()
}

// next makes sure that a record stands at the feed's head. It is false at the feed's end.
func (r *run) next(f *feed) bool {
	for {
		if f.current != nil {
			if f.at < len(f.current.records) {
				return true
			}
			f.free <- f.current
			f.current = nil
		}
		b := r.take(f)
		if b == nil {
			return false
		}
		r.engine.tally(f, b)
		r.progress(b)
		f.current, f.at = b, 0
	}
}

// time gives the time of the record at the feed's head: its own, or that of the last one that had one.
func (f *feed) time() time.Time {
	if t := f.current.records[f.at].Time; !t.IsZero() {
		return t
	}
	if !f.last.IsZero() {
		return f.last
	}
	return f.start
}

// leastOf gives the feed whose head has the least time. Of equal times, what applications and systems tell comes first,
// then error logs, then access logs: in the order in which things happen.
func leastOf(open []*feed) (least *feed) {
	for _, f := range open {
		if least == nil {
			least = f
			continue
		}
		switch c := f.time().Compare(least.time()); {
		case c < 0, c == 0 && rank(f) < rank(least):
			least = f
		}
	}
	return least
}

func rank(f *feed) int {
	r := &f.current.records[f.at]
	switch {
	case r.format.Role != RoleProxy:
		return 0
	case r.Status == 0:
		return 1
	}
	return 2
}

func without(feeds []*feed, gone *feed) []*feed {
	for i, f := range feeds {
		if f == gone {
			return append(feeds[:i], feeds[i+1:]...)
		}
	}
	return feeds
}

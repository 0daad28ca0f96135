package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/admin"
	"github.com/whygate/whygate/internal/store"
	"github.com/whygate/whygate/internal/visible"
)

// Bounds of a live list.
const (
	liveEach   = time.Second
	liveFor    = 30 * time.Minute // a browser connects again by itself
	liveAtOnce = 100              // incidents in a second
)

// liveData is what the live page begins with.
type liveData struct {
	Rows        []store.Row
	Pool, Cause string
}

func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := bounded(r)
	defer cancel()
	d := liveData{Pool: r.URL.Query().Get("pool"), Cause: r.URL.Query().Get("cause")}
	var err error
	if d.Rows, err = c.options.Store().Incidents(ctx, store.Query{Pool: d.Pool, Cause: d.Cause, Limit: 30}); err != nil {
		c.unread(w, "live", err)
		return
	}
	c.show(w, http.StatusOK, "live", page{Title: "Live", Section: "live", Refresh: 5, Data: d})
}

// stream sends incidents as they come, as server-sent events (HTML, section 9.2). An event's id is its time, from which a browser that lost the
// connection goes on.
func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		admin.Text(w, http.StatusServiceUnavailable, "as many live lists are open as there may be; close one\n")
		return
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	t := store.Tail{Query: store.Query{Pool: r.URL.Query().Get("pool"), Cause: r.URL.Query().Get("cause"), Limit: liveAtOnce}, From: time.Now()}
	if last, err := time.Parse(time.RFC3339Nano, r.Header.Get("Last-Event-ID")); err == nil {
		t.From = last.Add(time.Microsecond)
	}
	if _, err := fmt.Fprint(w, "retry: 2000\n: whygate\n\n"); err != nil || out.Flush() != nil {
		return
	}
	end := time.NewTimer(liveFor)
	defer end.Stop()
	tick := time.NewTicker(liveEach)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			return
		case <-tick.C:
		}
		ctx, cancel := bounded(r)
		rows, err := t.Next(ctx, c.options.Store())
		if cancel(); err != nil {
			rows = nil // the store may come back; the list stays
		}
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := w.Write(events(rows)); err != nil || out.Flush() != nil {
			return
		}
	}
}

// events are rows as events, the oldest first; a comment keeps the connection open where there are none.
func events(rows []store.Row) []byte {
	b := []byte(": .\n\n")
	for _, row := range slices.Backward(rows) {
		doc, err := json.Marshal(row)
		if err != nil {
			continue
		}
		b = fmt.Appendf(b, "id: %s\ndata: %s\n\n", row.At.Format(time.RFC3339Nano), visible.JSON(doc))
	}
	return b
}

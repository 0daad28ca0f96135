// Package alert tells people elsewhere that something new fails: by a webhook or a command. What comes together is told together, no more often
// than is asked for, and again where it did not arrive. Whoever tells it something never waits.
//
// It must not know what makes an incident, nor how groups are kept.
package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Event is something that people may want to know at once.
type Event struct {
	Kind  string    `json:"kind"` // new, regressed or no_endpoint
	Pool  string    `json:"pool,omitempty"`
	Cause string    `json:"cause"`
	Title string    `json:"title"`
	Group string    `json:"group,omitempty"` // its id
	Count int64     `json:"count"`
	Time  time.Time `json:"time"`
	URL   string    `json:"url,omitempty"` // of the group's page
}

// The kinds of events.
const (
	KindNew        = "new"
	KindRegressed  = "regressed"
	KindNoEndpoint = "no_endpoint"
)

// words is the event in a line.
func (e *Event) words() string {
	pool := ""
	if e.Pool != "" {
		pool = " in pool " + e.Pool
	}
	switch e.Kind {
	case KindRegressed:
		return "came back after it was resolved: " + e.Title + pool
	case KindNoEndpoint:
		return "no endpoint is left" + pool
	}
	return "new: " + e.Title + pool
}

// Format is what a webhook takes.
type Format string

// The formats. Mattermost takes Slack's.
const (
	JSON      Format = "json"
	Slack     Format = "slack"
	PagerDuty Format = "pagerduty" // its Events API, version 2
)

// Target is where to tell: a Webhook or a Command.
type Target struct {
	Webhook string   // a URL, which may be a secret itself
	Command []string // a program and its arguments; it is given JSON on its standard input
	Format  Format
	Key     string        // PagerDuty's routing key
	Every   time.Duration // no more often than that
}

// name is the target without what may be secret in it.
func (t *Target) name() string {
	if t.Webhook == "" {
		return "command " + t.Command[0]
	}
	if u, err := url.Parse(t.Webhook); err == nil {
		return "webhook at " + u.Host
	}
	return "webhook"
}

// Bounds and times.
const (
	waitingMost = 256              // events that wait for one target
	gather      = 5 * time.Second  // what comes within it is told together
	sendTime    = 10 * time.Second // for one attempt
	tries       = 4
	retryFirst  = 2 * time.Second // four times as long each time
	sameAgain   = 10 * time.Minute
)

// Notifier tells its targets. New makes one; a nil one tells nobody.
type Notifier struct {
	name    string
	log     *slog.Logger
	targets []*waiting
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu   sync.Mutex           // guards told
	told map[string]time.Time // when an event of that kind, pool and cause was taken last
}

// waiting is a target with its queue.
type waiting struct {
	Target
	events  chan Event
	dropped atomic.Uint64
	send    func(context.Context, *Target, []byte) error
}

// New makes a Notifier for a gateway of that name. Close ends it.
func New(name string, targets []Target, log *slog.Logger) *Notifier {
	return with(name, targets, log, deliver)
}

func with(name string, targets []Target, log *slog.Logger, send func(context.Context, *Target, []byte) error) *Notifier {
	ctx, stop := context.WithCancel(context.Background())
	n := &Notifier{name: name, log: log, stop: stop, told: map[string]time.Time{}}
	for _, t := range targets {
		w := &waiting{Target: t, events: make(chan Event, waitingMost), send: send}
		n.targets = append(n.targets, w)
		n.done.Go(func() { n.serve(ctx, w) }) // ends with stop
	}
	return n
}

// Close ends what is under way. What was not told is lost.
func (n *Notifier) Close() {
	if n != nil {
		n.stop()
		n.done.Wait()
	}
}

// toldMost bounds how many events are remembered as told.
const toldMost = 4096

// Tell has an event told. The same one within ten minutes is told once.
func (n *Notifier) Tell(e Event) {
	if n == nil || len(n.targets) == 0 {
		return
	}
	key := e.Kind + "\x00" + e.Pool + "\x00" + e.Cause
	now := time.Now()
	n.mu.Lock()
	last, had := n.told[key]
	again := had && now.Sub(last) < sameAgain
	if !again {
		if len(n.told) >= toldMost {
			clear(n.told)
		}
		n.told[key] = now
	}
	n.mu.Unlock()
	if again {
		return
	}
	for _, w := range n.targets {
		select {
		case w.events <- e:
		default:
			w.dropped.Add(1)
		}
	}
}

// serve tells one target.
func (n *Notifier) serve(ctx context.Context, w *waiting) {
	var last time.Time
	for {
		var events []Event
		select {
		case <-ctx.Done():
			return
		case e := <-w.events:
			events = append(events, e)
		}
		wait := gather
		if rest := w.Every - time.Since(last); !last.IsZero() && rest > wait {
			wait = rest
		}
		if !pause(ctx, wait) {
			return
		}
		for more := true; more; {
			select {
			case e := <-w.events:
				events = append(events, e)
			default:
				more = false
			}
		}
		last = time.Now()
		n.tell(ctx, w, events)
	}
}

// tell sends events, again where they did not arrive.
func (n *Notifier) tell(ctx context.Context, w *waiting, events []Event) {
	for _, body := range w.bodies(n.name, events, w.dropped.Swap(0)) {
		wait := retryFirst
		for try := 1; ; try++ {
			one, cancel := context.WithTimeout(ctx, sendTime)
			err := w.send(one, &w.Target, body)
			cancel()
			if err == nil || ctx.Err() != nil {
				break
			}
			if try == tries {
				n.log.Error("an alert was not delivered", "to", w.name(), "tries", tries, "error", err)
				break
			}
			if !pause(ctx, wait) {
				return
			}
			wait *= 4
		}
	}
}

// pause waits, and reports whether it was not ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// bodies are the messages that say these events: PagerDuty has one for each.
func (w *waiting) bodies(name string, events []Event, dropped uint64) [][]byte {
	lines := make([]string, 0, len(events)+2)
	lines = append(lines, fmt.Sprintf("Whygate %s: %s", name, events[0].words()))
	if len(events) > 1 {
		lines[0] = fmt.Sprintf("Whygate %s: %d alerts", name, len(events))
		for i := range events {
			lines = append(lines, "• "+events[i].words())
		}
	}
	if events[0].URL != "" {
		lines = append(lines, events[0].URL)
	}
	text := strings.Join(lines, "\n")
	var out [][]byte
	add := func(v any) {
		if b, err := json.Marshal(v); err == nil { // of texts, numbers and times it always is
			out = append(out, b)
		}
	}
	switch w.Format {
	case Slack:
		add(map[string]any{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)})
	case PagerDuty:
		for i := range events {
			e := &events[i]
			add(map[string]any{
				"routing_key": w.Key, "event_action": "trigger", "dedup_key": "whygate " + e.Pool + " " + e.Cause,
				"payload": map[string]any{"summary": e.words(), "source": name, "severity": "error", "component": e.Pool, "class": e.Cause, "custom_details": e},
			})
		}
	default:
		add(map[string]any{"product": "whygate", "gateway": name, "text": text, "events": events, "dropped": dropped})
	}
	return out
}

// outputMax is how much is kept of what a target says about a failure, in bytes.
const outputMax = 300

// deliver sends one message.
func deliver(ctx context.Context, t *Target, body []byte) error {
	if t.Webhook == "" {
		cmd := exec.CommandContext(ctx, t.Command[0], t.Command[1:]...) //nolint:gosec // the configuration names it
		cmd.Stdin = bytes.NewReader(body)
		cmd.WaitDelay = time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out[:min(len(out), outputMax)]))
		}
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's URL cannot be used") // err repeats it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "whygate")
	// No redirect is followed: it would lead to where nobody was told to tell.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, outputMax))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d: %s", res.StatusCode, bytes.TrimSpace(said))
	}
	return nil
}

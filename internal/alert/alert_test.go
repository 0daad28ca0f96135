package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// TestToldTogetherAndNotTooOften: what comes within five seconds is one message, the next comes after Every, and the same again is not told.
func TestToldTogetherAndNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		began := time.Now()
		n := with("edge", []Target{{Webhook: "http://x", Every: time.Minute}}, quiet, func(_ context.Context, _ *Target, body []byte) error {
			var m struct {
				Events []Event `json:"events"`
			}
			if err := json.Unmarshal(body, &m); err != nil {
				return err
			}
			sent = append(sent, fmt.Sprint(time.Since(began).Round(time.Second), " ", len(m.Events)))
			return nil
		})
		for i := range 10 {
			n.Tell(Event{Kind: KindNew, Pool: fmt.Sprint("p", i%5), Cause: "c"})
		}
		time.Sleep(10 * time.Second)
		n.Tell(Event{Kind: KindRegressed, Pool: "p1", Cause: "c"})
		time.Sleep(20 * time.Second)
		n.Tell(Event{Kind: KindNew, Pool: "p9", Cause: "c"})
		time.Sleep(2 * time.Minute)
		n.Close()
		if got := fmt.Sprint(sent); got != "[5s 5 1m5s 2]" {
			t.Error(got)
		}
	})
}

func TestToldAgainWhereItDidNotArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := 0
		n := with("edge", []Target{{Webhook: "http://x"}}, quiet, func(context.Context, *Target, []byte) error {
			if tried++; tried < 3 {
				return errors.New("refused")
			}
			return nil
		})
		n.Tell(Event{Kind: KindNew})
		time.Sleep(time.Hour)
		synctest.Wait()
		if tried != 3 {
			t.Errorf("tried %d times", tried)
		}
		tried = -1000
		n.Tell(Event{Kind: KindRegressed})
		time.Sleep(time.Hour)
		synctest.Wait()
		n.Close()
		if tried != -1000+tries {
			t.Errorf("tried %d times in vain", tried+1000)
		}
	})
}

// TestNobodyWaits: a target that hangs holds nobody up, and what is too much is counted.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := with("edge", []Target{{Webhook: "http://x"}}, quiet, func(ctx context.Context, _ *Target, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		})
		for i := range 3 * waitingMost {
			n.Tell(Event{Kind: KindNew, Cause: fmt.Sprint(i)})
		}
		if d := n.targets[0].dropped.Load(); d < waitingMost || d > 2*waitingMost {
			t.Errorf("%d dropped", d)
		}
		n.Close()
	})
	var none *Notifier
	none.Tell(Event{})
	none.Close()
}

func TestFormats(t *testing.T) {
	events := []Event{{Kind: KindNew, Pool: "web", Cause: "head-timeout", Title: "<Slow> & late", URL: "http://127.0.0.1:9502/console/groups/g"}, {Kind: KindNoEndpoint, Pool: "api", Cause: "no-endpoints"}}
	for format, want := range map[Format][]string{
		JSON:      {`{"dropped":3,"events":[{"kind":"new","pool":"web"`},
		Slack:     {`{"text":"Whygate edge: 2 alerts\n• new: \u0026lt;Slow\u0026gt; \u0026amp; late in pool web\n• no endpoint is left in pool api\nhttp://127.0.0.1:9502/console/groups/g"}`},
		PagerDuty: {`"routing_key":"k"`, `"dedup_key":"whygate api no-endpoints"`},
	} {
		w := &waiting{Target: Target{Format: format, Key: "k"}}
		bodies := w.bodies("edge", events, 3)
		if len(bodies) != len(want) {
			t.Fatalf("%s: %d bodies", format, len(bodies))
		}
		for i, b := range bodies {
			if !json.Valid(b) || !strings.Contains(string(b), want[i]) {
				t.Errorf("%s: %s", format, b)
			}
		}
	}
}

func TestDeliver(t *testing.T) {
	status := 200
	got := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Content-Type") + " " + string(b)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer s.Close()
	if err := deliver(t.Context(), &Target{Webhook: s.URL + "/secret"}, []byte("{}")); err != nil || got != "application/json {}" {
		t.Errorf("%v: %s", err, got)
	}
	for _, status = range []int{302, 404, 500} {
		if err := deliver(t.Context(), &Target{Webhook: s.URL}, nil); err == nil {
			t.Errorf("%d is no error", status)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/secret", "http://\x7f/secret"} {
		if err := deliver(t.Context(), &Target{Webhook: url}, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "said")
	if err := deliver(t.Context(), &Target{Command: []string{"/bin/sh", "-c", "cat > " + file}}, []byte("{}")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "{}" {
		t.Errorf("%q, %v", b, err)
	}
	if err := deliver(t.Context(), &Target{Command: []string{"/bin/sh", "-c", "echo why; exit 3"}}, nil); err == nil || !strings.Contains(err.Error(), "why") {
		t.Error(err)
	}
}

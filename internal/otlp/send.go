package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Bounds and times of sending.
const (
	sendTime   = 10 * time.Second // for one attempt
	tries      = 4
	retryFirst = time.Second      // twice as long each time, unless the collector says how long
	retryMost  = 30 * time.Second // of what the collector says
	saidMost   = 200              // bytes of a refusal that are logged
)

func newClient() *http.Client {
	return &http.Client{
		Timeout:       sendTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send posts a body, and reports whether the collector took it. What it cannot take now is sent again (OTLP, section "OTLP/HTTP response"): after
// 429, 502, 503 and 504, and where no answer came.
func (e *Exporter) send(ctx context.Context, path string, body []byte) bool {
	packed := pack(body)
	for try, pause := 1, retryFirst; ; try, pause = try+1, 2*pause {
		status, after, said, err := e.post(ctx, path, packed)
		if err == nil && status/100 == 2 {
			if e.failing.CompareAndSwap(true, false) {
				e.o.Log.Info("the OpenTelemetry collector takes what is sent again", "url", e.o.Endpoint)
			}
			return true
		}
		again := err != nil || status == http.StatusTooManyRequests || status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
		if ctx.Err() != nil || !again || try == tries {
			e.tell(path, status, said, err, try)
			return false
		}
		if after > 0 {
			pause = min(after, retryMost)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// tell logs that what was sent is lost: when it begins, and not for each.
func (e *Exporter) tell(path string, status int, said string, err error, try int) {
	if e.failing.Swap(true) {
		return
	}
	args := []any{"url", e.o.Endpoint + path, "tries", try, "do", "look whether otlp.endpoint is a collector's OTLP over HTTP (port 4318), and what it says; traffic goes on, what cannot be sent is counted in whygate_otlp_dropped_total"}
	if err != nil {
		args = append(args, "error", err)
	} else {
		args = append(args, "status", status, "said", said)
	}
	e.o.Log.Error("the OpenTelemetry collector does not take what is sent", args...)
}

func (e *Exporter) post(ctx context.Context, path string, packed []byte) (status int, after time.Duration, said string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.o.Endpoint+path, bytes.NewReader(packed))
	if err != nil {
		return 0, 0, "", err
	}
	for name, values := range e.o.Header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("User-Agent", "whygate/"+e.o.Version)
	res, err := e.client.Do(r)
	if err != nil {
		return 0, 0, "", err
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, saidMost))
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		after = time.Duration(min(n, 3600)) * time.Second
	}
	return res.StatusCode, after, string(b), nil
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a Buffer never fails
	_ = z.Close()
	return b.Bytes()
}

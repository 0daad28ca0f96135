package health

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/upstream"
)

// grpcServer serves until the test ends; register adds its services.
func grpcServer(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func targetOf(t *testing.T, url string) *upstream.Target {
	t.Helper()
	e, err := upstream.ParseEndpoint(url)
	if err != nil {
		t.Fatal(err)
	}
	target := upstream.New(e, upstream.Options{
		Connect: 10 * time.Second, Head: 10 * time.Second, Write: 10 * time.Second, Idle: time.Minute, HeadMax: 1 << 16, Resolver: upstream.NewResolver(nil, time.Second),
	})
	t.Cleanup(target.Close)
	return target
}

// failing is a health service that answers each call with a status of gRPC.
type failing struct {
	grpc_health_v1.UnimplementedHealthServer
	err error
}

func (f failing) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if f.err == nil {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return nil, f.err
}

// What gRPC's own health server says is understood.
func TestCheckGRPC(t *testing.T) {
	real := grpchealth.NewServer()
	real.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	real.SetServingStatus("shop.Stock", grpc_health_v1.HealthCheckResponse_SERVING)
	long := strings.Repeat("x", 300)
	real.SetServingStatus(long, grpc_health_v1.HealthCheckResponse_SERVING)
	addr := grpcServer(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, real) })
	with := func(err error) string {
		return grpcServer(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, failing{err: err}) })
	}
	none := grpcServer(t, func(*grpc.Server) {})
	unavailable := with(status.Error(codes.Unavailable, "warming\x1b[2Jup"))
	silent := with(nil)
	tests := []struct {
		name, addr, service string
		timeout             time.Duration
		wrong               string
	}{
		{"the server serves", addr, "", 0, ""},
		{"a service serves", addr, "shop.Stock", 0, ""},
		{"a service with a long name", addr, long, 0, ""},
		{"a service does not", addr, "shop.Cart", 0, "the health service says that the service shop.Cart is NOT_SERVING"},
		{"nobody knows the service", addr, "shop.Till", 0, "the health service does not know the service shop.Till (NOT_FOUND)"},
		{"no health service", none, "", 0, "has no health service (UNIMPLEMENTED): it does not serve grpc.health.v1.Health"},
		{"another status", unavailable, "", 0, "the check of the server ended with UNAVAILABLE: warming"},
		{"silence", silent, "", 100 * time.Millisecond, "not answered within 100ms"},
		{"refused", "127.0.0.1:1", "", 0, "refused"},
	}
	for _, tt := range tests {
		c := Check{Kind: GRPC, Service: tt.service, Timeout: 10 * time.Second}
		if tt.timeout > 0 {
			c.Timeout = tt.timeout
		}
		_, got := ask(t.Context(), targetOf(t, "h2c://"+tt.addr), &c)
		if (got == "") != (tt.wrong == "") || !strings.Contains(got, tt.wrong) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.wrong)
		}
	}
	real.Shutdown()
	if _, got := ask(t.Context(), targetOf(t, "h2c://"+addr), &Check{Kind: GRPC, Timeout: 10 * time.Second}); !strings.Contains(got, "the server is NOT_SERVING") {
		t.Errorf("after its shutdown: %q", got)
	}
}

// What answers, and is no health service of gRPC.
func TestCheckGRPCOfOthers(t *testing.T) {
	message := func(b []byte) string { return string(append([]byte{0, 0, 0, 0, byte(len(b))}, b...)) }
	tests := []struct {
		name                      string
		status                    int
		contentType, body, inTail string
		wrong                     string
	}{
		{"a page", 404, "text/html", "no", "", "does not speak gRPC: status 404, Content-Type text/html"},
		{"no status", 200, "application/grpc", message([]byte{8, 1}), "", "ended without a grpc-status"},
		{"no message", 200, "application/grpc", "", "0", "no HealthCheckResponse"},
		{"half a message", 200, "application/grpc", "\x00\x00\x00\x00\x09\x08\x01", "0", "no HealthCheckResponse"},
		{"a compressed message", 200, "application/grpc", "\x01\x00\x00\x00\x02\x08\x01", "0", "no HealthCheckResponse"},
		{"a long answer", 200, "application/grpc", strings.Repeat("x", grpcMost+1), "0", "more than 1024 bytes"},
		{"a status of tomorrow", 200, "application/grpc+proto", message([]byte{8, 9}), "0", "the status 9"},
		{"unknown fields", 200, "application/grpc+proto", message([]byte{0x12, 2, 'h', 'i', 8, 1, 0x18, 7}), "0", ""},
		{"serving", 200, "application/grpc", message([]byte{8, 1}), "0", ""},
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	for _, tt := range tests {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "POST" || r.URL.Path != grpcMethod || r.Header.Get("Te") != "trailers" || r.Header.Get("Grpc-Timeout") != "10000m" || r.Host != "app.test" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			w.Header().Set("Content-Type", tt.contentType)
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
			if tt.inTail != "" {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", tt.inTail)
			}
		}))
		server.Config.Protocols = &protocols
		server.Start()
		c := Check{Kind: GRPC, Timeout: 10 * time.Second, Host: []byte("app.test")}
		addr := strings.TrimPrefix(server.URL, "http://")
		if _, got := ask(t.Context(), targetOf(t, "h2c://"+addr), &c); (got == "") != (tt.wrong == "") || !strings.Contains(got, tt.wrong) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.wrong)
		}
		if _, got := ask(t.Context(), targetOf(t, server.URL), &c); !strings.Contains(got, "over HTTP/1.1") {
			t.Errorf("%s, over HTTP/1.1: %q", tt.name, got)
		}
		server.Close()
	}
}

// Each check has a connection of its own, and leaves none.
func TestCheckGRPCLeavesNoConnection(t *testing.T) {
	var opened []string
	addr := grpcServer(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, grpchealth.NewServer()) })
	target := targetOf(t, "h2c://"+addr)
	for range 3 {
		ev, wrong := ask(t.Context(), target, &Check{Kind: GRPC, Timeout: 10 * time.Second})
		if wrong != "" {
			t.Fatal(wrong)
		}
		opened = append(opened, fmt.Sprint(ev.Nth, ev.Reused))
	}
	if got := strings.Join(opened, ", "); got != "1 false, 1 false, 1 false" || target.IdleCount() != 0 {
		t.Errorf("%s; %d are kept", got, target.IdleCount())
	}
}

// So has a check by HTTP, though the endpoint speaks HTTP/2, and traffic has a connection that it could share.
func TestCheckHTTP2HasItsOwnConnection(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200 + 400*(2-r.ProtoMajor)) }))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	target := targetOf(t, "h2c://"+strings.TrimPrefix(server.URL, "http://"))
	c := Check{Path: "/", Host: []byte("app.test"), Timeout: 10 * time.Second}
	a, end := c.begin(t.Context(), target)
	defer end()
	var res httpmsg.Response
	head := upstream.Head{Method: []byte("GET"), Path: []byte("/"), Authority: []byte("app.test")}
	if !a.Ask(&head, nil, false) || !a.ReadHead(&res) || res.Status != 200 {
		t.Fatalf("%d: %v", res.Status, a.Evidence)
	}
	for i := range 3 {
		if _, wrong := ask(t.Context(), target, &c); wrong != "" || opened.Load() != int64(i)+2 {
			t.Errorf("%q, and %d connections", wrong, opened.Load())
		}
	}
}

// No octets make the reader fail otherwise than by its answer.
func FuzzGRPCResponse(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 4, 0x12, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0, 0, 11, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if status, ok := grpcResponse(b); !ok && status != 0 {
			t.Error("a status of what is no message")
		}
	})
}

package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/upstream"
)

// callee is a service of gRPC. What it is to do stands in the call.
type callee struct {
	testgrpc.UnimplementedTestServiceServer
}

func (callee) UnaryCall(ctx context.Context, q *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); len(md["wait"]) > 0 {
		deadline, there := ctx.Deadline()
		if left := time.Until(deadline); !there || left > 5*time.Second {
			return nil, status.Errorf(codes.DataLoss, "the deadline is %v away, there %t", left, there)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("sum", fmt.Sprint(len(q.GetPayload().GetBody()))))
	if s := q.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.Code), s.Message)
	}
	return &testgrpc.SimpleResponse{Payload: q.GetPayload()}, nil
}

func (callee) FullDuplexCall(s testgrpc.TestService_FullDuplexCallServer) error {
	for {
		q, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&testgrpc.StreamingOutputCallResponse{Payload: q.GetPayload()}); err != nil {
			return err
		}
	}
}

// overGRPC starts a service, a gateway before it and a client.
func overGRPC(t *testing.T, s setup, endpoints ...string) (*gateway, testgrpc.TestServiceClient) {
	t.Helper()
	if len(endpoints) == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		testgrpc.RegisterTestServiceServer(server, callee{})
		done := make(chan error)
		go func() { done <- server.Serve(l) }()
		t.Cleanup(func() {
			server.Stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		endpoints = []string{"h2c://" + l.Addr().String()}
	}
	s.h2c = true
	g := start(t, s, endpoints...)
	c, err := grpc.NewClient("passthrough:"+g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return g, testgrpc.NewTestServiceClient(c)
}

func payload(n int) *testgrpc.Payload { return &testgrpc.Payload{Body: []byte(noise(n))} }

func TestGRPCCalls(t *testing.T) {
	t.Parallel()
	g, c := overGRPC(t, setup{})
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for _, size := range []int{0, 10, 20_000, 1 << 20} {
		var trailer metadata.MD
		res, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{Payload: payload(size)}, grpc.Trailer(&trailer))
		if err != nil || len(res.GetPayload().GetBody()) != size || trailer["sum"][0] != fmt.Sprint(size) {
			t.Errorf("%d octets: %v, trailers %v", size, err, trailer)
		}
		if r := g.want(200, fault.CauseNone); r.GRPC != 1 {
			t.Errorf("logged as %d", r.GRPC)
		}
	}
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 7, Message: "no: 100 %"}})
	if status.Code(err) != codes.PermissionDenied || status.Convert(err).Message() != "no: 100 %" {
		t.Errorf("%v", err)
	}
	if code, is := g.want(200, fault.CauseNone).GRPC.Status(); !is || code != 7 {
		t.Errorf("logged as %d", code)
	}
	if _, err := c.EmptyCall(ctx, &testgrpc.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("%v", err)
	}
	g.want(200, fault.CauseNone)
}

// A stream goes both ways, message by message.
func TestGRPCStream(t *testing.T) {
	t.Parallel()
	g, c := overGRPC(t, setup{})
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	s, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := s.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(i * 1000)}); err != nil {
			t.Fatal(err)
		}
		if res, err := s.Recv(); err != nil || len(res.GetPayload().GetBody()) != i*1000 {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("%v", err)
	}
	if r := g.want(200, fault.CauseNone); r.GRPC != 1 {
		t.Errorf("logged as %d", r.GRPC)
	}
}

// The client's deadline ends the call here as well, and the endpoint is told what is left of it.
func TestGRPCDeadline(t *testing.T) {
	t.Parallel()
	g, c := overGRPC(t, setup{})
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	_, err := c.UnaryCall(metadata.AppendToOutgoingContext(ctx, "wait", "1"), &testgrpc.SimpleRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	// Who is first: the client takes its stream back at the same moment, and so does the endpoint end it.
	if r := g.record(); r.Fault.Cause != fault.CauseGRPCDeadline && r.Fault.Cause != fault.CauseClientLeft && r.GRPC != 5 {
		t.Errorf("%v, status %d", r.Fault.Cause, r.Status)
	}
	if g.failures(0) != 0 {
		t.Error("the endpoint was blamed")
	}
}

// A fault of ours is told in gRPC's way, with the status that fits and the incident.
func TestGRPCFaults(t *testing.T) {
	t.Parallel()
	silent := upstreamOf(t, func(p *peer) { p.gone() })
	for _, c := range []struct {
		name, endpoint string
		setup          setup
		code           codes.Code
		cause          fault.Cause
	}{
		{"refused", "h2c://" + refusing(t), setup{}, codes.Unavailable, fault.CauseConnectionRefused},
		{"silent", "h2c://" + silent.addr, setup{options: func(o *upstream.Options) { o.Head = 200 * time.Millisecond }}, codes.DeadlineExceeded, fault.CauseHTTP2NoSettings},
		{"not HTTP/2", "h2c://" + upstreamOf(t, func(p *peer) { p.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"); p.gone() }).addr, setup{}, codes.Internal, fault.CauseHTTP1OnHTTP2Port},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, client := overGRPC(t, c.setup, c.endpoint)
			ctx, stop := context.WithTimeout(context.Background(), patience)
			defer stop()
			var head metadata.MD
			_, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&head), grpc.Trailer(&head))
			r := g.record()
			if status.Code(err) != c.code || !strings.Contains(err.Error(), r.Incident) || r.Incident == "" || len(head["proxy-status"]) == 0 {
				t.Errorf("%v, %v", err, head)
			}
			if code, is := r.GRPC.Status(); r.Fault.Cause != c.cause || !is || code != int(c.code) {
				t.Errorf("%v, grpc-status %d", r.Fault.Cause, code)
			}
		})
	}
}

// A call that ends without a status is a fault, though the client has what there was.
func TestGRPCStatusMissing(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"))
	g, c := overGRPC(t, setup{}, "http://"+o.addr)
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	if _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}); err == nil {
		t.Error("it is a success")
	}
	g.want(200, fault.CauseGRPCStatusMissing)
	o = upstreamOf(t, answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"))
	g, c = overGRPC(t, setup{}, "http://"+o.addr)
	if _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}); err == nil {
		t.Error("it is a success")
	}
	g.want(200, fault.CauseGRPCOverHTTP1)
}

// A call whose answer breaks off is told why, in its trailers: it does not look complete.
func TestGRPCCut(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	addr := pairing{httpmsg.HTTP2, httpmsg.HTTP2, false}.endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = w.Write([]byte{0, 0, 0, 0, 0}) // an empty message
		_ = http.NewResponseController(w).Flush()
		<-begun
		panic(http.ErrAbortHandler)
	})
	g, c := overGRPC(t, setup{}, addr)
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	s, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	close(begun)
	_, err = s.Recv()
	r := g.want(200, fault.CauseHTTP2StreamCut)
	if code, is := r.GRPC.Status(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), r.Incident) || !r.Late || !is || code != 14 {
		t.Errorf("%v, incident %s, late %t, logged as %d", err, r.Incident, r.Late, code)
	}
}

// A client of gRPC is told to wait for as long as any other client is.
func TestGRPCPushback(t *testing.T) {
	t.Parallel()
	m := &proxy.Maintenance{}
	m.On("the database moves")
	_, c := overGRPC(t, setup{pool: func(p *proxy.Pool) { p.Maintenance = m }})
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	var head metadata.MD
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&head), grpc.Trailer(&head))
	if after := head["grpc-retry-pushback-ms"]; status.Code(err) != codes.Unavailable || len(after) != 1 || after[0] != "60000" {
		t.Errorf("%v, to ask again after %v ms", err, after)
	}
}

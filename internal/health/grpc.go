package health

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/upstream"
	"github.com/whygate/whygate/internal/visible"
)

// grpcMethod is the unary method of gRPC's health checking protocol (grpc.health.v1).
const grpcMethod = "/grpc.health.v1.Health/Check"

const (
	grpcPrefix = 5 // octets before each message: a flag, and its length
	grpcMost   = 1 << 10
	grpcSaid   = 120 // octets of a grpc-message that are shown
)

// grpcCodes are the names of gRPC's status codes.
var grpcCodes = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// The codes that say something of the health service itself.
const (
	grpcNotFound      = 5
	grpcUnimplemented = 12
)

// grpcServing are the names of HealthCheckResponse.ServingStatus.
var grpcServing = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

const serving = 1

// askGRPC makes one check by the health service of gRPC. The words are empty for an endpoint that is serving. The endpoint knows how long we
// wait (grpc-timeout), and may give up in the same moment as we do: that is a check that was not answered, whoever was faster.
func askGRPC(ctx context.Context, t *upstream.Target, c *Check) (fault.Evidence, string) {
	until := mono.Now().Add(c.Timeout)
	ev, wrong := c.askGRPC(ctx, t)
	if wrong != "" && mono.Now() >= until {
		wrong = unanswered(&ev, c)
	}
	return ev, wrong
}

func (c *Check) askGRPC(ctx context.Context, t *upstream.Target) (fault.Evidence, string) {
	t = t.ApartForHTTP2()
	defer t.Close()
	a, end := c.begin(ctx, t)
	defer end()
	body := grpcRequest(c.Service)
	var res httpmsg.Response
	var fields httpmsg.Fields
	fields.AppendKnown(httpmsg.ContentType, []byte("application/grpc"))
	fields.Append("User-Agent", []byte("whygate-check"), httpmsg.Other)
	fields.Append("grpc-timeout", append(strconv.AppendInt(nil, (c.Timeout+time.Millisecond-1).Milliseconds(), 10), 'm'), httpmsg.Other)
	head := upstream.Head{
		Method: []byte("POST"), Path: []byte(grpcMethod), Authority: c.Host, Extra: &fields, Length: int64(len(body)), SaysLength: true, Trailers: true, Close: true,
	}
	if !a.Ask(&head, body, upstream.FreshConnection) || !a.ReadHead(&res) {
		return a.Evidence, failure(&a.Evidence, c)
	}
	if a.Evidence.Version < httpmsg.HTTP2 {
		return a.Evidence, "the check was answered over HTTP/1.1, and gRPC needs HTTP/2"
	}
	contentType := string(res.Fields.Get(httpmsg.ContentType))
	if res.Status != 200 || !strings.HasPrefix(strings.ToLower(contentType), "application/grpc") {
		return a.Evidence, fmt.Sprintf("the check was answered by what does not speak gRPC: status %d, Content-Type %s", res.Status, clipped(contentType))
	}
	message, wrong := readMost(a, grpcMost)
	if wrong == "" && message == nil {
		return a.Evidence, failure(&a.Evidence, c)
	}
	if wrong == "" {
		wrong = c.grpcVerdict(&res, message)
	}
	return a.Evidence, wrong
}

// readMost reads a body of at most so many octets. It is nil where the attempt failed.
func readMost(a *upstream.Attempt, most int) (body []byte, wrong string) {
	body = []byte{}
	for {
		piece, at := a.Next()
		switch at {
		case upstream.Ended:
			return body, ""
		case upstream.Broken:
			return nil, ""
		case upstream.Awaited:
			a.Await()
		case upstream.Piece:
			if body = append(body, piece...); len(body) > most {
				return nil, fmt.Sprintf("the check was answered with more than %d bytes", most)
			}
		}
	}
}

// grpcVerdict judges an answer that is complete: by its status, and then by its message.
func (c *Check) grpcVerdict(res *httpmsg.Response, message []byte) string {
	text, there := res.Trailers.Lookup("grpc-status")
	fields := &res.Trailers
	if !there { // a head that is all there is
		fields = &res.Fields
		text, there = fields.Lookup("grpc-status")
	}
	code, err := strconv.ParseUint(string(text), 10, 8)
	switch {
	case !there || err != nil:
		return "the check's answer ended without a grpc-status"
	case code == grpcUnimplemented:
		return "the endpoint has no health service (UNIMPLEMENTED): it does not serve " + strings.TrimSuffix(grpcMethod[1:], "/Check")
	case code == grpcNotFound:
		return fmt.Sprintf("the health service does not know %s (NOT_FOUND)", c.subject())
	case code != 0:
		said, _ := fields.Lookup("grpc-message")
		return fmt.Sprintf("the check of %s ended with %s%s", c.subject(), grpcName(code), told(said))
	}
	status, ok := grpcResponse(message)
	switch {
	case !ok:
		return "the check was answered with what is no HealthCheckResponse"
	case status == serving:
		return ""
	case status < uint64(len(grpcServing)):
		return fmt.Sprintf("the health service says that %s is %s", c.subject(), grpcServing[status])
	}
	return fmt.Sprintf("the health service says that %s has the status %d, which there is not", c.subject(), status)
}

// subject is what was asked about.
func (c *Check) subject() string {
	if c.Service == "" {
		return "the server"
	}
	return "the service " + c.Service
}

func grpcName(code uint64) string {
	if code < uint64(len(grpcCodes)) {
		return grpcCodes[code]
	}
	return "grpc-status " + strconv.FormatUint(code, 10)
}

// told is what an endpoint said, to stand behind what it did.
func told(said []byte) string {
	if len(said) == 0 {
		return ""
	}
	return ": " + clipped(string(said))
}

// clipped is text of an endpoint as a reason may have it.
func clipped(text string) string {
	if len(text) > grpcSaid {
		text = text[:grpcSaid] + "..."
	}
	return visible.Line(text)
}

// grpcRequest is a HealthCheckRequest with its prefix: field 1 is the service, which is left out where it is empty.
func grpcRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// grpcResponse reads a HealthCheckResponse with its prefix: field 1 is its status. Fields that are not known are passed over, as Protocol
// Buffers have it. It is false for what is not one whole message.
func grpcResponse(b []byte) (status uint64, ok bool) {
	if len(b) < grpcPrefix || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-grpcPrefix) {
		return 0, false
	}
	for b = b[grpcPrefix:]; len(b) > 0; {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return 0, false
		}
		b = b[n:]
		value, size := uint64(0), 0
		switch tag & 7 {
		case 0:
			value, size = binary.Uvarint(b)
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(b)
			if n <= 0 || length > uint64(len(b)) {
				return 0, false
			}
			size = n + int(length)
		case 5:
			size = 4
		}
		if size <= 0 || size > len(b) {
			return 0, false
		}
		b = b[size:]
		if tag == 1<<3 {
			status = value
		}
	}
	return status, true
}

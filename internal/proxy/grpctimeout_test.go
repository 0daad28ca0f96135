package proxy

import (
	"testing"
	"time"
)

func TestGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "40m": 40 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"0S": 0, "99999999H": 100_000 * time.Hour, "99999999n": 99_999_999,
		"": -1, "1": -1, "S": -1, "123456789S": -1, "-1S": -1, "1s": -1, "1 S": -1, "1.5S": -1,
	} {
		if d, ok := grpcTimeout([]byte(text)); ok != (want >= 0) || ok && d != want {
			t.Errorf("%q: %v, %t", text, d, ok)
		}
	}
}

func TestGRPCContent(t *testing.T) {
	for text, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/gRPC; x": true, "application/grpc-web": false, "application/grpc-web+proto": false,
		"application/json": false, "": false, "application/grpcs": false,
	} {
		if got := grpcContent([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// What is left of a deadline is told in eight digits at most, never as more than it is, and as little less as the unit allows.
func TestAppendGRPCTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "1000u", 0: "1000u", time.Millisecond: "1000u", 99_999_999 * time.Microsecond: "99999999u", 100 * time.Second: "100000m",
		99_999_999 * time.Millisecond: "99999999m", 100_000 * time.Second: "100000S", 99_999_999 * time.Second: "99999999S", 100_000 * time.Hour: "6000000M",
		2_000_000 * time.Hour: "2000000H",
	} {
		got := string(appendGRPCTimeout(nil, d))
		if got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
		if back, ok := grpcTimeout([]byte(got)); !ok || d > time.Millisecond && back > d {
			t.Errorf("%v is %s, which is read as %v", d, got, back)
		}
	}
}

package h1

import (
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

// Lines are copied together only where what stands between them is a colon with one octet of space and a line end.
func TestAppendFieldsInRuns(t *testing.T) {
	for _, tt := range []struct {
		head string
		drop int // the line that is not passed on, -1 for none
		want string
	}{
		{"A: 1\r\nB: 2\r\nC: 3\r\n", -1, "A: 1\r\nB: 2\r\nC: 3\r\n"},
		{"A: 1\r\nB: 2\r\nC: 3\r\n", 1, "A: 1\r\nC: 3\r\n"},
		{"A: 1\r\nB: 2\r\nC: 3\r\n", 0, "B: 2\r\nC: 3\r\n"},
		{"A: 1\r\nB: 2\r\nC: 3\r\n", 2, "A: 1\r\nB: 2\r\n"},
		{"A:1\r\nB:  2 \r\nC: 3\r\nD:\r\nE: 5\r\n", -1, "A: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: 5\r\n"},
		{"A: 1 \r\nB: 2\r\n", -1, "A: 1\r\nB: 2\r\n"},
		{"A: 1\nB: 2\r\nC: 3\n", -1, "A: 1\r\nB: 2\r\nC: 3\r\n"},
		{"A : 1\r\nB: 2\r\n", -1, "A: 1\r\nB: 2\r\n"},
		{"A :1\r\nB: 2\r\n", -1, "A: 1\r\nB: 2\r\n"},
		{"A\t:1\r\nB :2\r\nC: 3\r\n", -1, "A: 1\r\nB: 2\r\nC: 3\r\n"},
		{"A: 1\r\nB :2\r\nC: 3\r\n", -1, "A: 1\r\nB: 2\r\nC: 3\r\n"},
		{"A:\t1\r\nB: 2\r\n", -1, "A: 1\r\nB: 2\r\n"},
	} {
		var p Progress
		var res httpmsg.Response
		buf := []byte("HTTP/1.1 200 OK\r\n" + tt.head + "\r\n")
		if _, err := ParseResponse(buf, &p, &res, httpmsg.GET, &Limits{BareLF: true}); err != nil {
			t.Fatalf("%q: %v", tt.head, err)
		}
		if tt.drop >= 0 {
			res.Fields.Drop(tt.drop)
		}
		if got := string(AppendFields(nil, &res.Fields)); got != tt.want {
			t.Errorf("%q without line %d: %q, want %q", tt.head, tt.drop, got, tt.want)
		}
	}
}

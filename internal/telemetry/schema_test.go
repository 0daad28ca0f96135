package telemetry

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// schema is what the access log's JSON Schema uses of the language.
type schema struct {
	Type       string             `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Additional json.RawMessage    `json:"additionalProperties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
}

// hold tells where a value is not as the schema has it, and notes which of its keys were there.
func (s *schema) hold(t *testing.T, v any, path string, met map[string]bool) {
	t.Helper()
	is := map[string]bool{}
	switch v := v.(type) {
	case map[string]any:
		is["object"] = true
		for key, value := range v {
			next := s.Properties[key]
			if met[path+"."+key] = true; next == nil {
				if string(s.Additional) == "false" {
					t.Errorf("%s.%s is not in the schema", path, key)
				}
				continue
			}
			next.hold(t, value, path+"."+key, met)
		}
		for _, key := range s.Required {
			if _, there := v[key]; !there {
				t.Errorf("%s.%s is required, and is not there", path, key)
			}
		}
	case []any:
		is["array"] = true
		for _, value := range v {
			s.Items.hold(t, value, path+"[]", met)
		}
	case string:
		is["string"] = true
	case bool:
		is["boolean"] = true
	case float64:
		is["number"], is["integer"] = true, v == float64(int64(v))
	}
	if !is[s.Type] {
		t.Errorf("%s is %v, and not %s", path, v, s.Type)
	}
}

// TestSchema: what is logged is as docs/access-log.schema.json has it, and nothing stands there that is never logged.
func TestSchema(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/access-log.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	full := asked()
	full.Status, full.Secure, full.Version, full.Saved, full.Late, full.Retry, full.Incident = 502, true, httpmsg.HTTP2, true, true, "nothing-written", "5CM75JH251"
	full.Traceparent, full.GRPC, full.Hedge, full.Duration = []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), GRPC(14), HedgeWon, time.Millisecond
	full.Fault = fault.Fault{Cause: fault.CauseHTTP2StreamReset, Type: fault.TypeHTTPProtocolError, Stage: fault.FirstByte}
	full.Evidence = &fault.Evidence{Endpoint: "https://10.0.0.1:443", Stage: fault.FirstByte, End: fault.StreamReset}
	full.Attempts = []*fault.Evidence{{
		Endpoint: "https://10.0.0.1:443", Addr: "10.0.0.1:443", Status: 200, Version: httpmsg.HTTP2, Stream: 3, Stage: fault.FirstByte, End: fault.StreamReset, Hedge: true, Reused: true, Nth: 2, Idle: time.Second,
		Spent: [fault.Stages]time.Duration{fault.Dial: time.Millisecond},
	}}
	met := map[string]bool{}
	for _, line := range [][]byte{JSON(nil, full), JSON(nil, asked()), JSON(nil, &Record{}), Shape{Sample: 10}.Format(JSON, false)(nil, asked())} {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		s.hold(t, v, "", met)
	}
	var all func(s *schema, path string)
	all = func(s *schema, path string) {
		for key, next := range s.Properties {
			if !met[path+"."+key] {
				t.Errorf("%s.%s is in the schema, and never logged", path, key)
			}
			all(next, path+"."+key)
		}
		if s.Items != nil {
			all(s.Items, path+"[]")
		}
	}
	all(&s, "")
}

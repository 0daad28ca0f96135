package fault

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
)

// evidenceJSON has the keys of AppendJSON, without those that only explain another: names of numbers, texts of rules.
type evidenceJSON struct {
	Stage      Stage                   `json:"stage"`
	End        End                     `json:"end"`
	By         Party                   `json:"by"`
	Reused     bool                    `json:"reused"`
	Nth        uint32                  `json:"nth"`
	Idle       milliseconds            `json:"idle_ms"`
	Spent      map[string]milliseconds `json:"spent_ms"`
	Version    versionText             `json:"version"`
	Stream     uint32                  `json:"stream"`
	Code       ErrorCode               `json:"code"`
	Hedge      bool                    `json:"hedge"`
	Unprocess  bool                    `json:"unprocessed"`
	Sent       int64                   `json:"sent"`
	Got        int64                   `json:"got"`
	Errno      syscall.Errno           `json:"errno"`
	Timer      Timer                   `json:"timer"`
	After      milliseconds            `json:"after_ms"`
	Alert      uint8                   `json:"alert"`
	ClientCert ClientCert              `json:"client_certificate"`
	Rule       Rule                    `json:"rule"`
	Field      string                  `json:"field"`
	Offset     int64                   `json:"offset"`
	Limit      int64                   `json:"limit"`
	Size       int64                   `json:"size"`
	Status     int                     `json:"status"`
	Declared   *int64                  `json:"declared"`
	Body       int64                   `json:"body"`
	Upload     bool                    `json:"upload"`
	Told       Cause                   `json:"told"`
	Endpoint   string                  `json:"endpoint"`
	Addr       string                  `json:"address"`
	Sample     string                  `json:"sample_hex"`
	DNS        *dnsJSON                `json:"dns"`
	Cert       *certificateJSON        `json:"certificate"`
	Tried      []addressJSON           `json:"tried"`
	Detail     string                  `json:"detail"`
}

type dnsJSON struct {
	Name     string `json:"name"`
	Server   string `json:"server"`
	Answered bool   `json:"answered"`
	RCode    uint16 `json:"rcode"`
	EDE      *int32 `json:"ede"`
	EDEText  string `json:"ede_text"`
}

type certificateJSON struct {
	Problem   CertProblem       `json:"problem"`
	Wanted    string            `json:"wanted"`
	Authority string            `json:"authority"`
	Chain     []CertificateInfo `json:"chain"`
}

type addressJSON struct {
	Addr  string        `json:"address"`
	End   End           `json:"end"`
	Errno syscall.Errno `json:"errno"`
	Spent milliseconds  `json:"spent_ms"`
}

// versionText is a version as httpmsg.Version's String gives it.
type versionText httpmsg.Version

func (v *versionText) UnmarshalText(text []byte) error {
	for known := httpmsg.VersionNone; known <= httpmsg.HTTP3; known++ {
		if known.String() == string(text) {
			*v = versionText(known)
			return nil
		}
	}
	return fmt.Errorf("unknown version of HTTP %q", text)
}

// milliseconds is a duration as JSON has it here: a number of milliseconds with up to three decimals.
type milliseconds time.Duration

func (m *milliseconds) UnmarshalJSON(b []byte) error {
	var ms float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	if ms < 0 || ms > float64(math.MaxInt64)/float64(time.Millisecond) {
		return fmt.Errorf("%s is no number of milliseconds", b)
	}
	*m = milliseconds(math.Round(ms*1000)) * milliseconds(time.Microsecond)
	return nil
}

// UnmarshalJSON reads what AppendJSON wrote. What was left out there is zero; a response's length that was not declared is -1. A sample
// comes with its secrets masked, as it was written. It is an error if a name is unknown; a key that is unknown says nothing.
func (e *Evidence) UnmarshalJSON(b []byte) error {
	var in evidenceJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	out := Evidence{
		Stage: in.Stage, End: in.End, By: in.By, Reused: in.Reused, Nth: in.Nth, Idle: time.Duration(in.Idle), Sent: in.Sent, Got: in.Got,
		Errno: in.Errno, Timer: in.Timer, After: time.Duration(in.After), Alert: in.Alert, ClientCert: in.ClientCert,
		Rule: in.Rule, Field: in.Field, Offset: in.Offset, Limit: in.Limit, Size: in.Size, Status: in.Status, Declared: -1, Body: in.Body,
		Version: httpmsg.Version(in.Version), Stream: in.Stream, Code: in.Code, Unprocessed: in.Unprocess, Hedge: in.Hedge,
		Upload: in.Upload, Told: in.Told, Endpoint: in.Endpoint, Addr: in.Addr, Detail: in.Detail,
	}
	if in.Declared != nil {
		out.Declared = *in.Declared
	}
	for name, took := range in.Spent {
		var s Stage
		if err := s.UnmarshalText([]byte(name)); err != nil {
			return fmt.Errorf("evidence: spent_ms: %w", err)
		}
		out.Spent[s] = time.Duration(took)
	}
	if in.Sample != "" {
		sample, err := hex.DecodeString(in.Sample)
		if err != nil {
			return fmt.Errorf("evidence: sample_hex: %w", err)
		}
		out.Sample = sample[:min(len(sample), SampleMax)]
	}
	if d := in.DNS; d != nil {
		out.DNS = &DNS{Name: d.Name, Server: d.Server, Answered: d.Answered, RCode: d.RCode, EDE: -1, EDEText: d.EDEText}
		if d.EDE != nil {
			out.DNS.EDE = *d.EDE
		}
	}
	if c := in.Cert; c != nil {
		out.Cert = &Certificate{Problem: c.Problem, Wanted: c.Wanted, Authority: c.Authority, Chain: c.Chain}
	}
	for _, a := range in.Tried {
		out.Tried = append(out.Tried, Address{Addr: a.Addr, End: a.End, Errno: a.Errno, Spent: time.Duration(a.Spent)})
	}
	*e = out
	return nil
}

package config

import (
	"strings"
	"testing"
)

func TestFromFlags(t *testing.T) {
	tests := []struct{ from, to, listen, endpoint string }{
		{":8080", "http://127.0.0.1:3000", ":8080", "http://127.0.0.1:3000"},
		{"8080", "3000", ":8080", "http://127.0.0.1:3000"},
		{"127.0.0.1:8080", ":3000", "127.0.0.1:8080", "http://127.0.0.1:3000"},
		{"localhost:8080", "app.internal:3000", "localhost:8080", "http://app.internal:3000"},
		{"[::1]:8080", "app.internal", "[::1]:8080", "http://app.internal:80"},
		{"unix:/run/a.sock", "https://app.internal", "unix:/run/a.sock", "https://app.internal:443"},
		{"systemd:", "unix:/run/b.sock", "systemd:", "unix:/run/b.sock"},
		{":0", "[::1]:3000", ":0", "http://[::1]:3000"},
	}
	for _, tt := range tests {
		c, err := FromFlags([]string{tt.from}, []string{tt.to})
		if err != nil {
			t.Errorf("--from %s --to %s: %v", tt.from, tt.to, err)
			continue
		}
		p := c.Pool(c.Routes[0].Pool)
		if got := c.Listen[0].Address.String(); got != tt.listen {
			t.Errorf("--from %s listens on %s", tt.from, got)
		}
		if got := p.Endpoints[0].String(); got != tt.endpoint {
			t.Errorf("--to %s goes to %s", tt.to, got)
		}
		if p.Timeouts != defaultTimeouts || c.Admin.String() != "127.0.0.1:9502" || !p.TLS.Verify {
			t.Errorf("the defaults are missing: %+v", c)
		}
	}
}

func TestFromFlagsSeveral(t *testing.T) {
	c, err := FromFlags([]string{":8080", ":8081"}, []string{"3000", "3001"})
	if err != nil || len(c.Listen) != 2 || len(c.Pools[0].Endpoints) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestFromFlagsRefuses(t *testing.T) {
	tests := []struct {
		from, to []string
		want     string
	}{
		{nil, []string{"3000"}, "--from is missing\nhint: say where to listen: --from :8080"},
		{[]string{":80"}, nil, "--to is missing\nhint: say where to send requests: --to http://127.0.0.1:3000"},
		{[]string{"http://a:80"}, []string{"3000"}, "--from is an address without scheme, not \"http://a:80\"\nhint: did you mean \"a:80\"?"},
		{[]string{":80"}, []string{"http://a/b"}, "--to cannot have a path: \"http://a/b\"\nhint: write \"http://a\""},
		{[]string{":80", "80"}, []string{"3000"}, "--from :80 overlaps :80"},
		{[]string{":x"}, []string{""}, "--to has no scheme"},
	}
	for _, tt := range tests {
		c, err := FromFlags(tt.from, tt.to)
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("--from %v --to %v: %v", tt.from, tt.to, err)
		}
	}
}

// What a file is warned of, flags are as well.
func TestOverridesWarnOfAnExposedAdmin(t *testing.T) {
	for admin, warned := range map[string]bool{":9502": true, "0.0.0.0:9502": true, "10.0.0.1:9502": true, "[::]:9502": true, "127.0.0.1:9502": false, "[::1]:9502": false, "localhost:9502": false, "unix:/run/admin": false, "off": false, "": false} {
		c, err := FromFlags([]string{":8080"}, []string{":3000"})
		if err != nil {
			t.Fatal(err)
		}
		problems := Overrides{Admin: admin}.Apply(c)
		if problems.Failed() || len(problems) == 1 != warned || warned && problems[0].Severity != Warning {
			t.Errorf("--admin %s: %v", admin, problems)
		}
	}
}

func TestOverrides(t *testing.T) {
	tests := []struct {
		from string
		o    Overrides
		want string // of the problems, empty for none
	}{
		{":8080", Overrides{}, ""},
		{":9502", Overrides{}, "--from :9502 overlaps the admin address 127.0.0.1:9502"},
		{":9502", Overrides{Admin: "127.0.0.1:9503"}, ""},
		{":9502", Overrides{Admin: "off"}, ""},
		{":8080", Overrides{ErrorPages: "bare"}, "--error-pages "},
		{":8080", Overrides{Admin: "nowhere"}, "--admin "},
		{":8080", Overrides{AccessLog: "off", ErrorPages: "plain"}, ""},
	}
	for _, tt := range tests {
		c, err := FromFlags([]string{tt.from}, []string{"3000"})
		if err != nil {
			t.Fatal(err)
		}
		got := tt.o.Apply(c).Error()
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("--from %s %+v: %q, want %q", tt.from, tt.o, got, tt.want)
		}
	}
}

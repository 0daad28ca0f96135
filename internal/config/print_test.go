package config

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// What is printed for flags is a file that means what they mean.
func TestPrintFlags(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		from, to []string
		o        Overrides
	}{
		{[]string{":8080"}, []string{"http://127.0.0.1:3000"}, Overrides{}},
		{[]string{"8080", "127.0.0.1:8081", "[::1]:80"}, []string{"3000", "unix:/run/it's ${HOME}.sock", "https://app.internal"}, Overrides{Admin: "off", AccessLog: "off", ErrorPages: "plain"}},
		{[]string{"unix:/run/a b: #c.sock"}, []string{"https://[::1]:8443"}, Overrides{CA: "ca.pem", ServerName: "app.internal", AccessLog: "logs/a.log"}},
		{[]string{"systemd:web"}, []string{"https://a"}, Overrides{Insecure: true, ServerName: "b", Admin: "unix:/run/admin.sock"}},
		{[]string{":443"}, []string{"3000"}, Overrides{Domains: []string{"shop.example.com", "www.example.com"}}},
		{[]string{":443"}, []string{"3000"}, Overrides{Domains: []string{"shop.example.com"}, NoRedirect: true, Email: "a@example.com"}},
		{[]string{"systemd:"}, []string{"https://a"}, Overrides{CA: "/etc/\"ca\"\t\u00e9\\.pem"}},
	}
	for _, tt := range tests {
		c, err := FromFlags(tt.from, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.o.Apply(c).Err(); err != nil {
			t.Fatal(err)
		}
		text := PrintFlags(c, "a comment", "of two lines")
		got, problems := Parse(filepath.Join("/elsewhere", "whygate.yaml"), text, Options{})
		if len(problems) > 0 {
			t.Errorf("%v\n%s", problems, text)
			continue
		}
		got.File, got.positions, got.sources = "", nil, nil
		if !reflect.DeepEqual(got, c) {
			t.Errorf("%s\nmeans\n%+v\nand not\n%+v", text, got, c)
		}
		if ca := c.Pools[0].TLS.CA; tt.o.CA == "ca.pem" && ca != filepath.Join(here, "ca.pem") {
			t.Errorf("--ca ca.pem is %s", ca)
		}
	}
}

func TestSecureFlagsRefuse(t *testing.T) {
	tests := []struct {
		to   string
		o    Overrides
		want string
	}{
		{"http://a:3943", Overrides{Insecure: true}, "--insecure is about a certificate, and no --to begins with https://\nhint: write --to https://a:3943"},
		{"https://a", Overrides{Insecure: true, CA: "/c"}, "--insecure looks at no certificate, so that --ca has nothing to verify\nhint: leave --insecure out"},
		{"https://a", Overrides{ServerName: "a b"}, "--server-name "},
		{"https://a", Overrides{ServerName: "b", CA: "/c"}, ""},
	}
	for _, tt := range tests {
		c, err := FromFlags([]string{":1"}, []string{tt.to})
		if err != nil {
			t.Fatal(err)
		}
		got := tt.o.Apply(c).Error()
		if len(got) < len(tt.want) || got[:len(tt.want)] != tt.want || tt.want == "" && got != "" {
			t.Errorf("%s %+v: %q, want %q", tt.to, tt.o, got, tt.want)
		}
	}
}

package lab

import (
	"fmt"
	"path/filepath"
	"strings"
)

func varnish() *Proxy {
	return &Proxy{
		Name: "varnish", Title: "Varnish", Package: "varnish", programs: []string{"varnishd"}, version: []string{"-V"},
		config: func(s *Setup) []file { return []file{{"lab.vcl", varnishConfig(s)}} },
		command: func(s *Setup) []string {
			return []string{"-F", "-a", s.Listen, "-f", filepath.Join(s.Dir, "lab.vcl"), "-n", filepath.Join(s.Dir, "varnish"), "-s", "malloc,64m", "-p", "connect_timeout=1"}
		},
		cannot: func(s *Scenario) string {
			switch {
			case s.At.Scheme == "https":
				return noTLS("Varnish")
			case s.At.Scheme == "h2c":
				return "Varnish speaks no HTTP/2 to upstreams"
			case s.At.named():
				return "Varnish resolves names only when it loads its configuration"
			case s.At.Unix != "" && s.At.Socket != Listens:
				return "Varnish does not load a configuration whose socket is missing"
			}
			return ""
		},
	}
}

func varnishConfig(s *Setup) string {
	var b, recv strings.Builder
	b.WriteString("# Varnish before the lab's upstreams: /NAME/ reaches each.\nvcl 4.1;\nimport directors;\n")
	var directors strings.Builder
	for _, sc := range s.Scenarios {
		name := strings.ReplaceAll(sc.Name, "-", "_")
		all := s.endpoints(sc)
		for i, e := range all {
			where := fmt.Sprintf(".host = %q; .port = %q;", e.Host, e.Port)
			if e.Unix != "" {
				where = fmt.Sprintf(".path = %q;", e.Unix)
			}
			fmt.Fprintf(&b, "backend b_%s_%d { %s .connect_timeout = %ss; .first_byte_timeout = %ss; .between_bytes_timeout = %ss; }\n",
				name, i, where, seconds(connectTime), seconds(answerTime), seconds(answerTime))
		}
		hint := fmt.Sprintf("b_%s_0", name)
		if len(all) > 1 {
			hint = fmt.Sprintf("d_%s.backend()", name)
			fmt.Fprintf(&directors, "    new d_%s = directors.round_robin();\n", name)
			for i := range all {
				fmt.Fprintf(&directors, "    d_%s.add_backend(b_%s_%d);\n", name, name, i)
			}
		}
		fmt.Fprintf(&recv, "    if (req.url ~ \"^/%s/\") { set req.backend_hint = %s; return (pass); }\n", sc.Name, hint)
	}
	fmt.Fprintf(&b, "sub vcl_init {\n%s    return (ok);\n}\nsub vcl_recv {\n%s    return (synth(404));\n}\n", directors.String(), recv.String())
	return b.String()
}

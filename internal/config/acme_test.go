package config

import (
	"slices"
	"strings"
	"testing"
)

// parsed is a configuration of some lines, with a pool.
func parsed(lines string) (*Config, Problems) {
	if !strings.Contains(lines, "pools:") {
		lines += "\npools: {web: {endpoints: [http://127.0.0.1:3000]}}"
	}
	return Parse("/etc/whygate/whygate.yaml", []byte("version: 1\n"+lines+"\n"), Options{})
}

// tls: auto is short for its section, and certificates are for the hosts of routes that an authority could give one for.
func TestTLSAuto(t *testing.T) {
	const routes = "\nroutes: [{host: shop.example.com, pool: web}, {host: localhost, pool: web}, {host: 10.0.0.1, pool: web}, {host: '*.example.org', pool: web}, {pool: web}]"
	for _, listen := range []string{"listen: [{address: :443, tls: auto}]", "listen: [{address: :443, tls: {issue: auto}}]", "listen: [{address: :443, tls: {cert: a, key: b, issue: auto}}]"} {
		c, problems := parsed(listen + routes)
		if c == nil {
			t.Fatal(problems)
		}
		if !c.Listen[0].TLS.On() || !c.Auto() || !c.Listen[0].TLS.H2 || !slices.Equal(c.CertificateNames(), []string{"shop.example.com"}) {
			t.Errorf("%s: %+v, names %q", listen, c.Listen[0].TLS, c.CertificateNames())
		}
	}
	c, problems := parsed("listen: [{address: :443, tls: auto}]\nacme: {challenge: dns-01, dns: {command: [/bin/true]}, names: [other.example.com]}" + routes)
	if c == nil {
		t.Fatal(problems)
	}
	if got := c.CertificateNames(); !slices.Equal(got, []string{"*.example.org", "other.example.com", "shop.example.com"}) {
		t.Errorf("with dns-01: %q", got)
	}
}

// What cannot become a certificate is said before anybody is asked.
func TestACMEProblems(t *testing.T) {
	const auto, shop = "listen: [{address: :443, tls: auto}]\n", "routes: [{host: shop.example.com, pool: web}]\n"
	for lines, want := range map[string]string{
		auto + "routes: [{pool: web}]":                                                                                "there is no name to get a certificate for",
		auto + shop + "acme: {names: [other.example.com]}":                                                            `no route is for "other.example.com"`,
		auto + shop + "acme: {names: ['*.shop.example.com']}":                                                         "only dns-01 can prove the wildcard",
		auto + "routes: [{pool: web}]\nacme: {names: [localhost]}":                                                    `no authority gives a certificate for "localhost"`,
		auto + "routes: [{pool: web}]\nacme: {on_demand: {}}":                                                         "nobody decides which names may get a certificate",
		auto + shop + "acme: {challenge: dns-01}":                                                                     "dns-01 needs a command",
		auto + shop + "acme: {email: nobody}":                                                                         `"email" must be an e-mail address`,
		auto + shop + "acme: {challenge: http-01}":                                                                    "every listener speaks TLS",
		"listen: [{address: :443}]\n" + shop + "acme: {email: a@example.com}":                                         "no listener has tls: auto",
		"listen: [{address: :443, proxy_protocol: on}]\n" + shop:                                                      "nobody is trusted to say who the client is",
		"listen: [{address: :443, h3: on}]\n" + shop:                                                                  "this listener speaks in clear",
		"listen: [{address: unix:/run/w, h3: on, tls: internal}]\n" + shop:                                            "a unix socket has none",
		"listen: [{address: :443, h3: on, tls: internal, proxy_protocol: on}]\ntrusted_proxies: [127.0.0.1]\n" + shop: "not spoken over UDP",
		"listen: [{address: :443, tls: automatic}]\n" + shop:                                                          `"issue" must be auto or internal, not "automatic"`,
		"listen: [{address: :443, tls: {client_auth: optional, cert: a, key: b}}]\n" + shop:                           "client_auth without client_ca",
		"listen: [{address: :443, tls: {certificates: []}}]\n" + shop:                                                 "tls has no certificate",
		"listen: [{address: :443, tls: {certificates: [{cert: a}]}}]\n" + shop:                                        `"key" is missing`,
		"listen: [{address: :80}]\n" + shop + "pools: {web: {endpoints: [h2c://127.0.0.1:1], proxy_protocol: v2}}":    "cannot be shared",
	} {
		_, problems := parsed(lines)
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Message, want) }) {
			t.Errorf("%s\ngives %v, want %q", lines, problems, want)
		}
	}
	for demand, warned := range map[string]bool{
		"suffixes: [customers.example.com]": true, "suffixes: [customers.example.com], ask: 'http://127.0.0.1:3000/may'": false, "ask: 'http://127.0.0.1:3000/may'": false,
	} {
		c, problems := parsed(auto + "routes: [{pool: web}]\nacme: {on_demand: {" + demand + "}}")
		if c == nil || len(problems) > 0 != warned || warned && !strings.Contains(problems[0].Message, "names made up") {
			t.Errorf("%s: %v", demand, problems)
		}
	}
}

// whygate proxy --domain is a file with tls: auto and a route for each name, and says what cannot be a name.
func TestDomainFlags(t *testing.T) {
	c, err := FromFlags([]string{":443"}, []string{"3000"})
	if err != nil {
		t.Fatal(err)
	}
	o := Overrides{Domains: []string{"Shop.example.com", "www.example.com"}, Email: "a@example.com", Admin: "off"}
	if problems := o.Apply(c); problems.Failed() {
		t.Fatal(problems)
	}
	if got := c.CertificateNames(); !slices.Equal(got, []string{"shop.example.com", "www.example.com"}) || !c.Auto() || len(c.Routes) != 4 {
		t.Errorf("names %q", got)
	}
	again, problems := Parse("printed.yaml", PrintFlags(c), Options{})
	if again == nil || !slices.Equal(again.CertificateNames(), c.CertificateNames()) || again.ACME.Email != c.ACME.Email || !again.Auto() || len(problems) > 0 {
		t.Errorf("printed it means another thing: %v\n%s", problems, PrintFlags(c))
	}
	for domain, want := range map[string]string{"*.example.com": "cannot be a wildcard", "localhost": "no", "10.0.0.1": "nothing that an authority", "a b": "must be a host name"} {
		c, _ := FromFlags([]string{":443"}, []string{"3000"})
		problems := Overrides{Domains: []string{domain}, Admin: "off"}.Apply(c)
		if !problems.Failed() || !strings.Contains(problems.Err().Error(), want) {
			t.Errorf("%s: %v", domain, problems)
		}
	}
	c, _ = FromFlags([]string{":443"}, []string{"3000"})
	if problems := (Overrides{Email: "a@example.com", Admin: "off"}).Apply(c); !problems.Failed() {
		t.Error("--email without --domain is taken")
	}
}

// Beside port 443 there is port 80, which sends to https the names that there are, and nobody else. Other ports have it if it is asked for.
func TestDomainRedirect(t *testing.T) {
	const nobody = "nobody listens on port 80"
	for _, tt := range []struct {
		from       []string
		none       bool
		clear      string // the listeners without TLS
		routes     int
		says, hint string
	}{
		{[]string{":443"}, false, ":80", 2, "", ""},
		{[]string{"10.0.0.1:443", "[2001:db8::1]:443"}, false, "10.0.0.1:80 [2001:db8::1]:80", 2, "", ""},
		{[]string{":443", "127.0.0.1:80"}, false, "127.0.0.1:80", 2, "", ""},
		{[]string{":8443", ":80"}, false, ":80", 2, "", ""},
		{[]string{":443"}, true, "", 1, "", ""},
		{[]string{":8443"}, false, "", 1, nobody, "add --from :80"},
		{[]string{"systemd:web"}, false, "", 1, nobody, "--no-redirect"},
		{[]string{":8443"}, true, "", 1, "", ""},
		{[]string{":80"}, false, "", 0, "port 80 alone", "write --from :443"},
		{[]string{":443", ":80"}, true, "", 0, "is against a listener on port 80", "leave one"},
	} {
		c, err := FromFlags(tt.from, []string{"3000"})
		if err != nil {
			t.Fatal(err)
		}
		problems := Overrides{Domains: []string{"shop.example.com"}, NoRedirect: tt.none, Admin: "off"}.Apply(c)
		if text := problems.Error(); !strings.Contains(text, tt.says) || !strings.Contains(text, tt.hint) || tt.says == "" && text != "" {
			t.Errorf("%q: %q, want %q and %q", tt.from, text, tt.says, tt.hint)
		}
		if problems.Failed() != (tt.routes == 0) || problems.Failed() {
			continue
		}
		var inClear []string
		for _, l := range c.Listen {
			if !l.TLS.On() {
				inClear = append(inClear, l.Address.String())
			}
		}
		if got := strings.Join(inClear, " "); got != tt.clear || len(c.Routes) != tt.routes {
			t.Errorf("%q: %q in clear and %d routes, want %q and %d", tt.from, got, len(c.Routes), tt.clear, tt.routes)
		}
		if r := c.Routes[0]; tt.routes == 2 && (r.Host != "shop.example.com" || r.Scheme != "http" || r.Pool != "" || r.Redirect != Redirect{"https://$host$uri", 308}) {
			t.Errorf("%q: the first route is %+v", tt.from, r)
		}
	}
	c, _ := FromFlags([]string{":443"}, []string{"3000"})
	if problems := (Overrides{Domains: []string{"shop.example.com"}, Admin: "127.0.0.1:80"}).Apply(c); !problems.Failed() || !strings.Contains(problems.Error(), "overlaps the admin address 127.0.0.1:80") {
		t.Errorf("an admin address on port 80: %v", problems)
	}
	c, _ = FromFlags([]string{":443"}, []string{"3000"})
	if problems := (Overrides{NoRedirect: true, Admin: "off"}).Apply(c); !problems.Failed() {
		t.Error("--no-redirect without --domain is taken")
	}
}

package redact

import (
	"strings"
	"testing"
)

func TestHead(t *testing.T) {
	for _, tt := range []struct{ sample, want string }{
		{"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\nServer: x\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie: ****** ******\r\nServer: x\r\n"},
		{"GET /a?token=1&b=2 HTTP/1.1\r\nHost: h\r\n", "GET /a?*********** HTTP/1.1\r\nHost: h\r\n"},
		{"GET / HTTP/1.1\r\nauthorization: Bearer abc\r\n def\r\nX-Api-Key: k\r\nAccept: a\r\n", "GET / HTTP/1.1\r\nauthorization: ****** ***\r\n ***\r\nX-Api-Key: *\r\nAccept: a\r\n"},
		{"GET / HTTP/1.1\r\nProxy-Authorization: x\r\nX-Auth-Password: y\r\nX-Session-Secret: z", "GET / HTTP/1.1\r\nProxy-Authorization: *\r\nX-Auth-Password: *\r\nX-Session-Secret: *"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nsecret body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n****** ****"},
		{"HTTP/1.1 200 OK\n\n{\"access_token\":\"abcdef\"}", "HTTP/1.1 200 OK\n\n{\"access_token\":*********"},
		{"SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-OpenSSH_9.6\r\n"},
		{"", ""},
		{"\r\n", "\r\n"},
	} {
		before := strings.Clone(tt.sample)
		got := string(Head([]byte(tt.sample)))
		if len(got) != len(tt.sample) || tt.sample != before {
			t.Errorf("%q: length or original changed", tt.sample)
		}
		if got != tt.want {
			t.Errorf("%q:\ngot  %q\nwant %q", tt.sample, got, tt.want)
		}
		for _, secret := range []string{"sid=1", "token=1", "abc", "secret body", "def"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q: %s is left in %q", tt.sample, secret, got)
			}
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`GET /a?token=secret&x=1 HTTP/1.1`:                                          `GET /a?*** HTTP/1.1`,
		`header Authorization: Bearer abc, next`:                                    `header Authorization: ***, next`,
		`{"Cookie":"a=b"}`:                                                          `{"Cookie":"***"}`,
		`{"Cookie":["a=b; c=d","e"],"Authorization":["Bearer x"],"n":1}`:            `{"Cookie":["***],"Authorization":["***],"n":1}`,
		`invalid header: "Set-Cookie: a=b; c=d" while`:                              `invalid header: "Set-Cookie: ***" while`,
		`GET /a?secret HTTP/1.1`:                                                    `GET /a?*** HTTP/1.1`,
		`upstream: "http://user:pw@10.0.0.1:80/x"`:                                  `upstream: "http://***@10.0.0.1:80/x"`,
		`referrer: "https://x.org/cb#access_token=abc&state=1"`:                     `referrer: "https://x.org/cb#access_token=***&state=1"`,
		`Stack trace: #0 db.php(3): PDO->__construct('mysql:host=db', 'root', 'p')`: `Stack trace: #0 db.php(3): PDO->__construct(***, ***, ***)`,
		`{shop.example.org|Bearer abc} "GET / HTTP/1.1"`:                            `{shop.example.org|Bearer ***} "GET / HTTP/1.1"`,
		`SyntaxError: Unexpected token < in JSON`:                                   `SyntaxError: Unexpected token < in JSON`,
		`upstream: "http://10.0.0.1/x?password=p", end`:                             `upstream: "http://10.0.0.1/x?***", end`,
		`what is this? nothing=1`:                                                   `what is this? nothing=1`,
		`dial postgres://app:hunter2@db:5432/x failed`:                              `dial postgres://***@db:5432/x failed`,
		`PASSWORD=hunter2 and db_password: "hunter2", more`:                         `PASSWORD=*** and db_password: "***", more`,
		`Authorization: Bearer hunter2hunter2`:                                      `Authorization: ***`,
		`Get "http://10.0.0.1/x?token=hunter2&a=b": refused`:                        `Get "http://10.0.0.1/x?***": refused`,
		`a token eyJhbGciOiJIUzI1NiJ9.hunter2.x`:                                    `a token ***`,
		`MountVolume.SetUp failed: secret "db" not found`:                           `MountVolume.SetUp failed: secret "db" not found`,
		`Readiness probe failed: HTTP probe failed with code: 503`:                  `Readiness probe failed: HTTP probe failed with code: 503`,
	} {
		if got := Line(in); got != want {
			t.Errorf("%s gives %s, want %s", in, got, want)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{URL("https://u:p@a.test/cb?code=x#access_token=y"), "https://***@a.test/cb?code=***"},
		{URLs("GET /a?t=1&u=2#f=3 http://u:p@b/"), "GET /a?t=***&u=***#f=*** http://***@b/"},
		{Setting(`proxy_set_header Authorization "Basic c2VjcmV0"`), "proxy_set_header Authorization ***"},
		{Setting("header_up X-Api-Key abc def"), "header_up X-Api-Key ***"},
		{Setting("proxy_pass http://127.0.0.1:3000"), "proxy_pass http://127.0.0.1:3000"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestSetting(t *testing.T) {
	for text, want := range map[string]string{
		`proxy_set_header Authorization "Basic c2VjcmV0";`:                        `proxy_set_header Authorization ***;`,
		`proxy_set_header X-Api-Key abc;` + "\n" + `proxy_set_header Host $host;`: `proxy_set_header X-Api-Key ***;` + "\n" + `proxy_set_header Host $host;`,
		`proxy_set_header Authorization $http_authorization;`:                     `proxy_set_header Authorization $http_authorization;`,
		`ProxyPass / ajp://h:8009/ secret=between-us`:                             `ProxyPass / ajp://h:8009/ secret=***`,
		`ajp://h:8009/ secret=THE SAME TEXT`:                                      `ajp://h:8009/ secret=THE SAME TEXT`,
		`reverse_proxy http://user:pass@h:80`:                                     `reverse_proxy http://***@h:80`,
		`sni: shop.example.com`:                                                   `sni: shop.example.com`,
	} {
		if got := Setting(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

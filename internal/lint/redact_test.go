package lint

import "testing"

func TestRedacted(t *testing.T) {
	for text, want := range map[string]string{
		`proxy_set_header Authorization "Basic c2VjcmV0";`:                        `proxy_set_header Authorization …;`,
		`proxy_set_header X-Api-Key abc;` + "\n" + `proxy_set_header Host $host;`: `proxy_set_header X-Api-Key …;` + "\n" + `proxy_set_header Host $host;`,
		`proxy_set_header Authorization $http_authorization;`:                     `proxy_set_header Authorization $http_authorization;`,
		`ProxyPass / ajp://h:8009/ secret=between-us`:                             `ProxyPass / ajp://h:8009/ secret=…`,
		`ajp://h:8009/ secret=THE SAME TEXT`:                                      `ajp://h:8009/ secret=THE SAME TEXT`,
		`reverse_proxy http://user:pass@h:80`:                                     `reverse_proxy http://…@h:80`,
		`sni: shop.example.com`:                                                   `sni: shop.example.com`,
	} {
		if got := redacted(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

package main

import (
	"testing"

	"github.com/whygate/whygate/internal/diagnose"
	"github.com/whygate/whygate/internal/explain"
)

// A name is no word of the sentence: it is looked for, pasted and compared as it is.
func TestNamesAreNotCapitalised(t *testing.T) {
	for sentence, want := range map[string]string{
		"plain HTTP was sent to app:3000, which speaks TLS":  "Plain HTTP was sent to app:3000, which speaks TLS",
		"the upstream closed the connection":                 "The upstream closed the connection",
		"keep-alive connections fail":                        "Keep-alive connections fail",
		"localhost:3900 answers 200":                         "localhost:3900 answers 200",
		"nosuch.invalid does not exist: name server ns says": "nosuch.invalid does not exist: name server ns says",
		"app does not exist":                                 "app does not exist",
		"my-app, a name of two words, does not exist":        "my-app, a name of two words, does not exist",
		"fd00::1 refused the connection":                     "fd00::1 refused the connection",
		"unix:/run/app.sock is not there":                    "unix:/run/app.sock is not there",
		"nginx made this answer itself":                      "nginx made this answer itself",
		"haproxy: the queue is full":                         "haproxy: the queue is full",
		"proxy_read_timeout ended it":                        "proxy_read_timeout ended it",
		"10.0.0.1:80 (app) did not accept the connection":    "10.0.0.1:80 (app) did not accept the connection",
		"TLS was spoken to app:80, which speaks plain HTTP":  "TLS was spoken to app:80, which speaks plain HTTP",
		"GET was answered with 405":                          "GET was answered with 405",
		"":                                                   "",
	} {
		if got := capital(sentence, []string{"app", "my-app"}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	v := diagnose.Verdict{Sentence: "app refused the connection", At: "other:80"}
	if got := verdictSentence(&v, nil, &diagnose.Walk{Target: diagnose.Target{Host: "app"}}); got != v.Sentence {
		t.Errorf("%q", got)
	}
	f := explain.Finding{Sentence: "web closed the connection", Upstreams: []explain.Share{{Name: "10.0.0.1:80"}, {Name: "web:80"}}}
	if got := sentenceOf(&f); got != f.Sentence {
		t.Errorf("%q", got)
	}
}

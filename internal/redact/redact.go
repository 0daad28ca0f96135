// Package redact hides secrets in what is shown: in a head's first octets, in a line of a log or a message, in a URL, in a line of a
// configuration. It says in one place which names tell of a secret. What is hidden becomes ***, except in a head, whose length stays.
//
// It knows the shapes that secrets come in, and nothing of who shows them.
package redact

import (
	"bytes"
	"strings"
)

// words end a name whose value is a secret, wherever it stands: DB_PASSWORD, x-auth-token. They are in lower case.
var words = [...]string{
	"authorization", "cookie", "token", "secret", "password", "passwd", "pwd", "credential", "api_key", "apikey", "api-key", "access_key", "access-key", "accesskey",
}

// parts are in a header's name whose value is a secret. In other texts they may be the name of something that is none.
var parts = [...]string{"key", "session", "auth"}

// alone are names of secrets that mean something else at the end of a longer one.
var alone = [...]string{"jsessionid", "phpsessid", "sessionid", "session", "sid", "bearer", "basic"}

// Header reports whether the value of a header or trailer of that name is a secret.
func Header(name []byte) bool {
	lower := bytes.ToLower(name)
	for _, w := range words {
		if bytes.Contains(lower, []byte(w)) {
			return true
		}
	}
	for _, w := range parts {
		if bytes.Contains(lower, []byte(w)) {
			return true
		}
	}
	return false
}

// named reports whether a word of a text is the name of a secret.
func named(word string) bool {
	word = strings.ToLower(word)
	for _, w := range alone {
		if word == w {
			return true
		}
	}
	word = strings.TrimSuffix(word, "s")
	for _, w := range words {
		if strings.HasSuffix(word, w) {
			return true
		}
	}
	return false
}

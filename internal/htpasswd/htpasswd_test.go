package htpasswd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck: hashes that htpasswd and openssl wrote.
func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	const text = `# who may
ann:$apr1$saltsalt$yAAkm4libquA.ZWLHbSBq/
bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=
cy:BCRYPT:a comment
`
	hash := bcryptOf(t, "password")
	if err := os.WriteFile(file, []byte(strings.Replace(text, "BCRYPT", hash, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := Load(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ann", "bob", "cy"} {
		if !users.Check([]byte(user), []byte("password")) {
			t.Errorf("%s's password is refused", user)
		}
		if users.Check([]byte(user), []byte("Password")) || users.Check([]byte(user), nil) {
			t.Errorf("%s's password need not be right", user)
		}
	}
	if users.Check([]byte("dan"), []byte("password")) {
		t.Error("who is not in the file is let in")
	}
}

func TestLoadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "no user in it",
		"ann":                   ":1: not user:hash",
		"\nann:secretword":      ":2: a password that is kept in the clear",
		"ann:$apr1$x":           ":1: an $apr1$ hash that is broken",
		"ann:$2y$31$abcdefghij": "bcrypt",
		"ann:{SHA}x":            "a {SHA} hash",
	} {
		file := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secretword") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

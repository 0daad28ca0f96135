// Package htpasswd reads files of users and password hashes as Apache's htpasswd writes them: bcrypt ($2y$), Apache's MD5 ($apr1$) and {SHA}.
//
// It must not know who asks for a password.
package htpasswd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // Apache's hash is made of it
	"crypto/sha1" //nolint:gosec // the same
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/whygate/whygate/internal/openfile"
)

// Limits of a file.
const (
	fileMax  = 1 << 20 // bytes
	usersMax = 10_000
	costMax  = 14 // of bcrypt: a comparison takes about a second
)

// Users has the hash of each user's password. It is immutable.
type Users struct {
	hashes map[string]string
	decoy  string // is compared with for a user that there is not, so that both take as long
}

// Load reads a file. The error names the line, and never a hash.
func Load(ctx context.Context, file string) (*Users, error) {
	data, err := openfile.Read(ctx, file, openfile.Options{Max: fileMax})
	if err != nil {
		return nil, err
	}
	u := &Users{hashes: map[string]string{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, rest, found := strings.Cut(line, ":")
		hash, _, _ := strings.Cut(rest, ":")
		if !found || user == "" {
			return nil, fmt.Errorf("%s:%d: not user:hash", file, n)
		}
		if err := check(hash); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if len(u.hashes) == usersMax {
			return nil, fmt.Errorf("%s:%d: more than %d users", file, n, usersMax)
		}
		u.hashes[user] = hash
		u.decoy = hash
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(u.hashes) == 0 {
		return nil, fmt.Errorf("%s: no user in it: add one with htpasswd -B %s NAME", file, file)
	}
	return u, nil
}

// errKind: passwords are kept in a way that is not known here, or not safe.
var errKind = fmt.Errorf("a password that is kept in the clear or by crypt(3): make it anew with htpasswd -B")

// check refuses a hash that cannot be compared with.
func check(hash string) error {
	switch {
	case strings.HasPrefix(hash, "$2"):
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return fmt.Errorf("a bcrypt hash that is broken")
		}
		if cost > costMax {
			return fmt.Errorf("a bcrypt hash of cost %d: more than %d takes seconds for each request", cost, costMax)
		}
		return nil
	case strings.HasPrefix(hash, "$apr1$"):
		if salt, sum, found := strings.Cut(hash[6:], "$"); found && len(salt) <= 8 && len(sum) == 22 {
			return nil
		}
		return fmt.Errorf("an $apr1$ hash that is broken")
	case strings.HasPrefix(hash, "{SHA}"):
		if sum, err := base64.StdEncoding.DecodeString(hash[5:]); err == nil && len(sum) == sha1.Size {
			return nil
		}
		return fmt.Errorf("a {SHA} hash that is broken")
	}
	return errKind
}

// Check reports whether a password is the user's.
func (u *Users) Check(user, password []byte) bool {
	hash, known := u.hashes[string(user)]
	if !known {
		hash = u.decoy
	}
	return compare(hash, password) && known
}

func compare(hash string, password []byte) bool {
	switch {
	case strings.HasPrefix(hash, "$2"):
		return bcrypt.CompareHashAndPassword([]byte(hash), password) == nil
	case strings.HasPrefix(hash, "$apr1$"):
		salt, _, _ := strings.Cut(hash[6:], "$")
		return equal(apr1(password, salt), hash)
	}
	sum := sha1.Sum(password) //nolint:gosec // the file's choice
	return equal("{SHA}"+base64.StdEncoding.EncodeToString(sum[:]), hash)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// apr1 is Apache's variant of the MD5 crypt: apr_md5_encode of apr-util.
func apr1(password []byte, salt string) string {
	inner := md5.New() //nolint:gosec // see above
	inner.Write(password)
	inner.Write([]byte(salt))
	inner.Write(password)
	mixed := inner.Sum(nil)
	outer := md5.New() //nolint:gosec // see above
	outer.Write(password)
	outer.Write([]byte("$apr1$" + salt))
	for n := len(password); n > 0; n -= md5.Size {
		outer.Write(mixed[:min(n, md5.Size)])
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			outer.Write([]byte{0})
		} else {
			outer.Write(password[:1])
		}
	}
	sum := outer.Sum(nil)
	for i := range 1000 {
		round := md5.New() //nolint:gosec // see above
		if i&1 == 1 {
			round.Write(password)
		} else {
			round.Write(sum)
		}
		if i%3 != 0 {
			round.Write([]byte(salt))
		}
		if i%7 != 0 {
			round.Write(password)
		}
		if i&1 == 1 {
			round.Write(sum)
		} else {
			round.Write(password)
		}
		sum = round.Sum(nil)
	}
	return "$apr1$" + salt + "$" + letters(sum)
}

// letters writes a sum in crypt's base 64, three bytes at a time in crypt's order.
func letters(sum []byte) string {
	const digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	put := func(v uint32, n int) {
		for range n {
			b.WriteByte(digits[v&63])
			v >>= 6
		}
	}
	for _, i := range [][3]int{{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}} {
		put(uint32(sum[i[0]])<<16|uint32(sum[i[1]])<<8|uint32(sum[i[2]]), 4)
	}
	put(uint32(sum[11]), 2)
	return b.String()
}

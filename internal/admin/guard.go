package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// TokenName is the form's value, and TokenField the field, in which a browser brings the token.
const (
	TokenName  = "token"
	TokenField = "X-Whygate-Token"
)

// policy is what a browser may do with an answer: show it, with what this server has, in no frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard decides who may ask, before anything is routed.
type guard struct {
	hosts    []string // in lower case
	token    string
	password [sha256.Size]byte // its hash
	asks     bool              // for the password
	certs    bool              // for a client's certificate, where there is no password
	exposed  bool
	origin   *http.CrossOriginProtection
}

func newGuard(o Options) *guard {
	g := &guard{
		token: rand.Text(), origin: http.NewCrossOriginProtection(), exposed: o.Exposed, certs: o.Certs,
		asks: o.Password != "", password: sha256.Sum256([]byte(o.Password)),
	}
	for _, h := range o.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g
}

// over puts the guard before next.
func (g *guard) over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !g.known(r.Host):
			refuse(w, r, http.StatusMisdirectedRequest, "ask for the admin server by its address or as localhost, or name the host in console.hosts\n")
		case g.origin.Check(r) != nil:
			refuse(w, r, http.StatusForbidden, "a page of another place may not ask for this\n")
		case fromPage(r) && !g.proven(w, r):
			refuse(w, r, http.StatusForbidden, "the form is of another process or has no token: load its page again\n")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// admits answers who does not have the password, and reports whether the request may go on.
func (g *guard) admits(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case g.certs && certified(r):
		return true
	case g.asks:
		_, password, _ := r.BasicAuth()
		if hash := sha256.Sum256([]byte(password)); subtle.ConstantTimeCompare(hash[:], g.password[:]) == 1 {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="whygate", charset="UTF-8"`)
		refuse(w, r, http.StatusUnauthorized, "the password of console.password_file is asked for, with any user name\n")
		return false
	case g.certs:
		refuse(w, r, http.StatusForbidden, "a client certificate of an authority in console.tls.client_ca is asked for\n")
		return false
	case g.exposed:
		refuse(w, r, http.StatusForbidden, "others than the users of this machine reach this address: set console.password_file or console.tls.client_ca to have more than health and metrics here\n")
		return false
	}
	return true
}

// certified reports whether the client has shown a certificate that was verified.
func certified(r *http.Request) bool { return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 }

// Who names whoever asked, for a line on what was changed: the name in the client's certificate or the user name that was given, and the address.
func Who(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || address == "" {
		address = "local"
	}
	if certified(r) {
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; name != "" {
			return name + " at " + address
		}
	}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return user + " at " + address
	}
	return address
}

// refuse answers without a look at a body.
func refuse(w http.ResponseWriter, r *http.Request, status int, s string) {
	if r.ContentLength != 0 {
		unread(w)
	}
	Text(w, status, s)
}

// known reports whether the server may be asked by that host. A page of the web could otherwise have its own name resolve to this
// address and read what is not meant for it (DNS rebinding).
func (g *guard) known(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || host == "" {
		return true
	}
	return slices.Contains(g.hosts, host)
}

// fromPage reports whether a page in a browser may have made a request that changes something. Programs say none of this.
func fromPage(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) { // what a form of any page can send
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return true
	}
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// formMax is the largest form, in bytes.
const formMax = 16 << 10

// proven reports whether the request has the token.
func (g *guard) proven(w http.ResponseWriter, r *http.Request) bool {
	got := r.Header.Get(TokenField)
	if got == "" && r.ContentLength > 0 && r.ContentLength <= formMax {
		r.Body = http.MaxBytesReader(w, r.Body, formMax)
		got = r.PostFormValue(TokenName)
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(g.token)) == 1
}

//go:build linux

package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// hello reads the client's first TLS record, so that what follows is an answer to it.
func hello(then behaviour) behaviour {
	return func(p *peer) {
		var head [5]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, p.r, int64(head[3])<<8|int64(head[4])); err == nil {
			then(p)
		}
	}
}

// alert is a fatal TLS alert as a record.
func alert(number byte) string { return string([]byte{21, 3, 3, 0, 2, 2, number}) }

// chosen is a ServerHello that chooses a version and a cipher, with nothing behind it.
func chosen(version uint16, cipher uint16) string {
	body := append([]byte{byte(version >> 8), byte(version)}, make([]byte, 32)...)
	body = append(body, 0, byte(cipher>>8), byte(cipher), 0)
	shake := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return string(append([]byte{22, 3, 3, 0, byte(len(shake))}, shake...))
}

// TestCertificateFaults has the rows in which the endpoint's certificate does not verify.
func TestCertificateFaults(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Test Root", nil)
	middle := newAuthority(t, "Test Intermediate", root)
	stranger := newAuthority(t, "Another Root", nil)
	pool := fmt.Sprintf("tls: {ca: '%s', server_name: app.test}", root.file)
	server := func(c tls.Certificate) behaviour {
		return inside(&tls.Config{Certificates: []tls.Certificate{c}}, well)
	}
	untrusted := func(cause, problem string) want {
		return want{
			status: 502, typ: "tls_certificate_error", cause: cause, attempts: "0 tls untrusted",
			evidence: map[string]any{"certificate.problem": problem, "certificate.wanted": "app.test"},
		}
	}
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
	future := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
	}
	clientOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	with := func(covers string, c tls.Certificate, w want) row {
		return row{covers: covers, endpoint: "https://", upstream: server(c), pool: pool, want: w}
	}
	post := with("T1 POST", root.issue(t, "app.test", past), untrusted("tls-certificate-expired", "expired"))
	post.request = chunked("POST")
	run(t, "", []row{
		with("in order", root.issue(t, "app.test", nil), want{status: 200, attempts: "1 done", body: wellBody}),
		with("in order, with its intermediate", middle.issue(t, "app.test", nil, middle), want{status: 200, attempts: "1 done", body: wellBody}),
		with("T1 expired", root.issue(t, "app.test", past), untrusted("tls-certificate-expired", "expired")),
		post,
		with("T2 not yet valid", root.issue(t, "app.test", future), untrusted("tls-certificate-not-yet-valid", "not_yet_valid")),
		with("T3 another name", root.issue(t, "other.test", nil), untrusted("tls-certificate-wrong-name", "wrong_name")),
		with("T4 an unknown authority", stranger.issue(t, "app.test", nil), untrusted("tls-certificate-unknown-authority", "unknown_authority")),
		with("T4 a missing intermediate", middle.issue(t, "app.test", nil), untrusted("tls-certificate-unknown-authority", "unknown_authority")),
		with("T5 signed by itself", issueSelf(t, "app.test"), untrusted("tls-certificate-self-signed", "self_signed")),
		with("T4 not for servers", root.issue(t, "app.test", clientOnly), untrusted("tls-certificate-untrusted", "bad_usage")),
	})
}

// TestTLSFaults has the rows in which no TLS comes about, or breaks later.
func TestTLSFaults(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "Test Root", nil)
	cert := root.issue(t, "app.test", nil)
	pool := fmt.Sprintf("tls: {ca: '%s', server_name: app.test}", root.file)
	nameless := fmt.Sprintf("tls: {ca: '%s'}", root.file)
	with := func(edit func(*tls.Config)) *tls.Config {
		c := &tls.Config{Certificates: []tls.Certificate{cert}}
		edit(c)
		return c
	}
	order := with(func(*tls.Config) {})
	oldest := with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	rsaOnly := with(func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	})
	unnamed := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "" {
			return nil, nil
		}
		return &cert, nil
	}}
	asks := func(version uint16) *tls.Config {
		return with(func(c *tls.Config) {
			c.MaxVersion, c.ClientAuth, c.ClientCAs = version, tls.RequireAndVerifyClientCert, x509.NewCertPool()
			c.ClientCAs.AddCert(root.cert)
		})
	}
	takesNone := with(func(c *tls.Config) {
		c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert
		c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return errors.New("not this one") }
	})
	mine, mineKey := files(t, root.issue(t, "gateway.test", nil))
	foreign, foreignKey := files(t, newAuthority(t, "Another Root", nil).issue(t, "gateway.test", nil))
	shows := func(cert, key string) string {
		return fmt.Sprintf("tls: {ca: '%s', server_name: app.test, cert: '%s', key: '%s'}", root.file, cert, key)
	}
	otherwise := with(func(c *tls.Config) { c.NextProtos = []string{"other"} })
	alerted := func(number int64, cause, attempts string) want {
		return want{
			status: 502, typ: "tls_alert_received", cause: cause, attempts: attempts,
			params: map[string]any{"alert-id": number}, evidence: map[string]any{"alert": number},
		}
	}
	failed := func(cause, attempts string) want {
		return want{status: 502, typ: "tls_protocol_error", cause: cause, attempts: attempts}
	}
	slow := want{
		status: 504, typ: "connection_timeout", cause: "tls-handshake-timeout", attempts: "0 tls timeout",
		evidence: map[string]any{"timer": "timeouts.tls", "after_ms": 300},
	}
	const twice = ", 0 tls " // nothing was sent, so a broken handshake is tried again on a fresh connection
	garbage := string([]byte{23, 3, 3, 0, 64}) + string(bytes.Repeat([]byte{7}, 64))
	page := "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nTLS"

	rows := []row{
		{covers: "T7 the peer wants TLS 1.1", upstream: inside(oldest, well), want: alerted(70, "tls-version-mismatch", "0 tls alert")},
		{
			covers: "T7 the peer chooses TLS 1.1", upstream: hello(greets(chosen(0x0302, 0x002f), hold)),
			want: failed("tls-version-mismatch", "0 tls malformed"),
		},
		{covers: "T8 no shared cipher", upstream: inside(rsaOnly, well), want: alerted(40, "tls-no-shared-cipher", "0 tls alert")},
		{
			covers: "T8 the peer chooses a cipher of its own", upstream: hello(greets(chosen(0x0303, 0x0001), hold)),
			want: failed("tls-protocol-error", "0 tls malformed"),
		},

		{
			covers: "T10 plain HTTP to a TLS port: an alert", endpoint: "http://", upstream: says(alert(70), hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "plain-http-to-tls-port", attempts: "1 head malformed",
				evidence: map[string]any{"sample_protocol": "a TLS server"},
			},
		},
		{
			covers: "T10 plain HTTP to a TLS port: a page", endpoint: "http://", upstream: says(page, fin),
			want: want{status: 400, attempts: "1 done", body: "TLS"},
		},
		{
			covers: "T10 plain HTTP to a TLS port: Go's server", endpoint: "http://", upstream: func(p *peer) {
				_ = tls.Server(p.Conn, order).Handshake()
				p.say("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n") // as net/http does
				finAndRead(p)
			},
			want: want{status: 400, attempts: "1 done", body: "Client sent"},
		},
		{
			covers: "T10 plain HTTP to a TLS port: closed", endpoint: "http://", upstream: silent(fin),
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "T11 TLS to a plain port: HTTP", upstream: hello(greets("HTTP/1.1 400 Bad Request\r\n\r\n", hold)),
			want: failed("tls-to-plain-http-port", "0 tls malformed"),
		},
		{
			covers: "T11 TLS to a plain port: SSH", upstream: greets("SSH-2.0-OpenSSH_9.6\r\n", hold),
			want: failed("wrong-service", "0 tls malformed"),
		},
		{
			covers: "T11 TLS to a plain port: octets of nobody", upstream: greets("\x00\x01\x02\x03\x04\x05\x06\x07", hold),
			want: failed("tls-protocol-error", "0 tls malformed"),
		},

		{covers: "T12 no server name", upstream: inside(unnamed, well), pool: nameless, want: alerted(112, "tls-name-unknown", "0 tls alert")},
		{covers: "T12 a server name", upstream: inside(unnamed, well), want: want{status: 200, attempts: "1 done", body: wellBody}},

		{
			covers: "T13 a client certificate in TLS 1.2", upstream: inside(asks(tls.VersionTLS12), well),
			want: alerted(40, "tls-client-certificate-required", "0 tls alert"),
		},
		{
			covers: "T13 a client certificate of another authority", upstream: inside(asks(tls.VersionTLS12), well), pool: shows(foreign, foreignKey),
			want: alerted(40, "tls-client-certificate-required", "0 tls alert"),
		},
		{
			covers: "T13 a foreign client certificate in TLS 1.2", upstream: inside(takesNone, well), pool: shows(foreign, foreignKey),
			want: alerted(42, "tls-client-certificate-refused", "0 tls alert"),
		},
		{
			covers: "T14 a client certificate in TLS 1.3", upstream: inside(asks(tls.VersionTLS13), well),
			want: alerted(116, "tls-client-certificate-required", "1 first_byte alert"),
		},
		{
			covers: "T14 POST", upstream: inside(asks(tls.VersionTLS13), well), request: chunked("POST"),
			want: alerted(116, "tls-client-certificate-required", "1 first_byte alert"),
		},
		{
			covers: "T14 the client certificate is shown", upstream: inside(asks(tls.VersionTLS13), well), pool: shows(mine, mineKey),
			want: want{status: 200, attempts: "1 done", body: wellBody},
		},

		{covers: "T15 silence", upstream: hello(hold), want: slow},
		{covers: "T15 silence before all", upstream: hold, want: slow},
		{covers: "T15 half a record", upstream: hello(greets("\x16\x03\x03\x10\x00\x02", hold)), want: slow},
		{covers: "T16 FIN", upstream: hello(fin), want: failed("tls-handshake-closed", "0 tls closed"+twice+"closed")},
		{covers: "T16 RST", upstream: hello(rst), want: failed("tls-handshake-closed", "0 tls reset"+twice+"reset")},
		{covers: "T16 FIN, POST", upstream: hello(fin), request: post(5), want: failed("tls-handshake-closed", "0 tls closed"+twice+"closed")},
		{
			covers: "T16 FIN once", upstream: func(p *peer) {
				if p.nth == 1 {
					hello(fin)(p)
				} else {
					inside(order, well)(p)
				}
			},
			request: post(5),
			want: want{
				status: 200, typ: "tls_protocol_error", cause: "tls-handshake-closed", attempts: "0 tls closed, 1 done", saved: true, body: wellBody,
			},
		},
		{covers: "T17 no protocol in common", upstream: inside(otherwise, well), want: alerted(120, "tls-alpn", "0 tls alert")},

		{
			covers: "T18 a corrupt record before the answer",
			upstream: secure(order, func(p, raw *peer) {
				p.read()
				raw.say(garbage)
				hold(raw)
			}),
			want: failed("tls-record-corrupt", "1 first_byte malformed"),
		},
		{
			covers: "T18 a corrupt record in the body",
			upstream: secure(order, func(p, raw *peer) {
				p.read()
				p.say(sizedHead + "hello")
				raw.say(garbage)
				hold(raw)
			}),
			want: want{
				status: 200, typ: "tls_protocol_error", cause: "tls-record-corrupt", attempts: "1 body malformed", cut: short, body: "hello",
			},
		},
		{
			covers: "T18 a corrupt record in the handshake", upstream: hello(greets("\x16\x03\x03\x00\x04\xff\x00\x00\x00", hold)),
			want: failed("tls-protocol-error", "0 tls malformed"),
		},

		// RFC 9112, section 9.8: a close_notify is part of the end of a body that ends with the connection.
		{
			covers: "close_notify", upstream: inside(order, says(closeHead+"hello", func(p *peer) { _ = p.Conn.(*tls.Conn).CloseWrite(); hold(p) })),
			want: want{status: 200, attempts: "1 done", body: "hello"},
		},
		{
			covers:   "R17 no close_notify",
			upstream: secure(order, func(p, raw *peer) { p.read(); p.say(closeHead + "hello"); finAndRead(raw) }),
			want: want{
				status: 200, typ: "connection_terminated", cause: "body-short", attempts: "1 body closed", cut: short, body: "hello",
			},
		},
		{
			covers: "no close_notify where the length is known",
			upstream: secure(order, func(p, raw *peer) {
				p.read()
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				finAndRead(raw)
			}),
			want: want{status: 200, attempts: "1 done", body: "hello"},
		},
		{
			covers: "R1 over TLS", upstream: inside(order, silent(fin)),
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "R2 over TLS", upstream: secure(order, func(p, _ *peer) { first(after(silent(fin)))(p) }), warm: true,
			want: want{
				status: 200, typ: "connection_terminated", cause: "keepalive-race", attempts: "2 first_byte closed, 1 done", saved: true, body: wellBody,
			},
		},
		{
			covers: "R2 over TLS, RST", upstream: secure(order, func(p, raw *peer) {
				if raw.nth == 1 {
					after(silent(func(*peer) { rst(raw) }))(p)
				} else {
					well(p)
				}
			}), warm: true,
			want: want{
				status: 200, typ: "connection_terminated", cause: "keepalive-race", attempts: "2 first_byte reset, 1 done", saved: true, body: wellBody,
			},
		},
		{
			covers: "R12 over TLS", upstream: inside(order, silent(hold)),
			want: want{
				status: 504, typ: "connection_read_timeout", cause: "head-timeout", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.head"},
			},
		},
		{
			covers: "R16 over TLS", upstream: inside(order, says(sizedHead+"hello", fin)),
			want: want{status: 200, typ: "http_response_incomplete", cause: "body-short", attempts: "1 body closed", cut: short, body: "hello"},
		},
	}
	rows = append(rows, alertRows(alerted)...)
	for i := range rows {
		if rows[i].pool == "" {
			rows[i].pool = pool
		}
		if rows[i].endpoint == "" {
			rows[i].endpoint = "https://"
		}
		if rows[i].want.status == 504 {
			times := "tls: 300ms"
			if rows[i].want.typ == "connection_read_timeout" { // the handshake is not what stalls
				times = "tls: 5s, head: 500ms"
			}
			rows[i].pool += ", timeouts: {" + times + "}"
		}
	}
	run(t, "", rows)
}

// alertRows are T9: each alert, as a plain record in answer to the ClientHello.
func alertRows(alerted func(int64, string, string) want) []row {
	causes := map[byte]string{
		20: "tls-record-corrupt", 40: "tls-no-shared-cipher", 71: "tls-no-shared-cipher", 70: "tls-version-mismatch", 86: "tls-version-mismatch",
		112: "tls-name-unknown", 42: "tls-client-certificate-required", 116: "tls-client-certificate-required",
		43: "tls-client-certificate-refused", 44: "tls-client-certificate-refused", 45: "tls-client-certificate-refused",
		46: "tls-client-certificate-refused", 48: "tls-client-certificate-refused", 49: "tls-client-certificate-refused", 120: "tls-alpn",
	}
	var rows []row
	for _, number := range []byte{
		10, 20, 22, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 70, 71, 80, 86, 109, 110, 112, 113, 115, 116, 120, 121, 255,
	} {
		w := alerted(int64(number), or(causes[number], "tls-alert"), "0 tls alert")
		if number == 40 {
			w.params["alert-message"] = httpsfv.Token("handshake_failure")
		}
		rows = append(rows, row{covers: fmt.Sprint("T9 alert ", number), upstream: hello(greets(alert(number), fin)), want: w})
	}
	return append(rows, row{
		covers: "T9 close_notify", upstream: hello(greets(alert(0), fin)),
		want: want{status: 502, typ: "tls_protocol_error", cause: "tls-handshake-closed", attempts: "0 tls closed, 0 tls closed"},
	})
}

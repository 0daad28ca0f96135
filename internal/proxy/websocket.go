package proxy

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/upstream"
)

// A WebSocket over HTTP/2 is an extended CONNECT (RFC 8441), and over HTTP/1.1 a GET that asks for an upgrade (RFC 6455). The two say the
// same in other words, except for a key and its answer, which HTTP/2 has no use for and which we make and check in the client's place.

var (
	methodGET  = []byte("GET")       // only read
	webSockets = []byte("websocket") // only read
)

// webSocketGUID is RFC 6455's, section 1.3.
const webSocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// connectsWebSocket reports whether a request is a WebSocket's over HTTP/2.
func connectsWebSocket(q *httpmsg.Request) bool {
	return q.Method == httpmsg.CONNECT && httpmsg.EqualFold(q.Protocol, "websocket")
}

// askUpgrade makes of an extended CONNECT what HTTP/1.1 asks.
func (s *serving) askUpgrade(h *upstream.Head) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	s.wsKey = base64.StdEncoding.AppendEncode(s.wsKey[:0], nonce[:])
	h.Method, h.Upgrade, h.Length, h.SaysLength = methodGET, webSockets, 0, false
	f := &s.x.Request.Fields
	for i := range f.Len() {
		if httpmsg.EqualFold(f.Name(i), "sec-websocket-key") {
			f.Drop(i)
		}
	}
	s.extra.Append("Sec-WebSocket-Key", s.wsKey, httpmsg.Other)
}

// upgraded judges the answer to askUpgrade: a 101 has the key's answer, and no other answer may look like a success, which a client of
// CONNECT would take for a tunnel.
func (s *serving) upgraded(a *upstream.Attempt) bool {
	r := &s.response
	switch {
	case r.Status == 101:
		sum := sha1.Sum(append(append([]byte(nil), s.wsKey...), webSocketGUID...))
		answer, _ := r.Fields.Lookup("sec-websocket-accept")
		if string(answer) != base64.StdEncoding.EncodeToString(sum[:]) {
			a.Violated(fault.RuleUnaskedUpgrade, 0, 0)
			return false
		}
	case r.Status < 300:
		a.Violated(fault.RuleUnaskedUpgrade, 0, 0)
		a.Evidence.Told = fault.CauseUpgradeRefused
		return false
	}
	return true
}

// dropAccept takes from a 101 what the client did not ask for.
func dropAccept(f *httpmsg.Fields) {
	for i := range f.Len() {
		if httpmsg.EqualFold(f.Name(i), "sec-websocket-accept") {
			f.Drop(i)
		}
	}
}

package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// speaksTLSTime bounds SpeaksTLS where its context does not: connecting and shaking hands together.
const speaksTLSTime = 3 * time.Second

// SpeaksTLS reports whether what listens at an address (host:port, or unix:/path, as Evidence.Addr has them) answers a TLS
// handshake in TLS, be it by an alert. Whose certificate it is does not matter, and nothing is sent but the handshake. It opens one
// connection and takes three seconds at most. The error says that there was no answer to tell by: a connection that could not be
// opened, or that ended or stood still before a byte came.
//
// It is asked when plain HTTP was not answered in HTTP: many TLS servers close then without a word, and from that alone nobody can
// tell them from an application that crashed.
func SpeaksTLS(ctx context.Context, addr string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, speaksTLSTime)
	defer cancel()
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	heard := &overheard{Conn: nc}
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // nothing is sent or believed
	if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host) == nil {
		conf.ServerName = host
	}
	err = tls.Client(heard, conf).HandshakeContext(ctx)
	if len(heard.first) == 0 {
		return false, err
	}
	switch fault.Recognise(heard.first) {
	case fault.ProtocolTLSRecord, fault.ProtocolTLSAlert:
		return true, nil
	}
	return err == nil, nil
}

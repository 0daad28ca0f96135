package main

import (
	"bytes"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/whygate/whygate/internal/config"
)

// Every set of properties that the suite asks for becomes a configuration that the gateway takes. Files that a configuration names are
// read only when it is run, so that any octets do for them here.
func TestConfig(t *testing.T) {
	for _, w := range []wanted{
		{version: http1}, {version: http2}, {version: http1, tls: true}, {version: http2, tls: true, clientCA: []byte("ca")}, {version: http3, tls: true},
	} {
		path, err := w.config(t.TempDir(), "127.0.0.1:8443", "h2c://127.0.0.1:8081")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, problems := config.Parse(path, text, config.Options{})
		if err := problems.Err(); err != nil {
			t.Errorf("%+v: %v", w, err)
			continue
		}
		l := c.Listen[0]
		if h3 := l.H3 == config.On; h3 != (w.version == http3) || (l.TLS.Cert != "") != w.tls {
			t.Errorf("%+v: %+v", w, l)
		}
	}
}

func TestMessages(t *testing.T) {
	creds := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("cert"))
	creds = protowire.AppendBytes(protowire.AppendTag(creds, 2, protowire.BytesType), []byte("key"))
	request := wanted{protocol: 2, limit: 300}.behind(http3)
	request = protowire.AppendVarint(protowire.AppendTag(request, 4, protowire.VarintType), 1)
	request = protowire.AppendBytes(protowire.AppendTag(request, 7, protowire.BytesType), creds)
	request = protowire.AppendFixed32(protowire.AppendTag(request, 99, protowire.Fixed32Type), 7) // a later version's

	message, err := readMessage(bytes.NewReader(frame(request)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := parseWanted(message)
	if err != nil || w.protocol != 2 || w.version != http3 || w.limit != 300 || !w.tls || string(w.cert) != "cert" || string(w.key) != "key" {
		t.Fatalf("%v: %+v", err, w)
	}
	answer, err := w.answer("127.0.0.1:8443")
	if err != nil {
		t.Fatal(err)
	}
	if port, err := portIn(answer); err != nil || port != 8443 {
		t.Errorf("port %d, %v", port, err)
	}
	if _, err := parseWanted(request[:len(request)-1]); err == nil {
		t.Error("a message that is cut is read")
	}
}

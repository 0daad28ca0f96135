package fault

import "testing"

func TestRecognise(t *testing.T) {
	for _, tt := range []struct {
		sample string
		want   Protocol
	}{
		{"\x15\x03\x01\x00\x02\x02\x46", ProtocolTLSAlert}, // protocol_version, in reply to plain HTTP
		{"\x15\x03\x03\x00\x02\x02\x0a", ProtocolTLSAlert},
		{"\x15\x03\x01", ProtocolTLSAlert},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ProtocolTLSRecord},
		{"\x16\x03\x03\x00\x7a\x02\x00\x00\x76", ProtocolTLSRecord},
		{"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", ProtocolHTTP2}, // nginx
		{"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", ProtocolHTTP2}, // grpc-go
		{"\x00\x00\x00\x04\x00\x00\x00\x00\x00", ProtocolHTTP2},                         // empty
		{"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5\r\n", ProtocolSSH},
		{"SSH-2.0-Go\r\n", ProtocolSSH},
		{"220 mail.example.com ESMTP Postfix (Debian/GNU)\r\n", ProtocolSMTP},
		{"220-mx.example.com ESMTP Exim 4.96 #2\r\n", ProtocolSMTP},
		{"220 mx.example.com Microsoft ESMTP MAIL Service ready\r\n", ProtocolSMTP},
		{"554 5.7.1 no SMTP service here\r\n", ProtocolSMTP},
		{"220 (vsFTPd 3.0.5)\r\n", ProtocolFTP},
		{"220 ProFTPD Server (Debian) [::ffff:10.0.0.1]\r\n", ProtocolFTP},
		{"220-FileZilla Server 1.8.0\r\n", ProtocolFTP},
		{"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n", ProtocolFTP},
		{"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS] Dovecot ready.\r\n", ProtocolIMAP},
		{"* BYE Autologout; idle for too long\r\n", ProtocolIMAP},
		{"+OK Dovecot ready.\r\n", ProtocolPOP3},
		{"-ERR wrong number of arguments for 'get' command\r\n", ProtocolRedis},
		{"-DENIED Redis is running in protected mode because protected mode is enabled\r\n", ProtocolRedis},
		{"-NOAUTH Authentication required.\r\n", ProtocolRedis},
		{"\x4a\x00\x00\x00\x0a8.0.36\x00\x0b\x00\x00\x00", ProtocolMySQL},
		{"\x5b\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00", ProtocolMySQL},
		{"\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed to connect", ProtocolMySQL},
		{"E\x00\x00\x00\x88SFATAL\x00VFATAL\x00C0A000\x00", ProtocolPostgreSQL},
		{"EFATAL:  unsupported frontend protocol", ProtocolPostgreSQL},
		{"\x01\x06\x00\x01\x00\x50\x00\x00Content-type: text/html", ProtocolFastCGI},
		{"\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00", ProtocolFastCGI},
		{"PROXY TCP4 10.0.0.1 10.0.0.2 35646 80\r\n", ProtocolProxy},
		{"PROXY UNKNOWN\r\n", ProtocolProxy},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", ProtocolProxy},
		{"AMQP\x00\x00\x09\x01", ProtocolAMQP},
		{"RFB 003.008\n", ProtocolVNC},
		{"<!DOCTYPE html>\n<html>", ProtocolHTML},
		{"\r\n<HTML><BODY>", ProtocolHTML},
		{"\xef\xbb\xbf<html>", ProtocolHTML},
		{"HTTP/1.1 400 Bad Request\r\n", ProtocolHTTP1},

		// What must not be taken for another thing.
		{"", ProtocolUnknown},
		{"SS", ProtocolUnknown},
		{"HTTP/2 200\r\n", ProtocolUnknown},
		{"HTTP/9 200 OK\r\n", ProtocolUnknown},
		{"ICY 200 OK\r\n", ProtocolUnknown},
		{"200 OK\r\n", ProtocolUnknown},
		{"220 items found\r\n", ProtocolUnknown},
		{"+1", ProtocolUnknown},
		{"* a list\n", ProtocolUnknown},
		{"Error: no such file", ProtocolUnknown},
		{"E\x00\x00\x00\x02S", ProtocolUnknown},
		{"{\"error\":\"smtp is down\"}", ProtocolUnknown},
		{"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ProtocolUnknown},
		{"\x15\x03\x01\x00\x09\x02", ProtocolUnknown},
		{"\x16\x03\x09\x00\x09\x02", ProtocolUnknown},
		{"\x01\x02\x03\x04hello", ProtocolUnknown},
		{"PROXY-AUTHENTICATE", ProtocolUnknown},
		{"<?xml version=\"1.0\"?>", ProtocolUnknown},
		{"\x1f\x8b\x08\x00\x00\x00\x00\x00", ProtocolUnknown},
	} {
		if got := Recognise([]byte(tt.sample)); got != tt.want {
			t.Errorf("Recognise(%q) = %s, want %s", tt.sample, got, tt.want)
		}
	}
}

// TestRecogniseAtEverySplit: with fewer octets the answer is the same or unknown, never another.
func TestRecogniseAtEverySplit(t *testing.T) {
	for _, sample := range []string{
		"\x15\x03\x01\x00\x02\x02\x46", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", "SSH-2.0-OpenSSH_9.6\r\n", "\x4a\x00\x00\x00\x0a8.0.36\x00",
		"E\x00\x00\x00\x88SFATAL\x00", "\x01\x06\x00\x01\x00\x50\x00\x00C", "PROXY TCP4 10.0.0.1", "AMQP\x00\x00\x09\x01", "<!DOCTYPE html>",
	} {
		want := Recognise([]byte(sample))
		for n := range sample {
			if got := Recognise([]byte(sample[:n])); got != want && got != ProtocolUnknown {
				t.Errorf("%q is %s, its first %d octets are %s", sample, want, n, got)
			}
		}
	}
}

package lab

import "github.com/whygate/whygate/internal/fault"

// banner is a scenario of a service that speaks first, and is no HTTP server.
func banner(name, does, octets string, causes ...fault.Cause) Scenario {
	if len(causes) == 0 {
		causes = []fault.Cause{fault.CauseWrongService}
	}
	return Scenario{
		Name: name, Group: Head, Row: "R5", Does: does, Why: whyProtocol, Plays: Plays{Send(octets), Hold()},
		Want: want502(fault.TypeHTTPProtocolError, causes...),
	}
}

// grumble is a scenario of a service that waits for the client, and is no HTTP server.
func grumble(name, does, octets string) Scenario {
	return Scenario{
		Name: name, Group: Head, Row: "R5", Does: does, Why: whyProtocol, Plays: Plays{AwaitOctets(8), Send(octets), Close()},
		Want: want502(fault.TypeHTTPProtocolError, fault.CauseWrongService),
	}
}

var notHTTPScenarios = []Scenario{
	banner("wrong-service-ssh", "The port is an SSH server's, which speaks first.", "SSH-2.0-OpenSSH_9.6\r\n"),
	banner("wrong-service-smtp", "The port is a mail server's (SMTP), which speaks first.", "220 mail.lab.test ESMTP ready\r\n"),
	banner("wrong-service-ftp", "The port is an FTP server's, which speaks first.", "220 FTP server ready.\r\n"),
	banner("wrong-service-imap", "The port is a mailbox server's (IMAP), which speaks first.", "* OK [CAPABILITY IMAP4rev1] ready.\r\n"),
	banner("wrong-service-pop3", "The port is a mailbox server's (POP3), which speaks first.", "+OK POP3 ready\r\n"),
	banner("wrong-service-mysql", "The port is a MySQL server's, which speaks first.", "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xf7\xff"),
	banner("wrong-service-vnc", "The port is a VNC server's, which speaks first.", "RFB 003.008\n"),
	grumble("wrong-service-redis", "The port is a Redis server's, which does not know the command GET that way.", "-ERR wrong number of arguments for 'get' command\r\n"),
	grumble("wrong-service-postgresql", "The port is a PostgreSQL server's, which does not know that version of its protocol.", "E\x00\x00\x00\x93SFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol 18245.21536: server supports 3.0 to 3.0\x00Fpostmaster.c\x00L2132\x00RProcessStartupPacket\x00\x00"),
	grumble("wrong-service-amqp", "The port is a message broker's (AMQP), which names its own version.", "AMQP\x00\x00\x09\x01"),
	banner("http2-on-http1-port", "The port speaks HTTP/2 only: its SETTINGS frame comes first.", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", fault.CauseHTTP2OnHTTP1Port),
	banner("proxy-protocol-spoken", "The other side speaks the PROXY protocol, as if it were the client.", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", fault.CauseProxyProtocolMismatch),
	says(Head, "garbage", "R5", "The answer is bytes that are nobody's protocol.", whyProtocol, "\xff\xfe\x00\x01\x02\x03\xde\xad\xbe\xef\r\n\r\n", want502(fault.TypeHTTPProtocolError, fault.CauseNotHTTP)),
	answers(Head, "page-without-head", "R7", "The answer is a page without status line and headers, as HTTP/0.9 had it.", "RFC 9112, section 4: a response begins with a status line.",
		want502(fault.TypeHTTPProtocolError, fault.CauseNoHead), Send("<!DOCTYPE html>\n<html><body>hello</body></html>\n"), Close()),
	answers(Head, "text-before-head", "R7", "A line of text stands before the status line, as a script that prints too early makes it.", "RFC 9112, section 4: a response begins with a status line.",
		want502(fault.TypeHTTPProtocolError, fault.CauseNotHTTP), Send("Warning: Undefined variable $x in /srv/app.php on line 3\n"+response("200 OK", okBody)), Close()),
}

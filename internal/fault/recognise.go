package fault

import "bytes"

// Protocol is what first octets look like. It is a guess from a banner, made only where they broke a rule already.
type Protocol uint8

const (
	ProtocolUnknown    Protocol = iota
	ProtocolHTTP1               // an HTTP/1 status line
	ProtocolHTML                // a page without a head
	ProtocolTLSAlert            // RFC 8446 section 5.1, content type 21
	ProtocolTLSRecord           // content type 22, a handshake
	ProtocolHTTP2               // RFC 9113 section 3.4: a SETTINGS frame, the server's preface
	ProtocolProxy               // the PROXY protocol's preface, version 1 or 2
	ProtocolSSH                 // RFC 4253 section 4.2
	ProtocolSMTP                // RFC 5321 section 4.2
	ProtocolFTP                 // RFC 959 section 5.4
	ProtocolIMAP                // RFC 9051 section 7.1
	ProtocolPOP3                // RFC 1939 section 4
	ProtocolMySQL               // HandshakeV10, or an error packet before it; MariaDB too
	ProtocolPostgreSQL          // an ErrorResponse message, or the answer to SSLRequest
	ProtocolRedis               // a RESP error
	ProtocolFastCGI             // FastCGI 1.0 section 3.3: a record
	ProtocolAMQP                // the protocol header, sent back to who speaks another
	ProtocolVNC                 // RFC 6143 section 7.1.1
	protocols
)

var protocolNames = [protocols]string{
	"an unknown protocol", "an HTTP/1 server", "a page without a head", "a TLS server", "a TLS peer", "an HTTP/2 server",
	"a sender of the PROXY protocol", "an SSH server", "an SMTP server", "an FTP server", "an IMAP server", "a POP3 server",
	"a MySQL or MariaDB server", "a PostgreSQL server", "a Redis server", "a FastCGI application", "an AMQP broker", "a VNC server",
}

// String says who would send such octets, with an article: "an SSH server".
func (p Protocol) String() string {
	if p < protocols {
		return protocolNames[p]
	}
	return protocolNames[ProtocolUnknown]
}

// MarshalText makes JSON show the name.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// proxyV2 is the signature of the PROXY protocol's version 2, section 2.2 of its specification.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

// Recognise tells the protocol of first octets. It rather knows nothing than errs: a pattern is matched only where it is
// long enough to be told from chance.
func Recognise(sample []byte) Protocol {
	if len(sample) < 3 {
		return ProtocolUnknown
	}
	for _, r := range [...]func([]byte) Protocol{recogniseBinary, recogniseText, recogniseReply, recogniseMarkup} {
		if p := r(sample); p != ProtocolUnknown {
			return p
		}
	}
	return ProtocolUnknown
}

func recogniseBinary(b []byte) Protocol {
	switch {
	case isTLSRecord(b, 21):
		return ProtocolTLSAlert
	case isTLSRecord(b, 22):
		return ProtocolTLSRecord
	case isSettings(b):
		return ProtocolHTTP2
	case bytes.HasPrefix(b, []byte(proxyV2)):
		return ProtocolProxy
	case isMySQL(b):
		return ProtocolMySQL
	case isPostgreSQL(b):
		return ProtocolPostgreSQL
	case isFastCGI(b):
		return ProtocolFastCGI
	case len(b) >= 8 && string(b[:4]) == "AMQP" && b[4] <= 3:
		return ProtocolAMQP
	}
	return ProtocolUnknown
}

// isTLSRecord: content type, version 3.0 to 3.4, a length that a record may have (RFC 8446 section 5.1). An alert is two
// octets in the clear.
func isTLSRecord(b []byte, kind byte) bool {
	if b[0] != kind || b[1] != 3 || b[2] > 4 {
		return false
	}
	if len(b) < 5 {
		return true
	}
	length := int(b[3])<<8 | int(b[4])
	if kind == 21 {
		return length == 2 && (len(b) < 6 || b[5] == 1 || b[5] == 2)
	}
	return length > 0 && length <= 1<<14+256
}

// isSettings: RFC 9113 section 6.5: a length that is a multiple of six, type 4, no flag, stream 0.
func isSettings(b []byte) bool {
	if len(b) < 9 {
		return false
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return length%6 == 0 && length <= 6*64 && string(b[3:9]) == "\x04\x00\x00\x00\x00\x00"
}

// isMySQL: a three-octet length, sequence number 0, then protocol version 10 and a version that begins with a digit; or
// an error packet, whose error number is 1000 or more ("Host is blocked", "Too many connections").
func isMySQL(b []byte) bool {
	if len(b) < 7 || b[3] != 0 {
		return false
	}
	length := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if length < 6 || length > 1024 {
		return false
	}
	if b[4] == 10 {
		return b[5] >= '0' && b[5] <= '9' && (b[6] == '.' || b[6] >= '0' && b[6] <= '9')
	}
	number := int(b[5]) | int(b[6])<<8
	return b[4] == 0xff && number >= 1000 && number < 5000
}

// isPostgreSQL: an ErrorResponse: 'E', a four-octet length, then the severity's field code 'S'. What it sends for an HTTP
// request, being an invalid length of a startup packet, is exactly that, or nothing.
func isPostgreSQL(b []byte) bool {
	if len(b) < 6 || b[0] != 'E' {
		return false
	}
	length := int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4])
	if length >= 8 && length <= 1<<14 && b[5] == 'S' {
		return true
	}
	return bytes.HasPrefix(b, []byte("EFATAL:  ")) // the form of protocol version 2
}

// isFastCGI: version 1, a type of record that an application sends (end, stdout, stderr, values, unknown), and zero in
// the reserved octet.
func isFastCGI(b []byte) bool {
	if len(b) < 8 || b[0] != 1 || b[7] != 0 {
		return false
	}
	switch b[1] {
	case 3, 6, 7, 10, 11:
		return b[2] == 0 // request ids are small numbers
	}
	return false
}

func recogniseText(b []byte) Protocol {
	switch {
	case bytes.HasPrefix(b, []byte("HTTP/0.")), bytes.HasPrefix(b, []byte("HTTP/1.")):
		return ProtocolHTTP1
	case bytes.HasPrefix(b, []byte("SSH-2.0-")), bytes.HasPrefix(b, []byte("SSH-1.")):
		return ProtocolSSH
	case bytes.HasPrefix(b, []byte("PROXY TCP4 ")), bytes.HasPrefix(b, []byte("PROXY TCP6 ")), bytes.HasPrefix(b, []byte("PROXY UNKNOWN")):
		return ProtocolProxy
	case bytes.HasPrefix(b, []byte("* OK ")), bytes.HasPrefix(b, []byte("* OK [")), bytes.HasPrefix(b, []byte("* PREAUTH ")), bytes.HasPrefix(b, []byte("* BYE ")):
		return ProtocolIMAP
	case bytes.HasPrefix(b, []byte("+OK ")), bytes.HasPrefix(b, []byte("+OK\r\n")):
		return ProtocolPOP3
	case bytes.HasPrefix(b, []byte("-ERR ")), bytes.HasPrefix(b, []byte("-DENIED ")), bytes.HasPrefix(b, []byte("-NOAUTH ")):
		return ProtocolRedis
	case len(b) >= 8 && bytes.HasPrefix(b, []byte("RFB 00")):
		return ProtocolVNC
	}
	return ProtocolUnknown
}

// recogniseReply tells the servers that greet with a three-digit reply code. SMTP and FTP share their form; the words
// after it tell them apart.
func recogniseReply(b []byte) Protocol {
	if len(b) < 4 || !isReplyCode(b) || b[3] != ' ' && b[3] != '-' {
		return ProtocolUnknown
	}
	line := b
	if end := bytes.IndexByte(b, '\n'); end >= 0 {
		line = b[:end]
	}
	switch {
	case containsFold(line, "smtp"), containsFold(line, "mail"), string(line[:3]) == "554":
		return ProtocolSMTP
	case containsFold(line, "ftp"), containsFold(line, "filezilla"), string(line[:3]) == "530":
		return ProtocolFTP
	}
	return ProtocolUnknown
}

// containsFold is bytes.Contains without regard to the case of letters, and without a copy. The word is lower case.
func containsFold(b []byte, word string) bool {
	for i := 0; i+len(word) <= len(b); i++ {
		if bytes.EqualFold(b[i:i+len(word)], []byte(word)) {
			return true
		}
	}
	return false
}

// isReplyCode: the codes with which SMTP and FTP servers greet or turn away.
func isReplyCode(b []byte) bool {
	switch string(b[:3]) {
	case "220", "120", "421", "500", "502", "503", "530", "554":
		return true
	}
	return false
}

func recogniseMarkup(b []byte) Protocol {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, start := range [...]string{"<!doctype html", "<html", "<head", "<body"} {
		if len(b) >= len(start) && bytes.EqualFold(b[:len(start)], []byte(start)) {
			return ProtocolHTML
		}
	}
	return ProtocolUnknown
}

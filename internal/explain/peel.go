package explain

import (
	"bytes"
	"time"
)

// peelMax bounds how many carriers a line may have been through: docker's file of a pod that logs by syslog has three.
const peelMax = 4

// carrier is what a log went through on its way here, as far as one line shows it.
type carrier struct {
	time    time.Time // zero where it has none
	zoned   bool
	process uint64
}

// peel takes off one carrier's envelope: syslog (RFC 3164, RFC 5424), journalctl's short forms and its JSON, docker's JSON
// file, CRI, kubectl's --prefix and --timestamps, docker compose's prefix. It is false where there is none. What it knows
// of the time and the process goes into c, the outermost with a zone winning.
func peel(c *carrier, line []byte, now time.Time) ([]byte, bool) {
	if len(line) < 8 {
		return nil, false
	}
	switch b := line[0]; {
	case b == '{':
		return peelJSON(c, line)
	case b == '<':
		return peelSyslog(c, line, now)
	case b == '[':
		if rest, ok := peelPodPrefix(line); ok {
			return rest, true
		}
		return peelMonotonic(c, line)
	case isDigit(b):
		if rest, ok := peelStamp(c, line); ok {
			return rest, true
		}
		if rest, ok := peelUnix(c, line); ok {
			return rest, true
		}
		return peelCompose(line)
	case isUpper(b) && line[3] == ' ' && len(line) > 30 && line[8] == '-':
		return peelFull(c, line)
	case isUpper(b) && line[3] == ' ':
		return peelShort(c, line, now)
	}
	return peelCompose(line)
}

// stamp keeps a carrier's time if it says more than what is known already.
func (c *carrier) stamp(t time.Time, zoned bool) {
	if c.time.IsZero() || zoned && !c.zoned {
		c.time, c.zoned = t, zoned
	}
}

// peelJSON peels docker's {"log":"...\n","stream":"stderr","time":"..."} and journalctl -o json.
func peelJSON(c *carrier, line []byte) ([]byte, bool) {
	docker := starts(line, `{"log":`) || indexText(line, `"log":`) > 0 && indexText(line, `"stream":`) > 0 // others than docker have them in another order
	if !docker && indexText(line, `"MESSAGE"`) < 0 {
		return nil, false
	}
	var message jsonValue
	fields := jsonObject(line)
	for fields.next() {
		switch string(fields.key) {
		case "log", "MESSAGE":
			message = fields.value
		case "time":
			if t, zoned, _, ok := rfc3339Clock(fields.value.text()); ok {
				c.stamp(t, zoned)
			}
		case "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP":
			if us := wholeUint(fields.value.text()); us > 0 {
				c.stamp(time.UnixMicro(us), true)
			}
		case "_PID", "SYSLOG_PID":
			c.process = uint64(max(wholeUint(fields.value.text()), 0))
		}
	}
	if !message.isText() {
		return octetList(message)
	}
	return bytes.TrimRight(message.plain(), "\r\n"), true
}

// octetList reads a message that journald gives as numbers, since it has octets that are no text: colours, mostly.
func octetList(list []byte) ([]byte, bool) {
	if !starts(list, "[") {
		return nil, false
	}
	var message []byte
	for rest := list[1:]; ; {
		n, after, ok := readUint(bytes.TrimLeft(rest, " "))
		if !ok || n > 255 || len(after) == 0 {
			return nil, false
		}
		message = append(message, byte(n))
		if after[0] == ']' {
			return message, true
		}
		rest = after[1:]
	}
}

// peelHost peels HOST TAG[PID]:, which journalctl's short forms have behind the time.
func peelHost(c *carrier, b []byte) ([]byte, bool) {
	host, tail, ok := cutSpaced(b)
	if !ok || !isHostname(host) {
		return nil, false
	}
	return peelTag(c, tail)
}

// peelFull peels journalctl -o short-full: Sun 2026-11-22 03:00:01 UTC HOST TAG[PID]:. The zone is a name, and not enough to
// know it by, but for UTC.
func peelFull(c *carrier, line []byte) ([]byte, bool) {
	if len(line) < 30 {
		return nil, false
	}
	var e Entry
	rest, ok := iisHead(&e, line[4:])
	if !ok {
		return nil, false
	}
	zone, rest, ok := cutSpaced(rest)
	if !ok {
		return nil, false
	}
	message, ok := peelHost(c, rest)
	if ok {
		t := e.Time.UTC()
		utc := string(zone) == "UTC"
		if !utc {
			t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
		}
		c.stamp(t, utc)
	}
	return message, ok
}

// peelUnix peels journalctl -o short-unix: 1795361722.123456 HOST TAG[PID]:.
func peelUnix(c *carrier, line []byte) ([]byte, bool) {
	s, rest, ok := readUint(line)
	if !ok || s < 1e9 || len(rest) < 8 || rest[0] != '.' {
		return nil, false
	}
	us, rest, ok := readUint(rest[1:])
	if !ok || us >= 1e6 || !starts(rest, " ") {
		return nil, false
	}
	message, ok := peelHost(c, rest[1:])
	if ok {
		c.stamp(time.Unix(s, us*1000), true)
	}
	return message, ok
}

// peelMonotonic peels journalctl -o short-monotonic: [12345.123456] HOST TAG[PID]:, whose time counts from the machine's start.
func peelMonotonic(c *carrier, line []byte) ([]byte, bool) {
	_, rest, ok := readUint(bytes.TrimLeft(line[1:], " "))
	if !ok || len(rest) < 8 || rest[0] != '.' {
		return nil, false
	}
	_, rest, ok = readUint(rest[1:])
	if !ok || !starts(rest, "] ") {
		return nil, false
	}
	return peelHost(c, rest[2:])
}

// peelSyslog peels <PRI> and what RFC 5424 or RFC 3164 has behind it.
func peelSyslog(c *carrier, line []byte, now time.Time) ([]byte, bool) {
	_, rest, ok := readUint(line[1:])
	if !ok || len(rest) < 8 || rest[0] != '>' {
		return nil, false
	}
	rest = rest[1:]
	if starts(rest, "1 ") {
		return peelSyslog5424(c, rest[2:])
	}
	if isUpper(rest[0]) && len(rest) > 16 && rest[3] == ' ' {
		return peelShort(c, rest, now)
	}
	if message, ok := peelStamp(c, rest); ok {
		return message, true
	}
	return peelTag(c, rest)
}

// peelSyslog5424 peels TIMESTAMP HOST APP PROCID MSGID [DATA] MSG, RFC 5424 section 6.
func peelSyslog5424(c *carrier, b []byte) ([]byte, bool) {
	at, b, ok := cutSpaced(b)
	if !ok {
		return nil, false
	}
	if t, zoned, _, ok := rfc3339Clock(at); ok {
		c.stamp(t, zoned)
	}
	for i := range 4 {
		var field []byte
		if field, b, ok = cutSpaced(b); !ok {
			return nil, false
		}
		if i == 2 {
			c.process = uint64(max(wholeUint(field), 0))
		}
	}
	if starts(b, "-") {
		return bytes.TrimPrefix(bytes.TrimPrefix(b[1:], []byte(" ")), []byte("\xef\xbb\xbf")), true
	}
	for starts(b, "[") { // structured data: elements in brackets, in which a bracket is escaped
		i := 1
		for i < len(b) && (b[i] != ']' || b[i-1] == '\\') {
			i++
		}
		if i == len(b) {
			return nil, false
		}
		b = b[i+1:]
	}
	return bytes.TrimPrefix(bytes.TrimPrefix(b, []byte(" ")), []byte("\xef\xbb\xbf")), true
}

// peelShort peels Jan _2 15:04:05 HOST TAG[PID]: and the same with a fraction (journalctl -o short-precise).
func peelShort(c *carrier, line []byte, now time.Time) ([]byte, bool) {
	t, rest, ok := syslogClock(line, now)
	if !ok || len(rest) < 3 || rest[0] != ' ' {
		return nil, false
	}
	_, rest, ok = cutSpaced(rest[1:]) // the host
	if !ok {
		return nil, false
	}
	message, ok := peelTag(c, rest)
	if ok {
		c.stamp(t, false)
	}
	return message, ok
}

// peelTag peels TAG[PID]: or TAG: , where the tag is a program's name.
func peelTag(c *carrier, b []byte) ([]byte, bool) {
	for i := 0; i < len(b) && i < 64; i++ {
		switch ch := b[i]; {
		case ch == '[' && i > 0:
			n, rest, ok := readUint(b[i+1:])
			if !ok || !starts(rest, "]:") {
				return nil, false
			}
			c.process = uint64(n)
			return bytes.TrimPrefix(rest[2:], []byte(" ")), true
		case ch == ':' && i > 0 && i+1 < len(b) && b[i+1] == ' ':
			return b[i+2:], true
		case ch == ' ' || ch == '"' || ch == '=' || ch == '{':
			return nil, false
		}
	}
	return nil, false
}

// peelStamp peels an RFC 3339 time, and what CRI (stream and flag) or journalctl -o short-iso (host and tag) put behind it.
func peelStamp(c *carrier, line []byte) ([]byte, bool) {
	t, zoned, rest, ok := rfc3339Clock(line)
	if !ok || line[10] != 'T' || len(rest) < 2 || rest[0] != ' ' {
		return nil, false
	}
	c.stamp(t, zoned)
	rest = rest[1:]
	if (starts(rest, "stdout ") || starts(rest, "stderr ")) && len(rest) > 9 && rest[8] == ' ' && (rest[7] == 'F' || rest[7] == 'P') {
		return rest[9:], true
	}
	if host, tail, ok := cutSpaced(rest); ok && isHostname(host) {
		if message, ok := peelTag(c, tail); ok {
			return message, true
		}
	}
	return rest, true
}

// isHostname reports whether b could be a machine's name or address.
func isHostname(b []byte) bool {
	for _, ch := range b {
		if (ch < 'a' || ch > 'z') && !isUpper(ch) && !isDigit(ch) && ch != '-' && ch != '.' && ch != '_' && ch != ':' {
			return false
		}
	}
	return len(b) > 0 && b[len(b)-1] != ':'
}

// peelPodPrefix peels [pod/NAME/CONTAINER], kubectl logs --prefix.
func peelPodPrefix(line []byte) ([]byte, bool) {
	if !starts(line, "[pod/") {
		return nil, false
	}
	i := indexText(line, "] ")
	if i < 0 {
		return nil, false
	}
	return line[i+2:], true
}

// peelCompose peels docker compose's "service-1  | ".
func peelCompose(line []byte) ([]byte, bool) {
	i := bytes.IndexByte(line[:min(len(line), 80)], '|') - 1
	if i <= 0 || !starts(line[i:], " | ") {
		return nil, false
	}
	name := bytes.TrimRight(line[:i], " ")
	for _, ch := range name {
		if (ch < 'a' || ch > 'z') && (ch < 'A' || ch > 'Z') && !isDigit(ch) && ch != '-' && ch != '_' && ch != '.' {
			return nil, false
		}
	}
	return line[i+3:], len(name) > 0
}

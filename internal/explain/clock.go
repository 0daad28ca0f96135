package explain

import "time"

// The clocks of logs. Each reader takes exactly one layout, allocates nothing, and is false where b is not that. They are
// several times as fast as time.Parse, which matters since every line that is not boring has a time.

// monthOf gives the month of three letters, 0 where they are none.
func monthOf(b []byte) time.Month {
	if len(b) != 3 {
		return 0
	}
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for m := range 12 {
		if names[m*3] == b[0] && names[m*3+1] == b[1] && names[m*3+2] == b[2] {
			return time.Month(m + 1)
		}
	}
	return 0
}

// two reads two digits, -1 where they are not.
func two(b []byte) int {
	if !isDigit(b[0]) || !isDigit(b[1]) {
		return -1
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

// four reads four digits, -1 where they are not.
func four(b []byte) int {
	high, low := two(b), two(b[2:])
	if high < 0 || low < 0 {
		return -1
	}
	return high*100 + low
}

// clockOf reads 15:04:05, in seconds since midnight; -1 where b does not begin with it.
func clockOf(b []byte) int {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return -1
	}
	h, m, s := two(b), two(b[3:]), two(b[6:])
	if h < 0 || m < 0 || s < 0 || h > 23 || m > 59 || s > 60 {
		return -1
	}
	return h*3600 + m*60 + s
}

// fraction reads a fraction of a second, a point or comma and digits, at the beginning of b.
func fraction(b []byte) (ns int, rest []byte) {
	if len(b) < 2 || b[0] != '.' && b[0] != ',' || !isDigit(b[1]) {
		return 0, b
	}
	unit, i := int(time.Second), 1
	for i < len(b) && isDigit(b[i]) {
		unit /= 10
		ns += int(b[i]-'0') * unit
		i++
	}
	return ns, b[i:]
}

// offsetOf reads a zone: Z, +0200, +02:00.
func offsetOf(b []byte) (seconds int, rest []byte, ok bool) {
	if len(b) > 0 && b[0] == 'Z' {
		return 0, b[1:], true
	}
	if len(b) < 5 || b[0] != '+' && b[0] != '-' {
		return 0, b, false
	}
	h, at := two(b[1:]), 3
	if b[3] == ':' {
		at = 4
	}
	if len(b) < at+2 {
		return 0, b, false
	}
	m := two(b[at:])
	if h < 0 || m < 0 || h > 24 || m > 59 {
		return 0, b, false
	}
	seconds = h*3600 + m*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, b[at+2:], true
}

// moment builds a time from a date, seconds since midnight, nanoseconds and the zone's offset.
func moment(year int, month time.Month, day, clock, ns, offset int) time.Time {
	return time.Date(year, month, day, 0, 0, clock-offset, ns, time.UTC)
}

// local builds a time of a log that names no zone.
func local(year int, month time.Month, day, clock, ns int) time.Time {
	return time.Date(year, month, day, 0, 0, clock, ns, time.Local)
}

// nginxClock reads 2006/01/02 15:04:05, which has no zone.
func nginxClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 19 || b[4] != '/' || b[7] != '/' || b[10] != ' ' {
		return t, b, false
	}
	y, m, d, c := four(b), two(b[5:]), two(b[8:]), clockOf(b[11:])
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || c < 0 {
		return t, b, false
	}
	return local(y, time.Month(m), d, c, 0), b[19:], true
}

// commonClock reads 02/Jan/2006:15:04:05 -0700, the Common Log Format's.
func commonClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 26 || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[20] != ' ' {
		return t, b, false
	}
	d, m, y, c := two(b), monthOf(b[3:6]), four(b[7:]), clockOf(b[12:])
	offset, rest, ok := offsetOf(b[21:])
	if !ok || d < 1 || d > 31 || m == 0 || y < 0 || c < 0 {
		return t, b, false
	}
	return moment(y, m, d, c, 0, offset), rest, true
}

// haproxyClock reads 06/Feb/2009:12:14:14.655, which has no zone.
func haproxyClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 24 || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[20] != '.' {
		return t, b, false
	}
	d, m, y, c := two(b), monthOf(b[3:6]), four(b[7:]), clockOf(b[12:])
	if d < 1 || d > 31 || m == 0 || y < 0 || c < 0 {
		return t, b, false
	}
	ns, rest := fraction(b[20:])
	return local(y, m, d, c, ns), rest, true
}

// apacheClock reads Fri Oct 18 13:21:27.123456 2024, with or without the fraction.
func apacheClock(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < 24 || b[3] != ' ' || b[7] != ' ' || b[10] != ' ' {
		return t, b, false
	}
	m, c := monthOf(b[4:7]), clockOf(b[11:])
	d := two(b[8:])
	if b[8] == ' ' && isDigit(b[9]) {
		d = int(b[9] - '0')
	}
	ns, rest := fraction(b[19:])
	if m == 0 || c < 0 || d < 1 || d > 31 || len(rest) < 5 || rest[0] != ' ' {
		return t, b, false
	}
	y := four(rest[1:])
	if y < 0 {
		return t, b, false
	}
	return local(y, m, d, c, ns), rest[5:], true
}

// rfc3339Clock reads 2006-01-02T15:04:05.000Z and its kin: a space for the T, a comma for the point, any zone or none.
func rfc3339Clock(b []byte) (t time.Time, zoned bool, rest []byte, ok bool) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != ' ' {
		return t, false, b, false
	}
	y, m, d, c := four(b), two(b[5:]), two(b[8:]), clockOf(b[11:])
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || c < 0 {
		return t, false, b, false
	}
	ns, rest := fraction(b[19:])
	offset, tail, zoned := offsetOf(rest)
	if !zoned {
		return local(y, time.Month(m), d, c, ns), false, rest, true
	}
	return moment(y, time.Month(m), d, c, ns, offset), true, tail, true
}

// syslogClock reads Jan _2 15:04:05, with or without a fraction; the year is that which puts it nearest before now.
func syslogClock(b []byte, now time.Time) (t time.Time, rest []byte, ok bool) {
	if len(b) < 15 || b[3] != ' ' || b[6] != ' ' {
		return t, b, false
	}
	m, c := monthOf(b[:3]), clockOf(b[7:])
	d := two(b[4:])
	if b[4] == ' ' && isDigit(b[5]) {
		d = int(b[5] - '0')
	}
	if m == 0 || c < 0 || d < 1 || d > 31 {
		return t, b, false
	}
	ns, rest := fraction(b[15:])
	year := now.Year()
	t = local(year, m, d, c, ns)
	if t.After(now.Add(48 * time.Hour)) {
		t = local(year-1, m, d, c, ns)
	}
	return t, rest, true
}

package explain

import (
	"bytes"
	"time"
)

// w3c is what a #Fields: directive of a W3C extended log says of the lines behind it: where each field is that is read, -1
// where the lines do not have it. IIS writes one whenever its process starts and whenever the fields are chosen anew.
type w3c struct {
	count                                  int
	date, time, client, method, stem, host int
	status, substatus, win32, taken        int
}

// fieldsDirective begins the line that names the fields.
const fieldsDirective = "#Fields:"

// newW3C reads a directive, nil where it is not that of a log of IIS: HTTP.sys and CloudFront have formats of their own, in
// which the fields do not move.
func newW3C(line []byte) *w3c {
	if !starts(line, fieldsDirective) || has(line, "s-reason") || has(line, "x-edge-") {
		return nil
	}
	f := &w3c{date: -1, time: -1, client: -1, method: -1, stem: -1, host: -1, status: -1, substatus: -1, win32: -1, taken: -1}
	places := map[string]*int{
		"date": &f.date, "time": &f.time, "c-ip": &f.client, "cs-method": &f.method, "cs-uri-stem": &f.stem, "cs-host": &f.host, "sc-status": &f.status,
		"sc-substatus": &f.substatus, "sc-win32-status": &f.win32, "time-taken": &f.taken,
	}
	for w := (words{line[len(fieldsDirective):]}); ; f.count++ {
		name := w.next()
		if name == nil {
			break
		}
		if at := places[string(name)]; at != nil {
			*at = f.count
		}
	}
	if f.date < 0 || f.time < 0 || f.status < 0 || f.stem < 0 || f.count > w3cMax {
		return nil
	}
	return f
}

// w3cMax bounds the fields of a line: IIS has 22, and lets 20 more be added.
const w3cMax = 64

// parse reads a line that the directive is about. It is false where the line has other fields.
func (f *w3c) parse(e *Entry, line []byte) bool {
	var fields [w3cMax][]byte
	n := 0
	for w := (words{line}); ; n++ {
		word := w.next()
		if word == nil {
			break
		}
		if n == f.count {
			return false
		}
		fields[n] = word
	}
	if n != f.count {
		return false
	}
	at := func(i int) []byte {
		if i < 0 {
			return nil
		}
		return dashed(fields[i])
	}
	var stamp [20]byte
	if len(at(f.date)) != 10 || len(at(f.time)) < 8 {
		return false
	}
	copy(stamp[:], at(f.date))
	stamp[10], stamp[19] = ' ', ' '
	copy(stamp[11:19], at(f.time))
	if _, ok := iisHead(e, append(stamp[:], '-')); !ok {
		return false
	}
	if e.Status = wholeStatus(at(f.status)); e.Status == 0 {
		return false
	}
	e.Client, e.Method, e.Path, e.Host = at(f.client), at(f.method), at(f.stem), at(f.host)
	if ms := wholeUint(at(f.taken)); ms >= 0 {
		e.Took = time.Duration(ms) * time.Millisecond
	}
	iisJudge(e, e.Status, max(wholeUint(at(f.substatus)), 0), max(wholeUint(at(f.win32)), 0))
	return true
}

// follow gives the directive that holds behind a block, which is its last one, and before it where it has none.
func (f *w3c) follow(text []byte) *w3c {
	for end := len(text); ; {
		i := bytes.LastIndex(text[:end], []byte(fieldsDirective))
		if i < 0 {
			return f
		}
		if i == 0 || text[i-1] == '\n' {
			return newW3C(bytes.TrimRight(upTo(text[i:], '\n'), "\r"))
		}
		end = i
	}
}

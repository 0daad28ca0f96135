package explain

import "bytes"

// csvHeader is the names of a CSV's columns, as keyName gives them.
type csvHeader struct{ names [][]byte }

// csvMax bounds the columns that are looked at.
const csvMax = 64

// newCSV reads a first line that names columns, nil where it is none: names in letters, at least four of them.
func newCSV(line []byte) *csvHeader {
	if bytes.Count(line, []byte{','}) < 3 || len(line) > 4096 {
		return nil
	}
	var h csvHeader
	for rest := line; rest != nil && len(h.names) < csvMax; {
		var cell []byte
		cell, rest = cutCell(rest)
		if len(cell) == 0 || len(cell) > 60 || isDigit(cell[0]) {
			return nil
		}
		for _, c := range cell {
			if !isAlphanumeric(c) && c != '_' && c != '-' && c != '.' && c != '@' && c != ' ' {
				return nil
			}
		}
		h.names = append(h.names, keyName(make([]byte, 0, 40), cell))
	}
	return &h
}

// cutCell takes a cell off a row (RFC 4180): in quotes, where two of them stand for one, or up to the comma. rest is nil behind
// the last one.
func cutCell(b []byte) (cell, rest []byte) {
	if len(b) > 0 && b[0] == '"' {
		for i := 1; i < len(b); i++ {
			if b[i] != '"' {
				continue
			}
			if i+1 < len(b) && b[i+1] == '"' {
				i++
				continue
			}
			cell = b[1:i]
			if bytes.Contains(cell, []byte(`""`)) {
				cell = bytes.ReplaceAll(cell, []byte(`""`), []byte(`"`))
			}
			if i+1 < len(b) && b[i+1] == ',' {
				return cell, b[i+2:]
			}
			return cell, nil
		}
		return b[1:], nil
	}
	if i := bytes.IndexByte(b, ','); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// read reads a row by the names of its columns: a cell that a format knows, a balancer's line taken apart, or what its
// columns mean.
func (h *csvHeader) read(e *Entry, line []byte, r *Recogniser) *Format {
	m := meant{took: -1}
	cells := map[string][]byte{}
	at := 0
	for rest := line; rest != nil && at < len(h.names); at++ {
		var cell []byte
		cell, rest = cutCell(rest)
		cells[string(h.names[at])] = cell
		if len(cell) > 30 {
			if f, _ := r.strict(e, cell); f != nil {
				return f
			}
		}
		m.take(h.names[at], jsonValue(cell))
	}
	if at < 3 {
		return nil
	}
	if row := balancerRow(cells); row != nil {
		if e.reset(); albAccess.Parse(e, row) {
			return albAccess
		}
	}
	e.reset()
	f := m.judge(e, line)
	if f != nil {
		m.fill(e)
	}
	return f
}

// balancerRow writes a row of Athena's table of an ALB's log as the log has it, nil where it is not one.
func balancerRow(cells map[string][]byte) []byte {
	if len(cells["elbstatuscode"]) == 0 || len(cells["time"]) == 0 {
		return nil
	}
	cell := func(name string) []byte {
		if v := cells[name]; len(v) > 0 {
			return v
		}
		return []byte("-")
	}
	var row []byte
	add := func(parts ...[]byte) {
		for _, p := range parts {
			row = append(row, p...)
		}
	}
	add(cell("type"), []byte(" "), cell("time"), []byte(" "), cell("elb"), []byte(" "), cell("clientip"), []byte(":"), cell("clientport"), []byte(" "))
	if ip := cell("targetip"); len(ip) > 1 {
		add(ip, []byte(":"), cell("targetport"))
	} else {
		add([]byte("-"))
	}
	for _, name := range [...]string{"requestprocessingtime", "targetprocessingtime", "responseprocessingtime", "elbstatuscode", "targetstatuscode", "receivedbytes", "sentbytes"} {
		v := cell(name)
		if bytes.Equal(v, []byte("-1.0")) {
			v = []byte("-1")
		}
		add([]byte(" "), v)
	}
	add([]byte(` "`), cell("requestverb"), []byte(" "), cell("requesturl"), []byte(` HTTP/1.1" "-" - - - "-" "-" "-" 0 `), cell("time"), []byte(` "forward" "-" "-"`))
	return row
}

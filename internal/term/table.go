package term

import "strings"

// Align is where a cell's text stands in its column.
type Align uint8

const (
	Left Align = iota
	Right
)

// columnLeast is how narrow a column is made at most, in columns of the terminal.
const columnLeast = 8

// Table is rows of cells in columns as wide as their widest cell. If a row does not fit the width, the widest columns
// are made narrower and their cells cut with an ellipsis. Cells may have styles.
type Table struct {
	Head   []string // headings, none if empty; printed dim
	Align  []Align  // by column, Left where missing
	Indent string   // before each row
	Gap    int      // spaces between columns, 0 stands for 2
	Whole  int      // how many columns, from the left, are never cut

	rows [][]string
}

// Row adds a row. It may have fewer cells than others.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Len gives the number of rows, without the heading.
func (t *Table) Len() int { return len(t.rows) }

// Render gives the table's lines, each with a newline; nothing if it has no row.
func (t *Table) Render(s *Style) string {
	if len(t.rows) == 0 {
		return ""
	}
	rows := t.rows
	if len(t.Head) > 0 {
		head := make([]string, len(t.Head))
		for i, h := range t.Head {
			head[i] = s.Dim(h)
		}
		rows = append([][]string{head}, rows...)
	}
	gap := t.Gap
	if gap <= 0 {
		gap = 2
	}
	widths := natural(rows)
	fit(widths, t.Whole, gap, s.Width()-Columns(t.Indent))
	var out strings.Builder
	for _, row := range rows {
		t.appendRow(&out, row, widths, gap)
	}
	return out.String()
}

func (t *Table) appendRow(out *strings.Builder, row []string, widths []int, gap int) {
	var line strings.Builder
	line.WriteString(t.Indent)
	for i, cell := range row {
		cell = Cut(cell, widths[i])
		pad := strings.Repeat(" ", widths[i]-Columns(cell))
		if i < len(t.Align) && t.Align[i] == Right {
			cell, pad = pad+cell, ""
		}
		line.WriteString(cell)
		if i < len(row)-1 {
			line.WriteString(pad)
			line.WriteString(strings.Repeat(" ", gap))
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " "))
	out.WriteByte('\n')
}

// natural gives each column's widest cell.
func natural(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Columns(cell))
		}
	}
	return widths
}

// fit takes columns from the widest after the whole ones, one by one, until all fit or none may become narrower.
func fit(widths []int, whole, gap, width int) {
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	if whole >= len(widths) {
		return
	}
	for ; total > width; total-- {
		widest := whole
		for i := whole; i < len(widths); i++ {
			if widths[i] >= widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= columnLeast {
			break
		}
		widths[widest]--
	}
}

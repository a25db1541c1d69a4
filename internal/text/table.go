package text

import (
	"slices"
	"strings"
)

// Table is rows under a head. Cells that do not fit are wrapped, never cut: a table loses nothing.
type Table struct {
	Head   []string
	Right  []int // columns of figures, set to the right
	Indent int
	rows   []row
}

type row struct {
	cells []Span
	notes [][]Span
}

// Add appends a row. A row shorter than the head has empty cells at its end.
func (t *Table) Add(cells ...Span) {
	for i := range cells {
		cells[i].Text = Clean(cells[i].Text)
	}
	t.rows = append(t.rows, row{cells: cells})
}

// Note puts a line under the last row, across all columns and indented by four more than the table.
func (t *Table) Note(spans ...Span) {
	last := &t.rows[len(t.rows)-1]
	last.notes = append(last.notes, spans)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

const (
	gap       = 2
	narrowest = 8 // cells below which a column is not squeezed
)

// Lines sets the table. Columns that are empty in every row are left out. With a width above 0 the widest columns are
// squeezed until the table fits, or only by breaking words could: names and ids stay whole unless one takes half a line.
func (t *Table) Lines(style Style, width int) []string {
	widths, least := make([]int, len(t.Head)), make([]int, len(t.Head))
	for _, row := range t.rows {
		for i := range min(len(row.cells), len(widths)) {
			widths[i] = max(widths[i], Width(row.cells[i].Text))
			for word := range strings.FieldsSeq(row.cells[i].Text) {
				least[i] = max(least[i], min(Width(word), width/2))
			}
		}
	}
	total := t.Indent - gap
	for i, h := range t.Head {
		if widths[i] > 0 {
			widths[i] = max(widths[i], Width(h))
			least[i] = max(least[i], min(narrowest, widths[i]), Width(h))
			total += widths[i] + gap
		}
	}
	for width > 0 && total > width {
		widest := -1
		for i, w := range widths {
			if w > least[i] && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	head := make([]Span, len(t.Head))
	for i, h := range t.Head {
		head[i] = S(Faint, h)
	}
	var lines []string
	if slices.ContainsFunc(t.Head, func(h string) bool { return h != "" }) {
		lines = t.row(style, widths, head)
	}
	for _, row := range t.rows {
		lines = append(lines, t.row(style, widths, row.cells)...)
		for _, note := range row.notes {
			lines = append(lines, style.Wrapped(width, t.Indent+4, note...)...)
		}
	}
	return lines
}

func (t *Table) row(style Style, widths []int, row []Span) []string {
	wrapped, height := make([][]string, len(widths)), 1
	for i := range min(len(row), len(widths)) {
		if widths[i] > 0 {
			wrapped[i] = Wrap(row[i].Text, widths[i])
			height = max(height, len(wrapped[i]))
		}
	}
	var lines []string
	for n := range height {
		spans := []Span{S(Plain, strings.Repeat(" ", t.Indent))}
		blank := 0 // blanks owed before the next cell with text, so that no line ends in them
		for i, width := range widths {
			if width == 0 {
				continue
			}
			cell := ""
			if n < len(wrapped[i]) {
				cell = wrapped[i][n]
			}
			free := width - Width(cell)
			if slices.Contains(t.Right, i) {
				blank, free = blank+free, 0
			}
			if cell != "" {
				spans = append(spans, S(Plain, strings.Repeat(" ", blank)), S(row[i].Kind, cell))
				blank = 0
			}
			blank += free + gap
		}
		lines = append(lines, style.Line(spans...))
	}
	return lines
}

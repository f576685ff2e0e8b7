package replay

import (
	"fmt"
	"strings"
)

// Problem is something in a file that could not be read. Line and Column
// count from 1; 0 means that it has none.
type Problem struct {
	File         string
	Line, Column int
	Why          string
}

// Error writes file:line:column: why.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	return b.String() + ": " + p.Why
}

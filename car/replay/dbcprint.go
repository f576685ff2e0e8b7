package replay

import (
	"fmt"
	"strconv"
	"strings"
)

// String writes the table as a DBC file that [ParseDBC] reads back the same.
func (t *Table) String() string {
	var b strings.Builder
	b.WriteString("VERSION \"\"\n\nBS_:\n\nBU_:\n")
	for _, m := range t.Messages {
		fmt.Fprintf(&b, "\nBO_ %d %s: %d Vector__XXX\n", m.Number, m.Name, m.Length)
		for _, s := range m.Signals {
			b.WriteString(s.entry())
		}
	}
	for _, m := range t.Messages {
		for _, s := range m.Signals {
			if s.Float {
				fmt.Fprintf(&b, "SIG_VALTYPE_ %d %s : %d;\n", m.Number, s.Name, s.Length/32)
			}
			if len(s.Selected) > 0 {
				list := make([]string, len(s.Selected))
				for i, c := range s.Selected {
					list[i] = fmt.Sprintf("%d-%d", c.From, c.To)
				}
				fmt.Fprintf(&b, "SG_MUL_VAL_ %d %s %s %s;\n", m.Number, s.Name, s.Selector, strings.Join(list, ", "))
			}
		}
	}
	return b.String()
}

func (s *Signal) entry() string {
	mux := ""
	if len(s.Selected) > 0 {
		mux = fmt.Sprintf(" m%d", s.Selected[0].From)
	}
	if s.Multiplexor {
		if mux == "" {
			mux = " "
		}
		mux += "M"
	}
	order, sign := "0", "+"
	if s.Little {
		order = "1"
	}
	if s.Signed {
		sign = "-"
	}
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	unit := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.Unit)
	return fmt.Sprintf(" SG_ %s%s : %d|%d@%s%s (%s,%s) [%s|%s] \"%s\" Vector__XXX\n",
		s.Name, mux, s.Start, s.Length, order, sign, f(s.Scale), f(s.Offset), f(s.Min), f(s.Max), unit)
}

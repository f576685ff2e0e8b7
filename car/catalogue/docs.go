package catalogue

import (
	"fmt"
	"strings"

	"sayso"
)

// Docs renders the reference page of signals, events and permissions
// (docs/signals.md).
func (c *Catalogue) Docs() string {
	var b strings.Builder
	b.WriteString("# Signals, events and permissions\n\n" +
		"Rendered from `car/catalogue`; change the data there.\n\n" +
		"A value is refused, alone and with a reason, if it is of another kind, not finite, outside the bounds or not an\n" +
		"allowed value. Booleans are the numbers 0 and 1. A text signal that holds several values is a JSON list written as\n" +
		"text. The number of a signal is what is stored; it is never given to another one.\n\n## Signals\n\n" +
		"| no. | name | kind | unit | bounds or values | needs | meaning | VSS path |\n|---:|---|---|---|---|---|---|---|\n")
	for _, s := range c.signals {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s | %s | %s | %s |\n", s.ID, s.Name, KindName(s.Kind), s.Unit,
			limits(s), needs(s), cell(s.Description), cell(s.VSS))
	}
	b.WriteString("\n## Events\n\nA name has the form `category.name`: ASCII letters and digits, a letter first, one dot. " +
		"Names that are not listed\nare kept too.\n\n| name | meaning |\n|---|---|\n")
	for _, e := range c.events {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.Name, cell(e.Description))
	}
	b.WriteString("\n## Permissions\n\n| no. | in tokens | in GraphQL | allows |\n|---:|---|---|---|\n")
	for _, p := range c.permissions {
		fmt.Fprintf(&b, "| %d | `%s` | `%s` | %s |\n", p.Permission, p.Permission, p.Permission.Enum(), cell(p.Description))
	}
	return b.String()
}

func limits(s *Signal) string {
	switch {
	case len(s.Allowed) > 0:
		return cell(strings.Join(s.Allowed, ", "))
	case s.HasMin && s.HasMax:
		return number(s.Min) + " to " + number(s.Max)
	case s.HasMin:
		return "from " + number(s.Min)
	case s.HasMax:
		return "to " + number(s.Max)
	case s.Kind == sayso.Position:
		return "latitude -90 to 90, longitude -180 to 180, not (0,0)"
	}
	return ""
}

func needs(s *Signal) string {
	join := func(list []sayso.Permission, word string) string {
		parts := make([]string, len(list))
		for i, p := range list {
			parts[i] = fmt.Sprint(uint8(p))
		}
		return strings.Join(parts, word)
	}
	if len(s.OneOf) > 0 {
		return join(s.OneOf, " or ")
	}
	return join(s.Need, " and ")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

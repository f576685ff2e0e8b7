package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"
)

func printJSON(v any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// printTable aligns rows of cells; the first row is the head.
func printTable(rows [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
}

// show prints a result: as JSON for programs, else as text.
func show(asJSON bool, v any, text string) error {
	if asJSON {
		return printJSON(v)
	}
	fmt.Print(text)
	return nil
}

type versionCmd struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (versionCmd) Help() string { return "Example: sayso version --json" }

// Run prints the version that the build carries.
func (c *versionCmd) Run() error {
	v := map[string]string{"version": "(development)", "go": ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		v["go"] = info.GoVersion
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v["version"] = info.Main.Version
		}
	}
	return show(c.JSON, v, fmt.Sprintf("sayso %s, %s\n", v["version"], v["go"]))
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/alecthomas/kong"

	"sayso"
	"sayso/node"
)

// origins knows the settings file and where each setting came from.
type origins struct {
	path string
	file map[string]any
	used map[string]string // flag -> origin
}

// settingsFile finds the settings file before the command line is parsed, since
// what it holds takes part in the parsing.
func settingsFile(args []string) string {
	for i, a := range args {
		if name, value, ok := strings.Cut(a, "="); name == "--settings" {
			if ok {
				return value
			}
			if i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return os.Getenv("SAYSO_SETTINGS")
}

func (o *origins) load(path string) error {
	o.path = path
	if path == "" {
		return nil
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return sayso.Fail(sayso.Invalid, "settings", fmt.Sprintf("--settings: %v", err))
	}
	if err := json.Unmarshal(body, &o.file); err != nil {
		return sayso.Fail(sayso.Invalid, "settings", fmt.Sprintf("--settings %s: %v", path, err))
	}
	return nil
}

// Validate refuses a member that is no setting.
func (o *origins) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, c := range app.Children {
		if c.Name == "run" {
			for _, f := range c.Flags {
				known[f.Name] = true
			}
		}
	}
	for name := range o.file {
		if !known[name] {
			return fmt.Errorf("%s: %q is not a setting; `sayso config` lists them", o.path, name)
		}
	}
	return nil
}

// Resolve gives the value of the settings file. The environment comes before it.
func (o *origins) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	v, ok := o.file[flag.Name]
	if !ok {
		return nil, nil
	}
	if n, is := v.(float64); is {
		return fmt.Sprintf("%v", int64(n)), nil
	}
	return v, nil
}

// note records where each flag's value came from.
func (o *origins) note(c *kong.Context) {
	o.used = map[string]string{}
	for _, f := range c.Flags() {
		o.used[f.Name] = "default"
		if _, ok := o.file[f.Name]; ok {
			o.used[f.Name] = "file " + o.path
		}
		for _, env := range f.Envs {
			if _, ok := os.LookupEnv(env); ok {
				o.used[f.Name] = "environment " + env
			}
		}
	}
	for _, p := range c.Path {
		if p.Flag != nil && !p.Resolved {
			o.used[p.Flag.Name] = "command line"
		}
	}
}

type configCmd struct {
	node.Config
	Street
	JSON bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (configCmd) Help() string { return "Example: SAYSO_HTTP=localhost:9000 sayso config" }

// Run prints the settings of run and serve.
func (c *configCmd) Run(ctx *kong.Context, o *origins) error {
	type setting struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  string `json:"from"`
	}
	var list []setting
	for _, f := range ctx.Flags() {
		if f.Name == "help" || f.Name == "settings" || f.Name == "json" {
			continue
		}
		value := fmt.Sprint(f.Target.Interface())
		if f.Name == "passphrase" && value != "" {
			value = "(hidden)"
		}
		list = append(list, setting{f.Name, value, o.used[f.Name]})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	if c.JSON {
		return printJSON(list)
	}
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Value, s.From})
	}
	printTable(rows)
	return nil
}

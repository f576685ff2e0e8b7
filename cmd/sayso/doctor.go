package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sayso"
	"sayso/client"
	"sayso/internal/clock"
	"sayso/protocol/chain"
)

// What the doctor calls little space and a wrong clock.
const (
	littleSpace = 2 << 30 // bytes; below it the vault takes nothing in
	clockSkew   = time.Minute
)

type doctorCmd struct {
	remote
	Data string `help:"Folder of what the node keeps." default:"./sayso-data" type:"path"`
}

// Help shows an example.
func (doctorCmd) Help() string { return "Example: sayso doctor --node http://localhost:8480" }

// finding is one thing looked at. What is not well says why, and one command
// that helps.
type finding struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Do   string `json:"do,omitempty"`
}

// Run looks at a node and its folders.
func (c *doctorCmd) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	list := slices.Concat(c.node(ctx), []finding{c.keys(), c.space()})
	if c.JSON {
		if err := printJSON(list); err != nil {
			return err
		}
	} else {
		printFindings(list)
	}
	red := 0
	for _, f := range list {
		if !f.OK {
			red++
		}
	}
	if red > 0 {
		return sayso.Fail(sayso.Busy, "doctor", fmt.Sprintf("%d of %d are not well", red, len(list)))
	}
	return nil
}

func printFindings(list []finding) {
	for _, f := range list {
		mark := "ok "
		if !f.OK {
			mark = "RED"
		}
		fmt.Printf("%s  %-7s %s\n", mark, f.Name, f.Says)
		if f.Do != "" {
			fmt.Printf("             do: %s\n", f.Do)
		}
	}
}

// node looks at the node from outside: does it answer, what does it say of
// itself, and is its chain there and in time.
func (c *doctorCmd) node(ctx context.Context) []finding {
	api := client.New(c.Node)
	ready, err := api.Ready(ctx)
	if err != nil {
		return []finding{{Name: "node", Says: words(err), Do: program() + " run   # or, for a node that runs elsewhere: " + program() + " doctor --node URL"}}
	}
	out := []finding{{Name: "node", OK: true, Says: c.Node + " answers"}}
	at, err := api.Chain(ctx)
	for _, name := range sortedNames(ready.Parts) {
		p := ready.Parts[name]
		f := finding{Name: name, OK: p.Ready, Says: "works"}
		if !p.Ready {
			f.Says, f.Do = p.Why, c.cure(name, at)
		}
		out = append(out, f)
	}
	if err != nil {
		return append(out, finding{Name: "rpc", Says: words(err), Do: program() + " doctor --node URL   # is this the URL of a node?"})
	}
	return append(out, c.rpc(ctx, at), c.clock(at))
}

// words is the message of an error that is meant for people, or all of it.
func words(err error) string {
	if sayso.FaultOf(err) == sayso.Internal {
		return err.Error()
	}
	return sayso.MessageOf(err)
}

// cure is the command that helps with a part of the node.
func (c *doctorCmd) cure(part string, at client.Chain) string {
	switch part {
	case "chain":
		return fmt.Sprintf(`curl -sS %s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'   # the chain must answer; the node goes on by itself`, at.URL)
	case "data":
		return program() + " vault verify --data " + c.Data + "   # names all of it; then put a backup in place"
	case "vault":
		return "df -h " + c.Data + "   # is there space? Then start the node again"
	}
	return program() + " serve --" + part + " ADDRESS   # start the node again, on another address if that one is taken"
}

func (c *doctorCmd) rpc(ctx context.Context, at client.Chain) finding {
	f := finding{Name: "rpc"}
	conn, err := chain.Dial(ctx, at.URL)
	if err != nil {
		f.Says, f.Do = err.Error(), program()+" serve --rpc URL   # another endpoint of the chain"
		return f
	}
	defer conn.Close()
	head, err := conn.Head(ctx)
	if err != nil {
		f.Says, f.Do = err.Error(), program()+" serve --rpc URL   # another endpoint of the chain"
		return f
	}
	f.OK = head.Number <= at.Head+2
	f.Says = fmt.Sprintf("%s is at block %d, the node at %d", at.URL, head.Number, at.Head)
	if !f.OK {
		f.Do = program() + " doctor   # again in a minute: the node is catching up"
	}
	return f
}

// clock compares this machine's clock with the head block's time.
func (c *doctorCmd) clock(at client.Chain) finding {
	ahead := time.Unix(at.Time, 0).Sub(clock.System{}.Now())
	f := finding{Name: "clock", OK: ahead < clockSkew, Says: "agrees with the chain"}
	if !f.OK {
		f.Says = fmt.Sprintf("the last block is %s ahead of this machine's clock", ahead.Round(time.Second))
		f.Do = "timedatectl set-ntp true"
	}
	return f
}

// keys looks at the folder of secrets: is it there, and closed to others.
func (c *doctorCmd) keys() finding {
	f := finding{Name: "keys", OK: true, Says: c.Keys + " is readable by its owner alone"}
	info, err := os.Stat(c.Keys)
	if err != nil {
		return finding{Name: "keys", Says: err.Error(), Do: program() + " doctor --keys FOLDER   # the folder that the node was started with"}
	}
	open := []string{}
	if info.Mode().Perm()&0o077 != 0 {
		open = append(open, c.Keys)
	}
	files, _ := filepath.Glob(filepath.Join(c.Keys, "*"))
	for _, file := range files {
		if i, err := os.Stat(file); err == nil && !i.IsDir() && i.Mode().Perm()&0o077 != 0 {
			open = append(open, file)
		}
	}
	if len(open) > 0 {
		f.OK, f.Says = false, "others on this machine can read "+strings.Join(open, ", ")
		f.Do = "chmod -R go-rwx " + c.Keys
	}
	return f
}

// space looks at the disk of the data folder.
func (c *doctorCmd) space() finding {
	var s syscall.Statfs_t
	if err := syscall.Statfs(c.Data, &s); err != nil {
		return finding{Name: "disk", Says: fmt.Sprintf("%s: %v", c.Data, err), Do: program() + " doctor --data FOLDER   # the folder that the node was started with"}
	}
	free, all := s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
	need := max(littleSpace, all/20)
	f := finding{Name: "disk", OK: free > need, Says: fmt.Sprintf("%.1f GiB free of %.1f", float64(free)/(1<<30), float64(all)/(1<<30))}
	if !f.OK {
		f.Says += fmt.Sprintf("; below %.1f GiB nothing more is kept", float64(need)/(1<<30))
		f.Do = "du -xh " + c.Data + " | sort -h | tail   # then free space; the node goes on by itself"
	}
	return f
}

func sortedNames(m map[string]client.Part) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

package stories

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	commandLine = regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)  +\S`)
	jsonFlag    = regexp.MustCompile(`(?m)^ +--json\b`)
)

// helps checks the help of every verb that `sayso --help` lists: an example
// that is a call of this verb, and --json on everything that prints results.
func (s *story) helps(ts *testscript.TestScript, args []string) error {
	if len(args) != 0 {
		return errors.New("usage: helps")
	}
	all, err := exec.Command(s.sayso, "--help").Output()
	if err != nil {
		return err
	}
	_, list, _ := strings.Cut(string(all), "Commands:")
	verbs := commandLine.FindAllStringSubmatch(list, -1)
	if len(verbs) < 10 {
		return fmt.Errorf("sayso --help lists only %d verbs: %s", len(verbs), all)
	}
	for _, v := range verbs {
		name := v[1]
		help, err := exec.Command(s.sayso, append(strings.Fields(name), "--help")...).Output()
		if err != nil {
			return fmt.Errorf("sayso %s --help: %w", name, err)
		}
		words := strings.Join(strings.Fields(string(help)), " ")
		if _, example, ok := strings.Cut(words, "Example: "); !ok || !strings.Contains(example, "sayso "+name) {
			return fmt.Errorf("sayso %s --help has no example: %s", name, help)
		}
		if serves := name == "run" || name == "serve"; !serves && !jsonFlag.Match(help) {
			return fmt.Errorf("sayso %s has no --json", name)
		}
		ts.Logf("%s: has an example", name)
	}
	return nil
}

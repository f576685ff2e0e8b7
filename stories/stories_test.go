package stories

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso/internal/clock"
)

// shelf is what the stories of one run share.
type shelf struct {
	sayso   string                 // the binary
	samples string                 // folder of recordings, beside the repository
	npm     func() (string, error) // installs the SDK at the first call and tells its folder

	anvilProgram func() (string, error) // the same with anvil
}

// How often the stories of crashes crash.
var (
	kills = flag.Int("kills", 50, "how many times kill-dash-nine-after-the-ack kills the node")
	cuts  = flag.Int("cuts", 20, "how many times the power goes in the-power-goes")
)

// story is the state of one script.
type story struct {
	*shelf
	t          testscript.T
	dir        string
	began      time.Time
	http       string // host and port
	chain      string
	mqtt       string
	running    *process
	chainRuns  *process // anvil
	starts     []*process
	ear        *ear   // of webhooks
	heard      string // file, or empty
	log        *opLog // of a storm
	disk       *disk  // of the story's own, or nil
	said, head string // what the command under way was answered: body; status and headers
}

type storyKey struct{}

func TestStories(t *testing.T) {
	dir := t.TempDir()
	s := &shelf{sayso: filepath.Join(dir, "sayso"), samples: samplesFolder(t)}
	build := exec.Command("go", "build", "-o", s.sayso, "sayso/cmd/sayso")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the binary: %v\n%s", err, out)
	}
	s.npm = s.installOnce(filepath.Join(dir, "npm"))
	s.anvilProgram = anvilOnce(filepath.Join(dir, "anvil"))
	testscript.Run(t, testscript.Params{
		Dir:                 ".",
		Setup:               s.open,
		Cmds:                verbs(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// samplesFolder is where recordings lie: beside the repository.
func samplesFolder(t *testing.T) string {
	dir, err := filepath.Abs("../../shared/samples")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// open prepares one story: its ports, and the environment by which the verbs
// find its node.
func (s *shelf) open(env *testscript.Env) error {
	st := &story{shelf: s, t: env.T(), dir: env.WorkDir, began: clock.System{}.Now()}
	var err error
	if st.http, err = freePort("localhost"); err != nil {
		return err
	}
	if st.chain, err = freePort("127.0.0.1"); err != nil {
		return err
	}
	if st.mqtt, err = freePort("127.0.0.1"); err != nil {
		return err
	}
	env.Setenv("PATH", filepath.Dir(s.sayso)+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("SAYSO_NODE", "http://"+st.http)
	env.Setenv("SAYSO_HTTP", st.http)
	env.Setenv("SAYSO_CHAIN_LISTEN", st.chain)
	env.Setenv("SAYSO_MQTT", st.mqtt)
	env.Setenv("MQTT_PORT", st.mqtt[strings.LastIndex(st.mqtt, ":")+1:])
	env.Setenv("NODE", "http://"+st.http)
	env.Setenv("CHAIN", "http://"+st.chain)
	env.Setenv("SAMPLES", s.samples)
	env.Setenv("KILLS", fmt.Sprint(*kills))
	env.Setenv("CUTS", fmt.Sprint(*cuts))
	env.Values[storyKey{}] = st
	env.Defer(st.close)
	return nil
}

// verb is a command of the stories. An error is its failure, which ! wants.
type verb func(s *story, ts *testscript.TestScript, args []string) error

func verbs() map[string]func(*testscript.TestScript, bool, []string) {
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name, v := range map[string]verb{
		"world": (*story).world, "node": (*story).node, "sayso": (*story).run, "gql": (*story).gql, "grpc": (*story).grpc, "http": (*story).request,
		"keep": (*story).keep, "json": (*story).json, "until": (*story).until, "hear": (*story).hear, "absent": (*story).absent,
		"moment": (*story).moment, "needs": (*story).needs, "mqtt": (*story).overMQTT, "sdk": (*story).sdk, "fill": (*story).fill, "anvil": (*story).anvil,
		"helps": (*story).helps, "letter": (*story).letter, "flood": (*story).flood, "crash": (*story).crash, "audit": (*story).audit, "drive": (*story).drive, "requests": (*story).requests,
		"backup": (*story).backup, "power": (*story).power, "canaries": (*story).canaries, "quit": (*story).quit, "receiver": (*story).receiver, "model": (*story).model, "mcp": (*story).mcp, "personal": (*story).personal, "source": (*story).source,
	} {
		out[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			s := ts.Value(storyKey{}).(*story)
			s.said, s.head = "", ""
			err := v(s, ts, args)
			if s.head != "" {
				fmt.Fprint(ts.Stdout(), s.said)
				fmt.Fprint(ts.Stderr(), s.head)
			}
			switch {
			case neg && err == nil:
				ts.Fatalf("%s: unexpected success", name)
			case neg && !isRefusal(err), !neg && err != nil:
				ts.Fatalf("%s: %v", name, err)
			}
		}
	}
	return out
}

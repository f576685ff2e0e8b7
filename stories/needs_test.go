package stories

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// needs skips a story whose surroundings lack something. Where CI is true this
// is a failure, so that a promise never goes untested unseen.
func (s *story) needs(ts *testscript.TestScript, args []string) error {
	for _, what := range args {
		var err error
		switch what {
		case "npm":
			for _, program := range []string{"node", "npm"} {
				if _, missing := exec.LookPath(program); missing != nil {
					err = fmt.Errorf("%s is not installed", program)
				}
			}
		case "mosquitto":
			_, err = exec.LookPath("mosquitto_pub")
		case "disk": // only some machines can, also in CI
			if s.disk, err = newDisk(s.dir); err != nil {
				s.disk = nil
				s.t.Skip(fmt.Sprintf("this story needs a file system of its own: %v", err))
			}
		case "samples":
			_, err = os.Stat(s.samples)
		default:
			return fmt.Errorf("needs %s: not known", what)
		}
		if err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			return fmt.Errorf("this story needs %s, and CI runs every story: %w", what, err)
		}
		s.t.Skip(fmt.Sprintf("this story needs %s: %v", what, err))
	}
	return nil
}

// packages are what the stories take from npm. The SDK asks for a package "fs"
// of which no version is published; an override gives it another, empty one.
const packages = `{
  "private": true,
  "type": "module",
  "dependencies": {"@dimo-network/data-sdk": "1.6.0"},
  "overrides": {"fs": "npm:isarray@2.0.5"}
}
`

// installOnce installs the packages when the first story asks for them.
func (s *shelf) installOnce(dir string) func() (string, error) {
	return sync.OnceValues(func() (string, error) { return install(dir, packages) })
}

// install has npm install what a package.json lists, and tells the folder.
func install(dir, list string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(list), 0o644); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	out, err := npm.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("npm install: %w: %s", err, out)
	}
	return filepath.Join(dir, "node_modules"), nil
}

// sdk puts the installed packages into the story's folder.
func (s *story) sdk(ts *testscript.TestScript, args []string) error {
	if len(args) != 0 {
		return errors.New("usage: sdk")
	}
	modules, err := s.npm()
	if err != nil {
		return err
	}
	return os.Symlink(modules, ts.MkAbs("node_modules"))
}

// Package rules holds the habits of this code as tests: which package may
// import which, how long files and functions may grow, that packages say what
// they are for, that nobody but internal/clock reads the clock, and that the
// settings stay few.
package rules

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sayso/node"
)

const (
	root        = "../.."
	maxFile     = 600 // hand-written lines
	maxFunction = 80  // lines; tables are exempt
	maxSettings = 25
)

// floors lists, from the ground up, what a package may stand on: the packages
// of its own floor's list and of every floor below. The longest matching
// prefix decides.
var floors = []struct {
	prefix string
	may    []string // module packages, by prefix
}{
	{"sayso", nil},
	{"sayso/internal/", []string{"sayso", "sayso/internal/"}},
	{"sayso/internal/rules", []string{"sayso"}},
	{"sayso/car/catalogue", []string{"sayso"}},
	{"sayso/car/dialect", []string{"sayso", "sayso/car/catalogue", "sayso/car/dialect"}},
	{"sayso/car/definition", []string{"sayso"}},
	{"sayso/protocol/abi", []string{"sayso"}},
	{"sayso/protocol/chain", []string{"sayso", "sayso/internal/"}},
	{"sayso/protocol/chain/devchain", []string{"sayso", "sayso/internal/", "sayso/protocol/chain"}},
	{"sayso/owner/registry", []string{"sayso", "sayso/internal/"}},
	{"sayso/owner/document", []string{"sayso"}},
	{"sayso/owner/attest", []string{"sayso", "sayso/internal/", "sayso/protocol/chain"}},
	{"sayso/owner/document/shelf", []string{"sayso", "sayso/internal/", "sayso/owner/", "sayso/protocol/chain"}},
	{"sayso/owner/consent", []string{"sayso", "sayso/car/catalogue", "sayso/owner/document", "sayso/owner/registry"}},
	{"sayso/owner/token", []string{"sayso", "sayso/internal/", "sayso/owner/", "sayso/protocol/chain"}},
	{"sayso/protocol/follow", []string{"sayso", "sayso/owner/registry", "sayso/protocol/chain"}},
	{"sayso/protocol/wallet", []string{"sayso", "sayso/owner/registry", "sayso/protocol/"}},
	{"sayso/protocol/relay", []string{"sayso", "sayso/internal/", "sayso/protocol/abi", "sayso/protocol/chain"}},
	{"sayso/car/door", []string{"sayso", "sayso/internal/", "sayso/car/catalogue", "sayso/car/dialect", "sayso/car/door", "sayso/owner/"}},
	{"sayso/client", []string{"sayso", "sayso/internal/clock", "sayso/client", "sayso/owner/registry", "sayso/protocol/chain"}},
	{"sayso/client/device", []string{"sayso", "sayso/internal/clock"}},
	{"sayso/car/replay", []string{"sayso", "sayso/internal/clock", "sayso/car/catalogue", "sayso/client/device"}},
	{"sayso/sim", []string{"sayso", "sayso/internal/clock", "sayso/client/device"}},
	{"sayso/node/vault", []string{"sayso", "sayso/internal/", "sayso/car/catalogue"}},
	{"sayso/node/vault/naive", []string{"sayso", "sayso/internal/clock", "sayso/node/vault"}},
	{"sayso/node/ask", []string{"sayso", "sayso/internal/", "sayso/car/catalogue", "sayso/car/dialect", "sayso/car/door", "sayso/car/definition", "sayso/owner/", "sayso/node/vault", "sayso/node/ask"}},
	{"sayso/node/backup", []string{"sayso", "sayso/internal/"}},
	{"sayso/node/erasure", []string{"sayso", "sayso/internal/", "sayso/owner/", "sayso/node/vault"}},
	{"sayso/node/operator", []string{"sayso"}},
	{"sayso/node/watch", []string{"sayso", "sayso/internal/", "sayso/car/catalogue", "sayso/owner/", "sayso/node/vault"}},
	{"sayso/node/agent", []string{"sayso", "sayso/internal/reply", "sayso/internal/clock"}},
	{"sayso/node", []string{"sayso", "sayso/"}},
	{"sayso/cmd/", []string{"sayso", "sayso/"}},
	{"sayso/stories", []string{"sayso", "sayso/"}},
	{"sayso/bench", []string{"sayso", "sayso/"}},
}

type listed struct {
	ImportPath, Dir, Doc string
	Imports              []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func allowed(pkg, imported string) bool {
	best := -1
	for i, f := range floors {
		match := pkg == f.prefix || strings.HasPrefix(pkg, strings.TrimSuffix(f.prefix, "/")+"/")
		if match && f.prefix != "sayso" && (best < 0 || len(f.prefix) > len(floors[best].prefix)) || pkg == f.prefix {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	if strings.HasPrefix(imported, pkg+"/") {
		return true // what lies below a package is its own
	}
	for _, may := range floors[best].may {
		if imported == may || (may != "sayso" && strings.HasPrefix(imported, strings.TrimSuffix(may, "/")+"/")) {
			return true
		}
	}
	return false
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			ours := imported == "sayso" || strings.HasPrefix(imported, "sayso/")
			if ours && !allowed(p.ImportPath, imported) {
				t.Errorf("%s must not import %s: see the floors in this test and ARCHITECTURE.md", p.ImportPath, imported)
			}
			if p.ImportPath == "sayso" && strings.Contains(imported, ".") && imported != "golang.org/x/crypto/sha3" {
				t.Errorf("the root package must not import %s", imported)
			}
			heavy := strings.HasPrefix(imported, "github.com/ethereum/go-ethereum/") && slices.Contains([]string{"node", "eth", "core", "miner"}, strings.Split(imported, "/")[3])
			if heavy && !strings.HasPrefix(p.ImportPath, "sayso/protocol/") && imported != "github.com/ethereum/go-ethereum/core/types" {
				t.Errorf("%s must not import %s: only protocol/chain/devchain runs a chain", p.ImportPath, imported)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && !onlyTests(p.Dir) {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func onlyTests(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	return !slices.ContainsFunc(files, func(f string) bool { return !strings.HasSuffix(f, "_test.go") })
}

// goFiles walks the hand-written Go of the module.
func goFiles(t *testing.T, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin", "tools"}, d.Name()) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		visit(path, set, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	goFiles(t, func(path string, set *token.FileSet, file *ast.File) {
		lines := set.Position(file.End()).Line
		if lines > maxFile {
			t.Errorf("%s has %d lines, over %d", path, lines, maxFile)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := set.Position(f.Pos()).Line, set.Position(f.End()).Line
			if n := to - from + 1 - tableLines(set, f); n > maxFunction {
				t.Errorf("%s:%d: %s has %d lines, over %d", path, from, f.Name.Name, n, maxFunction)
			}
		}
	})
}

// tableLines counts the lines of composite literals, the tables of a function.
func tableLines(set *token.FileSet, f *ast.FuncDecl) int {
	n := 0
	ast.Inspect(f, func(x ast.Node) bool {
		lit, ok := x.(*ast.CompositeLit)
		if ok {
			n += set.Position(lit.End()).Line - set.Position(lit.Pos()).Line
		}
		return !ok
	})
	return n
}

func TestOnlyTheClockReadsTheClock(t *testing.T) {
	goFiles(t, func(path string, set *token.FileSet, file *ast.File) {
		if strings.Contains(path, "internal/clock/") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/bench/") {
			return
		}
		ast.Inspect(file, func(x ast.Node) bool {
			s, ok := x.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" && pkg.Obj == nil && slices.Contains([]string{"Now", "Since", "Until"}, s.Sel.Name) {
				t.Errorf("%s: time.%s: take a clock.Clock instead", set.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
	})
}

func TestNoStateInPackages(t *testing.T) {
	goFiles(t, func(path string, set *token.FileSet, file *ast.File) {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions: what is needed is handed over", set.Position(f.Pos()))
			}
		}
	})
}

func TestSettingsStayFew(t *testing.T) {
	n := reflect.TypeFor[node.Config]().NumField()
	if n > maxSettings {
		t.Errorf("a node has %d settings, over %d", n, maxSettings)
	}
}

package rules

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named finds the names of tests, packages, stories and contract tests.
var named = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`|\\b((?:car|owner|node|protocol|internal|client|sim|bench)(?:/[a-z0-9]+)+)\\b|(stories/[a-z-]+)(?:\\.txtar)?|\\b([A-Za-z0-9]+\\.t\\.sol)\\b")

// What the pages say is shown by a test, is: the package has a test of that
// name. A row names a package and then its tests; where it names none, that of
// the row above.
func TestPagesNameTestsThatExist(t *testing.T) {
	tests := testsOfPackages(t)
	there := func(page string, line int, what, file string) {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("%s:%d: there is no %s", page, line, what)
		}
	}
	for _, page := range []string{"docs/threats.md", "docs/compat.md"} {
		count, pkg := 0, ""
		for i, line := range lines(t, page) {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				switch {
				case m[2] != "":
					pkg = m[2]
				case m[3] != "":
					there(page, i+1, "story "+m[3], m[3]+".txtar")
				case m[4] != "":
					there(page, i+1, "contract test "+m[4], "protocol/contracts/test/"+m[4])
				default:
					count++
					if !tests[pkg+" "+m[1]] {
						t.Errorf("%s:%d: %s has no test %s", page, i+1, pkg, m[1])
					}
				}
			}
		}
		if count < 10 {
			t.Errorf("%s names %d tests", page, count)
		}
	}
}

// What is said to be compatible has a test beside it, or says "not yet".
func TestCompatibleMeansTested(t *testing.T) {
	rows := 0
	for i, line := range lines(t, "docs/compat.md") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "--") || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "covered by" }) {
			continue
		}
		rows++
		shown := false
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			shown = shown || m[2] == "" // a package alone shows nothing
		}
		if notYet := strings.Contains(line, "not yet"); !shown && !notYet {
			t.Errorf("docs/compat.md:%d names no test and does not say that it is not yet there: %s", i+1, line)
		}
	}
	if rows < 50 {
		t.Errorf("docs/compat.md has %d rows", rows)
	}
}

// testsOfPackages has "package TestName" for every test.
func testsOfPackages(t *testing.T) map[string]bool {
	tests := map[string]bool{}
	goFiles(t, func(path string, _ *token.FileSet, file *ast.File) {
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(path, "_test.go") {
				tests[filepath.ToSlash(dir)+" "+f.Name.Name] = true
			}
		}
	})
	return tests
}

func lines(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

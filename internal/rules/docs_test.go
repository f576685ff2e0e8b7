package rules

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the pages say is shown by a test, is: the package has a test of that
// name. A row names a package and then its tests; where it names none, that of
// the row above.
func TestPagesNameTestsThatExist(t *testing.T) {
	tests := map[string]bool{}
	goFiles(t, func(path string, _ *token.FileSet, file *ast.File) {
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(path, "_test.go") {
				tests[filepath.ToSlash(dir)+" "+f.Name.Name] = true
			}
		}
	})
	word := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`|\\b((?:car|owner|node|protocol|internal|client|sim)(?:/[a-z0-9]+)+)\\b|(stories/[a-z-]+)(\\.txtar)?")
	for _, page := range []string{"docs/threats.md", "docs/compat.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		named, pkg := 0, ""
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range word.FindAllStringSubmatch(line, -1) {
				switch {
				case m[2] != "":
					pkg = m[2]
				case m[3] != "":
					if _, err := os.Stat(filepath.Join(root, m[3]+".txtar")); err != nil {
						t.Errorf("%s:%d: there is no story %s", page, i+1, m[3])
					}
				default:
					named++
					if !tests[pkg+" "+m[1]] {
						t.Errorf("%s:%d: %s has no test %s", page, i+1, pkg, m[1])
					}
				}
			}
		}
		if named < 10 {
			t.Errorf("%s names %d tests", page, named)
		}
	}
}

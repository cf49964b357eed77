package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// O1: nothing that ships serves http.DefaultServeMux, on which packages put
// handlers of their own when they are imported, as net/http/pprof does.
func TestO1NoDefaultServeMux(t *testing.T) {
	forbidden := []string{"DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"}
	servers := 0
	for _, dir := range []string{".", "../cmd/sluice"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if fromHTTP(n) && slices.Contains(forbidden, n.Sel.Name) {
						t.Errorf("%s: http.%s serves, or fills, the default mux", set.Position(n.Pos()), n.Sel.Name)
					}
				case *ast.CompositeLit:
					if sel, ok := n.Type.(*ast.SelectorExpr); ok && fromHTTP(sel) && sel.Sel.Name == "Server" {
						servers++
						if !slices.ContainsFunc(n.Elts, isHandler) {
							t.Errorf("%s: without a Handler a server takes the default mux", set.Position(n.Pos()))
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if servers != 1 {
		t.Errorf("%d http.Servers, want the admin listener's: does this test look at the right thing?", servers)
	}
}

func fromHTTP(sel *ast.SelectorExpr) bool {
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == "http"
}

func isHandler(e ast.Expr) bool {
	kv, ok := e.(*ast.KeyValueExpr)
	if !ok {
		return false
	}
	id, ok := kv.Key.(*ast.Ident)
	return ok && id.Name == "Handler"
}

package gateway_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"sluice/gateway/config"
)

var update = flag.Bool("update", false, "write the generated part of docs/security.md anew")

// securityPage is where the table stands.
const securityPage = "../docs/security.md"

// The generated parts of the page stand between these lines.
const (
	tableBegin = "<!-- requirements: made by go test ./gateway -run TestRequirements -update -->"
	tableEnd   = "<!-- end of requirements -->"
	fuzzBegin  = "<!-- fuzz targets: made by go test ./gateway -run TestRequirements -update -->"
	fuzzEnd    = "<!-- end of fuzz targets -->"
)

// A proof is a test that names a requirement.
type proof struct{ test, file string }

// TestRequirements fails when a requirement has no test that names it, when a
// test names one that there is not, and when docs/security.md says something else.
//
// A test names the requirements that it holds in its doc comment ("C3, C4: what
// is not …", "(W10)"), in its name (TestL8Churn), or in the name of a row of its
// table ("C4: both", "5.5/W2 ping of 126", "too big (W3)").
func TestRequirements(t *testing.T) {
	proofs, fuzz := scanTests(t)
	for id, list := range proofs {
		if !slices.ContainsFunc(requirements(), func(r requirement) bool { return r.id == id }) {
			t.Errorf("%s names %s, which is no requirement: see requirements_table_test.go", list[0].test, id)
		}
	}
	var table strings.Builder
	table.WriteString("| | what a node does | by default | shown by |\n|---|---|---|---|\n")
	for _, r := range requirements() {
		list := proofs[r.id]
		if len(list) == 0 {
			t.Errorf("no test names %s (%s): a test that holds it says so in its doc comment, as \"%s: …\"", r.id, r.defence, r.id)
			continue
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", r.id, r.defence, defaults(t, r), links(list))
	}
	var targets strings.Builder
	for _, f := range fuzz {
		fmt.Fprintf(&targets, "- %s\n", link(f))
	}

	page, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(page), tableBegin, tableEnd, table.String())
	want = between(t, want, fuzzBegin, fuzzEnd, targets.String())
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatal("docs/security.md is not what the tests say: go test ./gateway -run TestRequirements -update writes it anew; read the difference")
	}
	if err := os.WriteFile(securityPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between puts text between two lines of the page.
func between(t *testing.T, page, begin, end, text string) string {
	t.Helper()
	head, rest, ok := strings.Cut(page, begin+"\n")
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/security.md has no %s", begin)
	}
	return head + begin + "\n" + text + end + tail
}

// defaults are the values of the requirement's keys, as the configuration has them.
func defaults(t *testing.T, r requirement) string {
	var list []string
	for _, key := range r.keys {
		value, ok := lookup(t, key)
		if !ok {
			t.Errorf("%s: there is no key %s", r.id, key)
			continue
		}
		shown := strings.NewReplacer("listeners.0.endpoints.0.", "endpoint ", "listeners.0.", "listener ").Replace(key)
		list = append(list, fmt.Sprintf("`%s: %v`", shown, value))
	}
	if r.fixed != "" {
		list = append(list, r.fixed)
	}
	return strings.Join(list, ", ")
}

// lookup is the default of a key.
func lookup(t *testing.T, key string) (value any, ok bool) {
	t.Helper()
	if err := yaml.Unmarshal(config.Default().YAML(), &value); err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(key, ".") {
		switch v := value.(type) {
		case map[string]any:
			value, ok = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if ok = err == nil && i < len(v); ok {
				value = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

// links name the first tests, and how many more there are.
func links(list []proof) string {
	const most = 3
	var b []string
	for _, p := range list[:min(most, len(list))] {
		b = append(b, link(p))
	}
	if n := len(list) - most; n > 0 {
		b = append(b, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(b, ", ")
}

func link(p proof) string { return fmt.Sprintf("[%s](../%s)", p.test, p.file) }

// An id, and a list of them: "C3", "C3, C4", "C3, W1 and W10".
const (
	anID   = `[CWLTAOBD][1-9]\d?`
	idList = anID + `(?:(?:, | and )` + anID + `)*`
)

var (
	// inComment finds lists that say what a test holds: "C3, C4: what is not sound",
	// "TestX holds C8", "TestX: C3, W1 and W10, by a table", "TestX: T12: a record",
	// "(C3)". One that is mentioned in passing is none of them.
	inComment = regexp.MustCompile(`^(?:(?:Test|Fuzz)\w+: )(` + idList + `)\b|(?:^|[.;] )(` + idList + `):|\bholds (` + idList + `)\b|\((` + idList + `)\)`)
	inList    = regexp.MustCompile(anID)
	inName    = regexp.MustCompile(`^(?:Test|Fuzz)([CWLTAOBD][1-9]\d?)[A-Z]|[a-z]([CWLTAOBD][1-9]\d?)$`)
	// inRow finds "C4: both", "W3 at the limit", "5.5/W2 ping", "too big (W3)".
	inRow = regexp.MustCompile(`^(?:\d[\d.]*/)?([CWLTAOBD][1-9]\d?)[: ]|\(([CWLTAOBD][1-9]\d?)\)`)
)

// scanTests reads all test files of the module. What it returns is sorted.
func scanTests(t *testing.T) (proofs map[string][]proof, fuzz []proof) {
	t.Helper()
	proofs = map[string][]proof{}
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(d.Name(), "_test.go") || strings.HasPrefix(d.Name(), "requirements_") {
			return nil
		}
		// What needs a tag is not run by make check, and shows nothing to it.
		if runs, err := build.Default.MatchFile(filepath.Dir(path), d.Name()); err != nil || !runs {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			p := proof{f.Name.Name, filepath.ToSlash(name)}
			if strings.HasPrefix(p.test, "Fuzz") {
				fuzz = append(fuzz, p)
			}
			for _, id := range named(f) {
				if !slices.Contains(proofs[id], p) {
					proofs[id] = append(proofs[id], p)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	byFile := func(a, b proof) int { return strings.Compare(a.file+" "+a.test, b.file+" "+b.test) }
	for _, list := range proofs {
		slices.SortFunc(list, byFile)
	}
	slices.SortFunc(fuzz, byFile)
	return proofs, fuzz
}

// named are the requirements that a test names.
func named(f *ast.FuncDecl) (ids []string) {
	take := func(re *regexp.Regexp, s string) {
		for _, m := range re.FindAllStringSubmatch(s, -1) {
			for _, list := range m[1:] {
				ids = append(ids, inList.FindAllString(list, -1)...)
			}
		}
	}
	take(inName, f.Name.Name)
	if f.Doc != nil {
		text := strings.ReplaceAll(f.Doc.Text(), "\n", " ")
		take(inComment, text)
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) == 0 {
			return true
		}
		if s, ok := lit.Elts[0].(*ast.BasicLit); ok && s.Kind == token.STRING {
			if text, err := strconv.Unquote(s.Value); err == nil {
				take(inRow, text)
			}
		}
		return true
	})
	return ids
}

// TestNamed shows what counts as naming a requirement, and what does not.
func TestNamed(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"// C3, C4: what is not sound.\nfunc TestX(t *testing.T) {}", "C3 C4"},
		{"// It is so (W10).\nfunc TestX(t *testing.T) {}", "W10"},
		{"// TestX holds L1, L2 and T10 together.\nfunc TestX(t *testing.T) {}", "L1 L2 T10"},
		{"// TestX: C3, W1 and W10, by a table.\nfunc TestX(t *testing.T) {}", "C3 W1 W10"},
		{"// TestX: T12: a record.\nfunc TestX(t *testing.T) {}", "T12"},
		{"// O9: not from everyone; O8: nobody is trusted.\nfunc TestX(t *testing.T) {}", "O9 O8"},
		{"// It looks like C3, and C4 and T1, but is not.\nfunc TestX(t *testing.T) {}", ""},
		{"// As C3 asks, and unlike T1.\nfunc TestX(t *testing.T) {}", ""},
		{"func TestL8Churn(t *testing.T) {}", "L8"},
		{"func TestSecretO4(t *testing.T) {}", "O4"},
		{"func TestA(t *testing.T) { _ = []row{{\"5.5/W2 ping\", 1}, {\"C4: both\", 2}, {\"big (W3)\", 3}, {\"no W5\", 4}} }", "W2 C4 W3"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", "package x\n\n"+c.source, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(named(file.Decls[0].(*ast.FuncDecl)), " ")
		if got != c.want {
			t.Errorf("%s\nnames %q, want %q", c.source, got, c.want)
		}
	}
}

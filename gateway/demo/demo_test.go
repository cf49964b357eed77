package demo

import (
	"regexp"
	"strings"
	"testing"
)

const sizeLimit = 40 << 10 // bytes

func TestPageIsOneSmallDocument(t *testing.T) {
	page := string(Page())
	if len(page) >= sizeLimit {
		t.Errorf("the page has %d bytes, want less than %d", len(page), sizeLimit)
	}
	if !strings.HasPrefix(page, "<!doctype html>") {
		t.Error("the page does not start with its doctype")
	}
	if strings.Contains(page, "{{") {
		t.Error("a placeholder is left in the page")
	}
	for _, tag := range []string{"<script", "</script>", "<style>", "</style>"} {
		if n := strings.Count(page, tag); n != 1 {
			t.Errorf("%q stands %d times in the page, want once", tag, n)
		}
	}
}

// TestPageAsksForNothingElse: every address in the page is a namespace or the
// admin listener in the curl line.
func TestPageAsksForNothingElse(t *testing.T) {
	page := string(Page())
	known := map[string]bool{
		"http://www.w3.org/2000/svg":        true,
		"http://127.0.0.1:8081/api/publish": true,
	}
	for _, address := range regexp.MustCompile("(?:https?:)?//[a-z0-9][^\\s'\"`<>%]*[.:][^\\s'\"`<>]*").FindAllString(page, -1) {
		if !known[strings.TrimRight(address, "/")] {
			t.Errorf("the page names %q", address)
		}
	}
	if found := regexp.MustCompile(`\s(?:src|srcset|action|ping)=|@import|\burl\(|\bimport\s*[({'"]`).FindString(page); found != "" {
		t.Errorf("the page loads something: %q", found)
	}
}

// TestPageWritesTextOnly: what arrives from a channel cannot become markup.
func TestPageWritesTextOnly(t *testing.T) {
	page := string(Page())
	for _, sink := range []string{
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setHTML",
		"createContextualFragment", "DOMParser", "srcdoc", "eval(", "new Function", "javascript:",
	} {
		if strings.Contains(page, sink) {
			t.Errorf("the page uses %s", sink)
		}
	}
	if found := regexp.MustCompile(`<[^>]*\s(on[a-z]+|style)=`).FindString(page); found != "" {
		t.Errorf("the policy would refuse the inline attribute in %q", found)
	}
}

func TestPolicyCoversWhatIsServed(t *testing.T) {
	page := string(Page())
	for _, part := range []struct{ directive, pattern string }{
		{"script-src", `(?s)<script type="module">(.*)</script>`},
		{"style-src", `(?s)<style>(.*)</style>`},
	} {
		content := regexp.MustCompile(part.pattern).FindStringSubmatch(page)[1]
		want := part.directive + " '" + digest(content) + "'"
		if !strings.Contains(page, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
}

// TestPageIsTheCallers: a caller that changes its copy changes no other's.
func TestPageIsTheCallers(t *testing.T) {
	first := Page()
	want := string(first)
	clear(first)
	if got := string(Page()); got != want {
		t.Error("Page returned shared bytes")
	}
}

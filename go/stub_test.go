package crutils

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"strings"
	"testing"
)

// api returns the exported functions and methods of the files that are built with or without cgo.
func api(t *testing.T, cgo bool) map[string]bool {
	t.Helper()
	build := build.Default
	build.GOOS, build.CgoEnabled = "linux", cgo
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]bool{}
	for _, file := range files {
		if is, err := build.MatchFile(".", file.Name()); !is || err != nil || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			function, is := declaration.(*ast.FuncDecl)
			if !is || !function.Name.IsExported() {
				continue
			}
			function.Body = nil
			if function.Recv != nil {
				function.Recv.List[0].Names = nil
			}
			var text bytes.Buffer
			if err := printer.Fprint(&text, token.NewFileSet(), function); err != nil {
				t.Fatal(err)
			}
			functions[text.String()] = true
		}
	}
	return functions
}

func TestWithoutCgoThereAreTheSameFunctions(t *testing.T) {
	with, without := api(t, true), api(t, false)
	for function := range with {
		if !without[function] {
			t.Error("without cgo there is no ", function)
		}
	}
	for function := range without {
		if !with[function] {
			t.Error("with cgo there is no ", function)
		}
	}
	if len(with) < 50 {
		t.Error(len(with))
	}
}

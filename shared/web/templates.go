package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed templates/*.html
var shared embed.FS

const (
	errorPage      = "error.html"
	lastResortPage = "last_resort.html"
)

// templates are the pages of a site by file name. Each is parsed when it is first shown:
// a function that has just started shows one of many.
type templates map[string]func() (*template.Template, error)

// ParseTemplates returns the templates in the folder "templates" of pages by file name,
// each with the layout and the parts. The shared error page is among them.
func ParseTemplates(pages fs.FS) (map[string]*template.Template, error) {
	each, err := findTemplates(pages)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*template.Template, len(each))
	for name, parse := range each {
		if all[name], err = parse(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func findTemplates(pages fs.FS) (templates, error) {
	layout, err := template.ParseFS(shared, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(pages, "templates/*.html")
	if err != nil {
		return nil, err
	}
	if layout, err = addParts(layout, pages, files); err != nil {
		return nil, err
	}
	all := templates{}
	for _, f := range files {
		if !isPart(f) {
			all[path.Base(f)] = sync.OnceValues(func() (*template.Template, error) { return addPage(layout, pages, f) })
		}
	}
	all[errorPage] = sync.OnceValues(func() (*template.Template, error) { return addPage(layout, shared, "templates/"+errorPage) })
	return all, nil
}

func isPart(file string) bool { return strings.HasPrefix(path.Base(file), "_") }

func addParts(layout *template.Template, pages fs.FS, files []string) (*template.Template, error) {
	for _, f := range files {
		if !isPart(f) {
			continue
		}
		if _, err := layout.ParseFS(pages, f); err != nil {
			return nil, err
		}
	}
	return layout, nil
}

func addPage(layout *template.Template, pages fs.FS, file string) (*template.Template, error) {
	t, err := layout.Clone()
	if err != nil {
		return nil, err
	}
	if _, err := t.ParseFS(pages, file); err != nil {
		return nil, err
	}
	for _, name := range []string{"title", "main"} {
		if t.Lookup(name) == nil {
			return nil, fmt.Errorf("web: page %s does not define %q", file, name)
		}
	}
	return t, nil
}

// lastResort renders the page for when not even an error page can be rendered. It
// needs nothing else: no style sheet, no layout, no store.
func lastResort(s School) ([]byte, error) {
	t, err := template.ParseFS(shared, "templates/"+lastResortPage)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	err = t.Execute(&buf, s)
	return buf.Bytes(), err
}

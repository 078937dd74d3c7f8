//go:build ignore

// Leaves out packages that the sandbox does not need, so that a program is built in much less time: each package under
// left-out takes the place of the module's own of that path. It runs in the directory of the program's go.mod, and makes
// it use copies of those modules.
package main

import (
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const leftOut = "left-out"

func main() {
	packages := map[string]bool{}
	check(filepath.WalkDir(leftOut, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			packages[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), leftOut+"/")] = true
		}
		return err
	}))
	list := []string{"list", "-f", "{{.ImportPath}} {{.Module.Path}} {{.Module.Dir}}"}
	for name := range maps.Keys(packages) {
		list = append(list, name)
	}
	for line := range strings.Lines(run("go", list...)) {
		words := strings.Fields(line)
		name, module, original := words[0], words[1], words[2]
		// Go lets nobody change its own copy.
		replacement := filepath.Join("modules", module)
		if _, err := os.Stat(replacement); os.IsNotExist(err) {
			check(os.CopyFS(replacement, os.DirFS(original)))
			run("go", "mod", "edit", "-replace", module+"=./"+filepath.ToSlash(replacement))
		}
		dir := filepath.Join(replacement, strings.TrimPrefix(name, module))
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		check(err)
		for _, file := range files {
			check(os.Remove(file))
		}
		check(os.CopyFS(dir, os.DirFS(filepath.Join(leftOut, name))))
	}
}

func run(program string, args ...string) string {
	command := exec.Command(program, args...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	check(err)
	return string(output)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

//go:build ignore

// Makes the two files that the plugin embeds, as the module's own build does: its schema with the plugin's version, and its
// mapping. The module has their sources, not the files themselves.
package main

import (
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/pulumi/pulumi-kubernetes/provider/v4"

func main() {
	listed, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	check(err)
	sources := filepath.Join(strings.TrimSpace(string(listed)), "cmd", "pulumi-resource-kubernetes")

	text, err := os.ReadFile(filepath.Join(sources, "schema.json"))
	check(err)
	schema := map[string]json.RawMessage{}
	check(json.Unmarshal(text, &schema))
	schema["version"], err = json.Marshal(os.Getenv("VERSION"))
	check(err)
	text, err = json.Marshal(schema)
	check(err)
	check(os.WriteFile("schema-embed.json", text, 0o644))

	text, err = os.ReadFile(filepath.Join(sources, "terraform-mapping.json"))
	check(err)
	check(os.WriteFile("terraform-mapping-embed.json", text, 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

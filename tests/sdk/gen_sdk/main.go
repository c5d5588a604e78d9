// Generate the SDK of a Pulumi schema: gen-sdk SCHEMA LANGUAGE DIRECTORY.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// noOtherPackages is the loader of a schema without references to other packages.
type noOtherPackages struct{ schema.Loader }

func main() {
	if err := generate(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(file, language, directory string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	pkg, err := schema.ImportSpec(spec, nil, noOtherPackages{}, schema.ValidationOptions{})
	if err != nil {
		return err
	}
	var files map[string][]byte
	if language == "go" {
		files, err = gogen.GeneratePackage("gen-sdk", pkg, nil)
	} else {
		files, err = nodejs.GeneratePackage("gen-sdk", pkg, nil, nil, true, nil)
	}
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

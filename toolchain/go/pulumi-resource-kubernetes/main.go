// Serves Pulumi's provider of Kubernetes resources, as its own main package does.
//
// That package embeds a schema, which is generated and therefore in no Go module. Programs need no more of it than the
// provider's name and version; languages other than those that bring their own SDK would.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

const name = "kubernetes"

func main() {
	schema := fmt.Sprintf(`{"name":%q,"version":%q}`, name, version.Version)
	provider.Serve(name, version.Version, []byte(schema), []byte("{}"))
}

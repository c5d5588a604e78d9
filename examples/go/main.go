// The tracing of a mesh.
package main

import (
	consultracing "example.com/pulumi-consul-tracing/sdk/go/consultracing"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		host := config.New(ctx, "").Get("collector")
		if host == "" {
			host = "zipkin.example.com"
		}
		mesh, err := consultracing.NewMeshTracing(ctx, "mesh", &consultracing.MeshTracingArgs{
			Collector: &consultracing.CollectorArgs{Host: pulumi.String(host)},
			Sampling:  &consultracing.SamplingArgs{Random: pulumi.Float64Ref(1.0)},
			Services: map[string]consultracing.ServiceArgs{
				"web":      {Protocol: "http"},
				"payments": {Protocol: "grpc"},
			},
		})
		if err != nil {
			return err
		}
		ctx.Export("bootstrapHash", mesh.BootstrapHash)
		ctx.Export("services", mesh.Services)
		return nil
	})
}

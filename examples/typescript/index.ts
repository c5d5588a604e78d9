import * as pulumi from "@pulumi/pulumi";
import { MeshTracing } from "@pulumi/consul-tracing";

const config = new pulumi.Config();

const mesh = new MeshTracing("mesh", {
    collector: { host: config.get("collector") ?? "zipkin.example.com", connectTimeoutMs: 1000 },
    sampling: { random: 1.0 },
    services: {
        web: { protocol: "http", serviceDefaults: { LocalRequestTimeoutMs: 5000 }, tracing: { sampling: 10 } },
        payments: { protocol: "grpc" },
    },
});

export const bootstrapHash = mesh.bootstrapHash;
export const proxyAnnotations = mesh.proxyAnnotations;
export const services = mesh.services;

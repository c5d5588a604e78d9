Kind = "proxy-defaults"
Name = "global"
Config {
  envoy_extra_static_clusters_json = <<EOF
{
  "connect_timeout": "3.000s",
  "dns_lookup_family": "V4_ONLY",
  "lb_policy": "ROUND_ROBIN",
  "load_assignment": {
    "cluster_name": "collector_cluster_name",
    "endpoints": [
      {
        "lb_endpoints": [
          {
            "endpoint": {
              "address": {
                "socket_address": {
                  "address": "zipkin.service.consul",
                  "port_value": 9412,
                  "protocol": "TCP"
                }
              }
            }
          }
        ]
      }
    ]
  },
  "name": "collector_cluster_name",
  "type": "STRICT_DNS"
}
EOF
  envoy_tracing_json = <<EOF
{
  "http": {
    "name": "envoy.tracers.zipkin",
    "typedConfig": {
      "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
      "collector_cluster": "collector_cluster_name",
      "collector_endpoint_version": "HTTP_JSON",
      "collector_endpoint": "/api/v2/spans",
      "shared_span_context": false
    }
  }
}
EOF
}

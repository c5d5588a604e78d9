# Registration of batch on a VM: its proxy creates no spans. The block `proxy` is the output of
#   consul-tracing render --args mesh.yaml --as registration --service batch
service {
  name = "batch"
  port = 8080

  connect {
    sidecar_service {
      proxy {
        config {
          envoy_listener_tracing_json = "{\"@type\":\"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing\",\"client_sampling\":{\"value\":100},\"overall_sampling\":{\"value\":100},\"random_sampling\":{\"value\":0}}"
          envoy_tracing_json          = "{}"
        }
      }
    }
  }
}

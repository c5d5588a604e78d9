resource "consul_config_entry" "service_defaults_db" {
  kind = "service-defaults"
  name = "db"

  config_json = jsonencode({
    Expose           = {}
    MeshGateway      = {}
    TransparentProxy = {}
    Protocol         = "tcp"
  })
}

resource "consul_config_entry" "service_defaults_web" {
  kind = "service-defaults"
  name = "web"

  config_json = jsonencode({
    Expose                = {}
    MeshGateway           = {}
    TransparentProxy      = {}
    LocalRequestTimeoutMs = 5
    Protocol              = "http"
  })
}

resource "consul_config_entry" "proxy_defaults_global" {
  kind = "proxy-defaults"
  name = "global"

  config_json = jsonencode({
    AccessLogs = {
      Enabled = true
    }
    Expose = {}
    MeshGateway = {
      Mode = "local"
    }
    TransparentProxy = {}
    Config = {
      envoy_prometheus_bind_addr = "0.0.0.0:9102"
      envoy_extra_static_clusters_json = jsonencode({
        connect_timeout   = "3.000s"
        dns_lookup_family = "V4_PREFERRED"
        load_assignment = {
          cluster_name = "tracing_collector"
          endpoints = [{
            lb_endpoints = [{
              endpoint = {
                address = {
                  socket_address = {
                    address    = "otel.example.com"
                    port_value = 4317
                  }
                }
              }
            }]
          }]
        }
        name = "tracing_collector"
        transport_socket = {
          name = "envoy.transport_sockets.tls"
          typed_config = {
            "@type" = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
            common_tls_context = {
              alpn_protocols = ["h2"]
              validation_context = {
                match_typed_subject_alt_names = [{
                  matcher = {
                    exact = "otel.example.com"
                  }
                  san_type = "DNS"
                }]
                trusted_ca = {
                  filename = "/etc/ssl/ca.pem"
                }
              }
            }
            sni = "otel.example.com"
          }
        }
        type = "STRICT_DNS"
        typed_extension_protocol_options = {
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" = {
            "@type" = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
            explicit_http_config = {
              http2_protocol_options = {}
            }
          }
        }
      })
      envoy_listener_tracing_json = jsonencode({
        "@type" = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing"
        client_sampling = {
          value = 100
        }
        custom_tags = [
          {
            literal = {
              value = "a \"$${b}\" %%{c}"
            }
            tag = "price"
          },
          {
            environment = {
              default_value = "none"
              name          = "ZONE"
            }
            tag = "zone"
          },
        ]
        overall_sampling = {
          value = 100
        }
        random_sampling = {
          value = 100
        }
      })
      envoy_tracing_json = jsonencode({
        http = {
          name = "envoy.tracers.opentelemetry"
          typed_config = {
            "@type" = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
            grpc_service = {
              envoy_grpc = {
                authority    = "otel.example.com"
                cluster_name = "tracing_collector"
              }
              initial_metadata = [{
                key   = "x-tenant"
                value = "a"
              }]
              timeout = "3.000s"
            }
            resource_detectors = [{
              name = "envoy.tracers.opentelemetry.resource_detectors.environment"
              typed_config = {
                "@type" = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"
              }
            }]
            sampler = {
              name = "envoy.tracers.opentelemetry.samplers.parent_based"
              typed_config = {
                "@type" = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig"
                wrapped_sampler = {
                  name = "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based"
                  typed_config = {
                    "@type" = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig"
                    sampling_percentage = {
                      denominator = "TEN_THOUSAND"
                      numerator   = 29
                    }
                  }
                }
              }
            }
            service_name = "mesh"
          }
        }
      })
      protocol = "http"
    }
  })

  depends_on = [
    consul_config_entry.service_defaults_db,
    consul_config_entry.service_defaults_web,
  ]
}

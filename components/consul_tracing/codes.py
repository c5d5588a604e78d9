"""The codes of errors and warnings, each with its cause, its fix and the address of its documentation."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple

DOCUMENTATION = "https://consul-tracing.github.io/consul-tracing/"
"""The address of the documentation, as in pyproject.toml."""

SOURCE = "https://github.com/consul-tracing/consul-tracing"
"""The address of the repository, as in pyproject.toml. The package is on no index."""

SITE = f"{DOCUMENTATION}latest/"
"""The address of the pages of the latest release."""


class Code(NamedTuple):
    """The documentation of a code."""

    title: str
    cause: str
    fix: str


CODES: dict[str, Code] = {
    "CT101": Code(
        "Inputs are invalid",
        "One or more inputs of a component, or of a stack's `consul-tracing:mesh`, cannot work. Nothing is registered.",
        "Change each input that the message lists by its path.",
    ),
    "CT103": Code(
        "A dependency is not installed",
        "`target: kubernetes` and `ZipkinCollector` require the extra `consul-tracing[kubernetes]`, the command line "
        "`consul-tracing[cli]`.",
        "Run the command of the message.",
    ),
    "CT201": Code(
        "Entries are unmanaged",
        "The live entry has no ownership metadata: it was written by hand, by Terraform or by another tool, and "
        "`existing` is `refuse`.",
        "Set `existing: adopt` to preserve the fields of other owners, or import the entry and set "
        "`existing: overwrite`.",
    ),
    "CT202": Code(
        "Entries are managed by another stack",
        "The ownership metadata of the live entry names another stack.",
        "Declare the entry in one of the two programs only. For a stack that no longer exists, run the command of the "
        "message, which removes the metadata, and set `existing: adopt`.",
    ),
    "CT203": Code(
        "Entries are managed by consul-k8s",
        "consul-k8s reverts each write to an entry that it manages.",
        "Set `target: kubernetes`.",
    ),
    "CT204": Code(
        "The static clusters of an entry are not valid",
        "`envoy_extra_static_clusters_json` of the live entry is not a list of JSON objects with unique names. "
        "Proxies do not start with it, or read other clusters than those that are preserved.",
        "Fix the value, or set `existing: overwrite`.",
    ),
    "CT205": Code(
        "The backend cannot be read",
        "Consul or Kubernetes is not reachable, or the token has no read permission. An `up` stops before it writes.",
        "Fix the connection or the permissions that the message shows, then run `pulumi up` again.",
    ),
    "CT206": Code(
        "An entry changed during the update",
        "Another writer changed the entry between the read and the write of this `up`, or it could not be read again.",
        "Run `pulumi up` again.",
    ),
    "CT207": Code(
        "The update could delete a declared entry",
        "The state of this stack holds the entry as another resource, which Pulumi would delete after the write. One "
        "such resource is taken over with an alias. That is not possible if there are several, if the program "
        "declares it too (two services swapped their names, or a raw resource beside the component), if it belongs to "
        "another provider (`target` changed), or if it may hold an entry of another mesh.",
        "Run the `pulumi state delete` commands of the message, which leave the live entry unchanged, then `pulumi up "
        "--refresh`.",
    ),
    "CT209": Code(
        "An entry of Consul's API blocks consul-k8s",
        "Consul has an entry of the same name that was written over its HTTP API. consul-k8s does not overwrite it.",
        "Set `target: consul`, or `migrate_entries: true` without another change.",
    ),
    "CT210": Code(
        "The cluster has a second ProxyDefaults",
        "A ProxyDefaults exists in another namespace. consul-k8s would write both to one entry.",
        "Set `namespace` to the namespace of the existing object.",
    ),
    "CT211": Code(
        "A tracing key cannot be removed",
        "Another field manager owns a tracing key that the update must remove. Server-side apply keeps such a key.",
        "Run the `kubectl patch` command of the message, then `pulumi up`.",
    ),
    "CT212": Code(
        "An object to overwrite is not imported",
        "`existing` is `overwrite`, and the state of this stack does not hold the whole object. The Kubernetes "
        "provider does not create an object that exists.",
        "Run the `pulumi import` commands of the message, then `pulumi up`.",
    ),
    "CT213": Code(
        "gateways: skip requires the collector's cluster",
        "Running proxies have no cluster `tracing_collector` yet and would reject the listener.",
        "Apply `gateways: join` first, restart every proxy, then apply `gateways: skip`.",
    ),
    "CT214": Code(
        "The cluster is not ready",
        "The cluster has no custom resources of consul-k8s, or no namespace for them, or the Kubernetes provider only "
        "renders YAML.",
        "Install consul-k8s, create the namespace, or name the resource that installs or creates it in `depends_on`.",
    ),
    "CT215": Code(
        "consul-k8s does not write an object",
        "Consul has an entry of the same name that consul-k8s does not manage (`ExternallyManagedConfigError`).",
        "Set `migrate_entries: true` without another change, set `target: consul`, or delete the entry.",
    ),
    "CT216": Code(
        "consul-k8s cannot migrate an entry",
        "The entry in Consul differs from the custom resource (`MigrationFailedError`): a declared field has another "
        "value, or the stack does not read Consul and does not declare all fields.",
        "Set `consul:address` to the Consul of the mesh, so that fields that are not declared are preserved. Declare "
        "the others with their value in Consul, run `pulumi up`, and change them afterwards.",
    ),
    "CT217": Code(
        "consul-k8s did not write an object in time",
        "The controller did not report `Synced=True` within `sync_timeout_seconds`.",
        "Check the controller, then run `pulumi up` again. Increase `sync_timeout_seconds` for a slow cluster.",
    ),
    "CT218": Code(
        "The new tracer breaks traces",
        "The tracer of the live entry and the new one have no common trace headers. Each proxy changes its tracer when "
        "it restarts, and until the last restart a trace breaks between two proxies with different headers.",
        'Change from Zipkin to OpenTelemetry over `tracer.zipkin.propagation: "b3+w3c"`, and restart every proxy after '
        "each step. Where incomplete traces do not matter, set `accept_broken_traces: true`.",
    ),
    "CT219": Code(
        "Other entries rely on a protocol",
        "A router, splitter, resolver, ingress gateway or intention needs the protocol that the update changes. Consul "
        "refuses each write after which such an entry does not work, and the `up` would not finish. It also refuses "
        "to change two services of one router, splitter or resolver one after the other.",
        "Change or remove the entries that the message lists, then run `pulumi up`. `default_protocol` changes all "
        "services without a protocol of their own in one write.",
    ),
    "CT220": Code(
        "Access logs cannot be written",
        "The live entry has an `AccessLogs.TextFormat` of another owner, and Consul refuses an entry with two formats. "
        "On Kubernetes also: the ProxyDefaults of consul-k8s before 1.0 have no field `accessLogs`, and the API server "
        "would drop it.",
        "Remove the text format where it is declared, or remove `access_logs` and add `%TRACE_ID%` to the text format. "
        "Upgrade consul-k8s with its custom resource definitions.",
    ),
    "CT301": Code(
        "A tracing key is not text",
        "The value is a map or a list. Consul expects JSON as text, and a proxy does not start with another value.",
        "Write the JSON as text: a heredoc in HCL, `|` in YAML, `jsonencode` inside of `jsonencode` in Terraform.",
    ),
    "CT302": Code(
        "A tracing key is not valid JSON",
        "The text is not JSON, is JSON of another type, or is escaped twice. Consul does not check it. Backslashes "
        "before quotes belong into JSON files and double quotes only: single-quoted YAML, `|` and heredocs need none.",
        "Correct the JSON.",
    ),
    "CT303": Code(
        "Static clusters end with a comma",
        "Consul inserts `envoy_extra_static_clusters_json` into a list, and no longer has valid JSON: `consul connect "
        "envoy` fails.",
        "Remove the last comma.",
    ),
    "CT304": Code(
        "A tracer has no type",
        "Envoy finds a tracer by the `@type` in `typed_config`. No proxy starts without it.",
        'Set `typed_config` with `"@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"`.',
    ),
    "CT305": Code(
        "Envoy does not have the tracer",
        "Envoy removed the tracers lightstep (1.24), dynamic_ot (1.32) and opencensus (1.33). No proxy starts with an "
        "unknown one.",
        "Use zipkin, opentelemetry, datadog, skywalking, xray or fluentd.",
    ),
    "CT306": Code(
        "A field or type belongs to Envoy's v2 API",
        "Envoy no longer reads `config`, `hosts`, `tls_context`, or types of the v2 API such as "
        "`envoy.config.trace.v2`. No proxy starts with them.",
        "Write `typed_config` with a type of `envoy.config.trace.v3`, or the field that the message names.",
    ),
    "CT307": Code(
        "A tracer has the name of Envoy's v2 API",
        "Envoy finds the tracer by its type and ignores the name, which other tools read.",
        "Use the name `envoy.tracers.zipkin`, or the like.",
    ),
    "CT308": Code(
        "A value does not match Envoy's message",
        "A field is unknown or required, or has a value that Envoy does not accept. A proxy does not start, or keeps "
        "its former listener.",
        "Correct the field.",
    ),
    "CT309": Code(
        "Static clusters are in brackets",
        "Consul inserts `envoy_extra_static_clusters_json` between the brackets of a list. Envoy accepts a list inside "
        "of the list, but programs that read the entry as documented do not, such as this package.",
        "Write one JSON object, or several separated by commas, without brackets.",
    ),
    "CT310": Code(
        "The cluster of the tracer does not exist",
        "The tracer names a cluster that `envoy_extra_static_clusters_json` does not contain. With Zipkin and Datadog, "
        "proxies start and reject every HTTP listener, so requests fail. With OpenTelemetry, all spans are lost.",
        "Add the cluster, or correct the name.",
    ),
    "CT311": Code(
        "The name of a cluster is not unique",
        "Two static clusters have one name, or the name of a cluster that Consul adds. No proxy starts with it.",
        "Rename the cluster, for example `tracing_collector`, in the cluster and in the tracer.",
    ),
    "CT312": Code(
        "The address of a cluster is not valid",
        "A cluster of type STATIC, Envoy's default, accepts IP addresses only. Other types accept a host name without "
        "scheme, port and path.",
        "Set `type: STRICT_DNS`, the host name in `address` and the port in `port_value`.",
    ),
    "CT313": Code(
        "A gRPC collector is not reached over HTTP/2",
        "The tracer sends spans over gRPC, and its cluster uses HTTP/1.1. All spans are lost.",
        "Set `http2_protocol_options` in `typed_extension_protocol_options`.",
    ),
    "CT314": Code(
        "Spans are sent to Zipkin's former path",
        "Envoy sends spans of the format v2. At `/api/v1/spans` Zipkin rejects them, and proxies lose them "
        "(hashicorp/consul-k8s#967).",
        "Set `collector_endpoint: /api/v2/spans`.",
    ),
    "CT315": Code(
        "Trace ids have 64 bits",
        "Applications with 128-bit trace ids, the default of OpenTelemetry, cannot join the traces.",
        "Set `trace_id_128bit: true`. Ignore the warning if all applications have 64-bit trace ids.",
    ),
    "CT316": Code(
        "TLS is not verified",
        "Envoy verifies a certificate only with `trusted_ca`, and its name only with a matcher. Anyone on the network "
        "can read the spans.",
        "Set `trusted_ca` and `match_typed_subject_alt_names` in `validation_context`.",
    ),
    "CT317": Code(
        "The collector is on localhost",
        "A loopback address is the own host of each proxy, or its own pod. Machines without a collector lose spans.",
        "Set the address of a shared collector, or run a collector on every machine.",
    ),
    "CT318": Code(
        "A sampling rate is a fraction",
        "The listener's rates are percentages. Consul cannot parse a fraction, logs a warning, and traces nothing.",
        'Write `{"value": 1}` for 1 %.',
    ),
    "CT319": Code(
        "Random sampling is not set",
        "The block replaces Consul's, and Envoy's default is 100 %: every request is traced.",
        'Set `random_sampling`, for example `{"value": 1}`.',
    ),
    "CT320": Code(
        "The tracer does not sample",
        "Without `envoy_listener_tracing_json` Consul sets random sampling to 0 %. Proxies trace only requests whose "
        "caller sampled them, and mark all others as not sampled, which disables tracing in applications "
        "(hashicorp/consul#8519, envoyproxy/envoy#38222).",
        "Add `envoy_listener_tracing_json` with all three sampling rates, as the line in the finding.",
    ),
    "CT321": Code(
        "A sampling rate is 0",
        "Proxies that sample nothing mark every request as not sampled (envoyproxy/envoy#38222). Rates are "
        "percentages, and Envoy rounds a rate below 0.01 % to 0.",
        "Increase the rate, or remove the tracing keys.",
    ),
    "CT322": Code(
        "The listener block has no type",
        "Consul reads `envoy_listener_tracing_json` as a protobuf `Any`. It cannot parse a block without `@type`, logs "
        "a warning, and traces nothing.",
        "Set `@type` to the type that the message names.",
    ),
    "CT323": Code(
        "A field requires a newer Envoy",
        "The oldest Envoy of the mesh (`--envoy-version`) does not have the field. It does not start, or keeps its "
        "former listener.",
        "Remove the field, or upgrade Envoy.",
    ),
    "CT324": Code(
        "A proxy-defaults entry is not named global",
        "Consul has one proxy-defaults entry, `global`, and rejects other names. Consul's documentation of protocols "
        "on Kubernetes uses the kind `ProxyDefaults` where `ServiceDefaults` is required.",
        "Set the name `global`. For the settings of one service, use the kind `ServiceDefaults` (`service-defaults`).",
    ),
    "CT325": Code(
        "A tracing key is misspelt",
        "Consul ignores keys of `Config` that it does not know.",
        "Correct the key.",
    ),
    "CT326": Code(
        "An entry contains a credential",
        "Every client of Consul can read config entries.",
        "Remove it. A proxy can read the credential of its collector from a file: set `collector.auth`.",
    ),
    "CT327": Code(
        "An entry has two writers",
        "Two programs write the entry and revert each other, or the last one wins.",
        "Declare the entry in one place only.",
    ),
    "CT328": Code(
        "Undeclared services are HTTP",
        "The default protocol of the mesh is HTTP, and services have no `service-defaults` entry. A service that is "
        "not HTTP stops working (hashicorp/consul#20064).",
        "Declare the protocol of each service.",
    ),
    "CT329": Code(
        "Gateways disable tracing behind them",
        "With a tracer in the bootstrap, an ingress or API gateway marks every request without trace context as not "
        "sampled, and all sidecars obey (hashicorp/consul#6645).",
        "Start the gateways with the arguments that `consul-tracing render --as gateway` prints. Where gateways cannot "
        "have arguments, restart all proxies with the static cluster, and then move the tracer from "
        "`envoy_tracing_json` to `provider` in `envoy_listener_tracing_json`.",
    ),
    "CT330": Code(
        "A value is not checked",
        "The value is an expression: a variable, a function or a template. Or the file is a template, or has a suffix "
        "that is not read, such as `.bak`.",
        "Nothing to do. Check the rendered entry, or the live one with `--consul` or `--kubernetes`.",
    ),
    "CT331": Code(
        "service-defaults contains tracing keys",
        "Consul has no tracing per service: `service-defaults` has no `Config` (hashicorp/consul#12040).",
        "Move the keys to proxy-defaults, or to the registration of one proxy.",
    ),
    "CT332": Code(
        "A protocol is unknown",
        "Consul rejects a service-defaults entry with an unknown protocol. In the configuration of proxies it takes "
        "one for tcp, which Envoy does not trace. There is no https: a sidecar adds and removes mutual TLS.",
        "Set http, http2 or grpc, which Envoy traces, or tcp.",
    ),
    "CT333": Code(
        "The bootstrap is replaced",
        "`envoy_bootstrap_json_tpl` replaces the bootstrap that contains the tracer.",
        "Remove the key, or add the tracer to the template.",
    ),
    "CT334": Code(
        "Sampling rates have no tracer",
        "`envoy_listener_tracing_json` sets rates, and neither it nor the bootstrap has a tracer.",
        "Set `envoy_tracing_json`.",
    ),
    "CT335": Code(
        "No service is HTTP",
        "Neither a `service-defaults` entry nor the default of the mesh declares http, http2 or grpc. Envoy does not "
        "trace tcp.",
        "Declare the protocol of the services that speak HTTP or gRPC. Others, such as databases, would stop working.",
    ),
    "CT336": Code(
        "A file cannot be read",
        "The file is not valid HCL, JSON or YAML.",
        "Correct the syntax at the line.",
    ),
    "CT337": Code(
        "OpenTelemetry has a sampling rate and no sampler",
        "The listener decides by `x-request-id`. Envoy 1.39 and newer apply the rate in each proxy again "
        "(envoyproxy/envoy#45830): traces break where applications pass on `traceparent` only, and the decision of a "
        "caller is not followed.",
        "Set `random_sampling` and `overall_sampling` to 100, and the rate in a `parent_based` sampler around "
        "`trace_id_ratio_based` (Envoy 1.35).",
    ),
    "CT338": Code(
        "The sampler of OpenTelemetry and the listener disagree",
        "A sampler other than `parent_based` decides again in each proxy. Envoy before 1.39 ignores the rate of the "
        "listener if the tracer has a sampler, and newer versions apply both.",
        "Set `random_sampling` and `overall_sampling` to 100, and the rate in a `parent_based` sampler around "
        "`trace_id_ratio_based`.",
    ),
    "CT339": Code(
        "Consul cannot parse a field of the listener",
        "Consul parses `envoy_listener_tracing_json` with its own copy of Envoy's messages: Consul 1.22.6 and 1.22.7 "
        "with those of Envoy 1.36, 1.21 to 1.22.5 with those of 1.32, 1.20 with those of 1.28. It drops a block with a "
        "newer field (`failed to parse ListenerTracingJSON config` in its log), and sampling is 0 %. It also drops a "
        "block with text for true or false, an enumeration in another case, or a single value for a list, which only "
        "Envoy parses.",
        "Remove the field, or update Consul. Write true and false, exact names, and lists.",
    ),
    "CT340": Code(
        "The port belongs to another protocol",
        "The port of the collector's cluster is the default port of another protocol, or of HTTPS in a cluster without "
        "TLS. The collector rejects the spans, and proxies lose them.",
        "Set the port of the tracer's protocol (Zipkin 9411, OTLP 4317 over gRPC and 4318 over HTTP, Datadog 8126), or "
        "the tracer of the port's protocol. Ignore the warning if the collector receives the tracer's protocol there.",
    ),
    "CT341": Code(
        "The X-Ray daemon has no valid address",
        "Envoy accepts a UDP address with an IP address and a port only. With a host name it ends with a segmentation "
        "fault, also a running proxy that receives the tracer in its listener.",
        "Set the IP address of the daemon (IPv6 in brackets), `protocol: UDP` and `port_value`.",
    ),
    "CT342": Code(
        "A listener is replaced",
        "The key replaces a listener of Consul, and `envoy_listener_tracing_json` does not reach it. Its HTTP "
        "connection manager has no `tracing` block, so its requests are not traced.",
        "Remove the key, or add a `tracing` block to each HTTP connection manager.",
    ),
    "CT343": Code(
        "The collector's address belongs to the mesh",
        "Proxies send spans outside of the mesh. They do not reach a virtual address, and a sidecar accepts mutual TLS "
        "only.",
        "Set the address of the collector itself, such as `zipkin.service.consul`.",
    ),
    "CT344": Code(
        "The collector's host has no namespace",
        "On Kubernetes, each pod looks for a name without a dot in the pod's own namespace. Proxies in other "
        "namespaces do not find the collector.",
        "Set the full name, such as `zipkin.observability.svc.cluster.local`.",
    ),
    "CT345": Code(
        "SkyWalking has no spans of upstream requests",
        "SkyWalking requires a span of each upstream request for a correct topology of the services (documentation of "
        "Envoy's `SkyWalkingConfig`).",
        "Set `spawn_upstream_span: true` in `envoy_listener_tracing_json`.",
    ),
    "CT346": Code(
        "Spans of OpenTelemetry have no service name",
        "The tracer has neither `service_name` nor a resource detector. The spans of all proxies belong to "
        "`unknown_service:envoy`.",
        "Add the resource detector of the environment to `resource_detectors` and start each proxy with "
        "`OTEL_RESOURCE_ATTRIBUTES=service.name=...`, or set `service_name`, which in `proxy-defaults` is one name for "
        "all proxies.",
    ),
    "CT348": Code(
        "The collector's cluster has no endpoint",
        "The cluster has no endpoint, or an endpoint with port 0. Envoy starts with it, and loses all spans.",
        "Set `load_assignment` with the address and the port of the collector.",
    ),
    "CT349": Code(
        "Envoy rejects the entry",
        "`lint --with-envoy` has validated a bootstrap with the tracing keys of the entry, and Envoy rejected it. No "
        "proxy of this version starts, or each one keeps its former listeners.",
        "Correct what Envoy's message names.",
    ),
    "CT350": Code(
        "A tracing key is not read",
        "A file contains a tracing key in a place that `lint` does not read, or in text with an error. The value is "
        "not checked, and Consul may not read it either.",
        "Write a config entry, a custom resource or the configuration of a proxy. Where another program writes the "
        "entry, check its output, or the live entry with `--consul` or `--kubernetes`.",
    ),
    "CT351": Code(
        "A kind or API version is unknown",
        "Consul refuses an entry with another kind, such as `ProxyDefaults`, which is the kind of the custom resource. "
        "Kubernetes refuses an object with another kind or API version.",
        "Write the kind that the message names: `proxy-defaults` for Consul, `ProxyDefaults` with "
        "`consul.hashicorp.com/v1alpha1` for Kubernetes.",
    ),
    "CT352": Code(
        "A field is unknown",
        "Consul refuses an entry with an unknown field, or with a map in the place of a text. Kubernetes removes an "
        "unknown field, often without a message.",
        "Correct the name, or move the field to the place that the message names.",
    ),
    "CT353": Code(
        "Consul cannot parse the file",
        "Consul reads HCL 1. `consul config write` refuses what Terraform and Nomad accept: words without quotes, "
        "single quotes, `:`, expressions, functions such as `jsonencode`, and `null`.",
        "Write literal values. JSON text is written as a heredoc.",
    ),
    "CT354": Code(
        "A key is set more than once",
        "Consul keeps the last value of a key in `Config`. Of keys that differ in their case only, it uses the one in "
        "lower case. Without that, each start of a proxy may use another one.",
        "Keep one of them, in lower case.",
    ),
    "CT355": Code(
        "consul-k8s ignores the annotation of a pod",
        "The annotation `consul.hashicorp.com/proxy-config-map` must be text with one JSON object. With another value, "
        "consul-k8s starts the pod and registers the proxy without it: the proxy has the configuration of "
        "proxy-defaults, and only the log of consul-k8s has the reason. A key that Consul does not know has no effect.",
        'Write one JSON object with the keys of `Config`, whose JSON is text: `\'{"envoy_tracing_json": "{…}"}\'`.',
    ),
    "CT356": Code(
        "A registration has a tracer with other trace headers",
        "Proxies without a common format of trace headers cannot continue each other's traces: they break at this "
        'proxy. Zipkin has `x-b3-*`, with `propagation: "b3+w3c"` also `traceparent`, which OpenTelemetry and Datadog '
        "have.",
        "Use the tracer of proxy-defaults, or one with a common format.",
    ),
    "CT357": Code(
        "The tracer of a registration has no effect",
        "Consul keeps the tracer of proxy-defaults if `envoy_tracing_json` is an empty text or null. Envoy prefers the "
        "tracer in `envoy_listener_tracing_json`, which `gateways: skip` sets.",
        "To trace nothing, set `envoy_tracing_json` to the text `{}`. To inherit the tracer, remove the key.",
    ),
    "CT358": Code(
        "A proxy without a tracer still decides about sampling",
        "A proxy marks the request id (`x-request-id`) as sampled at the rate of its listener, also without a tracer. "
        "Proxies behind it trace these requests, whatever their own rate is.",
        "Set `envoy_listener_tracing_json` in its registration too, with `random_sampling` 0.",
    ),
    "CT359": Code(
        "A registration has no sampler",
        "The tracer of a registration replaces that of proxy-defaults, with its sampler. The listener samples 100 %: "
        "this proxy starts a trace for each request that has no trace context.",
        "Add the sampler of proxy-defaults, or one with another rate.",
    ),
    "CT360": Code(
        "Pulumi's Consul provider drops a field",
        "The live entry has a field that Pulumi's Consul provider 3.15 neither reads nor writes, such as "
        "`MaxRequestHeadersKB` of service-defaults. Each write of the entry removes the field, also with "
        "`existing: adopt`, and no preview shows it.",
        "Do not declare this service in a stack with `target: consul`, or set the field again after each update. With "
        "`target: kubernetes` no field is dropped.",
    ),
    "CT390": Code(
        "An ignore has no effect",
        "A comment `consul-tracing: ignore=` names a code that the file does not have or that does not exist, or has "
        "another form.",
        "Remove the code from the comment, or write `# consul-tracing: ignore=CT317 reason`.",
    ),
    "CT401": Code(
        "A proxy has no tracer or an old one",
        "A proxy reads its tracer and its collector only when it starts. This one started before `proxy-defaults` or "
        "its registration had the current ones, or its registration disables tracing.",
        "Restart the proxy. If `proxy-defaults/global` has no tracer either, run `pulumi up` first. If its "
        "registration has an `envoy_tracing_json` without a tracer, remove it.",
    ),
    "CT402": Code(
        "The cluster of the tracer is unknown",
        "The tracer names a cluster that the proxy does not have. The proxy rejects the listener "
        "(`unknown cluster`) and keeps the former one.",
        "Restart the proxy if `envoy_extra_static_clusters_json` contains the cluster. Otherwise add it, or correct "
        "its name in the tracer.",
    ),
    "CT403": Code(
        "The collector cannot be reached",
        "The proxy has spans and cannot connect to the collector: connections fail, its name has no address, TLS "
        "fails, or the collector does not respond in time.",
        "Start the collector, or correct `collector.host`, `collector.port` and `collector.tls`, and restart the "
        "proxies. If it does not respond in time, read its log and check its load.",
    ),
    "CT404": Code(
        "The collector rejects spans",
        "The collector responds, but not with status 202, and the proxy drops the spans: a wrong path, missing "
        "credentials, a rate limit, or an overloaded storage.",
        "Apply the fix of the message, which depends on the status of the response.",
    ),
    "CT405": Code(
        "The request is not sampled",
        "Random sampling is 0 % or low and the request has no trace context that the proxy reads, or its caller marked "
        "it as not sampled.",
        "Increase `sampling.random`, remove the header that the message names, or verify with a trace context "
        "(`--propagation`).",
    ),
    "CT406": Code(
        "A gateway disables sampling",
        "Consul sets random sampling of gateways to 0 %. A gateway with a tracer marks each request without trace "
        "context as not sampled, and all proxies follow (hashicorp/consul#6645).",
        "Start the gateway with `gateway_envoy_args`, or set `gateways: skip`.",
    ),
    "CT407": Code(
        "A listener was rejected",
        "Envoy rejected the listener with the settings in Consul. The proxy uses the former settings, which do not "
        "trace the request, or has no listener.",
        "Correct the field of `envoy_listener_tracing_json` that the message names. Without any listener, the field "
        "may be one of an Envoy extension or an escape hatch.",
    ),
    "CT408": Code(
        "An application does not continue the trace",
        "The application of a service does not pass the trace headers on, calls the next service past its sidecar, or "
        "does not call it. The counters of the sidecar show which: a sidecar cannot connect an outgoing request with "
        "the incoming one, and starts another trace without the headers.",
        "Copy the trace headers from each incoming request to the outgoing ones in the application. Call services at "
        "the addresses of the upstreams of the sidecar. Leave a service that is not called out of `--expect`.",
    ),
    "CT409": Code(
        "A service is not HTTP for its proxy",
        "The service has no HTTP protocol in Consul. Its proxy forwards connections and does not parse requests.",
        "If the service speaks HTTP or gRPC, declare its protocol in `services`. If not, such as a database, leave it "
        "out of `--expect`: it cannot have spans, and with an HTTP protocol all its connections fail at once.",
    ),
    "CT410": Code(
        "The trace store is down or another one",
        "The trace store does not respond, requires authentication or is another program, or proxies or an application "
        "send their spans to another one.",
        "Start the store, set `--store` to the store of the collector, give its credentials (`--store-token-file`, "
        "`--store-auth-file` or `--store-header`), or send all spans to one store.",
    ),
    "CT411": Code(
        "The request does not reach a service",
        "The request has no response, a proxy responded with an error, an application responded with an error before "
        "it called the next service, or Consul routes a call to another service. The message shows where it ended.",
        "Fix the request, or correct `--expect`, then verify the trace.",
    ),
    "CT412": Code(
        "A proxy samples again what is sampled",
        "The OpenTelemetry tracer of Envoy 1.39 and newer applies the sampling rate of the listener to all requests, "
        "also to those with a sampled trace context (envoyproxy/envoy#45830). Traces break where applications pass on "
        "`traceparent` only.",
        'Set `envoy_version: "1.35"` or newer, run `pulumi up`, and restart every proxy: the rate is then in the '
        "sampler of the tracer.",
    ),
    "CT413": Code(
        "The request id decides against sampling",
        "Envoy decides by the first 8 hexadecimal digits of `x-request-id`. It never samples other ids, such as "
        "`order-4711` or ULIDs, and counts their requests as `not_traceable`. All UUIDs of version 7 of 65.5 seconds "
        "share a decision.",
        "Leave out the header, or create ids that start with 8 random hexadecimal digits, such as UUIDs of version 4.",
    ),
    "CT414": Code(
        "Consul did not parse the tracing block",
        "Consul parses `envoy_listener_tracing_json` with its own copy of Envoy's messages. With a field that it does "
        "not know, it drops the whole block: the listeners of all proxies sample 0 %. Requests with a sampled trace "
        "context are traced all the same.",
        "Remove the field that the message names. `consul-tracing lint` finds such fields before they are written.",
    ),
    "CT415": Code(
        "An escape hatch replaces the listener",
        "`envoy_public_listener_json` replaces the public listener of a proxy, and `envoy_listener_tracing_json` does "
        "not reach it. Without a tracing block of its own, the listener reports no span.",
        "Add the block as `tracing` to the HTTP connection manager of the listener, or remove the key.",
    ),
    "CT416": Code(
        "Another protocol at the port of the collector",
        "The collector accepts connections, but its port requires TLS, is that of a sidecar, or serves another "
        "protocol than the one of the tracer, such as OTLP over gRPC instead of Zipkin.",
        "Set `collector.tls`, exclude the collector from the mesh, or correct `collector.port` or the `transport` of "
        "the tracer, and restart the proxies.",
    ),
    "CT417": Code(
        "The collector may refuse spans over gRPC",
        "The proxy sent spans with OTLP over gRPC, and the trace store has none of them. The collector refused them "
        "(`Unimplemented`, `PermissionDenied`, `ResourceExhausted`), or it belongs to another store. Envoy counts both "
        "as sent, with status 200, so that no counter shows the difference.",
        "Read the log of the collector, or that of the proxy with the log level `debug` of `tracing`, or set "
        "`tracer.opentelemetry.transport: http`. If nothing is refused, set `--store` to the store of the collector.",
    ),
    "CT418": Code(
        "Spans do not have the names of their services",
        "The OpenTelemetry and Datadog tracers take the service name from the environment or the registration of the "
        "proxy. Without it, the spans of all proxies have the name in the tracer, or `unknown_service:envoy`.",
        "Start each proxy with its variables of the output `proxy_environment`, or annotate its pods with those of "
        "`proxy_annotations`. See docs/guides/per-service.md.",
    ),
    "CT419": Code(
        "The URL does not enter the mesh at the expected proxy",
        "The public listener of a sidecar accepts mTLS connections of other proxies only, and closes those of other "
        "clients. A request to another upstream, or past the proxies, does not pass the first service of --expect.",
        "Send the request to the local port of an upstream in the sidecar of the caller, or to a gateway.",
    ),
    "CT420": Code(
        "A proxy leaves a trace header of its caller",
        "The Zipkin tracer of Envoy before 1.40 writes its context to `x-b3-*` and leaves the single header `b3` of "
        "the caller unchanged. Each tracer leaves the headers that only other tracers read. The next proxy, and "
        "applications that prefer this header, take the wrong parent: the spans of the trace are siblings, and no call "
        "has the span of the called service.",
        "Send `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled` instead of `b3`, or use Envoy 1.40 or newer. Give all "
        "proxies tracers with common headers.",
    ),
    "CT421": Code(
        "A called service has no span",
        "A proxy reported a call to a service of the mesh, and no proxy reported that it received the call. The facts "
        "that could be read do not show the cause: a proxy without a tracer, another trace store, or another "
        "datacenter. If the registration of the called service disables tracing, the message names it.",
        "Give `--admin` for each proxy of the service, and check its proxies with `consul-tracing stale`.",
    ),
    "CT422": Code(
        "A service of --expect does not exist",
        "Consul has no service with this name, so no proxy reports its spans.",
        "Correct the name in --expect. For a service of another namespace or partition, set `CONSUL_NAMESPACE` or "
        "`CONSUL_PARTITION`.",
    ),
    "CT423": Code(
        "A proxy cannot read the credential of its collector",
        "The file of `collector.auth` is missing on the host of the proxy, the proxy has no permission to read it, or "
        "it has no value in one line of ASCII text. The proxy sends its spans without it, or with the former one.",
        "Put the file on the host (`render --as sds` prints it). Kubernetes: mount it into the sidecar with "
        "`consul.hashicorp.com/consul-sidecar-user-volume` and `-user-volume-mount`. The proxy reads it within two "
        "seconds, without a restart.",
    ),
    "CT501": Code(
        "Entries are adopted",
        "The entries were unmanaged. The message lists the fields that are preserved, replaced and removed.",
        "Nothing to do if the listed changes are intended.",
    ),
    "CT502": Code(
        "Entries are overwritten",
        "`existing` is `overwrite`. The message names the former owner and the fields that are replaced and removed.",
        "Set `existing: adopt`, or keep the entry in one program only, if this is not intended.",
    ),
    "CT503": Code(
        "Fields of other owners change",
        "This stack declares a field with another value than its owner, or removes a tracing key of another owner.",
        "Remove the field from the inputs if this is not intended.",
    ),
    "CT504": Code(
        "Entries are released",
        "`release: true`, or `enabled: false` in an entry in which this stack declares no other field.",
        "Nothing to do. Another stack can adopt the entry.",
    ),
    "CT505": Code(
        "Entries stay after a destroy",
        "The entries contain fields of other owners, which a deletion would remove.",
        "To remove tracing before `pulumi destroy`, set `enabled: false` and run `pulumi up`. Such an entry keeps the "
        "metadata of its owner: for another stack, also set `release: true`.",
    ),
    "CT506": Code(
        "Entries changed outside of Pulumi",
        "The live entry differs from Pulumi's state: it was changed or deleted by hand or by another tool.",
        "`pulumi up --refresh` restores the declared values.",
    ),
    "CT507": Code(
        "Proxies must restart",
        "A proxy reads its tracer, with the sampler of OpenTelemetry, and its static clusters only when it starts.",
        "Restart every proxy after the update. `consul-tracing stale` lists those that must restart: a proxy whose "
        "registration has the changed keys itself keeps its own. So first give pods the new output "
        "`proxy_annotations`, and render such registrations again.",
    ),
    "CT508": Code(
        "The preview is incomplete",
        "The backend cannot be read. The preview does not show fields of other owners, and `pulumi up` stops if it "
        "still cannot read the backend.",
        "None if this update creates what is missing: `pulumi up` waits for the provider, and for the resources that "
        "the component or a parent names in `depends_on`. Otherwise run the preview on a machine that can reach the "
        "backend.",
    ),
    "CT509": Code(
        "Services become HTTP",
        "`default_protocol` makes proxies parse services as HTTP for which no protocol is declared. A service that is "
        "not HTTP stops working (hashicorp/consul#20064).",
        "Add those that are not HTTP to `tcp_services`, and declare the HTTP services in `services`.",
    ),
    "CT510": Code(
        "Running proxies keep their tracer",
        "`enabled: false` takes effect in a proxy when it restarts.",
        "Restart every proxy after the update.",
    ),
    "CT511": Code(
        "No service is HTTP",
        "Neither this component nor another stack declares a service as http, http2 or grpc. Envoy does not trace tcp.",
        "Declare the services that speak HTTP or gRPC in `services`. Others, such as databases, would stop working.",
    ),
    "CT512": Code(
        "Spans have no service name",
        "Neither `tracer.opentelemetry.service_name` nor `resource_attributes` contains a service name. A proxy whose "
        "environment does not contain its name (`OTEL_RESOURCE_ATTRIBUTES`) reports `unknown_service:envoy`.",
        "Start each proxy with its variables from the output `proxy_environment`, or annotate its pods with those of "
        "`proxy_annotations`. Set `service_name` for the other proxies.",
    ),
    "CT513": Code(
        "The collector is on localhost",
        "`collector.host` is a loopback address: the own host of each proxy, on Kubernetes its own pod. Proxies "
        "without a collector beside them lose their spans.",
        "Set the address of a shared collector. If a collector runs beside every proxy, set "
        "`collector.per_host: true`.",
    ),
    "CT514": Code(
        "The bootstrap is replaced",
        "`proxy_config.envoy_bootstrap_json_tpl` replaces the bootstrap that contains the tracer.",
        "Remove the key, or add the tracer to the template.",
    ),
    "CT515": Code(
        "Sampling 0 disables tracing in applications",
        "Proxies that sample nothing mark every request as not sampled (envoyproxy/envoy#38222).",
        "Set `enabled: false` to remove tracing from the proxies only.",
    ),
    "CT516": Code(
        "Client sampling is rounded",
        "Envoy rounds `sampling.client` down to a whole number.",
        "Set a whole number.",
    ),
    "CT517": Code(
        "A field of a static cluster is unknown",
        "This version of consul-tracing does not know the field. A proxy does not start with a field that its Envoy "
        "does not support.",
        "Correct the name, or ignore the warning if the field exists in the Envoy of all proxies.",
    ),
    "CT518": Code(
        "A field is not written",
        "Pulumi's Consul provider 3.15 does not support the field.",
        "Set `target: kubernetes`, or set the field outside of Pulumi after each update.",
    ),
    "CT519": Code(
        "The sampling rate is very low",
        "`sampling.random` is below 0.1 %. Rates are percentages: 0.05 is one request in 2,000.",
        "For 5 %, set 5. Ignore the warning if the rate is intended.",
    ),
    "CT520": Code(
        "Zipkin keeps spans in memory",
        "Zipkin loses all spans when its pod restarts.",
        "Set `storage.elasticsearch` or `storage.cassandra` to keep them.",
    ),
    "CT521": Code(
        "Spans may exceed Zipkin's memory",
        "`storage.memory.max_spans` spans of Envoy may not fit into the heap.",
        "Reduce `max_spans`, or increase `resources.memory_limit`.",
    ),
    "CT522": Code(
        "The storage password is not encrypted",
        "`storage.elasticsearch.hosts` uses http.",
        "Use https.",
    ),
    "CT523": Code(
        "The certificate of the storage is not verified",
        "`storage.elasticsearch.verify_certificate` is false.",
        "Set `trust_store` to the authorities of the certificate.",
    ),
    "CT524": Code(
        "The ingress exposes the endpoint for spans",
        "`ingress.path` includes more than the user interface.",
        "Set `ingress.path: /zipkin`.",
    ),
    "CT525": Code(
        "A service name is not supported by OpenTelemetry",
        "Envoy's OpenTelemetry tracer cannot read a name with a comma or an equals sign from its environment. Its "
        "spans have the name in `tracer.opentelemetry.service_name`, or `unknown_service:envoy` if it is not set.",
        "Use `tracer.zipkin`, another name of the service, or another `services.<name>.tracing.service_name`. On "
        "Kubernetes the output `proxy_annotations` supports such a name.",
    ),
    "CT526": Code(
        "Zipkin is reachable from outside of the cluster",
        "`service.type` is NodePort or LoadBalancer, and `network_policy` is not set. Everyone who can connect to the "
        "address can read and write spans, because Zipkin has no authentication.",
        "Set `network_policy` with the address ranges of the clients, or `service.annotations` for an internal load "
        "balancer. With an internal load balancer, ignore the warning.",
    ),
    "CT527": Code(
        "The port belongs to another protocol",
        "`collector.port` is the default port of another protocol than the tracer's, or of HTTPS without "
        "`collector.tls`. The collector rejects the spans, and proxies lose them.",
        "Remove `collector.port`, set it to the port of the tracer's protocol, or set the tracer of the port's "
        "protocol. Ignore the warning if the collector receives the tracer's protocol at this port.",
    ),
    "CT528": Code(
        "The collector's host has no namespace",
        "On Kubernetes, each pod looks for a name without a dot in the pod's own namespace. Proxies in other "
        "namespaces do not find the collector.",
        "Set the full name, such as `zipkin.observability.svc.cluster.local`.",
    ),
    "CT529": Code(
        "A listener is replaced",
        "`envoy_public_listener_json` in `proxy_config`, or `EnvoyListenerJSON` in the upstreams of a service, "
        "replaces a listener of Consul. `sampling`, `spans` and `tags` do not reach it, and its HTTP connection "
        "manager has no `tracing` block, so its requests are not traced.",
        "Remove the key, or add a `tracing` block to each HTTP connection manager.",
    ),
    "CT530": Code(
        "The collector's address belongs to the mesh",
        "`collector.host` is a name such as `zipkin.virtual.consul` or `zipkin.connect.consul`, or a virtual address. "
        "Proxies send spans outside of the mesh: they do not reach a virtual address, and a sidecar accepts mutual TLS "
        "only.",
        "Set the address of the collector itself, such as `zipkin.service.consul` or, on Kubernetes, "
        "`zipkin.observability.svc.cluster.local`, and keep it out of the mesh.",
    ),
    "CT531": Code(
        "Consul must be 1.22.6 or newer",
        "With `gateways: skip` the tracer is in `envoy_listener_tracing_json`. Consul parses it with its own copy of "
        "Envoy's messages, which before 1.22.6 has no sampler and no W3C option of Zipkin. It then drops the block: "
        "sampling is 0 %.",
        "Update Consul, or set `gateways: join`. Ignore the warning if all servers are new enough.",
    ),
    "CT532": Code(
        "Running proxies sample all requests until they restart",
        "With OpenTelemetry and Envoy 1.35 or newer, the rate is in the sampler of the tracer, which a proxy reads at "
        "startup, and the listener samples 100 %. The listener reaches running proxies immediately.",
        "Restart the proxies that start traces first: gateways, and sidecars of clients. The rate is right as soon as "
        "these have restarted.",
    ),
    "CT533": Code(
        "Other entries rely on a protocol, and Consul may refuse the update",
        "A router, splitter, resolver, ingress gateway or intention needs a protocol that the update changes or "
        "removes. This stack manages that entry too, or another component may declare the service.",
        "Change or remove the entries that the message lists before the protocol. Ignore the warning if the update "
        "does so, or if another component declares the service.",
    ),
    "CT534": Code(
        "Protocols of services change",
        "Consul gives the new protocols to running proxies immediately. A service that does not speak HTTP stops "
        "working as http, http2 or grpc, and Envoy does not trace tcp. A service that is no longer declared gets the "
        "default of `proxy-defaults`, or tcp.",
        "Declare each service with the protocol that it speaks. Ignore a service that another component of the program "
        "now declares.",
    ),
    "CT535": Code(
        "Declared services are not in the catalog",
        "A new entry is for a service without an instance in Consul's catalog: the service is not registered yet, or "
        "its name is misspelt. The message compares the name with the services that are not declared.",
        "Correct a misspelt name. Otherwise nothing to do: the entry takes effect when the service is registered.",
    ),
    "CT536": Code(
        "A destroy deletes declared fields of the mesh",
        "Tracing is disabled, and the stack still declares other fields of `proxy-defaults`, such as those of an "
        "entry that `consul-tracing import` read. `pulumi destroy` deletes what the stack declares.",
        "To keep the entry, set `release: true` and run `pulumi up` before `pulumi destroy`. Nothing to do if the "
        "fields are to be deleted, or if the stack is not to be removed.",
    ),
    "CT537": Code(
        "The credential is sent in plain text",
        "`collector.auth` is set without `collector.tls`, and the collector is not on the host of the proxy. Everyone "
        "on the network between them can read the credential.",
        "Set `collector.tls`. Ignore the warning if the network is trusted.",
    ),
    "CT601": Code(
        "The command could not run",
        "An option of `consul-tracing` is missing or invalid, or a file, Consul, a cluster or a proxy cannot be read.",
        "Change the option, the file or the access that the message names.",
    ),
    "CT602": Code(
        "HCL cannot express a value",
        "Consul reads the value in HCL as another value.",
        "Render JSON, which `consul config write` accepts too.",
    ),
    "CT603": Code(
        "The settings do not express a part of an entry",
        "`consul-tracing import` read a field that no input of `MeshTracing` expresses, or a value that is unknown, "
        "such as a variable of Terraform. The message names its place, and the value that the stack would write. "
        "`collector.host` is left out if the stack would remove or change tracing that cannot be read: Pulumi rejects "
        "the stack file until you have completed it.",
        "Complete the stack file: replace unknown values, and set `collector.host`. Accept other differences, or keep "
        "managing the entry outside of the stack.",
    ),
    "CT604": Code(
        "An input is assumed",
        "`consul-tracing import` wrote an `envoy_version` that no entry contains: the oldest Envoy that supports the "
        "imported tracing.",
        "Set `envoy_version` to the oldest Envoy of the mesh, and read the preview: the tracer may change with it.",
    ),
}


def pages_of(codes: Iterable[str]) -> list[str]:
    """Return a line with the address of the documentation for each code, below a list of messages."""
    return [f"{code}: {page_of(code)}" for code in sorted(set(codes))]


def install_command(extra: str) -> str:
    """Return the command that installs this version with an extra."""
    return f'pip install "consul-tracing[{extra}] @ git+{SOURCE}@v{version("consul-tracing")}"'


def page_of(code: str) -> str:
    """Return the address of the documentation of a code."""
    return f"{SITE}reference/{'lint' if code.startswith('CT3') else 'messages'}/#{code.lower()}"

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
	"google.golang.org/protobuf/types/known/structpb"
)

// newClient returns a client with the settings of the provider, which take precedence over the environment. The client
// itself reads the variables of Consul's command line, such as CONSUL_HTTP_ADDR and CONSUL_NAMESPACE.
func newClient(settings properties) (*api.Client, error) {
	config := api.DefaultConfig()
	config.Scheme = cmp.Or(os.Getenv("CONSUL_HTTP_SCHEME"), config.Scheme)
	for _, known := range []struct {
		setting, variable string
		value             *string
	}{
		{"address", "CONSUL_ADDRESS", &config.Address},
		{"token", "CONSUL_TOKEN", &config.Token},
		{"scheme", "CONSUL_SCHEME", &config.Scheme},
		{"datacenter", "", &config.Datacenter},
		{"caFile", "CONSUL_CA_FILE", &config.TLSConfig.CAFile},
		{"caPath", "", &config.TLSConfig.CAPath},
		{"certFile", "CONSUL_CERT_FILE", &config.TLSConfig.CertFile},
		{"keyFile", "CONSUL_KEY_FILE", &config.TLSConfig.KeyFile},
		{"version", "", new(string)}, // Of the engine, like the next one.
		{"pluginDownloadURL", "", new(string)},
	} {
		*known.value = cmp.Or(settings[known.setting], os.Getenv(known.variable), *known.value)
		delete(settings, known.setting)
	}
	if unknown := slices.Sorted(maps.Keys(settings)); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: not supported by this stand-in", strings.Join(unknown, ", "))
	}
	return api.NewClient(config)
}

// entry decodes configJson into the Go struct of its kind, which drops the fields that the struct does not have.
func entry(program properties) (api.ConfigEntry, error) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(program["configJson"]), &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("failed to unmarshal configMap: %w", cmp.Or(err, errors.New("null is not an object")))
	}
	if slices.Contains([]string{api.APIGateway, api.HTTPRoute, api.TCPRoute}, program["kind"]) {
		delete(fields, "Status") // Consul writes it.
	}
	fields["kind"], fields["name"] = program["kind"], program["name"]
	fields["Namespace"], fields["Partition"] = program["namespace"], program["partition"]
	found, err := api.DecodeConfigEntry(fields)
	return found, during(err, "failed to decode config entry")
}

// sameConfig compares values of configJson. One that cannot be decoded, such as an unknown one, differs.
func sameConfig(state, program properties) bool {
	earlier := maps.Clone(program)
	earlier["configJson"] = state["configJson"]
	before, beforeError := entry(earlier)
	after, afterError := entry(program)
	return beforeError == nil && afterError == nil && reflect.DeepEqual(before, after)
}

// write overwrites an entry unconditionally and returns the live entry.
func (p *provider) write(ctx context.Context, program properties) (properties, error) {
	body, err := entry(program)
	if err != nil {
		return nil, err
	}
	options := &api.WriteOptions{Namespace: program["namespace"], Partition: program["partition"]}
	if _, _, err := p.consul.ConfigEntries().Set(body, options.WithContext(ctx)); err != nil {
		return nil, during(err, "failed to set '%s' config entry", program["name"])
	}
	state, err := p.read(ctx, program)
	return state, during(err, "failed to read config entry")
}

// read returns the live entry as the state of a resource.
func (p *provider) read(ctx context.Context, address properties) (properties, error) {
	options := &api.QueryOptions{Namespace: address["namespace"], Partition: address["partition"]}
	if address["kind"] == api.ExportedServices && address["name"] != "default" {
		options.Partition = address["name"] // The name of this kind is the partition.
	}
	live, _, err := p.consul.ConfigEntries().Get(address["kind"], address["name"], options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// Decoded JSON can be encoded, so these calls do not fail.
	config, _ := json.Marshal(live)
	var fields map[string]any
	json.Unmarshal(config, &fields)
	for _, field := range []string{"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex"} {
		delete(fields, field)
	}
	config, _ = json.Marshal(fields)
	state := maps.Clone(address)
	state["id"], state["configJson"] = address["kind"]+"-"+address["name"], string(config)
	return state, nil
}

func (p *provider) getConfigEntry(ctx context.Context, address properties) (*structpb.Struct, error) {
	state, err := p.read(ctx, address)
	if err != nil {
		return nil, during(err, "failed to read config entry %s/%s", address["kind"], address["name"])
	}
	state["id"] = address["kind"] + "/" + address["name"]
	return state.encoded(), nil
}

// getServices returns the names only.
func (p *provider) getServices(ctx context.Context, arguments *structpb.Struct) (*structpb.Struct, error) {
	options := &api.QueryOptions{}
	for _, given := range arguments.GetFields()["queryOptions"].GetListValue().GetValues() {
		encoded, _ := given.MarshalJSON()
		if err := json.Unmarshal(encoded, options); err != nil {
			return nil, err
		}
	}
	services, _, err := p.consul.Catalog().Services(options.WithContext(ctx))
	names := []any{}
	for name := range services {
		names = append(names, name)
	}
	result, _ := structpb.NewStruct(map[string]any{"id": "catalog-services", "names": names})
	return result, err
}

// entryStructs describes the structs of the entries that the component writes. A test compares its table with them.
func entryStructs() map[string]any {
	return map[string]any{
		api.ProxyDefaults:   shape(reflect.TypeFor[api.ProxyConfigEntry]()),
		api.ServiceDefaults: shape(reflect.TypeFor[api.ServiceConfigEntry]()),
	}
}

// shape returns a struct as {field: [shape, whether it is omitted if it is empty]}.
func shape(of reflect.Type) any {
	switch of.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		for _, field := range reflect.VisibleFields(of) {
			omitted := strings.HasSuffix(field.Tag.Get("json"), ",omitempty") && field.Type.Kind() != reflect.Struct
			fields[field.Name] = []any{shape(field.Type), omitted}
		}
		return fields
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return []any{of.Kind().String(), shape(of.Elem())}
	case reflect.Uint32:
		return "int" // The table has one type for whole numbers.
	case reflect.Int64:
		return of.String() // time.Duration
	}
	return of.Kind().String()
}

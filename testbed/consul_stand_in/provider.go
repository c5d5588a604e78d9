package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Pulumi's key that marks special values, such as a secret {signature: …, "value": …}.
const signature = "4dabf18193072939515e22adb298388d"

// provider serves one provider resource of a Pulumi program. The engine has a default for each missing method.
//
// It does not accept secrets, so the engine sends plain values and marks the results as secret.
type provider struct {
	rpc.UnimplementedResourceProviderServer
	consul *api.Client
}

func (p *provider) Handshake(_ context.Context, r *rpc.ProviderHandshakeRequest) (*rpc.ProviderHandshakeResponse, error) {
	go introduce(r.EngineAddress)
	return &rpc.ProviderHandshakeResponse{}, nil
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: version}, nil
}

// Configure sends no request, because a preview must work while Consul is down.
func (p *provider) Configure(_ context.Context, r *rpc.ConfigureRequest) (_ *rpc.ConfigureResponse, err error) {
	p.consul, err = newClient(decoded(r.Args))
	return &rpc.ConfigureResponse{SupportsPreview: true}, err
}

// Check is called before every other method of a resource.
func (p *provider) Check(_ context.Context, r *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	if r.Type != "consul:index/configEntry:ConfigEntry" {
		return nil, notSupported(r.Type)
	}
	inputs := decoded(r.News)
	if inputs["name"] == "" {
		return nil, errors.New("name: is required, this stand-in does not generate names")
	}
	return &rpc.CheckResponse{Inputs: inputs.encoded()}, nil
}

func (p *provider) Diff(_ context.Context, r *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	state, program := decoded(r.Olds), decoded(r.News)
	response := &rpc.DiffResponse{Changes: rpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true}
	response.DetailedDiff = map[string]*rpc.PropertyDiff{}
	for _, name := range []string{"configJson", "kind", "name", "namespace", "partition"} {
		before, after, kind := state[name], program[name], rpc.PropertyDiff_UPDATE
		switch {
		case before == after, slices.Contains(r.IgnoreChanges, name), name == "configJson" && sameConfig(state, program):
			continue
		case before == "":
			kind = rpc.PropertyDiff_ADD
		case after == "":
			kind = rpc.PropertyDiff_DELETE
		}
		if name != "configJson" {
			kind++ // Each kind precedes its replacement, such as UPDATE_REPLACE.
			response.Replaces = append(response.Replaces, name)
		}
		response.Changes, response.Diffs = rpc.DiffResponse_DIFF_SOME, append(response.Diffs, name)
		response.DetailedDiff[name] = &rpc.PropertyDiff{Kind: kind}
	}
	// The official plugin does so for a resource with a name of the program.
	response.DeleteBeforeReplace = len(response.Replaces) > 0
	return response, nil
}

func (p *provider) Create(ctx context.Context, r *rpc.CreateRequest) (*rpc.CreateResponse, error) {
	if r.Preview {
		return &rpc.CreateResponse{Properties: r.Properties}, nil
	}
	state, err := p.write(ctx, decoded(r.Properties))
	return &rpc.CreateResponse{Id: state["id"], Properties: state.encoded()}, err
}

func (p *provider) Update(ctx context.Context, r *rpc.UpdateRequest) (*rpc.UpdateResponse, error) {
	written, err := p.Create(ctx, &rpc.CreateRequest{Properties: r.News, Preview: r.Preview})
	return &rpc.UpdateResponse{Properties: written.Properties}, err
}

// Read refreshes or imports an entry. An empty response means that it does not exist.
func (p *provider) Read(ctx context.Context, r *rpc.ReadRequest) (*rpc.ReadResponse, error) {
	state, inputs := decoded(r.Properties), decoded(r.Inputs)
	if len(state) == 0 {
		parts := strings.Split(r.Id, "/")
		if len(parts) == 2 {
			parts = append([]string{"", ""}, parts...)
		} else if len(parts) != 4 {
			return nil, errors.New(`expected path of the form "<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"`)
		}
		state = properties{"partition": parts[0], "namespace": parts[1], "kind": parts[2], "name": parts[3]}
		inputs = properties{"partition": "", "namespace": "", "kind": "", "name": "", "configJson": ""}
	}
	live, err := p.read(ctx, state)
	if status := (api.StatusError{}); errors.As(err, &status) && status.Code == 404 {
		return &rpc.ReadResponse{}, nil
	}
	// The inputs follow the live entry, so that an update after a refresh corrects drift.
	for name := range inputs {
		inputs[name] = live[name]
	}
	response := &rpc.ReadResponse{Id: live["id"], Properties: live.encoded(), Inputs: inputs.encoded()}
	return response, during(err, "failed to fetch '%s' config entry", state["name"])
}

// Delete deletes an entry unconditionally.
func (p *provider) Delete(ctx context.Context, r *rpc.DeleteRequest) (*emptypb.Empty, error) {
	state := decoded(r.Properties)
	options := &api.WriteOptions{Namespace: state["namespace"], Partition: state["partition"]}
	_, err := p.consul.ConfigEntries().Delete(state["kind"], state["name"], options.WithContext(ctx))
	return &emptypb.Empty{}, during(err, "failed to delete '%s' config entry", state["name"])
}

// Invoke serves a function, also in a preview.
func (p *provider) Invoke(ctx context.Context, r *rpc.InvokeRequest) (*rpc.InvokeResponse, error) {
	result, err := (*structpb.Struct)(nil), notSupported(r.Tok)
	switch r.Tok {
	case "consul:index/getConfigEntry:getConfigEntry":
		result, err = p.getConfigEntry(ctx, decoded(r.Args))
	case "consul:index/getServices:getServices":
		result, err = p.getServices(ctx, r.Args)
	}
	return &rpc.InvokeResponse{Return: result}, during(err, "invoking %s", r.Tok)
}

func notSupported(token string) error {
	return fmt.Errorf("%s is not supported by this stand-in for the official plugin: %s", token, scope)
}

// during adds the step to an error.
func during(err error, step string, names ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(step+": %w", append(names, err)...)
}

// properties are the settings of the provider, or the inputs or the state of a resource. An empty one is not set.
type properties map[string]string

// decoded returns properties without secrets, which settings can be although this provider does not accept them, and
// without those that the official plugin adds, such as __defaults.
func decoded(encoded *structpb.Struct) properties {
	result := properties{}
	for name, value := range encoded.AsMap() {
		if special, ok := value.(map[string]any); ok && special[signature] != nil {
			value = special["value"]
		}
		if value != nil && value != "" && !strings.HasPrefix(name, "__") {
			result[name] = fmt.Sprint(value)
		}
	}
	return result
}

func (p properties) encoded() *structpb.Struct {
	result := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, value := range p {
		if value != "" {
			result.Fields[name] = structpb.NewStringValue(value)
		}
	}
	return result
}

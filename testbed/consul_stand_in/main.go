// Stand-in for Pulumi's Consul plugin, limited to config entries. See README.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"slices"
	"time"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	version = "3.15.2"
	scope   = "ConfigEntry, getConfigEntry and getServices only"
)

// main serves until the engine, the process that started this one, ends or stops it.
func main() {
	engine := os.Getppid()
	if slices.Contains(os.Args, "-structs") {
		json.NewEncoder(os.Stdout).Encode(entryStructs())
		return
	}
	// The engine stops plugins with SIGINT, which a background job ignores by default.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(400 << 20)) // The limit of the engine.
	rpc.RegisterResourceProviderServer(server, &provider{})
	go server.Serve(listener)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	// A killed engine does not stop its plugins.
	for os.Getppid() == engine {
		select {
		case <-stop:
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// introduce logs through the engine that this is not the official plugin. An unreachable engine is ignored.
func introduce(engineAddress string) {
	connection, err := grpc.NewClient(engineAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer connection.Close()
	limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	line := "consul-tracing stand-in for pulumi-resource-consul " + version + ": " + scope
	rpc.NewEngineClient(connection).Log(limited, &rpc.LogRequest{Severity: rpc.LogSeverity_INFO, Message: line})
}

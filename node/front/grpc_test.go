package front_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"sayso"
	"sayso/owner/registry"
)

// services are the services of docs/fetch.proto, as a client reads them.
var services = sync.OnceValues(func() (protoreflect.ServiceDescriptors, error) {
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../../docs"}})}
	files, err := c.Compile(context.Background(), "fetch.proto")
	if err != nil {
		return nil, err
	}
	return files[0].Services(), nil
})

// methodOf finds a method by its name.
func methodOf(t *testing.T, name string) protoreflect.MethodDescriptor {
	t.Helper()
	list, err := services()
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Len() {
		if m := list.Get(i).Methods().ByName(protoreflect.Name(name)); m != nil {
			return m
		}
	}
	t.Fatalf("docs/fetch.proto has no method %s", name)
	return nil
}

// clearHTTP2 makes a server speak HTTP/2 in the clear, as the node's does.
func clearHTTP2(s *http.Server) {
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
}

// dialGRPC makes the client of gRPC, which connects at its first call.
func (w *world) dialGRPC() {
	var err error
	w.conn, err = grpc.NewClient(strings.TrimPrefix(w.server.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	w.must(err)
	w.t.Cleanup(func() { w.conn.Close() })
}

// rpc calls a method with a request in JSON, by the client of grpc-go. The answer
// is the response in JSON.
func (w *world) rpc(name, bearer, request string) (string, error) {
	w.t.Helper()
	m := methodOf(w.t, name)
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	w.must(protojson.Unmarshal([]byte(request), in))
	ctx := context.Background()
	if bearer != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer)
	}
	if err := w.conn.Invoke(ctx, fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), in, out); err != nil {
		return "", err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(out)
	w.must(err)
	return string(text), nil
}

// askGRPC asks a question of the matrix: a method and the DID of a vehicle. The
// answer has the form that GraphQL gives it.
func (w *world) askGRPC(bearer, query string) answer {
	w.t.Helper()
	name, subject, _ := strings.Cut(strings.TrimPrefix(query, "grpc."), " ")
	request := fmt.Sprintf(`{"options":{"subject":%q},"limit":1000}`, subject)
	switch {
	case strings.HasPrefix(name, "GetLatest"):
		request = fmt.Sprintf(`{"options":{"subject":%q}}`, subject)
	case name == "ListCloudEventsFromIndex":
		request = w.everyKey(bearer, subject)
	}
	raw, err := w.rpc(name, bearer, request)
	if err != nil {
		return answer{int(status.Code(err)), err.Error(), nil, err.Error()}
	}
	var out map[string]json.RawMessage
	w.must(json.Unmarshal([]byte(raw), &out))
	var list []any
	for _, one := range []string{"index", "cloud_event"} {
		if text, ok := out[one]; ok {
			return answer{0, raw, map[string]any{"grpc." + name: w.plainEvent(text)}, ""}
		}
	}
	for _, many := range []string{"indexes", "cloud_events"} {
		var each []json.RawMessage
		if text, ok := out[many]; ok {
			w.must(json.Unmarshal(text, &each))
		}
		for _, text := range each {
			list = append(list, w.plainEvent(text))
		}
	}
	return answer{0, raw, map[string]any{"grpc." + name: list}, ""}
}

// everyKey asks for all keys that the caller may have, and for one that nobody
// may.
func (w *world) everyKey(bearer, subject string) string {
	raw, err := w.rpc("ListIndexes", bearer, fmt.Sprintf(`{"options":{"subject":%q},"limit":1000}`, subject))
	if err != nil {
		raw = fmt.Sprintf(`{"indexes":[{"header":{"subject":%q,"time":"2026-03-02T06:00:00Z","type":"dimo.status","source":%q,"id":"7001 1 0"}}]}`, subject, account("device"))
	}
	return raw
}

// plainEvent brings an event to the form of GraphQL.
func (w *world) plainEvent(text json.RawMessage) any {
	var in struct {
		Header struct{ ID, Type, Time string }
		Data   json.RawMessage
	}
	w.must(json.Unmarshal(text, &in))
	out := map[string]any{"header": map[string]any{"id": in.Header.ID, "type": in.Header.Type, "time": in.Header.Time}}
	var key struct{ Key string }
	var payload []byte
	if json.Unmarshal(in.Data, &key) == nil && key.Key != "" {
		out["indexKey"] = key.Key
	} else if json.Unmarshal(in.Data, &payload) == nil {
		var data any
		w.must(json.Unmarshal(payload, &data))
		out["data"] = data
	}
	return out
}

// grpcMethods compares the methods that are served with those of the policy and
// of docs/fetch.proto.
func (w *world) grpcMethods(t *testing.T, p *policy) {
	t.Helper()
	list, err := services()
	if err != nil {
		t.Fatal(err)
	}
	var described, served, judged []string
	for i := range list.Len() {
		for j := range list.Get(i).Methods().Len() {
			m := list.Get(i).Methods().Get(j)
			described = append(described, fmt.Sprintf("POST /%s/%s", m.Parent().FullName(), m.Name()))
			judged = append(judged, "grpc."+string(m.Name()))
		}
	}
	for _, pattern := range w.front.Patterns() {
		if strings.HasPrefix(pattern, "POST /grpc.") {
			served = append(served, pattern)
		}
	}
	if slices.Sort(described); !slices.Equal(described, served) {
		t.Errorf("methods\n described %q\n served %q", described, served)
	}
	var operations []string
	for name := range maps.Keys(p.operations) {
		if strings.HasPrefix(name, "grpc.") {
			operations = append(operations, name)
		}
	}
	slices.Sort(judged)
	if slices.Sort(operations); !slices.Equal(judged, operations) {
		t.Errorf("the policy has the methods %q, want %q", operations, judged)
	}
}

// AccessCheck answers the grantee and the owner, and nobody else.
func TestAccessCheck(t *testing.T) {
	w := newWorld(t)
	w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(car, "app", everything, registry.Forever, tx.Block.Number)) })
	w.final()
	question := func(grantee string, set sayso.Permissions) string {
		in, _ := json.Marshal(map[string]any{"grantee": account(grantee).String(), "asset": carDID(car), "privileges": names(set)})
		return string(in)
	}
	for _, c := range []struct {
		caller, grantee string
		set             sayso.Permissions
		want            string // has_access, a reason, or a code
	}{
		{"app", "app", everything, `"has_access":true`},
		{"owner", "app", everything, `"has_access":true`},
		{"owner", "owner", everything.With(sayso.VINCredential), `"has_access":true`},
		{"app", "app", everything.With(sayso.VINCredential), "does not include"},
		{"person", "person", everything, "not shared"},
		{"owner", "person", everything, "not shared"},
		{"person", "app", everything, "PermissionDenied"},
		{"prior-owner", "app", everything, "PermissionDenied"},
		{"app", "owner", everything, "PermissionDenied"},
		{"other-app", "app", everything, "PermissionDenied"},
		{"", "app", everything, "Unauthenticated"},
		{"app", "app", sayso.Permissions{}, "at least one"},
	} {
		bearer := ""
		if c.caller != "" {
			bearer = w.login(c.caller)
		}
		got, err := w.rpc("AccessCheck", bearer, question(c.grantee, c.set))
		if err != nil {
			got = err.Error()
		}
		if got = strings.ReplaceAll(got, " ", ""); !strings.Contains(got, strings.ReplaceAll(c.want, " ", "")) {
			t.Errorf("%s asks about %s: %s, want %s", c.caller, c.grantee, got, c.want)
		}
		if c.want != `"has_access":true` && strings.Contains(got, `"has_access":true`) {
			t.Errorf("%s asks about %s and is told yes", c.caller, c.grantee)
		}
	}
	token, _ := w.exchange("app", car, everything)
	if _, err := w.rpc("AccessCheck", token, question("app", everything)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a vehicle token passes for a developer token: %v", err)
	}
}

package stories

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// grpc calls a method as any client of docs/fetch.proto does. The payload of an
// event is base64 in the answer, as JSON of protobuf writes bytes; beside it the
// text is printed.
func (s *story) grpc(ts *testscript.TestScript, args []string) error {
	o, rest, err := parse(args)
	if err != nil || len(rest) != 2 {
		return fmt.Errorf("usage: grpc [-token T] METHOD JSON: %v", err)
	}
	method, err := methodOf(rest[0])
	if err != nil {
		return err
	}
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := protojson.Unmarshal([]byte(expand(ts, rest[1])), in); err != nil {
		return err
	}
	conn, err := grpc.NewClient(s.http, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if o.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+o.token)
	}
	if err := conn.Invoke(ctx, fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()), in, out); err != nil {
		s.said, s.head = "", status.Convert(err).Code().String()+": "+status.Convert(err).Message()+"\n"
		return refusal{err}
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(out)
	if err != nil {
		return err
	}
	s.said, s.head = string(text)+"\n"+payloads(text), "OK\n"
	return s.note(s.said)
}

// payloads are those of the events in an answer, one a line.
func payloads(text []byte) (lines string) {
	var answer struct {
		One  struct{ Data []byte }   `json:"cloud_event"`
		Many []struct{ Data []byte } `json:"cloud_events"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return ""
	}
	for _, e := range append(answer.Many, answer.One) {
		lines += string(e.Data) + "\n"
	}
	return lines
}

func methodOf(name string) (protoreflect.MethodDescriptor, error) {
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../docs"}})}
	files, err := c.Compile(context.Background(), "fetch.proto")
	if err != nil {
		return nil, err
	}
	for i := range files[0].Services().Len() {
		if m := files[0].Services().Get(i).Methods().ByName(protoreflect.Name(name)); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("docs/fetch.proto has no method %s", name)
}

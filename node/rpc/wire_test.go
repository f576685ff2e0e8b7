package rpc

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"sayso"
	"sayso/node/vault"
)

// described is docs/fetch.proto as the library of Google reads it.
func described(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../../docs"}})}
	files, err := c.Compile(context.Background(), "fetch.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

// fill sets fields of a message by chance.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case r.IntN(3) == 0, depth > 3 && f.Message() != nil:
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOfString(word(r)).MapKey(), protoreflect.ValueOfBytes([]byte(word(r))))
		case f.IsList() && f.Message() != nil:
			for range r.IntN(3) {
				fill(r, m.Mutable(f).List().AppendMutable().Message(), depth+1)
			}
		case f.IsList():
			for range r.IntN(3) {
				m.Mutable(f).List().Append(protoreflect.ValueOfString(word(r)))
			}
		case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp":
			t := m.Mutable(f).Message()
			t.Set(t.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(r.Int64N(4e9)-1e9))
			t.Set(t.Descriptor().Fields().ByName("nanos"), protoreflect.ValueOfInt32(r.Int32N(1e9)))
		case f.Message() != nil:
			fill(r, m.Mutable(f).Message(), depth+1)
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(word(r)))
		case f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes([]byte(word(r))))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(r.IntN(2) == 0))
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(r.Int32()-1<<30))
		}
	}
}

func word(r *rand.Rand) string { return []string{"", "a", "dimo.status", "ümlaut", "0x00"}[r.IntN(5)] }

// requests are the messages that are read, by name.
var requests = map[string]func() readable{
	"GetLatestCloudEventRequest":     func() readable { return &latestRequest{} },
	"ListCloudEventsRequest":         func() readable { return &listRequest{} },
	"ListCloudEventsFromKeysRequest": func() readable { return &keysRequest{} },
	"AccessCheckRequest":             func() readable { return &accessRequest{} },
}

// Requests that Google's library writes are read as it reads them: an oracle
// looks at each member by reflection.
func TestRequestsAreReadAsTheLibraryDoes(t *testing.T) {
	file := described(t)
	r := rand.New(rand.NewPCG(1, 2))
	for name, blank := range requests {
		for range 500 {
			m := dynamicpb.NewMessage(file.Messages().ByName(protoreflect.Name(name)))
			fill(r, m, 0)
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := blank()
			if err := got.unmarshal(b); err != nil {
				t.Fatalf("%s: %v: %v", name, m, err)
			}
			if want := oracle(name, m); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %v\n got %+v\nwant %+v", name, m, got, want)
			}
		}
	}
}

type view struct{ m protoreflect.Message }

func (v view) field(name string) protoreflect.FieldDescriptor {
	return v.m.Descriptor().Fields().ByName(protoreflect.Name(name))
}
func (v view) has(name string) bool    { return v.field(name) != nil && v.m.Has(v.field(name)) }
func (v view) text(name string) string { return v.m.Get(v.field(name)).String() }
func (v view) sub(name string) view    { return view{v.m.Get(v.field(name)).Message()} }
func (v view) each(name string, do func(protoreflect.Value)) {
	list := v.m.Get(v.field(name)).List()
	for i := range list.Len() {
		do(list.Get(i))
	}
}
func (v view) texts(name string) (out []string) {
	v.each(name, func(x protoreflect.Value) { out = append(out, x.String()) })
	return out
}
func (v view) instant(name string) time.Time {
	if !v.has(name) {
		return time.Time{}
	}
	t := v.sub(name)
	return time.Unix(t.m.Get(t.field("seconds")).Int(), t.m.Get(t.field("nanos")).Int()).UTC()
}

func oracle(name string, m protoreflect.Message) any {
	v := view{m}
	search := func() (r request) {
		if v.has("options") {
			r.options = optionsOf(v.sub("options"), false)
		}
		if v.has("advanced_options") {
			r.advanced = optionsOf(v.sub("advanced_options"), true)
		}
		return r
	}
	switch name {
	case "GetLatestCloudEventRequest":
		return &latestRequest{search()}
	case "ListCloudEventsRequest":
		r := search()
		r.limit = int32(m.Get(v.field("limit")).Int())
		return &listRequest{r}
	case "ListCloudEventsFromKeysRequest":
		out := &keysRequest{}
		v.each("indexes", func(x protoreflect.Value) {
			in, h := view{x.Message()}, view{x.Message()}.sub("header")
			i := index{key: in.sub("data").text("key"), id: h.text("id"), source: h.text("source"), subject: h.text("subject"), kind: h.text("type")}
			i.time = h.instant("time")
			out.indexes = append(out.indexes, i)
		})
		return out
	}
	out := &accessRequest{grantee: v.text("grantee"), asset: v.text("asset"), privileges: v.texts("privileges")}
	v.each("events", func(x protoreflect.Value) {
		e := view{x.Message()}
		out.events = append(out.events, eventFilter{e.text("event_type"), e.text("source"), e.texts("ids")})
	})
	return out
}

func optionsOf(v view, advanced bool) *options {
	o := &options{after: v.instant("after"), before: v.instant("before")}
	if v.has("timestamp_asc") {
		asc := v.sub("timestamp_asc")
		o.ascending = asc.m.Get(asc.field("value")).Bool()
	}
	for name, at := range map[string]**textFilter{
		"type": &o.kind, "data_version": &o.dataVersion, "subject": &o.subject, "source": &o.source, "producer": &o.producer, "extras": &o.extras, "id": &o.names,
	} {
		switch {
		case !v.has(name):
		case advanced:
			*at = textOf(v.sub(name))
		default:
			*at = &textFilter{in: []string{v.sub(name).text("value")}}
		}
	}
	if v.has("tags") {
		o.tags = listOf(v.sub("tags"))
	}
	return o
}

func textOf(v view) *textFilter {
	f := &textFilter{in: v.texts("in"), notIn: v.texts("not_in")}
	v.each("or", func(x protoreflect.Value) { f.or = append(f.or, textOf(view{x.Message()})) })
	return f
}

func listOf(v view) *listFilter {
	f := &listFilter{any: v.texts("contains_any"), all: v.texts("contains_all"), notAny: v.texts("not_contains_any"), notAll: v.texts("not_contains_all")}
	v.each("or", func(x protoreflect.Value) { f.or = append(f.or, listOf(view{x.Message()})) })
	return f
}

// What is answered is read by Google's library with every member in its place.
func TestRepliesAreReadByTheLibrary(t *testing.T) {
	file := described(t)
	e := sayso.CloudEvent{
		Type: "dimo.status", Source: sayso.Address{1}, Subject: sayso.NFT(137, sayso.Address{2}, 7), Producer: sayso.NFT(137, sayso.Address{3}, 8), ID: "id",
		Time: time.Date(2026, 3, 2, 12, 0, 0, 5000, time.UTC), DataContentType: "application/json", DataSchema: "schema", DataVersion: "v", Signature: "0x01",
		RawEventID: "raw", Tags: []string{"a", ""}, Extras: map[string][]byte{"x": []byte(`1`)}, Data: []byte(`{"a":1}`),
	}
	m := dynamicpb.NewMessage(file.Messages().ByName("ListCloudEventsResponse"))
	if err := proto.Unmarshal((&eventReply{[]vault.Stored{{Envelope: e}, {Envelope: sayso.CloudEvent{}}}}).marshal(), m); err != nil {
		t.Fatal(err)
	}
	list := m.Get(view{m}.field("cloud_events")).List()
	first := view{list.Get(0).Message()}
	h := first.sub("header")
	got := map[string]string{"data": string(first.m.Get(first.field("data")).Bytes())}
	for _, name := range []string{"id", "source", "producer", "spec_version", "subject", "type", "data_content_type", "data_schema", "data_version", "signature", "raw_event_id"} {
		got[name] = h.text(name)
	}
	want := map[string]string{
		"data": `{"a":1}`, "id": "id", "source": e.Source.String(), "producer": e.Producer.String(), "spec_version": "1.0", "subject": e.Subject.String(), "type": "dimo.status",
		"data_content_type": "application/json", "data_schema": "schema", "data_version": "v", "signature": "0x01", "raw_event_id": "raw",
	}
	extras := h.m.Get(h.field("extras")).Map()
	if !reflect.DeepEqual(got, want) || list.Len() != 2 || !h.instant("time").Equal(e.Time) || !reflect.DeepEqual(h.texts("tags"), e.Tags) || extras.Len() != 1 || len(h.m.GetUnknown()) != 0 {
		t.Errorf("got %v, %v %v, extras %d, unknown %x", got, h.instant("time"), h.texts("tags"), extras.Len(), h.m.GetUnknown())
	}
	x := dynamicpb.NewMessage(file.Messages().ByName("AccessCheckResponse"))
	if err := proto.Unmarshal((&accessReply{has: true, reason: "r", code: 400, external: "e", cause: "c"}).marshal(), x); err != nil {
		t.Fatal(err)
	}
	v := view{x}
	rich := v.sub("rich_error")
	if !x.Get(v.field("has_access")).Bool() || v.text("reason") != "r" || rich.m.Get(rich.field("code")).Int() != 400 || rich.text("external_msg") != "e" || rich.text("err") != "c" {
		t.Errorf("the reply of AccessCheck is read as %v", x)
	}
}

// Any bytes are read or refused, and what Google's library refuses is not taken
// for a request that asks for something else.
func FuzzRequests(f *testing.F) {
	file := described(f)
	r := rand.New(rand.NewPCG(3, 4))
	for name := range requests {
		for range 3 {
			m := dynamicpb.NewMessage(file.Messages().ByName(protoreflect.Name(name)))
			fill(r, m, 0)
			b, _ := proto.Marshal(m)
			f.Add(b)
		}
	}
	f.Add([]byte("\x1a\x02\x22\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, blank := range requests {
			got := blank()
			err := got.unmarshal(b)
			m := dynamicpb.NewMessage(file.Messages().ByName(protoreflect.Name(name)))
			if library := proto.Unmarshal(b, m); library != nil || err != nil {
				continue // each may be stricter than the other: groups, times, depth
			}
			if want := oracle(name, m); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %x\n got %+v\nwant %+v", name, b, got, want)
			}
		}
	})
}

// A filter's members must hold, or one of the alternatives.
func TestFilters(t *testing.T) {
	f := &textFilter{in: []string{"a", "b"}, notIn: []string{"b"}, or: []*textFilter{{in: []string{"z"}}}}
	for s, want := range map[string]bool{"a": true, "b": false, "c": false, "z": true} {
		if f.holds(s) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
	l := &listFilter{any: []string{"a", "b"}, notAll: []string{"a", "c"}, or: []*listFilter{{all: []string{"x", "y"}}, {notAny: []string{"a", "q"}, any: []string{"k"}}}}
	for _, c := range []struct {
		list []string
		want bool
	}{{[]string{"a"}, true}, {[]string{"a", "c"}, false}, {nil, false}, {[]string{"x", "y"}, true}, {[]string{"x"}, false}, {[]string{"k"}, true}, {[]string{"k", "q"}, false}} {
		if l.holds(c.list) != c.want {
			t.Errorf("%v: %v", c.list, !c.want)
		}
	}
	if deep := (&textFilter{}).read([]byte("\x1a\x0a\x1a\x08\x1a\x06\x1a\x04\x1a\x02\x1a\x00"), 0); deep == nil {
		t.Error("alternatives six deep are taken")
	}
}

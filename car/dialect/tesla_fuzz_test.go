package dialect

import (
	"bytes"
	"encoding/base64"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
)

// payloadType describes the message Payload (spec ingest 4.4) to the protobuf
// library, which reads it independently.
func payloadType(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	type kind = descriptorpb.FieldDescriptorProto_Type
	const (
		message  = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
		text     = descriptorpb.FieldDescriptorProto_TYPE_STRING
		int32s   = descriptorpb.FieldDescriptorProto_TYPE_INT32
		int64s   = descriptorpb.FieldDescriptorProto_TYPE_INT64
		float    = descriptorpb.FieldDescriptorProto_TYPE_FLOAT
		double   = descriptorpb.FieldDescriptorProto_TYPE_DOUBLE
		boolean  = descriptorpb.FieldDescriptorProto_TYPE_BOOL
		optional = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
	)
	field := func(name string, n int32, k kind, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(n), Type: k.Enum(), Label: optional.Enum()}
		if of != "" {
			f.TypeName = proto.String(".t." + of)
		}
		return f
	}
	data := field("data", 1, message, "Datum")
	data.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	value := []*descriptorpb.FieldDescriptorProto{
		field("text", 1, text, ""), field("int", 2, int32s, ""), field("long", 3, int64s, ""), field("float", 4, float, ""), field("double", 5, double, ""),
		field("bool", 6, boolean, ""), field("location", 7, message, "Location"), field("charging", 8, int32s, ""), field("shift", 9, int32s, ""),
		field("invalid", 10, boolean, ""), field("buckle", 16, int32s, ""), field("doors", 21, message, "Doors"), field("window", 24, int32s, ""), field("detailed", 32, int32s, ""),
	}
	for _, f := range value {
		f.OneofIndex = proto.Int32(0)
	}
	doors := []*descriptorpb.FieldDescriptorProto{}
	for i, name := range []string{"DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"} {
		doors = append(doors, field(name, int32(i+1), boolean, ""))
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Payload"), Field: []*descriptorpb.FieldDescriptorProto{data, field("created", 2, message, "Time"), field("vin", 3, text, "")}},
			{Name: proto.String("Datum"), Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, int32s, ""), field("value", 2, message, "Value")}},
			{Name: proto.String("Value"), Field: value, OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("value")}}},
			{Name: proto.String("Location"), Field: []*descriptorpb.FieldDescriptorProto{field("latitude", 1, double, ""), field("longitude", 2, double, "")}},
			{Name: proto.String("Doors"), Field: doors},
			{Name: proto.String("Time"), Field: []*descriptorpb.FieldDescriptorProto{field("seconds", 1, int64s, ""), field("nanos", 2, int32s, "")}},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().ByName("Payload")
}

// frame writes a Payload.
func frame(data [][]byte) []byte {
	var b []byte
	for _, d := range data {
		b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), d)
	}
	at := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1741089600)
	b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), protowire.AppendVarint(protowire.AppendTag(at, 2, protowire.VarintType), 250_000_000))
	return protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), "5YJ3E1EA7JF000316")
}

// datumOf writes a Datum with the kind and value that the numbers choose.
func datumOf(key uint64, kind protowire.Number, number float64, text string) []byte {
	var v []byte
	switch kind {
	case 1:
		v = protowire.AppendString(protowire.AppendTag(v, kind, protowire.BytesType), text)
	case 4:
		v = protowire.AppendFixed32(protowire.AppendTag(v, kind, protowire.Fixed32Type), math.Float32bits(float32(number)))
	case 5:
		v = protowire.AppendFixed64(protowire.AppendTag(v, kind, protowire.Fixed64Type), math.Float64bits(number))
	case 7:
		in := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(number))
		in = protowire.AppendFixed64(protowire.AppendTag(in, 2, protowire.Fixed64Type), math.Float64bits(number/2))
		v = protowire.AppendBytes(protowire.AppendTag(v, kind, protowire.BytesType), in)
	case 21:
		var in []byte
		for n := protowire.Number(1); n <= 6; n++ {
			if int(number)>>n&1 == 1 {
				in = protowire.AppendVarint(protowire.AppendTag(in, n, protowire.VarintType), 1)
			}
		}
		v = protowire.AppendBytes(protowire.AppendTag(v, kind, protowire.BytesType), in)
	default:
		v = protowire.AppendVarint(protowire.AppendTag(v, kind, protowire.VarintType), uint64(int64(number)))
	}
	d := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), key)
	return protowire.AppendBytes(protowire.AppendTag(d, 2, protowire.BytesType), v)
}

// FuzzTeslaTelemetry compares with the protobuf library. It reads a message that
// stands in its canonical form; of others it is demanded that nothing breaks.
func FuzzTeslaTelemetry(f *testing.F) {
	f.Add(frame([][]byte{datumOf(4, 5, 30, ""), datumOf(5, 1, 0, "123.5"), datumOf(21, 7, 48, ""), datumOf(58, 21, 5, ""), datumOf(60, 24, 2, "")}))
	f.Add(frame([][]byte{datumOf(58, 1, 0, "DriverFront|TrunkRear"), datumOf(21, 1, 0, "(37.412374 N, 122.145867 W)"), datumOf(179, 32, 4, ""), datumOf(35, 5, 7, ""), datumOf(37, 4, 1, "")}))
	cat, rows, typ := loadCatalogue(f), csvRows(f, "tesla/telemetry.csv"), payloadType(f)
	f.Fuzz(func(t *testing.T, raw []byte) { agreeTelemetry(t, cat, rows, typ, raw) })
}

func TestRandomTeslaFrames(t *testing.T) {
	cat, rows, typ := loadCatalogue(t), csvRows(t, "tesla/telemetry.csv"), payloadType(t)
	p := parts{rand.New(rand.NewPCG(7, 8))}
	kept := 0
	for range 6000 {
		var data [][]byte
		seen := map[uint64]bool{}
		for range p.IntN(8) {
			key, _ := strconv.ParseUint(rows[p.IntN(len(rows))][0], 10, 64)
			if p.IntN(10) == 0 {
				key = uint64(p.IntN(300))
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			kind := []protowire.Number{1, 2, 3, 4, 5, 6, 7, 9, 10, 16, 21, 24, 32}[p.IntN(13)]
			text := p.pick("5", "80.5", "-1", "true", "False", "WindowStateOpened", "Closed", "DriverRear", "DriverFront|TrunkRear", "Attic", "(37.412374 N, 122.145867 W)", "(37.4, 122)",
				"ShiftStateR", "D", "P", "BuckleStatusLatched", "DetailedChargeStateCharging", "Complete", "")
			data = append(data, datumOf(key, kind, []float64{0, 1, 2, 3, 5, 48.25, -3, 1e9}[p.IntN(8)], text))
		}
		kept += len(agreeTelemetry(t, cat, rows, typ, frame(data)).Readings)
	}
	if kept < 2000 {
		t.Errorf("only %d values were kept", kept)
	}
}

func agreeTelemetry(t *testing.T, cat *catalogue.Catalogue, rows [][]string, typ protoreflect.MessageDescriptor, raw []byte) Message {
	t.Helper()
	w := Window{Now: arrived}
	payload := []byte(`{"payloads":["` + base64.StdEncoding.EncodeToString(raw) + `"]}`)
	m, err := decoders[formTesla](cat, sayso.CloudEvent{Data: payload, DataVersion: "fleet_telemetry/v1.0.0"}, w)
	said := dynamicpb.NewMessage(typ)
	if proto.Unmarshal(raw, said) != nil {
		return m
	}
	if again, e := (proto.MarshalOptions{Deterministic: true}).Marshal(said); e != nil || !bytes.Equal(again, raw) {
		return m
	}
	get := func(m protoreflect.Message, name string) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	has := func(m protoreflect.Message, name string) bool {
		return m.Has(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	data := get(said, "data").List()
	created := get(said, "created").Message()
	seconds, nanos := get(created, "seconds").Int(), get(created, "nanos").Int()
	wrongTime := seconds < 0 || seconds > 253402300799 || nanos < 0 || nanos >= 1e9
	bad := has(said, "created") && wrongTime || data.Len() > 0 && !has(said, "created")
	if bad != (err != nil) {
		t.Fatalf("%x\n%v, the library says %v", raw, err, said)
	}
	if bad {
		return m
	}
	n := newNaive(cat, w)
	at := time.Unix(seconds, nanos)
	if vin := get(said, "vin").String(); message.ValidVIN(vin) {
		n.vin = vin
	}
	power, powered := 0.0, false
	for i := range data.Len() {
		d := data.Get(i).Message()
		v := get(d, "value").Message()
		which := v.WhichOneof(v.Descriptor().Oneofs().Get(0))
		for _, row := range rows {
			if row[0] != strconv.FormatInt(get(d, "key").Int(), 10) || which == nil {
				continue
			}
			if row[4] == "location" {
				n.told(at, string(which.Name()), v.Get(which))
				continue
			}
			factor, _ := strconv.ParseFloat(row[3], 64)
			x, ok := told(row[4], string(which.Name()), v.Get(which))
			if row[4] == "sum" {
				if ok {
					power, powered = power+x*factor, true
				}
			} else if ok {
				n.put(row[2], at, sayso.NumberValue(x*factor))
			}
		}
	}
	if powered {
		n.put("powertrainTractionBatteryCurrentPower", at, sayso.NumberValue(power))
	}
	n.agree(t, payload, m)
	return m
}

// told is the number that a value stands for under a rule.
func told(rule, kind string, v protoreflect.Value) (float64, bool) {
	enum := func(name, of string, codes map[int64]float64, texts map[string]float64) (float64, bool) {
		switch kind {
		case name:
			x, ok := codes[v.Int()]
			return x, ok
		case "text":
			x, ok := texts[strings.TrimPrefix(v.String(), of)]
			return x, ok
		}
		return 0, false
	}
	if door, ok := strings.CutPrefix(rule, "door "); ok {
		return toldDoor(door, kind, v)
	}
	switch rule {
	case "", "sum":
		switch kind {
		case "int", "long":
			return float64(v.Int()), true
		case "float":
			return float64(float32(v.Float())), true
		case "double":
			return v.Float(), true
		case "text":
			x, err := strconv.ParseFloat(v.String(), 64)
			return x, err == nil && numeric.MatchString(v.String())
		}
	case "flag":
		if kind == "bool" {
			return map[bool]float64{true: 1}[v.Bool()], true
		}
		x, ok := map[string]float64{"true": 1, "false": 0}[strings.ToLower(v.String())]
		return x, ok && kind == "text"
	case "window":
		return enum("window", "WindowState", map[int64]float64{1: 0, 2: 1, 3: 1}, map[string]float64{"Closed": 0, "PartiallyOpen": 1, "Opened": 1})
	case "belt":
		return enum("buckle", "BuckleStatus", map[int64]float64{1: 0, 2: 1}, map[string]float64{"Unlatched": 0, "Latched": 1})
	case "gear":
		return enum("shift", "ShiftState", map[int64]float64{3: -1, 4: 0, 5: 1}, map[string]float64{"R": -1, "N": 0, "D": 1})
	case "charging":
		return enum("detailed", "DetailedChargeState", map[int64]float64{1: 0, 2: 0, 3: 1, 4: 1, 5: 0, 6: 0},
			map[string]float64{"Disconnected": 0, "NoPower": 0, "Starting": 1, "Charging": 1, "Complete": 0, "Stopped": 0})
	case "plugged":
		return enum("detailed", "DetailedChargeState", map[int64]float64{1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1},
			map[string]float64{"Disconnected": 0, "NoPower": 1, "Starting": 1, "Charging": 1, "Complete": 1, "Stopped": 1})
	}
	return 0, false
}

func toldDoor(door, kind string, v protoreflect.Value) (float64, bool) {
	if kind == "doors" {
		m := v.Message()
		return map[bool]float64{true: 1}[m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(door))).Bool()], true
	}
	if kind != "text" {
		return 0, false
	}
	open := 0.0
	for _, w := range strings.Split(v.String(), "|") {
		w = strings.TrimSpace(w)
		if w != "" && !slices.Contains([]string{"DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"}, w) {
			return 0, false
		}
		if w == door {
			open = 1
		}
	}
	return open, true
}

var spokenPosition = func() *regexp.Regexp {
	const gap, number = `[\s\v\pZ\x{85}]*`, `(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?) `
	return regexp.MustCompile("^" + gap + `\(` + gap + number + gap + "([NS])" + gap + "," + gap + number + gap + "([EW])" + gap + `\)` + gap + "$")
}()

// told takes a position.
func (n *naive) told(at time.Time, kind string, v protoreflect.Value) {
	var l sayso.Location
	switch kind {
	case "location":
		m := v.Message()
		l.Latitude, l.Longitude = m.Get(m.Descriptor().Fields().Get(0)).Float(), m.Get(m.Descriptor().Fields().Get(1)).Float()
	case "text":
		parts := spokenPosition.FindStringSubmatch(v.String())
		if parts == nil {
			return
		}
		var err1, err2 error
		l.Latitude, err1 = strconv.ParseFloat(parts[1], 64)
		l.Longitude, err2 = strconv.ParseFloat(parts[3], 64)
		if err1 != nil || err2 != nil {
			return
		}
		l.Latitude *= map[string]float64{"N": 1, "S": -1}[parts[2]]
		l.Longitude *= map[string]float64{"E": 1, "W": -1}[parts[4]]
	default:
		return
	}
	n.fix(at, l)
}

// FuzzTeslaPoll compares with a slow and simple reading of the same payload.
func FuzzTeslaPoll(f *testing.F) {
	f.Add([]byte(`{"vin":"5YJ3E1EA7JF000316","drive_state":{"speed":10,"power":-7,"latitude":1,"longitude":2,"timestamp":1741089600000},"charge_state":{"charging_state":"Starting","timestamp":1741089600000}}`))
	f.Add([]byte(`{"climate_state":{"outside_temp":"7.5","timestamp":1741089600000},"vehicle_state":{"odometer":1e3,"tpms_pressure_fl":2.9,"timestamp":1741089600500}}`))
	cat, rows := loadCatalogue(f), csvRows(f, "tesla/poll.csv")
	f.Fuzz(func(t *testing.T, payload []byte) { agreePoll(t, cat, rows, payload) })
}

func TestRandomTeslaPolls(t *testing.T) {
	cat, rows := loadCatalogue(t), csvRows(t, "tesla/poll.csv")
	p := parts{rand.New(rand.NewPCG(9, 10))}
	kept := 0
	for range 6000 {
		sections := []string{member("vin", p.or(`"5YJ3E1EA7JF000316"`))}
		for _, name := range []string{"charge_state", "climate_state", "drive_state", "vehicle_state", "gui_settings"} {
			fields := []string{member("timestamp", p.or("1741089600000"))}
			for _, row := range rows {
				if row[0] == name {
					fields = append(fields, member(row[1], p.or(p.pick("1.5", "80", "null", `"Charging"`, `"Stopped"`, "-7", "0"))))
				}
			}
			sections = append(sections, member(name, p.or(p.members(fields...))))
		}
		kept += len(agreePoll(t, cat, rows, []byte(p.members(sections...))).Readings)
	}
	if kept < 10_000 {
		t.Errorf("only %d values were kept", kept)
	}
}

func agreePoll(t *testing.T, cat *catalogue.Catalogue, rows [][]string, payload []byte) Message {
	t.Helper()
	w := Window{Now: arrived}
	m, err := decoders[formTesla](cat, sayso.CloudEvent{Data: payload, DataVersion: "fleet_api/v1.0.0"}, w)
	o, ok := objectOf(payload)
	if ok != (err == nil) {
		t.Fatalf("%s\n%v, the simple reading says %v", payload, err, ok)
	}
	if !ok {
		return m
	}
	n := newNaive(cat, w)
	if vin, ok := o.text("vin"); ok && message.ValidVIN(vin) {
		n.vin = vin
	}
	for _, row := range rows {
		s := o.object(row[0])
		at, ok := s.milliseconds("timestamp")
		if !ok || !s.has(row[1]) {
			continue
		}
		x, isNumber := s.number(row[1])
		factor, _ := strconv.ParseFloat(row[3], 64)
		switch row[4] {
		case "":
			if isNumber {
				n.put(row[2], at, sayso.NumberValue(x*factor))
			}
		case "charging":
			if state, ok := s.text(row[1]); ok {
				n.put(row[2], at, sayso.NumberValue(map[string]float64{"Starting": 1, "Charging": 1}[state]))
			}
		case "latitude":
			if y, ok := s.number("longitude"); ok && isNumber {
				n.fix(at, sayso.Location{Latitude: x, Longitude: y})
			}
		}
	}
	n.agree(t, payload, m)
	return m
}

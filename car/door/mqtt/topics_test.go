package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
)

// filters are what principals try, where own and other are addresses.
func filters(own, other string) []string {
	var list []string
	add := func(f ...string) { list = append(list, f...) }
	roots := []string{"v1/devices/", "V1/devices/", "v1/Devices/", "/v1/devices/", "v1//devices/", "v1/devices//", "v2/devices/", "devices/", "", "+/devices/", "v1/+/", "#/", "$share/g/v1/devices/", "$SHARE/g/v1/devices/", "$queue/v1/devices/", "$SYS/", "$MQTT/", "$JS/", "$JS.API.", ">", "*/devices/", "v1.devices."}
	for _, root := range roots {
		for _, who := range []string{own, other} {
			for _, what := range []string{"/status", "/events", "/#", "/+"} {
				add(root + who + what)
			}
		}
	}
	o := "v1/devices/" + own
	add(o, o+"/", o+"//", o+"/commands", o+"/commands/1", o+"/+/+", o+"/+/#", o+"/a/#/b", o+"/a#", o+"/a+", o+"/+a", o+"/#/", o+"/##", o+"/++", o+"/fingerprint",
		o+"/status/", o+"/status/x", o+"/Status", o+"/STATUS", o+"/status ", " "+o+"/status", o+"/status\n", o+"/*", o+"/>", o+"/..", o+"/../"+other+"/status", o+"/%23", o+"/$SYS",
		o+"/\u200b", o+"/\uffff", o+"/é", o+"\x00/status", o+"/sta\x00tus", "\xff\xfe", o+"/\xff", "\ufeff"+o+"/status", o+"/"+strings.Repeat("a", 60_000), o+strings.Repeat("/", 1000), o+strings.Repeat("/+", 1000)+"/#",
		strings.ToLower(o)+"/status", strings.ToUpper(own), "v1/devices/"+strings.ToLower(own)+"/events", "v1/devices/0X"+strings.ToUpper(own[2:])+"/events", "v1/devices/0x"+strings.ToUpper(own[2:])+"/#",
		"v1/devices/"+own[2:]+"/status", "v1/devices/"+own+"0/status", "v1/devices/"+own[:41]+"/status", "v1/devices/+/status", "v1/devices/#", "v1/devices", "v1/#", "#", "+", "+/+/+/+", "+/#", "/", "//", "$", "$SYS/#", "$SYS/broker/version",
		"$share/group/#", "$share//#", "$share/g", "$share", "$share/g/"+o+"/#", "$share/+/"+o+"/#", "$Share/g/"+o+"/status", "v1/devices/ſtatus", "v1/devıces/"+own+"/status", "v1/devices/"+own+"\u2044status",
		"v1/device\u0455/"+own+"/status", "v1\\devices\\"+own+"\\status", "v1/devices/"+own+"?/status", "v1/devices/"+own+"/status?x", "v1/devices/"+own+";"+other+"/status")
	return list
}

// mayPublish and maySubscribe as the page of the format says it, level by level.
func oraclePublish(own, topic string) bool {
	l := strings.Split(topic, "/")
	return len(l) == 4 && l[0] == "v1" && l[1] == "devices" && asciiFold(l[2]) == asciiFold(own) && (l[3] == "status" || l[3] == "events" || l[3] == "fingerprint")
}

func oracleSubscribe(own, filter string) bool {
	l := strings.Split(filter, "/")
	if len(l) < 4 || l[0] != "v1" || l[1] != "devices" || asciiFold(l[2]) != asciiFold(own) || (len(l) == 4 && l[3] == "") {
		return false
	}
	for i, level := range l {
		switch {
		case level == "+", level == "#" && i == len(l)-1:
		case strings.Contains(level, "+"), strings.Contains(level, "#"):
			return false
		}
	}
	return true
}

func asciiFold(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func TestTopicsOfManyPrincipals(t *testing.T) {
	const principals = 40
	addresses := make([]string, principals)
	for i := range addresses {
		addresses[i] = sayso.Address{0: byte(i), 5: 0xab, 19: byte(255 - i)}.String()
	}
	cells, granted := 0, 0
	for i, own := range addresses {
		se := &session{prefix: topicRoot + own + "/"}
		list := filters(own, addresses[(i+1)%principals])
		if len(list) < 250 {
			t.Fatalf("%d filters", len(list))
		}
		for _, f := range list {
			cells++
			if got, want := se.mayPublish(f), oraclePublish(own, f); got != want {
				t.Errorf("%s may publish to %.200q: %v, want %v", own, f, got, want)
			}
			got, want := se.maySubscribe(f), oracleSubscribe(own, f)
			if got != want {
				t.Errorf("%s may subscribe to %.200q: %v, want %v", own, f, got, want)
			}
			if got {
				granted++
			}
		}
	}
	t.Logf("%d cells, %d subscriptions granted", cells, granted)
}

// The same over the wire: what is granted, what is refused, what ends the
// connection. Nothing that somebody else sends reaches a device.
func TestTopicsOverTheWire(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		mine, other := w.add(1), w.add(2)
		own := mine.address.String()
		sub, pub := mine.open(version), (*client)(nil)
		for i, f := range filters(own, other.address.String()) {
			wire := utf8.ValidString(f) && !strings.ContainsRune(f, 0) && len(f) > 0
			if err := sub.write(subscribe(f)); err != nil {
				t.Fatal(err)
			}
			ack, err := sub.read()
			switch granted := err == nil && ack.FixedHeader.Type == packets.Suback && len(ack.ReasonCodes) == 1 && ack.ReasonCodes[0] < 0x80; {
			case granted != (wire && oracleSubscribe(own, f)):
				t.Errorf("%.100q: granted %v (%v, type %d, codes %x)", f, granted, err, ack.FixedHeader.Type, ack.ReasonCodes)
			case err != nil, ack.FixedHeader.Type == packets.Disconnect:
				if wire && oracleSubscribe(own, f) {
					t.Errorf("%.100q: %v", f, err)
				}
				sub = mine.open(version)
			}
			if pub == nil {
				pub = other.open(version)
			}
			before := len(w.parcels())
			event := other.speed(float64(i))
			pub.publish(1, uint16(i+1), f, event)
			pk, err := pub.read()
			accepted := err == nil && pk.FixedHeader.Type == packets.Puback && pk.ReasonCode == 0
			kept := len(w.parcels()) - before
			if want := wire && oraclePublish(other.address.String(), f); accepted != want || (kept == 1) != want || kept > 1 {
				t.Errorf("publish to %.100q: accepted %v, %d kept, want %v", f, accepted, kept, want)
			}
			if err != nil || pk.FixedHeader.Type == packets.Disconnect {
				pub.conn.Close()
				pub = nil
			}
		}
		if c := sub.in.Buffered(); c > 0 {
			t.Errorf("%d bytes that nobody asked for", c)
		}
	})
}

func ExampleTopic() {
	fmt.Println(Topic("0x00000000000000000000000000000000000000Aa"))
	// Output: v1/devices/0x00000000000000000000000000000000000000Aa/status
}

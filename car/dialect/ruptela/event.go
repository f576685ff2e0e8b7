package ruptela

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"sayso"
)

// identify reads the identification number, which is spread over three fields;
// two groups of three are tried. It says whether there is a valid one.
func (d *decoder) identify() bool {
	for _, group := range [][]text{d.vin[:3], d.vin[3:]} {
		var vin []byte
		whole, zero := true, true
		for _, part := range group {
			b, err := hex.DecodeString(string(part.Raw))
			whole = whole && part.there && err == nil
			vin = append(vin, b...)
			zero = zero && len(bytes.Trim(b, "\x00")) == 0
		}
		if !whole || zero {
			continue
		}
		vin = bytes.Trim(bytes.ReplaceAll(vin, []byte{0}, nil), " ")
		if d.builder.VIN(string(vin[:min(len(vin), 17)])) {
			return true
		}
	}
	return false
}

// drive makes the events of a driver's behaviour, and says whether any was
// sent.
func (d *decoder) drive() (some bool) {
	for i, names := range [...][2]string{
		{"behavior.harshBraking", "behavior.extremeBraking"}, {"behavior.harshAcceleration"}, {"behavior.harshCornering"},
	} {
		t := d.driving[i]
		if !t.there {
			continue
		}
		n, ok := hexadecimal(t.Value)
		switch {
		case !ok || n > 0xFFFFFFFF || i == 0 && n > 0xFF:
			some = true
			d.builder.Refuse(names[0], d.at, notHexadecimal(t.Value, 1))
		case n == 0:
		case i == 0: // two counters in a byte
			some = true
			d.event(names[0], n&0x0F)
			d.event(names[1], n>>4)
		default:
			some = true
			d.event(names[0], n)
		}
	}
	return some
}

func (d *decoder) event(name string, count uint64) {
	if count > 0 {
		d.builder.Event(sayso.Event{Name: name, Metadata: fmt.Sprintf(`{"counterValue":%d}`, count)}, d.at)
	}
}

// command is r/v0/cmd: what became of a command to block the engine.
func (d *decoder) command() {
	d.builder.Kept(false, false, true)
	if !d.engine.there {
		d.builder.Reject("signals.405", "the payload has no such field")
		return
	}
	n, ok := hexadecimal(d.engine.Value)
	name := "security.engineUnblock"
	if n != 0 {
		name = "security.engineBlock"
	}
	if !ok {
		d.builder.Refuse("signals.405", d.at, notHexadecimal(d.engine.Value, 1))
		return
	}
	d.builder.Event(sayso.Event{Name: name}, d.at)
}

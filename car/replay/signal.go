package replay

import "math"

// Raw takes the signal's bits out of a frame. In Intel order (Little), Start
// is the lowest bit, and bit n is bit n%8 of byte n/8. In Motorola order Start
// is the highest bit, numbered the same way; the bits go down in a byte and
// on to the highest of the next. Ok is false if the frame is too short.
func (s *Signal) Raw(data []byte) (raw uint64, ok bool) {
	if s.Little {
		last := s.Start + s.Length - 1
		if last/8 >= len(data) {
			return 0, false
		}
		shift := s.Start % 8
		for i, b := range data[s.Start/8 : last/8+1] {
			if at := 8*i - shift; at >= 0 {
				raw |= uint64(b) << at
			} else {
				raw |= uint64(b) >> -at
			}
		}
	} else {
		high := 8*(s.Start/8) + 7 - s.Start%8 // counted from the first byte's top bit
		end := high + s.Length                // exclusive
		if (end-1)/8 >= len(data) {
			return 0, false
		}
		for i := high / 8; i <= (end-1)/8; i++ {
			if left := end - 8*(i+1); left >= 0 {
				raw |= uint64(data[i]) << left
			} else {
				raw |= uint64(data[i]) >> -left
			}
		}
	}
	return raw & (^uint64(0) >> (64 - s.Length)), true
}

// Value is the signal's physical value. Ok is false if the frame is too
// short, or the value is not a number or outside the signal's range.
func (s *Signal) Value(data []byte) (v float64, ok bool) {
	raw, ok := s.Raw(data)
	if !ok {
		return 0, false
	}
	switch {
	case s.Float && s.Length == 32:
		v = float64(math.Float32frombits(uint32(raw)))
	case s.Float:
		v = math.Float64frombits(raw)
	case s.Signed:
		v = float64(int64(raw<<(64-s.Length)) >> (64 - s.Length))
	default:
		v = float64(raw)
	}
	v = v*s.Scale + s.Offset
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	if s.Min < s.Max {
		if slack := math.Abs(s.Scale) / 2; v < s.Min-slack || v > s.Max+slack {
			return 0, false
		}
	}
	return v, true
}

// Present says whether a multiplexed signal is in this frame: its selector is
// present and has one of the values with which the signal is sent.
func (m *BusMessage) Present(s *Signal, data []byte) bool {
	for range m.Signals {
		if s.Selector == "" {
			return true
		}
		by := m.Signal(s.Selector)
		raw, ok := by.Raw(data)
		if !ok || !among(s.Selected, raw) {
			return false
		}
		s = by
	}
	return s.Selector == ""
}

func among(list []Choice, v uint64) bool {
	for _, c := range list {
		if v >= c.From && v <= c.To {
			return true
		}
	}
	return false
}

package replay

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Frame is one CAN frame of a log.
type Frame struct {
	Time     time.Time
	Bus      string // such as can0
	ID       uint32 // 11 or 29 bits
	Extended bool
	Remote   bool // asks for data, has none
	Error    bool // a message of the controller, not of the bus
	FD       bool
	Data     []byte // up to 8 bytes, with FD up to 64
}

// The flags of a 32-bit identifier as in Linux's can.h.
const (
	errorFlag = 0x2000_0000
	idMask    = 0x1fff_ffff
)

// ParseFrame reads a line of candump's log form (can-utils, option -l or -L):
//
//	(1533226488.228954) can0 260#08FFFB0000001884
//	(1533226488.228954) can0 18FEF100#…      29-bit id, 8 digits
//	(1533226488.228954) can0 123##1…         CAN FD, one digit of flags
//	(1533226488.228954) can0 123#R8          remote frame
//
// A direction (R or T) after the frame, as newer versions add, is ignored.
func ParseFrame(line string) (Frame, error) {
	var f Frame
	fields := strings.Fields(line)
	if len(fields) != 3 && !(len(fields) == 4 && (fields[3] == "R" || fields[3] == "T")) {
		return f, fmt.Errorf("not a candump line: want (time) bus id#data")
	}
	stamp := fields[0]
	if len(stamp) < 3 || stamp[0] != '(' || stamp[len(stamp)-1] != ')' {
		return f, fmt.Errorf("the time %q is not in parentheses", stamp)
	}
	var err error
	if f.Time, err = parseUnix(stamp[1 : len(stamp)-1]); err != nil {
		return f, err
	}
	f.Bus = fields[1]
	id, data, ok := strings.Cut(fields[2], "#")
	if !ok || len(id) != 3 && len(id) != 8 {
		return f, fmt.Errorf("%q is not a frame: want 3 or 8 hexadecimal digits and #", fields[2])
	}
	n, err := strconv.ParseUint(id, 16, 32)
	if err != nil {
		return f, fmt.Errorf("the identifier %q is not hexadecimal", id)
	}
	f.ID, f.Extended, f.Error = uint32(n)&idMask, len(id) == 8, n&errorFlag != 0
	if !f.Extended && f.ID > 0x7ff {
		return f, fmt.Errorf("the identifier %q has over 11 bits", id)
	}
	return f, f.payload(data)
}

func (f *Frame) payload(data string) error {
	limit := 8
	switch {
	case strings.HasPrefix(data, "#"):
		if len(data) < 2 || !isHex(data[1]) {
			return fmt.Errorf("a CAN FD frame needs a digit of flags after ##")
		}
		f.FD, data, limit = true, data[2:], 64
	case strings.HasPrefix(data, "R"):
		if len(data) > 2 || len(data) == 2 && (data[1] < '0' || data[1] > '8') {
			return fmt.Errorf("%q is not the length of a remote frame", data[1:])
		}
		f.Remote = true
		return nil
	}
	b, err := hex.DecodeString(data)
	if err != nil {
		return fmt.Errorf("the data %q is not whole bytes in hexadecimal", data)
	}
	if len(b) > limit {
		return fmt.Errorf("%d bytes of data, at most %d fit", len(b), limit)
	}
	f.Data = b
	return nil
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// String writes the frame as a candump log line.
func (f Frame) String() string {
	t := f.Time.UnixMicro()
	id := fmt.Sprintf("%03X", f.ID)
	if f.Extended {
		n := f.ID
		if f.Error {
			n |= errorFlag
		}
		id = fmt.Sprintf("%08X", n)
	}
	mark := "#"
	switch {
	case f.FD:
		mark = "##0"
	case f.Remote:
		mark = "#R"
	}
	return fmt.Sprintf("(%d.%06d) %s %s%s%X", t/1e6, t%1e6, f.Bus, id, mark, f.Data)
}

// parseUnix reads seconds since 1970 with up to nine decimals, exactly.
func parseUnix(s string) (time.Time, error) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseUint(whole, 10, 36)
	if err != nil || len(frac) > 9 || strings.Trim(frac, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("the time %q is not seconds since 1970", s)
	}
	ns := 0
	if frac != "" {
		ns, _ = strconv.Atoi(frac + "000000000"[:9-len(frac)])
	}
	return time.Unix(int64(sec), int64(ns)).UTC(), nil
}

package replay

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/client/device"
)

// column is what the cells of a CSV column are.
type column struct {
	role   role
	signal *catalogue.Signal
	factor float64
}

type role uint8

const (
	ignored role = iota
	timeColumn
	signalColumn
	latitudeColumn
	longitudeColumn
	hdopColumn
)

// roles are the names, in lower case, of columns that are not signals.
var roles = map[string]role{
	"time": timeColumn, "timestamp": timeColumn, "unix_time": timeColumn, "datetime": timeColumn,
	"latitude": latitudeColumn, "lat": latitudeColumn, "currentlocationlatitude": latitudeColumn,
	"longitude": longitudeColumn, "lng": longitudeColumn, "lon": longitudeColumn, "currentlocationlongitude": longitudeColumn,
	"hdop": hdopColumn, "dimoaftermarkethdop": hdopColumn,
}

// csvTable reads a CSV table with a header.
type csvTable struct {
	in      *csv.Reader
	columns []column
	batch   batch
	thin    thin
	place   *catalogue.Signal
	problem func(line, column int, why string)
	ended   bool
}

// newCSVTable reads the header. Rename maps a column to a signal, with an
// optional factor: `speed*3.6`.
func newCSVTable(r io.Reader, rename map[string]string, cat *catalogue.Catalogue, problem func(line, column int, why string)) (*csvTable, error) {
	t := &csvTable{in: csv.NewReader(r), place: cat.Signal("currentLocationCoordinates"), problem: problem}
	t.in.FieldsPerRecord, t.in.ReuseRecord, t.in.TrimLeadingSpace, t.in.Comment = -1, true, true, '#'
	header, err := t.in.Read()
	if err != nil {
		return nil, fmt.Errorf("no header: %w", err)
	}
	used := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		c, err := readColumn(name, rename, cat)
		if err != nil {
			return nil, err
		}
		used[name] = true
		if c.role == ignored {
			problem(1, i+1, fmt.Sprintf("column %q is no signal of the catalogue; it is left out", name))
		}
		if slices.Contains(t.columns, c) && c.role != ignored {
			return nil, fmt.Errorf("two columns are %s", name)
		}
		t.columns = append(t.columns, c)
	}
	for name := range rename {
		if !used[name] {
			return nil, fmt.Errorf("there is no column %q to rename", name)
		}
	}
	return t, t.complete()
}

// complete says whether there is a time, a value, and no half of a position.
func (t *csvTable) complete() error {
	has := func(r role) bool {
		return slices.ContainsFunc(t.columns, func(c column) bool { return c.role == r })
	}
	switch {
	case !has(timeColumn):
		return fmt.Errorf("no column is named time, timestamp or unix_time")
	case has(latitudeColumn) != has(longitudeColumn):
		return fmt.Errorf("latitude and longitude come only together")
	case !has(signalColumn) && !has(latitudeColumn):
		return fmt.Errorf("no column is named after a signal of the catalogue")
	}
	return nil
}

func readColumn(name string, rename map[string]string, cat *catalogue.Catalogue) (column, error) {
	c := column{factor: 1}
	to, renamed := rename[name]
	if renamed {
		signal, factor, scaled := strings.Cut(to, "*")
		if scaled {
			f, err := strconv.ParseFloat(strings.TrimSpace(factor), 64)
			if err != nil || f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
				return c, fmt.Errorf("rename %s=%s: %q is not a factor", name, to, factor)
			}
			c.factor = f
		}
		name = strings.TrimSpace(signal)
	}
	if r, ok := roles[strings.ToLower(name)]; ok {
		c.role = r
		return c, nil
	}
	s := cat.Signal(name)
	switch {
	case s != nil && s.VSS != "" && (s.Kind == sayso.Number || s.Kind == sayso.Text):
		c.role, c.signal = signalColumn, s
	case renamed:
		return c, fmt.Errorf("rename to %s: that is no number or text signal of the catalogue", name)
	}
	return c, nil
}

func (t *csvTable) next() (record, error) {
	for !t.ended {
		row, err := t.in.Read()
		var bad *csv.ParseError
		switch {
		case err == io.EOF:
			t.ended = true
			continue
		case errors.As(err, &bad):
			t.problem(bad.Line, bad.Column, bad.Err.Error())
			continue
		case err != nil:
			return record{}, err
		}
		line, _ := t.in.FieldPos(0)
		signals, at := t.row(line, row)
		if len(signals) == 0 {
			continue
		}
		var done record
		var ok bool
		if t.batch.full(at, len(signals)) {
			done, ok = t.batch.take()
		}
		for _, s := range signals {
			t.batch.add(line, s)
		}
		if ok {
			return done, nil
		}
	}
	if r, ok := t.batch.take(); ok {
		return r, nil
	}
	return record{}, io.EOF
}

// row reads the cells of one row; a bad cell costs only itself, a bad time
// the row. Columns count from 1.
func (t *csvTable) row(line int, row []string) ([]device.Signal, time.Time) {
	at, ok := t.rowTime(line, row)
	if !ok {
		return nil, at
	}
	var signals []device.Signal
	place, have := sayso.Location{}, 0
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		if i >= len(t.columns) {
			if cell != "" {
				t.problem(line, i+1, "the cell is under no column")
			}
			continue
		}
		c := t.columns[i]
		if cell == "" || c.role == ignored || c.role == timeColumn {
			continue
		}
		v, err := c.value(cell)
		if err != nil {
			t.problem(line, i+1, err.Error())
			continue
		}
		switch c.role {
		case latitudeColumn:
			place.Latitude, have = v.Number, have|1
		case longitudeColumn:
			place.Longitude, have = v.Number, have|2
		case hdopColumn:
			place.HDOP = v.Number
		default:
			signals = append(signals, device.Signal{Name: c.signal.Name, Time: at, Value: v})
		}
	}
	if s, ok := t.position(line, at, place, have); ok {
		signals = append(signals, s)
	}
	signals = slices.DeleteFunc(signals, func(s device.Signal) bool { return !t.thin.keep(s.Name, at) })
	return signals, at
}

func (t *csvTable) rowTime(line int, row []string) (time.Time, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.role == timeColumn })
	if i >= len(row) {
		t.problem(line, 0, "the row has no time")
		return time.Time{}, false
	}
	at, err := parseTime(strings.TrimSpace(row[i]))
	if err != nil {
		t.problem(line, i+1, err.Error())
		return time.Time{}, false
	}
	return at, true
}

// position makes one reading of latitude and longitude.
func (t *csvTable) position(line int, at time.Time, l sayso.Location, have int) (device.Signal, bool) {
	if have == 0 {
		return device.Signal{}, false
	}
	v := sayso.LocationValue(l)
	err := t.place.Check(v)
	if have != 3 {
		err = errors.New("only half of the position is there")
	}
	if err != nil {
		t.problem(line, 0, err.Error())
		return device.Signal{}, false
	}
	return device.Signal{Name: t.place.Name, Time: at, Value: v}, true
}

// value reads a cell and checks it against the catalogue.
func (c *column) value(cell string) (sayso.Value, error) {
	if c.role == signalColumn && c.signal.Kind == sayso.Text {
		v := sayso.TextValue(cell)
		return v, c.signal.Check(v)
	}
	f, err := parseNumber(cell)
	if err != nil || c.role != signalColumn {
		return sayso.NumberValue(f), err
	}
	v := sayso.NumberValue(math.Round(f*c.factor*1e9) / 1e9)
	return v, c.signal.Check(v)
}

func parseNumber(cell string) (float64, error) {
	switch strings.ToLower(cell) {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	f, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(cell, "xX_") {
		return 0, fmt.Errorf("%q is not a number", cell)
	}
	return f, nil
}

// parseTime reads RFC 3339, or a number since 1970 in seconds, or by its size
// in milli-, micro- or nanoseconds (as for dates from 1973 to 5138).
func parseTime(cell string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, strings.Replace(cell, " ", "T", 1)); err == nil {
		return t.UTC(), nil
	}
	whole, frac, _ := strings.Cut(cell, ".")
	for _, unit := range []struct {
		digits int
		shift  int
	}{{11, 0}, {14, 3}, {17, 6}, {19, 9}} {
		if len(whole) > unit.digits {
			continue
		}
		if unit.shift == 0 {
			break
		}
		return parseUnix(whole[:len(whole)-unit.shift] + "." + (whole[len(whole)-unit.shift:] + frac + "000000000")[:9])
	}
	t, err := parseUnix(cell)
	if err != nil {
		return t, fmt.Errorf("%q is no time: want RFC 3339 or a number since 1970", cell)
	}
	return t, nil
}

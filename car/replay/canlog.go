package replay

import (
	"io"

	"sayso"
	"sayso/client/device"
)

// canLog reads a candump log with a mapping.
type canLog struct {
	lines   *lines
	mapping *Mapping
	batch   batch
	thin    thin
	problem func(line, column int, why string)
	ended   bool
}

func (c *canLog) next() (record, error) {
	for !c.ended {
		line, err := c.lines.next()
		if err == io.EOF {
			c.ended = true
			break
		}
		if err != nil {
			return record{}, err
		}
		f, err := ParseFrame(line)
		if err != nil {
			c.problem(c.lines.n, 0, err.Error())
			continue
		}
		var signals []device.Signal
		c.mapping.Readings(f, func(name string, v float64) {
			if c.thin.keep(name, f.Time) {
				signals = append(signals, device.Signal{Name: name, Time: f.Time, Value: sayso.NumberValue(v)})
			}
		})
		if len(signals) == 0 {
			continue
		}
		var done record
		var ok bool
		if c.batch.full(f.Time, len(signals)) {
			done, ok = c.batch.take()
		}
		for _, s := range signals {
			c.batch.add(c.lines.n, s)
		}
		if ok {
			return done, nil
		}
	}
	if r, ok := c.batch.take(); ok {
		return r, nil
	}
	return record{}, io.EOF
}

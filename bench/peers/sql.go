package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"sayso"
	"sayso/bench/iot"
)

// dialect is what differs between the engines that speak SQL. Parameters are
// written $1 and so on.
type dialect struct {
	d *iot.Data
	// bucket is the start of the interval of a time, counted from a parameter.
	bucket func(interval, column, from string) string
	// nowOf is the latest row of a table for every lorry of a fleet: a query for
	// the columns name and those given, of fleet $1; $2 is five minutes before the end.
	nowOf func(table string, columns ...string) string
	// latest is the latest number of a column of a car, whatever the row.
	latest func(column string) string
	// rows asks for rows of any columns.
	rows func(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) error
}

// tables are the statements that make the tables.
func tables() (out []string) {
	for _, t := range iot.Tables {
		columns := []string{"vehicle INTEGER", "time TIMESTAMP"}
		for _, c := range t.Numbers {
			columns = append(columns, c+" DOUBLE PRECISION")
		}
		for _, c := range t.Texts {
			columns = append(columns, c+" TEXT")
		}
		out = append(out, fmt.Sprintf("CREATE TABLE %s (%s)", t.Name, strings.Join(columns, ", ")))
	}
	return append(out, "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT, fleet TEXT, driver TEXT, model TEXT, load_capacity DOUBLE PRECISION)")
}

// values are a row of a table as parameters, NULL where something is not there.
func values(vehicle int, t *iot.Rows, i int) []any {
	out := []any{int32(vehicle), t.Times[i].Time()}
	for _, c := range t.Numbers {
		if math.IsNaN(c[i]) {
			out = append(out, nil)
		} else {
			out = append(out, c[i])
		}
	}
	for _, c := range t.Texts {
		if c[i] == "" {
			out = append(out, nil)
		} else {
			out = append(out, c[i])
		}
	}
	return out
}

// Ask answers.
func (q *dialect) Ask(ctx context.Context, a iot.Asked) ([]iot.Row, error) {
	at := func(t sayso.Instant) time.Time { return t.Time() }
	d := q.d
	end, begin, long, dayAgo := at(d.End()), at(d.Begin()), at(d.LongBegin()), at(d.End()-iotDay)
	averages := func(table, interval string, columns ...string) string {
		list := make([]string, 3)
		for i := range list {
			if list[i] = "0.0::DOUBLE PRECISION"; i < len(columns) {
				list[i] = "avg(" + columns[i] + ")"
			}
		}
		return fmt.Sprintf("SELECT '', %s AS w, %s FROM %s WHERE vehicle = $1 AND time >= $2 AND time < $3 GROUP BY w",
			q.bucket(interval, "time", "$2"), strings.Join(list, ", "), table)
	}
	moving := func(from string) string { // windows of all lorries in which they moved
		return "SELECT vehicle, " + q.bucket("10 minutes", "time", from) + " AS w, avg(fuel_consumption) AS fuel FROM readings WHERE time >= " + from + " GROUP BY vehicle, w HAVING avg(velocity) > 1"
	}
	const zeros = ", 0.0::DOUBLE PRECISION, 0.0::DOUBLE PRECISION"
	const always = "NULL::TIMESTAMP"
	switch a.Name {
	case "v1":
		return q.members(ctx, a.Vehicle, iot.Readings, iot.Diagnostics)
	case "c1":
		return q.latestOfCar(ctx, a.Vehicle)
	case "v2":
		return q.ask(ctx, averages("readings", "1 hour", "velocity", "fuel_consumption", "elevation"), a.Vehicle, dayAgo, end)
	case "c2":
		return q.ask(ctx, averages("cars", "1 hour", "speed", "engine_speed", "coolant"), a.Vehicle, dayAgo, end)
	case "v3":
		return q.ask(ctx, averages("readings", "1 hour", "velocity", "fuel_consumption", "elevation"), a.Vehicle, long, end)
	case "v4":
		return q.ask(ctx, averages("readings", "1 minute", "velocity")+" HAVING avg(velocity) > 1", a.Vehicle, long, end)
	case "v5":
		return q.ask(ctx, "SELECT '', "+q.bucket("1 day", "w", "$2")+" AS day, count(*)::DOUBLE PRECISION"+zeros+
			" FROM ("+averages("readings", "10 minutes", "velocity")+" HAVING avg(velocity) > 1) AS x GROUP BY day", a.Vehicle, long, end)
	case "f01":
		return q.ask(ctx, "SELECT name, "+always+", latitude, longitude, 0.0::DOUBLE PRECISION FROM ("+q.nowOf("readings", "latitude", "longitude")+") AS x", a.Fleet, at(d.End()-iotDay/288))
	case "f02":
		return q.ask(ctx, "SELECT name, "+always+", fuel_state"+zeros+" FROM ("+q.nowOf("diagnostics", "fuel_state")+") AS x WHERE fuel_state < 0.1", a.Fleet, at(d.End()-iotDay/288))
	case "f03":
		return q.ask(ctx, "SELECT name, "+always+", current_load"+zeros+" FROM ("+q.nowOf("diagnostics", "current_load")+") AS x JOIN tags USING (name) WHERE current_load / load_capacity > 0.9", a.Fleet, at(d.End()-iotDay/288))
	case "f04":
		return q.ask(ctx, "SELECT name, "+always+", avg(velocity)"+zeros+" FROM readings JOIN tags ON id = vehicle WHERE fleet = $1 AND time >= $2 GROUP BY name HAVING avg(velocity) < 1", a.Fleet, at(d.End()-iotDay/144))
	case "f05", "f06":
		hours, least := sayso.Instant(4), 22
		if a.Name == "f06" {
			hours, least = 24, 60
		}
		return q.ask(ctx, fmt.Sprintf("SELECT name, %s, count(*)::DOUBLE PRECISION%s FROM (SELECT name, %s AS w FROM readings JOIN tags ON id = vehicle WHERE fleet = $1 AND time >= $2 GROUP BY name, w HAVING avg(velocity) > 1) AS x GROUP BY name HAVING count(*) > %d",
			always, zeros, q.bucket("10 minutes", "time", "$2"), least), a.Fleet, at(d.End()-hours*iotDay/24))
	case "f07":
		rows, err := q.ask(ctx, "SELECT fleet, "+always+", avg(fuel)"+zeros+" FROM ("+moving("$1")+") AS x JOIN tags ON id = vehicle GROUP BY fleet", begin)
		return d.WithNominal(rows), err
	case "f08":
		return q.ask(ctx, fmt.Sprintf("SELECT driver, %s, count(*) / 6.0::DOUBLE PRECISION / %d%s FROM (%s) AS x JOIN tags ON id = vehicle GROUP BY driver", always, d.Days, zeros, moving("$1")), begin)
	case "f10":
		return q.ask(ctx, "SELECT fleet || ' ' || model AS k, "+always+", avg(current_load)"+zeros+" FROM diagnostics JOIN tags ON id = vehicle WHERE time >= $1 GROUP BY k", begin)
	case "f11":
		return q.ask(ctx, "SELECT fleet || ' ' || model AS k, "+q.bucket("1 day", "w", "$1")+" AS day, count(*) / 6.0::DOUBLE PRECISION"+zeros+" FROM ("+moving("$1")+") AS x JOIN tags ON id = vehicle GROUP BY k, day", begin)
	case "f12":
		return q.ask(ctx, "WITH x AS (SELECT vehicle, "+q.bucket("10 minutes", "time", "$1")+" AS w, 2 * sum(CASE WHEN status = 0 THEN 1 ELSE 0 END) > count(*) AS broken FROM diagnostics WHERE time >= $1 GROUP BY vehicle, w), "+
			"y AS (SELECT vehicle, broken AND NOT lag(broken, 1, true) OVER (PARTITION BY vehicle ORDER BY w) AS turns FROM x) "+
			"SELECT model, "+always+", count(*)::DOUBLE PRECISION"+zeros+" FROM y JOIN tags ON id = vehicle WHERE turns GROUP BY model", begin)
	}
	return nil, errors.ErrUnsupported
}

// ask reads rows of a key, a time and three numbers.
func (q *dialect) ask(ctx context.Context, query string, args ...any) (out []iot.Row, err error) {
	err = q.rows(ctx, query, args, func(scan func(...any) error) error {
		var r iot.Row
		var at *time.Time
		if err := scan(&r.Key, &at, &r.Values[0], &r.Values[1], &r.Values[2]); err != nil {
			return err
		}
		if at != nil {
			r.Time = sayso.At(*at)
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

// members reads the columns of the latest row of each table.
func (q *dialect) members(ctx context.Context, vehicle int, of ...*iot.Table) (out []iot.Row, err error) {
	var columns, from []string
	for _, t := range of {
		columns = append(columns, t.Numbers...)
		from = append(from, fmt.Sprintf("(SELECT * FROM %s WHERE vehicle = $1 ORDER BY time DESC LIMIT 1) AS %s", t.Name, t.Name))
	}
	return q.row(ctx, columns, "SELECT "+strings.Join(columns, ", ")+" FROM "+strings.Join(from, ", "), vehicle)
}

func (q *dialect) latestOfCar(ctx context.Context, vehicle int) ([]iot.Row, error) {
	var list []string
	for _, c := range iot.Cars.Numbers {
		list = append(list, q.latest(c))
	}
	query := "SELECT " + strings.Join(list, ", ")
	if strings.HasPrefix(list[0], "arg_max") {
		query += " FROM cars WHERE vehicle = $1"
	}
	return q.row(ctx, iot.Cars.Numbers, query, vehicle)
}

// row reads one row of columns.
func (q *dialect) row(ctx context.Context, columns []string, query string, args ...any) (out []iot.Row, err error) {
	err = q.rows(ctx, query, args, func(scan func(...any) error) error {
		numbers := make([]*float64, len(columns))
		into := make([]any, len(columns))
		for i := range into {
			into[i] = &numbers[i]
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i, c := range columns {
			if numbers[i] != nil {
				out = append(out, iot.Row{Key: c, Values: [3]float64{*numbers[i]}})
			}
		}
		return nil
	})
	return out, err
}

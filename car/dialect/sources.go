package dialect

import (
	_ "embed"
	"fmt"
	"sync"

	"sayso"
	"sayso/car/dialect/internal/table"
)

// sources.csv lists the connections that speak a dialect of their own (spec
// ingest 1.10), and whether the devices behind them are aftermarket or
// synthetic ones.
//
//go:embed sources.csv
var sourcesCSV string

// form is a way to write a message.
type form string

const (
	formStandard form = "standard"
	formAutoPi   form = "autopi"
	formHashDog  form = "hashdog"
	formRuptela  form = "ruptela"
	formTesla    form = "tesla"
)

// connection is what is known of a source.
type connection struct {
	form      form
	synthetic bool
}

var connections = sync.OnceValues(func() (map[sayso.Address]connection, error) {
	all := map[sayso.Address]connection{}
	err := table.Rows(sourcesCSV, "source,dialect,producer", func(row []string) error {
		a, err := sayso.ParseAddress(row[0])
		all[a] = connection{form(row[1]), row[2] == "synthetic"}
		return err
	})
	if err != nil {
		err = fmt.Errorf("sources.csv: %w", err)
	}
	return all, err
})

//go:build !cgo

package main

import (
	"context"
	"errors"

	"sayso/bench/iot"
)

func openDuckDB(context.Context, *iot.Data, string) (peer, error) {
	return nil, errLeftOut{errors.New("this program was built without cgo, which DuckDB needs: install a C compiler")}
}

// Package table reads the CSV files that dialects carry.
package table

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// Rows calls row with each row of a CSV text that has that header.
func Rows(text, header string, row func([]string) error) error {
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return err
	}
	if len(all) == 0 || !slices.Equal(all[0], strings.Split(header, ",")) {
		return fmt.Errorf("the first line is not %s", header)
	}
	for i, r := range all[1:] {
		if err := row(r); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return nil
}

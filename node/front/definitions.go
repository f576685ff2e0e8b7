package front

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"sayso"
	"sayso/car/definition"
	"sayso/owner/registry"
)

// Bounds of a question about definitions.
const (
	definitionsPerPage = 20
	mostPerPage        = 100
	longestQuery       = 200
)

// definitions adds what is answered about device definitions (spec api 8). All
// but the decoding of an identification number is for everybody.
func (f *Front) definitions() {
	f.Handle("GET /device-definitions/search", problems(f.searchDefinitions))
	f.Handle("GET /device-definitions/{id}", problems(f.oneDefinition))
	f.Handle("GET /vin-profile/{vin}", problems(f.profileVIN))
	f.Handle("POST /device-definitions/decode-vin", problems(func(r *http.Request) (any, error) {
		who, err := f.caller(r, f.callers)
		if err == nil && who.IsZero() {
			err = sayso.Fail(sayso.Unauthorized, opDefinitions, "send the token of a sign-in as a bearer")
		}
		if err != nil {
			return nil, err
		}
		return f.decodeVIN(r)
	}))
}

const opDefinitions = "front.definitions"

func badQuestion(format string, args ...any) error {
	return sayso.Fail(sayso.Invalid, opDefinitions, fmt.Sprintf(format, args...))
}

// problems answers with JSON, and with an error in the form of RFC 9457 to which
// the members that the npm SDK looks at are added.
func problems(answer func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out, err := answer(r)
		if err != nil {
			status := sayso.FaultOf(err).Status()
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			out = map[string]any{
				"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": sayso.MessageOf(err),
				"code": status, "message": sayso.MessageOf(err),
			}
		}
		json.NewEncoder(w).Encode(out)
	})
}

// definitionJSON is a definition in an answer.
type definitionJSON struct {
	ID       string `json:"id"`
	Legacy   string `json:"legacy_ksuid"`
	Name     string `json:"name"`
	Make     string `json:"make"`
	Model    string `json:"model"`
	Year     int    `json:"year"`
	ImageURL string `json:"imageUrl"`
}

func jsonOf(d definition.Definition) definitionJSON {
	return definitionJSON{ID: d.ID, Name: d.Name(), Make: d.Make, Model: d.Model, Year: d.Year}
}

type facetJSON struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func facetsOf(list []definition.Facet) []facetJSON {
	out := []facetJSON{}
	for _, x := range list {
		out = append(out, facetJSON(x))
	}
	return out
}

func (f *Front) searchDefinitions(r *http.Request) (any, error) {
	in := r.URL.Query()
	q := definition.Query{Text: in.Get("query"), MakeSlug: in.Get("makeSlug"), ModelSlug: in.Get("modelSlug")}
	if q.Text == "" {
		return nil, badQuestion("query is missing: want words of make, model or year")
	}
	if len(q.Text) > longestQuery {
		return nil, badQuestion("query has %d bytes, over %d", len(q.Text), longestQuery)
	}
	page, size := 1, definitionsPerPage
	for _, x := range []struct {
		name      string
		to        *int
		low, high int
	}{{"year", &q.Year, 0, 9999}, {"page", &page, 1, 1 << 20}, {"pageSize", &size, 1, mostPerPage}} {
		if text := in.Get(x.name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < x.low || n > x.high {
				return nil, badQuestion("%s must be a number from %d to %d", x.name, x.low, x.high)
			}
			*x.to = n
		}
	}
	c, err := definition.Load()
	if err != nil {
		return nil, err
	}
	found := c.Search(q, tables(f.cfg.Registry)...)
	total := len(found.Definitions)
	list := []definitionJSON{}
	for i := (page - 1) * size; i < min(page*size, total); i++ {
		list = append(list, jsonOf(found.Definitions[i]))
	}
	return map[string]any{
		"deviceDefinitions": list,
		"facets":            map[string]any{"makes": facetsOf(found.Makes), "models": facetsOf(found.Models), "years": facetsOf(found.Years)},
		"pagination":        map[string]any{"page": page, "pageSize": size, "totalItems": total, "totalPages": (total + size - 1) / size},
	}, nil
}

// oneDefinition finds a definition in the catalogue, or one that somebody put on
// the chain: in a manufacturer's table, or with a vehicle.
func (f *Front) oneDefinition(r *http.Request) (any, error) {
	c, err := definition.Load()
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	d, ok := c.Lookup(id)
	if !ok {
		d, ok = onChain(f.cfg.Registry, id)
	}
	if !ok {
		return nil, sayso.Fail(sayso.NotFound, opDefinitions, fmt.Sprintf("no device definition has the id %.100q", id))
	}
	return jsonOf(d), nil
}

// tables are the definitions in the tables of manufacturers.
func tables(r *registry.Registry) (list []definition.Definition) {
	for _, m := range r.Manufacturers() {
		if m.Table == 0 {
			continue
		}
		for row := range r.DefinitionList(m.Table).Up(nil) {
			if d, ok := definition.Parse(row.ID); ok {
				d.Make, d.Model, d.Year = m.Name, row.Model, int(row.Year)
				list = append(list, d)
			}
		}
	}
	return list
}

func onChain(r *registry.Registry, id string) (definition.Definition, bool) {
	d, ok := definition.Parse(id)
	if !ok {
		return d, false
	}
	if row, found := r.Definition(id); found {
		if m, known := r.ManufacturerOfTable(row.Table); known {
			d.Make = m.Name
		}
		d.Model, d.Year = row.Model, int(row.Year)
		return d, true
	}
	for v := range r.Vehicles(registry.VehicleFilter{Definition: &id}) {
		if name := v.Attributes["Make"]; name != "" {
			d.Make = name
		}
		if name := v.Attributes["Model"]; name != "" {
			d.Model = name
		}
		return d, true
	}
	return d, false
}

// vin decodes a number as of now: models of the next year are on sale already.
func (f *Front) vin(number string) (definition.VIN, error) {
	c, err := definition.Load()
	if err != nil {
		return definition.VIN{}, err
	}
	return c.Decode(number, f.cfg.Clock.Now().UTC().Year()+1)
}

func (f *Front) decodeVIN(r *http.Request) (any, error) {
	const most = 64 << 10
	var in struct {
		VIN string `json:"vin"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, most)).Decode(&in); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, sayso.Fail(sayso.TooLarge, opDefinitions, fmt.Sprintf("the body has more than %d bytes", most))
		}
		return nil, badQuestion("the body is not JSON with a member vin")
	}
	v, err := f.vin(in.VIN)
	if err != nil {
		return nil, err
	}
	if len(v.Definitions) == 0 {
		return nil, sayso.Fail(sayso.NotFound, opDefinitions, "the number does not tell the model"+maker(v))
	}
	ids := []string{}
	for _, d := range v.Definitions {
		ids = append(ids, d.ID)
	}
	return map[string]any{"deviceDefinitionId": ids[0], "newTransactionHash": "", "candidates": ids}, nil
}

// maker says what else a number tells.
func maker(v definition.VIN) string {
	switch {
	case v.Manufacturer == "":
		return ": the manufacturer identifier " + v.WMI + " is not in the data"
	case v.Year == 0:
		return "; it was made by " + v.Manufacturer
	}
	return "; it was made by " + v.Manufacturer + ", model year " + strconv.Itoa(v.Year)
}

func (f *Front) profileVIN(r *http.Request) (any, error) {
	v, err := f.vin(r.PathValue("vin"))
	if err != nil {
		return nil, err
	}
	list := []definitionJSON{}
	for _, d := range v.Definitions {
		list = append(list, jsonOf(d))
	}
	return map[string]any{
		"vin": v.Number, "wmi": v.WMI, "manufacturer": v.Manufacturer, "country": v.Country, "vehicleType": v.VehicleType, "makes": v.Makes,
		"modelYear": v.Year, "checkDigit": string(v.CheckDigit), "checkDigitMatches": v.Checks, "deviceDefinitions": list,
	}, nil
}

package front_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sayso/owner/registry"
)

// definitions asks, wants the status and reads the answer.
func (w *world) definitions(want int, method, path, bearer, body string, into any) {
	w.t.Helper()
	status, answer := w.call(method, path, bearer, "application/json", body)
	if status != want {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, status, answer, want)
	}
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		w.t.Fatalf("%s: %v", answer, err)
	}
}

type definitionOut struct {
	ID, Name, Make, Model string
	Year                  int
}

func TestSearchOfDefinitions(t *testing.T) {
	w := newWorld(t)
	var out struct {
		DeviceDefinitions []definitionOut
		Facets            struct{ Makes, Models, Years []struct{ Name string } }
		Pagination        struct{ Page, PageSize, TotalItems, TotalPages int }
	}
	w.definitions(http.StatusOK, "GET", "/device-definitions/search?query=Lexus+gx&makeSlug=lexus&modelSlug=gx&year=2023&page=1&pageSize=5", "", "", &out)
	want := definitionOut{"lexus_gx_2023", "2023 Lexus GX", "Lexus", "GX", 2023}
	if len(out.DeviceDefinitions) != 1 || out.DeviceDefinitions[0] != want || out.Pagination.TotalItems != 1 || out.Pagination.PageSize != 5 || out.Facets.Makes[0].Name != "Lexus" || out.Facets.Years[0].Name != "2023" {
		t.Errorf("%+v", out)
	}
	seen := map[string]bool{}
	for page := 1; ; page++ {
		w.definitions(http.StatusOK, "GET", fmt.Sprintf("/device-definitions/search?query=model&makeSlug=tesla&page=%d", page), "", "", &out)
		for _, d := range out.DeviceDefinitions {
			if seen[d.ID] || d.Make != "Tesla" {
				t.Errorf("%+v", d)
			}
			seen[d.ID] = true
		}
		if page >= out.Pagination.TotalPages {
			break
		}
	}
	if len(seen) != out.Pagination.TotalItems || len(seen) < 30 {
		t.Errorf("%d of %d", len(seen), out.Pagination.TotalItems)
	}
	w.definitions(http.StatusOK, "GET", "/device-definitions/search?query=tesla&page=1000", "", "", &out)
	if len(out.DeviceDefinitions) != 0 || out.Pagination.TotalItems == 0 {
		t.Errorf("%+v", out)
	}
	for _, bad := range []string{"", "?query=", "?query=a&page=0", "?query=a&pageSize=101", "?query=a&year=x", "?query=" + strings.Repeat("a", 300)} {
		var problem struct {
			Status, Code   int
			Title, Message string
		}
		w.definitions(http.StatusBadRequest, "GET", "/device-definitions/search"+bad, "", "", &problem)
		if problem.Status != 400 || problem.Code != 400 || problem.Title == "" || problem.Message == "" {
			t.Errorf("%s: %+v", bad, problem)
		}
	}
}

// TestDefinitionsOfTheChain: what no catalogue has, but a vehicle or a table on
// the chain, is found by its id.
func TestDefinitionsOfTheChain(t *testing.T) {
	w := newWorld(t)
	w.fold(func(tx *registry.Tx) {
		tx.PutManufacturer(registry.Manufacturer{ID: 2, Name: "Škoda", Table: 17})
		tx.PutDefinition(registry.Definition{Table: 17, ID: "skoda_fabia_2021", Model: "Fabia", Year: 2021})
		tx.PutVehicle(registry.Vehicle{
			ID: 7100, Manufacturer: 1, Definition: "skoda_octavia-combi_2019", Attributes: map[string]string{"Make": "Škoda", "Model": "Octavia Combi"},
			Owners: []registry.Ownership{{Owner: account("owner"), From: bought[1].Unix(), Block: tx.Block.Number}},
		})
	})
	w.final()
	var d definitionOut
	w.definitions(http.StatusOK, "GET", "/device-definitions/skoda_octavia-combi_2019", "", "", &d)
	if (d != definitionOut{"skoda_octavia-combi_2019", "2019 Škoda Octavia Combi", "Škoda", "Octavia Combi", 2019}) {
		t.Errorf("%+v", d)
	}
	fabia := definitionOut{"skoda_fabia_2021", "2021 Škoda Fabia", "Škoda", "Fabia", 2021}
	w.definitions(http.StatusOK, "GET", "/device-definitions/skoda_fabia_2021", "", "", &d)
	if d != fabia {
		t.Errorf("%+v", d)
	}
	var found struct{ DeviceDefinitions []definitionOut }
	w.definitions(http.StatusOK, "GET", "/device-definitions/search?query=fabia", "", "", &found)
	if len(found.DeviceDefinitions) != 1 || found.DeviceDefinitions[0] != fabia {
		t.Errorf("%+v", found)
	}
	w.definitions(http.StatusOK, "GET", "/device-definitions/ford_escape_2020", "", "", &d)
	if d.ID != "ford_escape_2020" || d.Model != "Escape" {
		t.Errorf("%+v", d)
	}
	w.definitions(http.StatusNotFound, "GET", "/device-definitions/skoda_octavia-combi_2020", "", "", &d)
	w.definitions(http.StatusNotFound, "GET", "/device-definitions/nonsense", "", "", &d)
}

func TestVINs(t *testing.T) {
	w := newWorld(t)
	var out struct {
		DeviceDefinitionID string
		NewTransactionHash *string
		Candidates         []string
		Message            string
	}
	decode := func(want int, bearer, body string) {
		t.Helper()
		out.DeviceDefinitionID, out.Message = "", ""
		w.definitions(want, "POST", "/device-definitions/decode-vin", bearer, body, &out)
	}
	decode(http.StatusUnauthorized, "", `{"vin":"KM8K2CAB4PU001140","countryCode":"USA"}`)
	if out.DeviceDefinitionID != "" {
		t.Error("the number was decoded for nobody")
	}
	token := w.login("app")
	decode(http.StatusOK, token, `{"vin":"KM8K2CAB4PU001140","countryCode":"USA"}`)
	if out.DeviceDefinitionID != "hyundai_kona_2023" || out.NewTransactionHash == nil || *out.NewTransactionHash != "" || len(out.Candidates) != 1 {
		t.Errorf("%+v", out)
	}
	decode(http.StatusNotFound, token, `{"vin":"1M8GDM9AXKP042788"}`)
	if !strings.Contains(out.Message, "MOTOR COACH INDUSTRIES") {
		t.Errorf("%+v", out)
	}
	for _, bad := range []string{``, `{`, `[]`, `{"vin":5}`, `{"vin":"KM8K2CAB4PU00114"}`, `{"vin":"KM8K2CAB4PU00114I"}`} {
		decode(http.StatusBadRequest, token, bad)
	}
	decode(http.StatusRequestEntityTooLarge, token, `{"vin":"`+strings.Repeat("1", 70<<10)+`"}`)

	var profile struct {
		WMI, Manufacturer, Country, CheckDigit string
		ModelYear                              int
		CheckDigitMatches                      bool
		DeviceDefinitions                      []definitionOut
	}
	w.definitions(http.StatusOK, "GET", "/vin-profile/5YJ3E1EA7JF000316", "", "", &profile)
	if profile.WMI != "5YJ" || profile.Manufacturer != "TESLA, INC." || profile.ModelYear != 2018 || profile.CheckDigit != "2" || profile.CheckDigitMatches ||
		len(profile.DeviceDefinitions) != 1 || profile.DeviceDefinitions[0].ID != "tesla_model-3_2018" {
		t.Errorf("%+v", profile)
	}
	w.definitions(http.StatusBadRequest, "GET", "/vin-profile/5YJ", "", "", &profile)
}

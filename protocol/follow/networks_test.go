package follow

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sayso"
)

// The contracts of each network are those of the specification, each of its own
// column, none is missing, and no two are the same.
func TestNetworksAreThoseOfTheSpecification(t *testing.T) {
	text, err := os.ReadFile("../../../shared/spec/contracts.md")
	if err != nil {
		t.Skip("the specification is not beside the repository:", err)
	}
	rows := map[string][2]string{} // by the name of the row
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			rows[strings.TrimSpace(cells[1])] = [2]string{cells[2], cells[3]}
		}
	}
	names := map[string]string{
		"Registry": "DIMORegistry", "Vehicle": "VehicleId", "Manufacturer": "ManufacturerId", "AftermarketDevice": "AftermarketDeviceId",
		"SyntheticDevice": "SyntheticDeviceId", "Grants": "Sacd", "Templates": "Template", "Connections": "Connections", "StorageNodes": "StorageNode",
		"DevLicense": "DevLicenseDimo", "Staking": "DIMOStaking", "Names": "DcnRegistry / resolver", "Resolver": "DcnRegistry / resolver", "Reward": "Reward / Referral",
	}
	address := regexp.MustCompile("0x[0-9a-fA-F]{40}")
	for column, name := range []string{"polygon", "amoy"} {
		n, err := NetworkNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[sayso.Address]bool{}
		v := reflect.ValueOf(n.Chain)
		for i := range v.NumField() {
			member := v.Type().Field(i).Name
			a, ok := v.Field(i).Interface().(sayso.Address)
			if !ok || member == "Accounts" { // which that network has not
				continue
			}
			row := rows[names[member]]
			cell := row[column]
			if strings.TrimSpace(cell) == "same" {
				cell = row[0]
			}
			at := 0
			switch member {
			case "Resolver":
				at = 1
			case "Templates":
				if name == "polygon" {
					at = 1 // sources disagree: that of those who read the events
				}
			}
			found := address.FindAllString(cell, -1)
			if len(found) <= at || !strings.EqualFold(found[at], a.String()) || seen[a] {
				t.Errorf("%s: %s is %s, the specification has %v", name, member, a, found)
			}
			seen[a] = true
		}
	}
	if _, err := NetworkNamed("mainnet"); err == nil || !strings.Contains(err.Error(), "amoy or polygon") {
		t.Errorf("an unknown network: %v", err)
	}
}

package registry

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sayso"
)

var update = flag.Bool("update", false, "write the fixture of this format again; only for a new format")

const fixtureFile = "testdata/registry-1"

// story is a few facts of each kind over four blocks.
func story(tx *Tx) error {
	switch n := int64(tx.Block.Number); n {
	case 1:
		tx.PutManufacturer(Manufacturer{ID: 1, Name: "Ford", Owner: address(1), MintedAt: 1001})
		tx.PutVehicle(Vehicle{ID: 1, Manufacturer: 1, Definition: "ford_fiesta_2020", Attributes: map[string]string{"Make": "Ford"}, MintedAt: 1001,
			Owners: []Ownership{{Owner: address(2), From: 1001, Block: 1}}})
	case 2:
		tx.PutDevice(Device{ID: 3, Manufacturer: 1, Address: address(9), Owner: address(2), Beneficiary: address(2), MintedAt: 1002,
			Pairings: []Pairing{{Vehicle: 1, From: 1002}}})
		tx.PutLicence(Licence{ID: 4, Owner: address(5), ClientID: address(6), Alias: "app", MintedAt: 1002,
			Signers: map[sayso.Address]int64{address(5): 1002}, RedirectURIs: map[string]int64{"https://app.example": 1002}})
		tx.PutTemplate(Template{ID: "7", Creator: address(5), Owner: address(5), Asset: address(1), Permissions: "0xc", CID: "bafk", CreatedAt: 1002, Active: true, Block: 2})
	case 3, 4:
		tx.PutGrant(Grant{Vehicle: 1, Grantee: address(6), Right: Right{[]string{"0xc", "0x3c"}[n-3], Forever}, Source: "ipfs://bafk", Template: "7", CreatedAt: 1000 + n, Block: uint64(n)})
	}
	return nil
}

// A file that was written once must stay readable, and can be gone on with.
func TestTheFormatStaysReadable(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	body, err := os.ReadFile(fixtureFile + ".db")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "r")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	r := openWith(t, path, 1)
	want, err := os.ReadFile(fixtureFile + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, r); got != string(want) {
		t.Errorf("facts\n%s\nwant\n%s", got, want)
	}
	if g, ok := r.Grant(1, address(6)); !ok || g.Permissions != "0x3c" || g.Before.Permissions != "0xc" {
		t.Errorf("grant %+v", g)
	}
	if first, ok, err := r.First(); first != 1 || !ok || err != nil {
		t.Errorf("first block %d, %v, %v", first, ok, err)
	}
	if hash, ok, err := r.Genesis(); hash != block(0, 0, 0).Hash || !ok || err != nil {
		t.Errorf("block 0 %x, %v, %v", hash, ok, err)
	}
	if c, err := r.Clock(fixed(time.Unix(0, 0))); err != nil || c.Now().Unix() != 2000 {
		t.Errorf("clock %v, %v", c.Now(), err)
	}
	if err := r.Unwind(2); err != nil || strings.Contains(dump(t, r), "grant") {
		t.Errorf("unwound: %v\n%s", err, dump(t, r))
	}
	if err := r.Fold(block(3, 0, 0), story); err != nil {
		t.Error(err)
	}
}

type fixed time.Time

func (f fixed) Now() time.Time { return time.Time(f) }

func writeFixture(t *testing.T) {
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	os.Remove(fixtureFile + ".db")
	r := openWith(t, fixtureFile+".db", 1)
	if err := r.PinGenesis(block(0, 0, 0).Hash); err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= 4; n++ {
		if err := r.Fold(block(n, 0, 0), story); err != nil {
			t.Fatal(err)
		}
	}
	c, err := r.Clock(fixed(time.Unix(2000, 0)))
	if err == nil {
		err = c.Mark()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fixtureFile+".txt", []byte(dump(t, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Close()
	db, err := sql.Open("sqlite", fixtureFile+".db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA journal_mode = delete; VACUUM`); err != nil { // one file
		t.Fatal(err)
	}
}

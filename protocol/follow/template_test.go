package follow

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/owner/registry"
)

func TestATemplateIsFollowedThroughItsLife(t *testing.T) {
	alice, bob := common.Address{0xa}, common.Address{0xb}
	id := new(big.Int).Lsh(big.NewInt(5), 200) // beyond 64 bits, as hashes are
	rows := templateTable()
	created, ended := rows[0].signature, rows[1].signature
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0,
		emit(t, info.Templates, transfer, common.Address{}, alice, id),
		emit(t, info.Templates, created, id, alice, common.Address(info.Vehicle), big.NewInt(0xc), "bafkrei"),
		emit(t, info.Templates, created, n(2), alice, common.Address{}, new(big.Int), "ipfs://Qm"),
		emit(t, info.Templates, ended, n(99)), // never made: passed over
	)
	f.step(t)
	head, _ := f.Head()
	want := registry.Template{
		ID: id.String(), Creator: sayso.Address(alice), Owner: sayso.Address(alice), Asset: info.Vehicle, Permissions: "0xc", CID: "bafkrei",
		CreatedAt: head.Time, Active: true, Block: head.Number,
	}
	if got, ok := f.Template("000" + id.String()); !ok || got != want || got.Set() != sayso.PermissionSet(1) || got.Source() != "ipfs://bafkrei" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, _ := f.Template("2"); got.Source() != "ipfs://Qm" || !got.Set().Empty() {
		t.Errorf("the second: %+v", got)
	}
	c.grow(0, emit(t, info.Templates, transfer, alice, bob, id))
	f.step(t)
	if got, _ := f.Template(id.String()); got.Owner != sayso.Address(bob) || got.Creator != sayso.Address(alice) || !got.Active {
		t.Errorf("after the transfer: %+v", got)
	}
	c.grow(0, emit(t, info.Templates, ended, id), emit(t, info.Templates, transfer, alice, common.Address{}, n(2)))
	f.step(t)
	for _, x := range []string{id.String(), "2"} {
		if got, ok := f.Template(x); !ok || got.Active {
			t.Errorf("after its end: %+v", got)
		}
	}
	if _, ok := f.Template("nothing"); ok {
		t.Error("there is a template without a number")
	}
}

func TestAChainWithoutTemplatesHasNone(t *testing.T) {
	without := info
	without.Templates = sayso.Address{}
	list, err := decoders(without, table(without))
	if err != nil {
		t.Fatal(err)
	}
	for at, d := range list {
		if at.contract == (common.Address{}) {
			t.Errorf("%s is expected at the zero address", d.name)
		}
	}
	if all, _ := decoders(info, table(info)); len(all) != len(list)+len(templateTable()) || len(all) != len(table(info)) {
		t.Errorf("%d events with templates, %d without", len(all), len(list))
	}
}

func TestAllGrantsEndAtOnce(t *testing.T) {
	alice := common.Address{0xa}
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0,
		emit(t, info.Registry, minted, n(1), n(1), alice, "dd"),
		emit(t, info.Registry, minted, n(1), n(2), alice, "dd"),
		emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(0xc), common.Address{1}, n(1<<40), n(0), ""),
		emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(0xc), common.Address{2}, n(1<<40), n(0), ""),
		emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(2), n(0xc), common.Address{1}, n(1<<40), n(0), ""),
	)
	f.step(t)
	if a, b := len(f.Grants(1)), len(f.Grants(2)); a != 2 || b != 1 {
		t.Fatalf("%d and %d grants", a, b)
	}
	c.grow(0, emit(t, info.Grants, allRevoked, common.Address{0x99}, n(2), n(2)), emit(t, info.Grants, allRevoked, common.Address(info.Vehicle), n(1), n(2)))
	f.step(t)
	if a, b := len(f.Grants(1)), len(f.Grants(2)); a != 0 || b != 1 {
		t.Errorf("%d and %d grants after all of the first ended", a, b)
	}
}

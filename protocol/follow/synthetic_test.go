package follow

import (
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/owner/registry"
)

func TestASyntheticDeviceIsFollowedThroughItsLife(t *testing.T) {
	alice, bob, key := common.Address{0xa}, common.Address{0xb}, common.Address{0xc}
	connection := new(big.Int).SetBytes(common.RightPadBytes([]byte("Tesla"), 32))
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0,
		emit(t, info.Registry, minted, n(1), n(1), alice, "dd"),
		emit(t, info.Registry, syntheticNew, connection, n(7), n(1), key, alice),
		emit(t, info.Registry, syntheticAttr, n(7), "Colour", "red"),
		emit(t, info.Registry, syntheticAttr, n(8), "Colour", "red"), // never made: passed over
		emit(t, info.Registry, syntheticGone, n(9), n(1), alice),
	)
	f.step(t)
	head, _ := f.Head()
	want := registry.Synthetic{
		ID: 7, Connection: connection.String(), Vehicle: 1, Address: sayso.Address(key),
		Attributes: map[string]string{"Colour": "red"}, MintedAt: head.Time,
	}
	if got, ok := f.Synthetic(7); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if v, _ := f.Vehicle(1); v.Synthetic != 7 {
		t.Errorf("the vehicle: %+v", v)
	}
	// It goes with its vehicle, so its owner is the vehicle's.
	c.grow(0, emit(t, info.Vehicle, transfer, alice, bob, n(1)))
	f.step(t)
	if v, _ := f.Vehicle(1); v.Owner() != sayso.Address(bob) || v.Synthetic != 7 {
		t.Errorf("after the transfer: %+v", v)
	}
	c.grow(0, emit(t, info.Registry, syntheticGone, n(7), n(1), bob))
	f.step(t)
	head, _ = f.Head()
	want.BurnedAt = head.Time
	if got, ok := f.Synthetic(7); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("after its end: %+v", got)
	}
	if v, _ := f.Vehicle(1); v.Synthetic != 0 {
		t.Errorf("the vehicle after its end: %+v", v)
	}
	// A new one, and the end of the old one told late, which does not touch it.
	c.grow(0, emit(t, info.Registry, syntheticNew, n(2), n(8), n(1), key, bob), emit(t, info.Registry, syntheticGone, n(7), n(1), bob))
	f.step(t)
	if v, _ := f.Vehicle(1); v.Synthetic != 8 {
		t.Errorf("the vehicle with a new one: %+v", v)
	}
	if got, _ := f.Synthetic(8); got.Connection != "2" {
		t.Errorf("an integration of before 2025: %+v", got)
	}
	c.cut(len(c.blocks) - 3)
	c.grow(1)
	c.grow(1)
	c.grow(1)
	f.step(t)
	if got, ok := f.Synthetic(7); !ok || got.BurnedAt != 0 {
		t.Errorf("after a fork took its end back: %+v", got)
	}
}

func TestStorageNodesAndNewNames(t *testing.T) {
	alice := common.Address{0xa}
	node := new(big.Int).Lsh(big.NewInt(3), 250)
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0,
		emit(t, info.Registry, "ManufacturerNodeMinted(string name, uint256 tokenId, address indexed owner)", "Tesla", n(1), alice),
		emit(t, info.Registry, minted, n(1), n(1), alice, "dd"),
		emit(t, info.Registry, storageNode, n(1), node),
		emit(t, info.Registry, storageNode, n(9), node),
		emit(t, info.Registry, renamed, n(1), "Tesla Motors"),
		emit(t, info.Registry, renamed, n(9), "Nobody"),
	)
	f.step(t)
	if v, _ := f.Vehicle(1); v.StorageNode != node.String() {
		t.Errorf("storage node %q, want %s", v.StorageNode, node)
	}
	if m, _ := f.Manufacturer(1); m.Name != "Tesla Motors" {
		t.Errorf("manufacturer %+v", m)
	}
	c.grow(0, emit(t, info.Registry, storageNode, n(1), n(0)))
	f.step(t)
	if v, _ := f.Vehicle(1); v.StorageNode != "" {
		t.Errorf("storage node %q, want the default one", v.StorageNode)
	}
}

package abi_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"sayso"
)

// TestContractAndGoReadPermissionsAlike compares the contract's answer for every
// permission number with the root package's reading of the same bits.
func TestContractAndGoReadPermissionsAlike(t *testing.T) {
	w := newWorld(t)
	w.do(w.alice, w.at.Registry, mintVehicle, one, w.alice.addr, "tesla_model-3_2020", model3)
	random := rand.New(rand.NewPCG(7, 37))
	values := []*big.Int{
		new(big.Int), big.NewInt(0x3fffc), big.NewInt(3), big.NewInt(0b10110100), sayso.AllPermissions().Bits(),
		new(big.Int).Sub(new(big.Int).Lsh(one, 256), one),
	}
	for range 6 {
		v := new(big.Int)
		for range 4 {
			// Or-ing two draws sets three bits of four, so that both bits of a pair are often there.
			v.Or(v.Lsh(v, 64), new(big.Int).SetUint64(random.Uint64()|random.Uint64()))
		}
		values = append(values, v)
	}
	for _, v := range values {
		w.do(w.alice, w.at.Grants, setPermissions, w.at.Vehicle, one, w.bob.addr, v, far, cid)
		set := sayso.PermissionsFromBits(v)
		for n := range 256 {
			got := w.view(w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(n)).(bool)
			want := n > 0 && n < 128 && set.Has(sayso.Permission(n))
			if got != want {
				t.Errorf("value %x, permission %d: the contract says %v, Go %v", v, n, got, want)
			}
		}
	}
}

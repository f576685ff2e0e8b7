package consent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sayso"
	"sayso/car/catalogue"
	"sayso/owner/registry"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// who is an account by its letter.
func who(letter byte) sayso.Address { return sayso.Address{0: 0xcc, 19: letter} }

// history is a registry with everything that was folded into it.
type history struct {
	fatal         func(...any)
	r             *registry.Registry
	confirmations uint64
	ops           []op
	now           time.Time
}

// op is a change of one vehicle in one block.
type op struct {
	block   uint64
	kind    string // mint, sell, burn, grant, revoke, and of a whole account share, unshare
	vehicle uint64
	who     sayso.Address
	from    sayso.Address // the account that shares
	set     sayso.Permissions
	expires int64
}

func newHistory(dir string, confirmations uint64, fatal func(...any)) *history {
	r, err := registry.Open(registry.Config{Path: filepath.Join(dir, "registry.db"), Chain: registry.ChainInfo{ID: 7, Vehicle: sayso.Address{1}}, Confirmations: confirmations})
	if err != nil {
		fatal(err)
	}
	h := &history{fatal: fatal, r: r, confirmations: confirmations, now: noon}
	h.fold()
	return h
}

func (h *history) head() uint64 { b, _ := h.r.Head(); return b.Number }

// fold puts changes into the next block; without any, the block is empty.
func (h *history) fold(list ...op) {
	head, _ := h.r.Head()
	b := registry.Block{Number: head.Number + 1, Parent: head.Hash, Time: noon.Unix()}
	b.Hash = sayso.Keccak256([]byte(fmt.Sprint(b.Number)))
	err := h.r.Fold(b, func(tx *registry.Tx) error {
		for i := range list {
			list[i].block = b.Number
			list[i].apply(tx)
		}
		return nil
	})
	if err != nil {
		h.fatal(err)
	}
	h.ops = append(h.ops, list...)
	h.r.Looked(h.now)
}

// apply changes the registry as the follower does.
func (o op) apply(tx *registry.Tx) {
	v, _ := tx.Vehicle(o.vehicle)
	switch o.kind {
	case "mint", "sell":
		v.ID = o.vehicle
		v.Owners = append(slices.Clone(v.Owners), registry.Ownership{Owner: o.who, From: tx.Block.Time, Block: tx.Block.Number})
		tx.PutVehicle(v)
		tx.DeleteGrants(o.vehicle)
	case "burn":
		v.Burned = true
		tx.PutVehicle(v)
		tx.DeleteGrants(o.vehicle)
	case "grant":
		tx.PutGrant(registry.Grant{Vehicle: o.vehicle, Grantee: o.who, Block: tx.Block.Number,
			Right: registry.Right{Permissions: fmt.Sprintf("0x%x", o.set.Bits()), Expires: o.expires}})
	case "revoke":
		tx.DeleteGrant(o.vehicle, o.who)
	case "share":
		tx.PutShare(registry.Grant{Asset: o.from, Grantee: o.who, Block: tx.Block.Number,
			Right: registry.Right{Permissions: fmt.Sprintf("0x%x", o.set.Bits()), Expires: o.expires}})
	case "unshare":
		tx.DeleteShare(o.from, "", o.who)
	}
}

func (h *history) decide(a sayso.Address, vehicle uint64) Verdict {
	return Decide(h.r, a, vehicle, h.now)
}

// text writes a verdict so that a person can read it: o is the owner now.
func text(v Verdict) string {
	var parts []string
	if v.Owner {
		parts = append(parts, "o")
	}
	for _, r := range v.Rights {
		set := fmt.Sprint(r.Permissions.List())
		if r.Permissions == sayso.AllPermissions() {
			set = "all"
		}
		parts = append(parts, fmt.Sprintf("%d:%s", r.Epoch, strings.ReplaceAll(set, "privilege:", "")))
	}
	if v.Reason != "" {
		parts = append(parts, string(v.Reason))
	}
	return strings.Join(parts, " ")
}

// script runs a history written in words: a word per block, with commas between
// changes of the same block. "-" is an empty block, "+n" lets n seconds pass.
func (h *history) script(words string) {
	expires := registry.Forever
	for block := range strings.FieldsSeq(words) {
		var n int64
		if _, err := fmt.Sscanf(block, "+%d", &n); err == nil {
			h.now = h.now.Add(time.Duration(n) * time.Second)
			continue
		}
		if _, err := fmt.Sscanf(block, "until%d", &n); err == nil {
			expires = noon.Unix() + n
			continue
		}
		var list []op
		for change := range strings.SplitSeq(strings.Trim(block, "-"), ",") {
			if change == "" {
				continue
			}
			kind, args, _ := strings.Cut(change, ":")
			o := op{kind: kind, vehicle: 1, expires: expires}
			if strings.HasSuffix(kind, "share") {
				o.from, args = who(args[0]), args[1:]
			}
			if args != "" {
				o.who = who(args[0])
				for _, d := range args[1:] {
					o.set = o.set.With(sayso.Permission(d - '0'))
				}
			}
			list = append(list, o)
		}
		h.fold(list...)
	}
}

func TestDecide(t *testing.T) {
	const all = "1:all"
	one, four, both := "[GetNonLocationHistory]", "[GetLocationHistory]", "[GetNonLocationHistory GetLocationHistory]"
	for _, c := range []struct {
		name          string
		confirmations uint64
		script        string
		asks          byte
		want          string
	}{
		{"the owner", 0, "mint:a", 'a', "o " + all},
		{"somebody else", 0, "mint:a", 'g', string(NotShared)},
		{"a grantee", 0, "mint:a grant:g14", 'g', "1:" + both},
		{"another grantee", 0, "mint:a grant:g14", 'h', string(NotShared)},
		{"no such vehicle", 0, "-", 'a', string(NoSuchVehicle)},
		{"nobody", 0, "mint:a", 0, string(Anonymous)},
		{"revoked", 0, "mint:a grant:g14 revoke:g", 'g', string(NotShared)},
		{"granted nothing", 0, "mint:a grant:g", 'g', string(NotShared)},
		{"narrowed", 0, "mint:a grant:g14 grant:g4", 'g', "1:" + four},
		{"a second before the end", 0, "mint:a until60 grant:g1 +59 -", 'g', "1:" + one},
		{"at the end", 0, "mint:a until60 grant:g1 +60 -", 'g', string(Expired)},
		{"long after the end", 0, "mint:a until60 grant:g1 +9999 -", 'g', string(Expired)},
		{"ended before it began", 0, "mint:a +100 until60 grant:g1", 'g', string(Expired)},
		{"sold", 0, "mint:a grant:g14 sell:b", 'g', string(NotShared)},
		{"the seller", 0, "mint:a sell:b", 'a', all},
		{"the buyer", 0, "mint:a sell:b", 'b', "o 2:all"},
		{"sold and granted anew", 0, "mint:a grant:g14 sell:b grant:g1", 'g', "2:" + one},
		{"bought back", 0, "mint:a sell:b sell:a", 'a', "o 1:all 3:all"},
		{"lent back", 0, "mint:a sell:b grant:a1", 'a', "1:all 2:" + one},
		{"lent back until yesterday", 0, "mint:a sell:b until60 grant:a1 +60 -", 'a', all},
		{"sold to a grantee", 0, "mint:a grant:g1 sell:g", 'g', "o 2:all"},
		{"burned, the owner", 0, "mint:a burn", 'a', all},
		{"burned, the former owner", 0, "mint:a sell:b burn", 'a', all},
		{"burned, the grantee", 0, "mint:a grant:g1 burn", 'g', string(NotShared)},
		{"granted after it was burned", 0, "mint:a burn grant:g1", 'g', string(NotShared)},

		{"an account's grantee", 0, "share:ag14 mint:a", 'g', "1:" + both},
		{"shared before the vehicle was bought", 0, "share:bg1 mint:a sell:b", 'g', "2:" + one},
		{"shared by somebody else", 0, "mint:a share:bg14", 'g', string(NotShared)},
		{"shared with somebody else", 0, "mint:a share:ah14", 'g', string(NotShared)},
		{"both grants", 0, "mint:a share:ag4 grant:g1", 'g', "1:" + both},
		{"shared until now", 0, "mint:a until60 share:ag1 +60 -", 'g', string(Expired)},
		{"the account's share outlives the vehicle's grant", 0, "mint:a share:ag4 until60 grant:g1 +60 -", 'g', "1:" + four},
		{"unshared", 0, "mint:a share:ag1 unshare:ag", 'g', string(NotShared)},
		{"revoked on the vehicle, shared by the account", 0, "mint:a share:ag1 grant:g4 revoke:g", 'g', "1:" + one},
		{"the seller's account", 0, "mint:a share:ag1 sell:b", 'g', string(NotShared)},
		{"the seller's account, bought back", 0, "mint:a share:ag1 sell:b sell:a", 'g', "3:" + one},
		{"a former owner is shared with", 0, "mint:a sell:b share:ba1", 'a', "1:all 2:" + one},
		{"burned, the account's grantee", 0, "mint:a share:ag1 burn", 'g', string(NotShared)},
		{"an account shares with itself", 0, "mint:a share:aa1", 'a', "o " + all},
		{"shared, not final", 2, "mint:a - - share:ag1 -", 'g', string(NotFinal)},
		{"shared, final", 2, "mint:a - - share:ag1 - -", 'g', "1:" + one},
		{"unshared at once", 2, "mint:a - - share:ag1 - - unshare:ag", 'g', string(NotShared)},
		{"the buyer's account before the purchase is final", 2, "mint:a share:bg1 - - sell:b", 'g', string(NotFinal)},
		{"the buyer's account then", 2, "mint:a share:bg1 - - sell:b - -", 'g', "2:" + one},
		{"the seller's account at once", 2, "mint:a share:ag1 - - sell:b", 'g', string(NotShared)},

		{"final, not yet", 2, "mint:a - - grant:g1 -", 'g', string(NotFinal)},
		{"final, now", 2, "mint:a - - grant:g1 - -", 'g', "1:" + one},
		{"a revocation at once", 2, "mint:a - - grant:g1 - - revoke:g", 'g', string(NotShared)},
		{"a widening later", 2, "mint:a - - grant:g1 - - grant:g14", 'g', "1:" + one},
		{"a widening then", 2, "mint:a - - grant:g1 - - grant:g14 - -", 'g', "1:" + both},
		{"a narrowing at once", 2, "mint:a - - grant:g14 - - grant:g1", 'g', "1:" + one},
		{"another permission: neither", 2, "mint:a - - grant:g1 - - grant:g4", 'g', string(NotFinal)},
		{"two in a row do not carry each other", 2, "mint:a - - grant:g1 grant:g14", 'g', string(NotFinal)},
		{"the first of two counts first", 2, "mint:a - - grant:g1 grant:g14 -", 'g', "1:" + one},
		{"the second then", 2, "mint:a - - grant:g1 grant:g14 - -", 'g', "1:" + both},
		{"revoked and granted again", 2, "mint:a - - grant:g1 - - revoke:g grant:g1", 'g', "1:" + one},
		{"a longer term later", 2, "mint:a - - until60 grant:g1 - - until900 grant:g1 +60 -", 'g', string(NotFinal)},
		{"a longer term then", 2, "mint:a - - until60 grant:g1 - - until900 grant:g1 +60 - -", 'g', "1:" + one},
		{"a shorter term at once", 2, "mint:a - - until900 grant:g1 - - until60 grant:g1 +60", 'g', string(Expired)},
		{"a purchase later", 2, "mint:a - - sell:b -", 'b', string(NotShared)},
		{"a purchase then", 2, "mint:a - - sell:b - -", 'b', "o 2:all"},
		{"a sale at once", 2, "mint:a - - sell:b", 'a', all},
		{"a sale ends grants at once", 2, "mint:a - - grant:g1 - - sell:b", 'g', string(NotShared)},
		{"the old owner's grant is not the new one's", 2, "mint:a - - grant:g1 - - sell:b grant:g1 -", 'g', string(NotFinal)},
		{"minted, not final", 2, "mint:a", 'a', string(NotShared)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t.TempDir(), c.confirmations, t.Fatal)
			defer h.r.Close()
			h.script(c.script)
			asks := sayso.Address{}
			if c.asks != 0 {
				asks = who(c.asks)
			}
			if got := text(h.decide(asks, 1)); got != c.want {
				t.Errorf("%s: got %q, want %q", c.script, got, c.want)
			}
		})
	}
}

// Whoever it is, nobody sees anything once the chain is out of sight.
func TestWithoutSightOfTheChain(t *testing.T) {
	h := newHistory(t.TempDir(), 0, t.Fatal)
	defer h.r.Close()
	h.script("mint:a grant:g14 sell:b grant:g1")
	for _, age := range []time.Duration{0, registry.Horizon, registry.Horizon + time.Nanosecond, time.Hour} {
		for _, a := range []byte{'a', 'b', 'g'} {
			v := Decide(h.r, who(a), 1, h.now.Add(age))
			if stale := age > registry.Horizon; stale != (v.Reason == ChainStale) || stale == (len(v.Rights) > 0) {
				t.Errorf("%c after %v: %s", a, age, text(v))
			}
		}
	}
}

// past is the state of a vehicle at a block, told from the changes alone.
type past struct {
	owners []sayso.Address
	since  []uint64
	burned bool
	grants map[sayso.Address]op
	shares map[[2]sayso.Address]op // by who shares and with whom
}

func (h *history) at(vehicle, block uint64) past {
	p := past{grants: map[sayso.Address]op{}, shares: map[[2]sayso.Address]op{}}
	for _, o := range h.ops {
		if strings.HasSuffix(o.kind, "share") && o.block <= block {
			if delete(p.shares, [2]sayso.Address{o.from, o.who}); o.kind == "share" {
				p.shares[[2]sayso.Address{o.from, o.who}] = o
			}
			continue
		}
		if o.vehicle != vehicle || o.block > block {
			continue
		}
		switch o.kind {
		case "mint", "sell":
			p.owners, p.since, p.grants = append(p.owners, o.who), append(p.since, o.block), map[sayso.Address]op{}
		case "burn":
			p.burned, p.grants = true, map[sayso.Address]op{}
		case "grant":
			p.grants[o.who] = o
		case "revoke":
			delete(p.grants, o.who)
		}
	}
	return p
}

// expect is what [Decide] must answer: what head and final state both give.
func (h *history) expect(a sayso.Address, vehicle uint64) string {
	settled := uint64(0)
	if head := h.head(); head > h.confirmations {
		settled = head - h.confirmations
	}
	head, final := h.at(vehicle, h.head()), h.at(vehicle, settled)
	var v Verdict
	for i, o := range head.owners {
		if o == a && head.since[i] <= settled {
			v.Rights = append(v.Rights, Right{uint32(i + 1), sayso.AllPermissions(), true})
			v.Owner = i+1 == len(head.owners) && !head.burned
		}
	}
	var set sayso.Permissions
	add := func(now, then op) {
		if h.now.Unix() < now.expires && h.now.Unix() < then.expires {
			set = set.Or(now.set.And(then.set))
		}
	}
	if n := len(head.owners); n > 0 && !v.Owner && !head.burned && n == len(final.owners) {
		add(head.grants[a], final.grants[a])
		by := [2]sayso.Address{head.owners[n-1], a}
		add(head.shares[by], final.shares[by])
	}
	if !set.Empty() {
		v.Rights = append(v.Rights, Right{uint32(len(head.owners)), set, false})
	}
	return text(v)
}

var letters = []byte("abghi")

// change draws a change that is possible.
func (h *history) change(t *rapid.T) op {
	o := op{vehicle: uint64(rapid.IntRange(1, 2).Draw(t, "vehicle")), who: who(rapid.SampledFrom(letters).Draw(t, "who"))}
	p := h.at(o.vehicle, h.head())
	switch {
	case rapid.IntRange(0, 4).Draw(t, "of an account") == 0:
		o.kind = rapid.SampledFrom([]string{"share", "share", "unshare"}).Draw(t, "share")
		o.from = who(rapid.SampledFrom(letters).Draw(t, "from"))
	case len(p.owners) == 0:
		o.kind = "mint"
	case p.burned:
		o.kind = "nothing"
	default:
		o.kind = rapid.SampledFrom([]string{"grant", "grant", "grant", "revoke", "sell", "burn"}).Draw(t, "kind")
	}
	o.set = sets[rapid.IntRange(0, 15).Draw(t, "set")]
	o.expires = h.now.Unix() + rapid.SampledFrom([]int64{-1, 1, 30, 100, 1 << 40}).Draw(t, "term")
	return o
}

// sets are the subsets of four permissions.
var sets = func() (list [16]sayso.Permissions) {
	for i := range list {
		for n, p := range []sayso.Permission{sayso.NonLocationHistory, sayso.LocationHistory, sayso.RawData, sayso.ApproximateLocation} {
			if i>>n&1 == 1 {
				list[i] = list[i].With(p)
			}
		}
	}
	return list
}()

// within says whether everything that a verdict gives is in another.
func within(v, of Verdict) bool {
	for _, r := range v.Rights {
		i := slices.IndexFunc(of.Rights, func(o Right) bool { return o.Epoch == r.Epoch })
		if i < 0 || !r.Permissions.Without(of.Rights[i].Permissions).Empty() {
			return false
		}
	}
	return true
}

// Over random histories the decision is what the history says, and each change
// moves rights only the way it may.
func TestDecideFollowsTheHistory(t *testing.T) {
	decisions := 0
	rapid.Check(t, func(t *rapid.T) {
		dir := rapidDir(t)
		h := newHistory(dir, uint64(rapid.IntRange(0, 3).Draw(t, "confirmations")), func(a ...any) { t.Fatal(a...) })
		defer h.r.Close()
		for range rapid.IntRange(1, 25).Draw(t, "blocks") {
			before := h.verdicts()
			var o op
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // time passes in the same block: rights can only end
				h.now = h.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "seconds")) * time.Second)
				h.r.Looked(h.now)
				h.onlyLess(t, before, "time passed")
			case 1:
				h.fold()
			default:
				o = h.change(t)
				h.fold(o)
				h.moved(t, before, o)
			}
			for _, l := range letters {
				for vehicle := range uint64(3) {
					got := h.decide(who(l), vehicle+1)
					got.Reason, decisions = "", decisions+1
					if want := h.expect(who(l), vehicle+1); text(got) != want {
						t.Fatalf("%c, vehicle %d, block %d: got %q, want %q", l, vehicle+1, h.head(), text(got), want)
					}
				}
			}
		}
	})
	t.Logf("%d decisions", decisions)
}

// rapidDir is a folder that ends with the check.
func rapidDir(t *rapid.T) string {
	dir, err := os.MkdirTemp("", "consent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

type seen map[[2]uint64]Verdict // by letter and vehicle

func (h *history) verdicts() seen {
	s := seen{}
	for _, l := range letters {
		for vehicle := range uint64(2) {
			s[[2]uint64{uint64(l), vehicle + 1}] = h.decide(who(l), vehicle+1)
		}
	}
	return s
}

func (h *history) onlyLess(t *rapid.T, before seen, why string) {
	for k, now := range h.verdicts() {
		if !within(now, before[k]) {
			t.Fatalf("%s and %c sees more: %q, before %q", why, rune(k[0]), text(now), text(before[k]))
		}
	}
}

// moved checks what one change does to everybody, apart from what only became
// final with its block.
func (h *history) moved(t *rapid.T, before seen, o op) {
	if h.confirmations > 0 {
		before = seen{} // the block itself made earlier changes final
	}
	shares := h.at(o.vehicle, h.head()).shares
	shared := func(a sayso.Address) bool { // whether somebody shares all it has with an account
		return slices.ContainsFunc(letters, func(l byte) bool { _, ok := shares[[2]sayso.Address{who(l), a}]; return ok })
	}
	for k, was := range before {
		now, same := h.decide(who(byte(k[0])), k[1]), who(byte(k[0])) == o.who && k[1] == o.vehicle
		switch {
		case o.kind == "unshare" && !within(now, was):
			t.Fatalf("unshared and %c sees more: %q, before %q", rune(k[0]), text(now), text(was))
		case strings.HasSuffix(o.kind, "share"):
			if who(byte(k[0])) != o.who && text(now) != text(was) {
				t.Fatalf("%s with another and %c sees %q, before %q", o.kind, rune(k[0]), text(now), text(was))
			}
		case o.kind == "grant" && !same && text(now) != text(was), k[1] != o.vehicle && text(now) != text(was):
			t.Fatalf("%s to another and %c sees %q, before %q", o.kind, rune(k[0]), text(now), text(was))
		case o.kind == "revoke" && !within(now, was), o.kind == "burn" && !within(now, was):
			t.Fatalf("%s and %c sees more: %q, before %q", o.kind, rune(k[0]), text(now), text(was))
		case o.kind == "sell" && who(byte(k[0])) != o.who && !shared(who(byte(k[0]))) && !within(now, was):
			t.Fatalf("sold and %c sees more: %q, before %q", rune(k[0]), text(now), text(was))
		}
	}
	// whatever the confirmations, what was taken is gone with the block
	if o.kind == "revoke" || o.kind == "sell" || o.kind == "burn" {
		current := h.at(o.vehicle, h.head())
		for _, l := range letters {
			if o.kind == "revoke" && who(l) != o.who || shared(who(l)) || who(l) == current.owners[len(current.owners)-1] {
				continue
			}
			for _, r := range h.decide(who(l), o.vehicle).Rights {
				if current.owners[r.Epoch-1] != who(l) {
					t.Fatalf("%s and %c still sees %q", o.kind, l, text(h.decide(who(l), o.vehicle)))
				}
			}
		}
	}
}

// What a token claims only ever takes away, to the permission.
func TestLimitIsAnIntersection(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var v Verdict
		for epoch := range uint32(rapid.IntRange(0, 4).Draw(t, "ownerships")) {
			set := sets[rapid.IntRange(0, 15).Draw(t, "set")]
			if rapid.Bool().Draw(t, "own") {
				set = sayso.AllPermissions()
			}
			if !set.Empty() {
				v.Rights = append(v.Rights, Right{epoch + 1, set, false})
			}
		}
		a, b := sets[rapid.IntRange(0, 15).Draw(t, "a")], sets[rapid.IntRange(0, 15).Draw(t, "b")]
		limited := v.Limit(a)
		for epoch := range uint32(5) {
			var had, has sayso.Permissions
			for _, r := range v.Rights {
				if r.Epoch == epoch {
					had = r.Permissions
				}
			}
			for _, r := range limited.Rights {
				if r.Epoch == epoch {
					has = r.Permissions
				}
			}
			if has != had.And(a) {
				t.Fatalf("ownership %d: %v limited to %v is %v", epoch, had.List(), a.List(), has.List())
			}
		}
		if text(v.Limit(a).Limit(b)) != text(v.Limit(a.And(b))) || text(v.Limit(a).Limit(b)) != text(v.Limit(b).Limit(a)) {
			t.Fatalf("%s: limits do not commute", text(v))
		}
		if (len(limited.Rights) == 0) != (limited.Reason != "") {
			t.Fatalf("%s", text(limited))
		}
		union := sayso.Permissions{}
		for _, r := range limited.Rights {
			union = union.Or(r.Permissions)
		}
		if limited.Permissions() != union {
			t.Fatalf("a token of %s may carry %v", text(limited), limited.Permissions().List())
		}
		for _, s := range cat.Signals() {
			sight, epochs := limited.Field(s)
			for epoch := range uint32(5) {
				i := slices.IndexFunc(limited.Rights, func(r Right) bool { return r.Epoch == epoch })
				if may := i >= 0 && s.Readable(limited.Rights[i].Permissions); may != slices.Contains(epochs, epoch) {
					t.Fatalf("%s of ownership %d with %s: %v", s.Name, epoch, text(limited), epochs)
				}
			}
			if want := map[bool]Sight{true: Refuse, false: Allow}[len(epochs) == 0]; sight != want && !(s.Computed() && sight == Mask && want == Allow) {
				t.Fatalf("%s with %s: sight %d", s.Name, text(limited), sight)
			}
		}
	})
}

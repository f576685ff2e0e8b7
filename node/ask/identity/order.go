package identity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"math/big"
	"strconv"
	"strings"

	"sayso"
	"sayso/owner/registry"
)

// The orders. Lists of tokens are by descending id.
var (
	byVehicle   = byID(func(v *registry.Vehicle) *uint64 { return &v.ID })
	byDevice    = byID(func(d *registry.Device) *uint64 { return &d.ID })
	byLicence   = byID(func(l *registry.Licence) *uint64 { return &l.ID })
	bySynthetic = byID(func(s *registry.Synthetic) *uint64 { return &s.ID })
	byStake     = byID(func(s *registry.Stake) *uint64 { return &s.ID })
)

func byID[T any](id func(*T) *uint64) order[*T] {
	return order[*T]{
		compare: func(a, b *T) int { return cmp.Compare(*id(b), *id(a)) },
		cursor:  func(v *T) string { return idCursor(*id(v)) },
		parse: func(text string) (*T, error) {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, invalid("%v", err)
			}
			n, err := strconv.ParseUint(string(raw), 10, 64)
			if err != nil {
				return nil, invalid("the cursor is not one of this list")
			}
			v := new(T)
			*id(v) = n
			return v, nil
		},
	}
}

func idCursor(id uint64) string {
	return base64.StdEncoding.EncodeToString(strconv.AppendUint(nil, id, 10))
}

// rows is a listing of rows of the registry, highest key first.
func rows[K cmp.Ordered, T any](l registry.List[K, T], key func(*T) K) listing[*T] {
	from := func(read func(*K) iter.Seq[T]) func(**T) iter.Seq[*T] {
		return func(at **T) iter.Seq[*T] {
			if at == nil {
				return pointers(read(nil))
			}
			k := key(*at)
			return pointers(read(&k))
		}
	}
	return listing[*T]{after: from(l.Down), before: from(l.Up), count: l.Count}
}

func numbered[T any](l registry.List[uint64, T], id func(*T) *uint64) listing[*T] {
	return rows(l, func(v *T) uint64 { return *id(v) })
}

// pointers iterates over addresses of copies, which is what the functions of
// the types take.
func pointers[T any](all iter.Seq[T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for v := range all {
			if !yield(&v) {
				return
			}
		}
	}
}

// The orders of lists by time: the newest first, of equals by name. Their cursors
// are MessagePack arrays of the time (extension type -1 with 32 bits of seconds)
// and the name.
var (
	byCreation = byTime(
		func(g *registry.Grant) (int64, []byte) { return g.CreatedAt, g.Grantee[:] }, binaryOf(20),
		func(t int64, name []byte) *registry.Grant {
			return &registry.Grant{CreatedAt: t, Grantee: sayso.Address(name)}
		})
	bySigner = byTime(
		func(s signer) (int64, []byte) { return s.since, s.key[:] }, binaryOf(20),
		func(t int64, name []byte) signer { return signer{sayso.Address(name), t} })
	byURI = byTime(
		func(u uri) (int64, []byte) { return u.since, []byte(u.uri) }, str,
		func(t int64, name []byte) uri { return uri{string(name), t} })
	byPrivilege = byTime(
		func(p *privilege) (int64, []byte) {
			return p.SetAt, append(binary.BigEndian.AppendUint64(nil, p.id), p.user[:]...)
		}, binaryOf(28),
		func(t int64, name []byte) *privilege {
			return &privilege{id: binary.BigEndian.Uint64(name), user: sayso.Address(name[8:]), Privilege: registry.Privilege{SetAt: t}}
		})
	bySource = byTime(
		func(c *registry.Connection) (int64, []byte) { return c.MintedAt, c.Address[:] }, binaryOf(20),
		func(t int64, name []byte) *registry.Connection {
			return &registry.Connection{MintedAt: t, Address: sayso.Address(name)}
		})
	byTemplate = byTime(
		func(t *registry.Template) (int64, []byte) { return t.CreatedAt, bytes32(t.ID) }, binaryOf(32),
		func(t int64, name []byte) *registry.Template {
			return &registry.Template{CreatedAt: t, ID: new(big.Int).SetBytes(name).String()}
		})
	byName = turned(byTime(
		func(n *registry.Name) (int64, []byte) { b := n.Bytes(); return n.MintedAt, b[:] }, binaryOf(32),
		func(t int64, name []byte) *registry.Name {
			return &registry.Name{MintedAt: t, Node: registry.NameOf([32]byte(name))}
		}), func(n *registry.Name) (int64, []byte) { b := n.Bytes(); return n.MintedAt, b[:] })
)

// turned is an order by time of which equals are the other way round.
func turned[T any](by order[T], key func(T) (int64, []byte)) order[T] {
	by.compare = func(a, b T) int {
		at, an := key(a)
		bt, bn := key(b)
		return cmp.Or(cmp.Compare(bt, at), bytes.Compare(bn, an))
	}
	return by
}

// bytes32 is a decimal number in 32 bytes.
func bytes32(decimal string) []byte { return registry.Amount(decimal).FillBytes(make([]byte, 32)) }

func byTime[T any](key func(T) (int64, []byte), name form, build func(int64, []byte) T) order[T] {
	return order[T]{
		compare: func(a, b T) int {
			at, an := key(a)
			bt, bn := key(b)
			return cmp.Or(cmp.Compare(bt, at), bytes.Compare(an, bn))
		},
		cursor: func(v T) string {
			t, n := key(v)
			b := binary.BigEndian.AppendUint32([]byte{0x92, 0xd6, 0xff}, uint32(t))
			return base64.StdEncoding.EncodeToString(name.pack(b, n))
		},
		parse: func(text string) (v T, err error) {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return v, invalid("%v", err)
			}
			if len(b) < 7 || b[0] != 0x92 || b[1] != 0xd6 || b[2] != 0xff {
				return v, invalid("the cursor is not one of this list")
			}
			n, ok := name.unpack(b[7:])
			if !ok {
				return v, invalid("the cursor is not one of this list")
			}
			return build(int64(binary.BigEndian.Uint32(b[3:7])), n), nil
		},
	}
}

// byWeek is the order of earnings. A cursor is the MessagePack array of week,
// vehicle and receiver.
var byWeek = order[*registry.Earning]{
	compare: func(a, b *registry.Earning) int {
		return cmp.Or(cmp.Compare(b.Week, a.Week), cmp.Compare(b.Vehicle, a.Vehicle), bytes.Compare(b.User[:], a.User[:]))
	},
	cursor: func(e *registry.Earning) string {
		b := packUint(packUint([]byte{0x93}, e.Week), e.Vehicle)
		return base64.StdEncoding.EncodeToString(binaryOf(20).pack(b, e.User[:]))
	},
	parse: func(text string) (*registry.Earning, error) {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, invalid("%v", err)
		}
		e := &registry.Earning{}
		if len(b) < 1 || b[0] != 0x93 {
			return nil, invalid("the cursor is not one of this list")
		}
		week, b, ok := unpackUint(b[1:])
		vehicle, b, ok2 := unpackUint(b)
		user, ok3 := binaryOf(20).unpack(b)
		if !ok || !ok2 || !ok3 {
			return nil, invalid("the cursor is not one of this list")
		}
		e.Week, e.Vehicle, e.User = week, vehicle, sayso.Address(user)
		return e, nil
	},
}

// earned is a listing of earnings, which are read from the file.
func earned(ctx context.Context, l *registry.EarningList) listing[*registry.Earning] {
	at := func(e **registry.Earning) *registry.EarningPlace {
		if e == nil {
			return nil
		}
		p := (*e).Place()
		return &p
	}
	return listing[*registry.Earning]{
		after:  func(e **registry.Earning) iter.Seq[*registry.Earning] { return pointers(l.Down(ctx, at(e))) },
		before: func(e **registry.Earning) iter.Seq[*registry.Earning] { return pointers(l.Up(ctx, at(e))) },
		count:  l.Count,
		failed: l.Err,
	}
}

// byText is the order of definitions by their ids.
var byText = order[*model]{
	compare: func(a, b *model) int { return strings.Compare(a.id, b.id) },
	cursor:  func(m *model) string { return base64.StdEncoding.EncodeToString([]byte(m.id)) },
	parse: func(text string) (*model, error) {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, invalid("%v", err)
		}
		return &model{id: string(b)}, nil
	},
}

package registry

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// packedRows are the facts in memory. There are a few for each car, of which there
// may be millions, so each is a few bytes in an arena: a fifth of what structures
// with their maps take, and the garbage collector need not look into it. A row
// that is read is a new one, whose texts are parts of one copy of those bytes.
type packedRows struct {
	hasher
	texts  *texts
	places map[id]uint32
	kinds  map[kind]*table
	buf    []byte
}

// table has the form of the rows of a kind.
type table struct {
	layout
	of reflect.Type
}

// layout has the members of each structure that a row is made of.
type layout map[reflect.Type][]int

func newRows(t *texts) *packedRows {
	return &packedRows{hasher: newHasher(), texts: t, places: map[id]uint32{}, kinds: map[kind]*table{}}
}

// get gives a pointer to a row, nil where there is none.
func (r *packedRows) get(f fact) any {
	t := r.kinds[f.kind]
	if t == nil {
		return nil
	}
	at, ok := r.places[r.id(string(f.kind), f.key)]
	if !ok {
		return nil
	}
	row := reflect.New(t.of)
	u := unpacker{t.layout, string(r.texts.view(at))}
	u.value(row.Elem())
	return row.Interface()
}

// put takes a pointer to a row; nil removes it.
func (r *packedRows) put(f fact, row any) {
	key := r.id(string(f.kind), f.key)
	if at, ok := r.places[key]; ok {
		r.texts.drop(at)
	}
	if row == nil {
		delete(r.places, key)
		return
	}
	t := r.kinds[f.kind]
	if t == nil {
		t = &table{layout{}, reflect.TypeOf(row).Elem()}
		t.layout.add(t.of)
		r.kinds[f.kind] = t
	}
	r.buf = t.pack(r.buf[:0], reflect.ValueOf(row).Elem())
	r.places[key] = r.texts.keep(r.buf)
}

// add takes a type in. A member that JSON leaves out is no part of the row.
func (l layout) add(t reflect.Type) {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		l.add(t.Elem())
	case reflect.Struct:
		if _, known := l[t]; known {
			return
		}
		l[t] = nil
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("json") != "-" {
				l[t] = append(l[t], i)
				l.add(f.Type)
			}
		}
	}
}

// pack appends a value: numbers as varints, texts, lists and maps behind their
// length, and one more than that, because none and an empty one differ.
func (l layout) pack(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Array: // of bytes: an address, a hash
		at := len(b)
		b = append(b, make([]byte, v.Len())...)
		reflect.Copy(reflect.ValueOf(b[at:]), v)
		return b
	case reflect.Struct:
		for _, i := range l[v.Type()] {
			b = l.pack(b, v.Field(i))
		}
		return b
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			return append(b, 0)
		}
		b = binary.AppendUvarint(b, uint64(v.Len())+1)
		if v.Kind() == reflect.Map {
			for it := v.MapRange(); it.Next(); {
				b = l.pack(l.pack(b, it.Key()), it.Value())
			}
			return b
		}
		for i := range v.Len() {
			b = l.pack(b, v.Index(i))
		}
		return b
	}
	panic(fmt.Sprintf("registry: rows have no members of type %s", v.Type()))
}

// unpacker reads what pack wrote. It is never given anything else.
type unpacker struct {
	layout
	in string
}

func (u *unpacker) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		b := u.in[0]
		u.in = u.in[1:]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (u *unpacker) take(n int) (s string) {
	s, u.in = u.in[:n], u.in[n:]
	return s
}

func (u *unpacker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(u.number() == 1)
	case reflect.Int, reflect.Int64:
		n := u.number() // zigzag
		v.SetInt(int64(n>>1) ^ -int64(n&1))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(u.number())
	case reflect.String:
		v.SetString(u.take(int(u.number())))
	case reflect.Array:
		copy(v.Bytes(), u.take(v.Len()))
	case reflect.Struct:
		for _, i := range u.layout[v.Type()] {
			u.value(v.Field(i))
		}
	case reflect.Slice:
		if n := int(u.number()) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				u.value(v.Index(i))
			}
		}
	case reflect.Map:
		n := int(u.number()) - 1
		if n < 0 {
			return
		}
		if m, ok := v.Addr().Interface().(*map[string]string); ok {
			*m = make(map[string]string, n)
			for range n {
				key := u.take(int(u.number()))
				(*m)[key] = u.take(int(u.number()))
			}
			return
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), n))
		for range n {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			u.value(key)
			u.value(value)
			v.SetMapIndex(key, value)
		}
	}
}

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
	kinds  map[kind]*form
	buf    []byte
}

// form says how the values of a type are packed. It is found once for each kind of
// row, since every message of a device reads two of them.
type form struct {
	of      reflect.Type
	kind    reflect.Kind
	element *form  // of a list, or of the values of a map
	key     *form  // of a map
	members []part // of a structure
}

// part is a member of a structure, by its place in it.
type part struct {
	at int
	*form
}

func newRows(t *texts) *packedRows {
	return &packedRows{hasher: newHasher(), texts: t, places: map[id]uint32{}, kinds: map[kind]*form{}}
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
	u := unpacker{string(r.texts.view(at))}
	u.value(t, row.Elem())
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
		t = formOf(reflect.TypeOf(row).Elem())
		r.kinds[f.kind] = t
	}
	r.buf = t.pack(r.buf[:0], reflect.ValueOf(row).Elem())
	r.places[key] = r.texts.keep(r.buf)
}

// formOf finds the form of a type. A member that JSON leaves out is no part of the
// row.
func formOf(t reflect.Type) *form {
	f := &form{of: t, kind: t.Kind()}
	switch f.kind {
	case reflect.Map:
		f.key, f.element = formOf(t.Key()), formOf(t.Elem())
	case reflect.Slice:
		f.element = formOf(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if m := t.Field(i); m.Tag.Get("json") != "-" {
				f.members = append(f.members, part{i, formOf(m.Type)})
			}
		}
	}
	return f
}

// pack appends a value: numbers as varints, texts, lists and maps behind their
// length, and one more than that, because none and an empty one differ.
func (f *form) pack(b []byte, v reflect.Value) []byte {
	switch f.kind {
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
		for _, m := range f.members {
			b = m.pack(b, v.Field(m.at))
		}
		return b
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			return append(b, 0)
		}
		b = binary.AppendUvarint(b, uint64(v.Len())+1)
		if f.kind == reflect.Map {
			for it := v.MapRange(); it.Next(); {
				b = f.element.pack(f.key.pack(b, it.Key()), it.Value())
			}
			return b
		}
		for i := range v.Len() {
			b = f.element.pack(b, v.Index(i))
		}
		return b
	}
	panic(fmt.Sprintf("registry: rows have no members of type %s", f.of))
}

// unpacker reads what pack wrote. It is never given anything else.
type unpacker struct{ in string }

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

func (u *unpacker) value(f *form, v reflect.Value) {
	switch f.kind {
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
		for i := range f.members {
			u.value(f.members[i].form, v.Field(f.members[i].at))
		}
	case reflect.Slice:
		if n := int(u.number()) - 1; n == 0 {
			v.Set(reflect.MakeSlice(f.of, 0, 0))
		} else if n > 0 {
			v.Grow(n)
			v.SetLen(n)
			for i := range n {
				u.value(f.element, v.Index(i))
			}
		}
	case reflect.Map:
		if n := int(u.number()) - 1; n >= 0 {
			u.entries(f, v, n)
		}
	}
}

// entries reads those of a map.
func (u *unpacker) entries(f *form, v reflect.Value, n int) {
	if m, ok := v.Addr().Interface().(*map[string]string); ok {
		*m = make(map[string]string, n)
		for range n {
			key := u.take(int(u.number()))
			(*m)[key] = u.take(int(u.number()))
		}
		return
	}
	v.Set(reflect.MakeMapWithSize(f.of, n))
	for range n {
		key, value := reflect.New(f.key.of).Elem(), reflect.New(f.element.of).Elem()
		u.value(f.key, key)
		u.value(f.element, value)
		v.SetMapIndex(key, value)
	}
}

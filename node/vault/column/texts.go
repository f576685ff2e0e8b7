package column

import "encoding/binary"

// AppendTexts packs texts: the distinct ones in the order of their first
// appearance, then which one each is.
func AppendTexts(b []byte, v []string) []byte {
	index := make(map[string]int64)
	which := make([]int64, len(v))
	var list []string
	for i, s := range v {
		n, ok := index[s]
		if !ok {
			n = int64(len(list))
			index[s] = n
			list = append(list, s)
		}
		which[i] = n
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return AppendInts(b, which)
}

// Texts reads len(dst) texts that AppendTexts wrote and gives what follows. room
// is for their numbers, as many.
func Texts(dst []string, room []int64, b []byte) (rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, ErrMalformed
	}
	b = b[size:]
	list := make([]string, n)
	for i := range list {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, ErrMalformed
		}
		list[i] = string(b[size : size+int(n)])
		b = b[size+int(n):]
	}
	if b, err = Ints(room[:len(dst)], b); err != nil {
		return nil, err
	}
	for i := range dst {
		which := room[i]
		if which < 0 || which >= int64(len(list)) {
			return nil, ErrMalformed
		}
		dst[i] = list[which]
	}
	return b, nil
}

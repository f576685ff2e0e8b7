package chain

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// leaf is a value under the rest of its key, one nibble a byte.
type leaf struct{ key, value []byte }

// listRoot is the root of the Merkle Patricia trie that holds the values under
// the RLP of their indices (Yellow Paper appendix D): what a header states of
// its receipts. go-ethereum's own trie brings its database along.
func listRoot(values [][]byte) common.Hash {
	if len(values) == 0 {
		return types.EmptyRootHash
	}
	leaves := make([]leaf, len(values))
	for i, v := range values {
		key := rlp.AppendUint64(nil, uint64(i))
		var nibbles []byte
		for _, b := range key {
			nibbles = append(nibbles, b>>4, b&15)
		}
		leaves[i] = leaf{nibbles, v}
	}
	slices.SortFunc(leaves, func(a, b leaf) int { return bytes.Compare(a.key, b.key) })
	return crypto.Keccak256Hash(trieNode(leaves))
}

// trieNode is the RLP of the node over leaves, which are sorted by key. No key
// of a list is the beginning of another.
func trieNode(leaves []leaf) []byte {
	if len(leaves) == 1 {
		return rlpList(rlpBytes(compact(leaves[0].key, 0x20)), rlpBytes(leaves[0].value))
	}
	first, last := leaves[0].key, leaves[len(leaves)-1].key
	shared := 0
	for shared < min(len(first), len(last)) && first[shared] == last[shared] {
		shared++
	}
	if shared > 0 {
		return rlpList(rlpBytes(compact(first[:shared], 0)), reference(trieNode(below(leaves, shared))))
	}
	var items [17][]byte
	for nibble := range byte(16) {
		from, _ := slices.BinarySearchFunc(leaves, []byte{nibble}, func(l leaf, k []byte) int { return bytes.Compare(l.key, k) })
		to, _ := slices.BinarySearchFunc(leaves, []byte{nibble + 1}, func(l leaf, k []byte) int { return bytes.Compare(l.key, k) })
		items[nibble] = rlpBytes(nil)
		if from < to {
			items[nibble] = reference(trieNode(below(leaves[from:to], 1)))
		}
	}
	items[16] = rlpBytes(nil)
	return rlpList(items[:]...)
}

// below cuts nibbles off the keys.
func below(leaves []leaf, n int) []leaf {
	out := make([]leaf, len(leaves))
	for i, l := range leaves {
		out[i] = leaf{l.key[n:], l.value}
	}
	return out
}

// reference stands for a node within its parent: itself where it is short, else
// its hash.
func reference(node []byte) []byte {
	if len(node) < 32 {
		return node
	}
	return rlpBytes(crypto.Keccak256(node))
}

// compact is the hex-prefix form of a path; kind is 0x20 for a leaf.
func compact(path []byte, kind byte) []byte {
	out := []byte{kind}
	if len(path)%2 == 1 {
		out[0] |= 0x10 | path[0]
		path = path[1:]
	}
	for i := 0; i < len(path); i += 2 {
		out = append(out, path[i]<<4|path[i+1])
	}
	return out
}

func rlpBytes(b []byte) []byte {
	out, err := rlp.EncodeToBytes(b)
	if err != nil {
		panic("BUG: bytes that cannot be encoded: " + err.Error())
	}
	return out
}

// rlpList joins items that are RLP already.
func rlpList(items ...[]byte) []byte {
	raw := make([]rlp.RawValue, len(items))
	for i, item := range items {
		raw[i] = item
	}
	out, err := rlp.EncodeToBytes(raw)
	if err != nil {
		panic("BUG: a list that cannot be encoded: " + err.Error())
	}
	return out
}

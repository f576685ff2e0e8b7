package follow

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/owner/registry"
)

// event is a row of the table of what the follower understands: a contract, an
// event signature in Solidity's own words, and what it changes.
type event struct {
	contract  func(registry.ChainInfo) sayso.Address
	signature string
	fold      func(*registry.Tx, args) error
}

// decoder reads the logs of one event.
type decoder struct {
	name            string
	indexed, inData abi.Arguments
	fold            func(*registry.Tx, args) error
}

// place is where a log must come from to be an event: the contract, topic 0 and
// how many topics there are, since what is indexed is not part of topic 0.
type place struct {
	contract common.Address
	topic    common.Hash
	topics   int
}

// decoders turns the table into a look-up, without the contracts that the chain
// does not have. Two events of one name differ in topic 0, so none hides another.
func decoders(chain registry.ChainInfo, table []event) (map[place]decoder, error) {
	out := map[place]decoder{}
	for _, e := range table {
		if e.contract(chain).IsZero() {
			continue
		}
		d, topic, err := parseSignature(e.signature)
		if err != nil {
			return nil, fmt.Errorf("follow: event %q: %w", e.signature, err)
		}
		d.fold = e.fold
		at := place{common.Address(e.contract(chain)), topic, 1 + len(d.indexed)}
		if _, twice := out[at]; twice {
			return nil, fmt.Errorf("follow: event %q is in the table twice", e.signature)
		}
		out[at] = d
	}
	return out, nil
}

// parseSignature reads `Name(type [indexed] name, …)`.
func parseSignature(s string) (d decoder, topic common.Hash, err error) {
	name, list, ok := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	if !ok {
		return d, topic, fmt.Errorf("want Name(type name, …)")
	}
	d.name = name
	var kinds []string
	for _, part := range strings.Split(list, ",") {
		words := strings.Fields(part)
		if len(words) < 2 {
			return d, topic, fmt.Errorf("argument %q: want a type and a name", part)
		}
		kind, err := abi.NewType(words[0], "", nil)
		if err != nil {
			return d, topic, err
		}
		kinds = append(kinds, words[0])
		arg := abi.Argument{Name: words[len(words)-1], Type: kind, Indexed: words[1] == "indexed"}
		if arg.Indexed {
			d.indexed = append(d.indexed, arg)
		} else {
			d.inData = append(d.inData, arg)
		}
	}
	return d, crypto.Keccak256Hash([]byte(name + "(" + strings.Join(kinds, ",") + ")")), nil
}

// decode reads the arguments of a log by name.
func (d decoder) decode(l *types.Log) (args, error) {
	if len(l.Topics) != 1+len(d.indexed) {
		return nil, fmt.Errorf("%d topics where %s has %d", len(l.Topics), d.name, 1+len(d.indexed))
	}
	a := args{}
	if err := abi.ParseTopicsIntoMap(a, d.indexed, l.Topics[1:]); err != nil {
		return nil, err
	}
	if err := d.inData.UnpackIntoMap(a, l.Data); err != nil {
		return nil, err
	}
	return a, nil
}

// args are the decoded arguments of an event.
type args map[string]any

// errSkip says that an event is well-formed but is not about anything the
// registry keeps, or names a number beyond what it keeps.
type errSkip string

func (e errSkip) Error() string { return string(e) }

func (a args) number(name string) *big.Int {
	switch n := a[name].(type) {
	case *big.Int:
		return n
	case uint8:
		return big.NewInt(int64(n))
	}
	return new(big.Int)
}

// id reads a token id. Vehicles, devices, manufacturers and licences are
// counted from 1, so an id beyond 64 bits is none of ours.
func (a args) id(name string) (uint64, error) {
	n := a.number(name)
	if !n.IsUint64() {
		return 0, errSkip(fmt.Sprintf("%s %s is beyond 64 bits", name, n))
	}
	return n.Uint64(), nil
}

func (a args) address(name string) sayso.Address {
	v, _ := a[name].(common.Address)
	return sayso.Address(v)
}

func (a args) text(name string) string {
	s, _ := a[name].(string)
	return strings.ToValidUTF8(s, "\uFFFD")
}

// bytes32 reads 32 bytes as hexadecimal text.
func (a args) bytes32(name string) string {
	b, _ := a[name].([32]byte)
	return registry.NameOf(b)
}

// decimal reads a number of any size.
func (a args) decimal(name string) string { return a.number(name).String() }

// seconds reads a time in Unix seconds; what does not fit is for ever.
func (a args) seconds(name string) int64 {
	n := a.number(name)
	if !n.IsInt64() {
		return registry.Forever
	}
	return n.Int64()
}

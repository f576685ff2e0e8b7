package stories

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// emitter is a contract that emits what it is told: a word with the number of
// topics, four words for them, and the data.
func emitter() []byte {
	code := common.FromHex("60a0360380" + "60a05f37" + "5f35") // the data into memory; its size and the number of topics on the stack
	at := len(code) + 3*7 + 8
	offset := map[int]int{}
	for k := 2; k <= 4; k++ {
		offset[k] = at
		at += 6 + 3*k
	}
	for k := 4; k >= 2; k-- {
		code = append(code, 0x80, 0x60, byte(k), 0x14, 0x60, byte(offset[k]), 0x57) // if it is k, jump
	}
	for k := 1; k <= 4; k++ {
		if k > 1 {
			code = append(code, 0x5b)
		}
		code = append(code, 0x50)
		for i := k; i >= 1; i-- {
			code = append(code, 0x60, byte(32*i), 0x35)
		}
		code = append(code, byte(0x80+k), 0x5f, byte(0xa0+k), 0x00)
	}
	return code
}

// emit has the contract at an address emit an event as the network's own would:
// the event as `Name(type [indexed],…)`, and its values as text. A contract that
// is not there is made.
func (s *story) emit(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: anvil emit ADDRESS EVENT [VALUE…]")
	}
	input, err := logOf(args[1], args[2:])
	if err != nil {
		return err
	}
	at := fmt.Sprintf("%q", args[0])
	if err := s.callAnvil("eth_getCode", []string{at, `"latest"`}); err != nil {
		return err
	}
	if strings.Contains(s.said, `"0x"`) {
		if err := s.callAnvil("anvil_setCode", []string{at, fmt.Sprintf("%q", hexutil.Encode(emitter()))}); err != nil {
			return err
		}
	}
	if err := s.callAnvil("eth_accounts", nil); err != nil {
		return err
	}
	var accounts []string
	if err := json.Unmarshal([]byte(s.said), &accounts); err != nil || len(accounts) == 0 {
		return fmt.Errorf("anvil has no accounts: %w", err)
	}
	return s.callAnvil("eth_sendTransaction", []string{fmt.Sprintf(`{"from":%q,"to":%s,"gas":"0x30000","data":%q}`, accounts[0], at, hexutil.Encode(input))})
}

// logOf is what the emitter is told.
func logOf(event string, texts []string) ([]byte, error) {
	name, list, _ := strings.Cut(strings.TrimSuffix(event, ")"), "(")
	var kinds []string
	var inData abi.Arguments
	var data []any
	topics := []common.Hash{{}}
	for i, part := range strings.Split(list, ",") {
		kind, indexed := strings.CutSuffix(strings.TrimSpace(part), " indexed")
		typed, err := abi.NewType(kind, "", nil)
		if err != nil {
			return nil, err
		}
		if i >= len(texts) {
			return nil, fmt.Errorf("%s has more arguments than %d", event, len(texts))
		}
		kinds = append(kinds, kind)
		v, err := valueOf(typed, texts[i])
		if err != nil {
			return nil, err
		}
		if !indexed {
			inData, data = append(inData, abi.Argument{Type: typed}), append(data, v)
			continue
		}
		made, err := abi.MakeTopics([]any{v})
		if err != nil {
			return nil, err
		}
		topics = append(topics, made[0][0])
	}
	topics[0] = crypto.Keccak256Hash([]byte(name + "(" + strings.Join(kinds, ",") + ")"))
	packed, err := inData.Pack(data...)
	if err != nil {
		return nil, err
	}
	out := common.LeftPadBytes([]byte{byte(len(topics))}, 32)
	for i := range 4 {
		var word common.Hash
		if i < len(topics) {
			word = topics[i]
		}
		out = append(out, word[:]...)
	}
	return append(out, packed...), nil
}

// valueOf reads a value of a Solidity type. A number may also be given as text:WORDS,
// which is its bytes from the left.
func valueOf(t abi.Type, text string) (any, error) {
	switch t.T {
	case abi.AddressTy:
		return common.HexToAddress(text), nil
	case abi.StringTy:
		return text, nil
	case abi.FixedBytesTy:
		b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		return [32]byte(common.RightPadBytes(b, 32)), err
	case abi.UintTy:
		n, ok := new(big.Int).SetString(text, 0)
		if rest, isText := strings.CutPrefix(text, "text:"); isText {
			n, ok = new(big.Int).SetBytes(common.RightPadBytes([]byte(rest), 32)), true
		}
		if !ok {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		if t.Size == 8 {
			return uint8(n.Uint64()), nil
		}
		return n, nil
	}
	return nil, fmt.Errorf("no values of type %s are read", t)
}

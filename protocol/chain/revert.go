package chain

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// RevertError says that a contract refused. Name and Args are filled where the
// error is known: Error(string), Panic(uint256) or one of the ABIs given.
type RevertError struct {
	Data []byte // the revert data as returned; may be empty
	Name string // such as "AccessManagedUnauthorized"; empty if unknown
	Args []any
	Text string // "AccessManagedUnauthorized(caller=0x…)", or the node's words
}

// Error is "reverted: " and the decoded reason.
func (e *RevertError) Error() string { return "reverted: " + e.Text }

// revertOf finds a revert in an RPC error; nil if it is none.
func revertOf(err error) *RevertError {
	var answer rpc.Error
	if !errors.As(err, &answer) {
		return nil
	}
	if withData := rpc.DataError(nil); errors.As(err, &withData) {
		if s, ok := withData.ErrorData().(string); ok {
			if data, derr := hexutil.Decode(s); derr == nil {
				return DecodeRevert(data)
			}
		}
	}
	if answer.ErrorCode() == 3 || strings.Contains(answer.Error(), "execution reverted") {
		return &RevertError{Text: "without a reason"}
	}
	return nil
}

// DecodeRevert reads revert data with the errors of the ABIs.
func DecodeRevert(data []byte, abis ...abi.ABI) *RevertError {
	e := &RevertError{Data: data}
	if len(data) == 0 {
		e.Text = "without a reason"
		return e
	}
	if reason, err := abi.UnpackRevert(data); err == nil {
		e.Name, e.Args, e.Text = "Error", []any{reason}, reason
		if bytes.Equal(data[:4], []byte{0x4e, 0x48, 0x7b, 0x71}) {
			e.Name = "Panic"
		}
		return e
	}
	if len(data) >= 4 {
		for _, a := range abis {
			for _, def := range a.Errors {
				if !bytes.Equal(def.ID[:4], data[:4]) {
					continue
				}
				args, err := def.Inputs.Unpack(data[4:])
				if err != nil {
					continue
				}
				e.Name, e.Args, e.Text = def.Name, args, formatError(def, args)
				return e
			}
		}
	}
	e.Text = "with unknown error " + hexutil.Encode(data)
	return e
}

func formatError(def abi.Error, args []any) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = formatArg(a)
		if name := def.Inputs[i].Name; name != "" {
			parts[i] = name + "=" + parts[i]
		}
	}
	return def.Name + "(" + strings.Join(parts, ", ") + ")"
}

func formatArg(a any) string {
	switch v := a.(type) {
	case []byte:
		return hexutil.Encode(v)
	case [4]byte:
		return hexutil.Encode(v[:])
	case [32]byte:
		return hexutil.Encode(v[:])
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(a)
}

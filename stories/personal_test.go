package stories

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"
)

// personal makes a variable of a signature as wallets give it with personal_sign.
func (s *story) personal(ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: personal NAME KEY TEXT")
	}
	key, err := crypto.HexToECDSA(strings.TrimPrefix(args[1], "0x"))
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	sig, err := crypto.Sign(accounts.TextHash([]byte(args[2])), key)
	if err != nil {
		return err
	}
	sig[64] += 27
	ts.Setenv(args[0], hexutil.Encode(sig))
	return nil
}

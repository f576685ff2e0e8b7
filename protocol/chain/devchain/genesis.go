package devchain

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// DefaultChainID is the embedded chain's id (EIP-155). It is none of the numbers
// that other development chains use (1337, 31337), so a wallet does not take one
// for the other and a signature made here counts nowhere else.
const DefaultChainID = 0x5a150 // 368976

const (
	blockGas = 60_000_000 // gas of a block, as on Ethereum
	baseFee  = 7          // wei per gas: the floor EIP-1559 sinks to by itself
)

// funds is what each funded address owns at the start: 10^9 ether in wei.
func funds() *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(27), nil) }

// origin is what makes a chain this chain: record 0 of the block journal, in JSON.
// The first block follows from it.
type origin struct {
	Version int              `json:"version"` // 1
	ChainID uint64           `json:"chainId"`
	Time    uint64           `json:"time"`  // of block 0, seconds since 1970
	Alloc   []common.Address `json:"alloc"` // each owns funds() in block 0
	Hash    common.Hash      `json:"hash"`  // of block 0
}

func newOrigin(chainID, time uint64, alloc []common.Address) *origin {
	o := &origin{Version: 1, ChainID: chainID, Time: time, Alloc: alloc}
	o.Hash = o.genesis().ToBlock().Hash()
	return o
}

func parseOrigin(b []byte) (*origin, error) {
	o := new(origin)
	if err := json.Unmarshal(b, o); err != nil {
		return nil, fmt.Errorf("record 0 of the block journal: %w", err)
	}
	if o.Version != 1 {
		return nil, fmt.Errorf("record 0 of the block journal has version %d, this program knows version 1; use a newer one", o.Version)
	}
	if h := o.genesis().ToBlock().Hash(); h != o.Hash {
		return nil, fmt.Errorf("block 0 follows as %s, the block journal says %s; this program cannot continue that chain", h, o.Hash)
	}
	return o, nil
}

// chainConfig has every fork up to Osaka from the start: the code solc 0.8.37 emits
// runs, and so does the P-256 precompile (EIP-7951) that passkeys need. Later
// forks may be added at a time, which leaves block 0 as it is.
func chainConfig(chainID uint64) *params.ChainConfig {
	zero, now := big.NewInt(0), uint64(0)
	return &params.ChainConfig{
		ChainID:                 new(big.Int).SetUint64(chainID),
		HomesteadBlock:          zero,
		EIP150Block:             zero,
		EIP155Block:             zero,
		EIP158Block:             zero,
		ByzantiumBlock:          zero,
		ConstantinopleBlock:     zero,
		PetersburgBlock:         zero,
		IstanbulBlock:           zero,
		MuirGlacierBlock:        zero,
		BerlinBlock:             zero,
		LondonBlock:             zero,
		ArrowGlacierBlock:       zero,
		GrayGlacierBlock:        zero,
		MergeNetsplitBlock:      zero,
		TerminalTotalDifficulty: zero,
		ShanghaiTime:            &now,
		CancunTime:              &now,
		PragueTime:              &now,
		OsakaTime:               &now,
		BlobScheduleConfig: &params.BlobScheduleConfig{
			Cancun: params.DefaultCancunBlobConfig,
			Prague: params.DefaultPragueBlobConfig,
		},
	}
}

// genesis is block 0: the contracts the forks call into, named one by one so that
// a newer go-ethereum cannot add to them, and the funded addresses.
func (o *origin) genesis() *core.Genesis {
	alloc := types.GenesisAlloc{
		params.BeaconRootsAddress:        {Nonce: 1, Code: params.BeaconRootsCode, Balance: new(big.Int)},        // EIP-4788
		params.HistoryStorageAddress:     {Nonce: 1, Code: params.HistoryStorageCode, Balance: new(big.Int)},     // EIP-2935
		params.WithdrawalQueueAddress:    {Nonce: 1, Code: params.WithdrawalQueueCode, Balance: new(big.Int)},    // EIP-7002
		params.ConsolidationQueueAddress: {Nonce: 1, Code: params.ConsolidationQueueCode, Balance: new(big.Int)}, // EIP-7251
	}
	for _, a := range o.Alloc {
		alloc[a] = types.Account{Balance: funds()}
	}
	return &core.Genesis{
		Config:     chainConfig(o.ChainID),
		Timestamp:  o.Time,
		ExtraData:  []byte("sayso"),
		GasLimit:   blockGas,
		BaseFee:    big.NewInt(baseFee),
		Difficulty: new(big.Int),
		Alloc:      alloc,
	}
}

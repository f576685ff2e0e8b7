package devchain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
)

// instance is the folder of go-ethereum's files inside the chain's directory.
const instance = "geth"

// errDatabase marks a failure that building the database anew can heal.
var errDatabase = errors.New("chain database")

// begin writes the origin of a new chain.
func (c *Chain) begin() error {
	if _, err := os.Stat(filepath.Join(c.cfg.Dir, instance, "chaindata")); err == nil {
		return fmt.Errorf("%s has a chain database but no block journal; restore the folder blocks, or remove the folder %s to begin a new chain", c.cfg.Dir, instance)
	}
	if len(c.cfg.Alloc) == 0 {
		return errors.New("a new chain needs an address to fund")
	}
	id := c.cfg.ChainID
	if id == 0 {
		id = DefaultChainID
	}
	c.origin = newOrigin(id, uint64(c.cfg.Clock.Now().Add(-c.cfg.Backdate).Unix()), c.cfg.Alloc)
	text, err := json.Marshal(c.origin)
	if err != nil {
		return err
	}
	_, err = c.journal.Append(text)
	return err
}

// openEngine builds go-ethereum's parts, brings the database up to the journal and
// only then opens the endpoints.
func (c *Chain) openEngine() (err error) {
	conf, err := c.nodeConfig()
	if err != nil {
		return err
	}
	stack, err := node.New(conf)
	if errors.Is(err, node.ErrDatadirUsed) {
		return sayso.Fail(sayso.Busy, "devchain.Open", fmt.Sprintf("the chain's directory %s is in use by another process, perhaps another sayso; stop it or use another directory", c.cfg.Dir))
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			stack.Close()
		}
	}()
	if err := c.openJournal(); err != nil {
		return err
	}
	backend, err := c.openDatabase(stack)
	if err != nil {
		return err
	}
	filterSystem := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(filterSystem)}})
	if err := stack.Start(); err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			return c.cfg.portError(err)
		}
		return err
	}
	backend.SetSynced()
	// Until the index of transactions is known to be whole, a missing receipt is an
	// error instead of nothing.
	for range 1000 {
		if backend.APIBackend.TxIndexDone() || c.journal.Len() == 1 {
			break // or no block yet to index
		}
		time.Sleep(time.Millisecond)
	}
	c.stack, c.eth = stack, backend
	return nil
}

// openDatabase opens go-ethereum's database and brings it up to the journal.
func (c *Chain) openDatabase(stack *node.Node) (backend *eth.Ethereum, err error) {
	if text, err := os.ReadFile(c.log.note); err == nil {
		return nil, fmt.Errorf("%w: go-ethereum gave it up: %s", errDatabase, strings.TrimSpace(string(text)))
	}
	c.log.opening.Store(true)
	defer func() {
		c.log.opening.Store(false)
		switch p := recover().(type) {
		case nil:
		case gaveUp:
			backend, err = nil, fmt.Errorf("%w: go-ethereum gave it up: %s", errDatabase, string(p))
		default:
			panic(p)
		}
	}()
	if backend, err = eth.New(stack, c.ethConfig()); err != nil {
		return nil, fmt.Errorf("%w: %w", errDatabase, err)
	}
	if err := c.catchUp(backend); err != nil {
		backend.TxPool().Close()
		backend.BlockChain().Stop()
		return nil, err
	}
	return backend, nil
}

func (c *Chain) nodeConfig() (*node.Config, error) {
	key, err := crypto.GenerateKey() // the peer-to-peer identity: required, never used
	if err != nil {
		return nil, err
	}
	conf := &node.Config{
		Name:                 instance,
		DataDir:              c.cfg.Dir,
		KeyStoreDir:          filepath.Join(c.cfg.Dir, instance, "no-keys"), // created, always empty
		P2P:                  p2p.Config{PrivateKey: key, NoDiscovery: true, NoDial: true},
		HTTPModules:          []string{"eth", "net", "web3"},
		HTTPCors:             c.cfg.Origins,
		HTTPVirtualHosts:     []string{"localhost"},
		HTTPTimeouts:         rpc.DefaultHTTPTimeouts,
		WSModules:            []string{"eth", "net", "web3"},
		WSOrigins:            c.cfg.Origins,
		BatchRequestLimit:    node.DefaultConfig.BatchRequestLimit,
		BatchResponseMaxSize: node.DefaultConfig.BatchResponseMaxSize,
		HTTPBodyLimit:        node.DefaultConfig.HTTPBodyLimit,
		DBEngine:             "pebble",
		Logger:               c.log,
	}
	if c.cfg.Listen != "" {
		host, port, err := net.SplitHostPort(c.cfg.Listen)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		conf.HTTPHost, conf.HTTPPort, conf.WSHost, conf.WSPort = host, n, host, n
	}
	return conf, nil
}

// ethConfig keeps memory small: this also runs on a Raspberry Pi. The small dirty
// cache is flushed every few hundred blocks, which bounds what is replayed after a
// kill. Logs are searched without an index: its upkeep costs more than the searches
// of a follower, which reads block by block.
func (c *Chain) ethConfig() *ethconfig.Config {
	conf := ethconfig.Defaults
	conf.Genesis = c.origin.genesis()
	conf.SyncMode = ethconfig.FullSync
	conf.StateScheme = rawdb.PathScheme
	conf.DatabaseCache = 16
	conf.DatabaseHandles = 64
	conf.TrieCleanCache = 8
	conf.TrieDirtyCache = 1
	conf.SnapshotCache = 0
	conf.StateHistory = 1024
	conf.NoPrefetch = true
	conf.TransactionHistory = 0 // all
	conf.LogNoHistory = true
	conf.Miner.GasCeil = blockGas
	conf.Miner.GasPrice = big.NewInt(1)
	conf.GPO.IgnorePrice = big.NewInt(1)
	conf.RPCGasCap = blockGas
	conf.RPCTxFeeCap = 0 // none: the money is play money
	conf.TxPool.NoLocals = true
	conf.TxPool.Journal = ""
	conf.TxPool.PriceLimit = 1
	conf.TxPool.AccountSlots = 256
	conf.TxPool.AccountQueue = 1024
	conf.BlobPool.Datadir = ""
	return &conf
}

// catchUp makes journal and database agree: it inserts the blocks that only the
// journal has. Blocks that only the database has (a disk damaged the journal's last
// record after the fact) are appended to the journal.
func (c *Chain) catchUp(backend *eth.Ethereum) error {
	bc := backend.BlockChain()
	// Every block is final. go-ethereum would move final blocks to its archive at
	// once, though, and it repairs a killed database more simply while they are not.
	bc.SetFinalized(bc.Genesis().Header())
	head := bc.CurrentBlock().Number.Uint64()
	last := c.journal.Len() - 1
	start := c.cfg.Clock.Now()
	var batch types.Blocks
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if n, err := bc.InsertChain(batch); err != nil {
			return fmt.Errorf("%w: block %d of the journal is refused: %w", errDatabase, batch[min(n, len(batch)-1)].NumberU64(), err)
		}
		batch, size = nil, 0
		return nil
	}
	err := c.journal.Read(min(head, last), func(n uint64, payload []byte) error {
		if n == 0 {
			return nil // the origin; eth.New has compared block 0
		}
		block := new(types.Block)
		if err := rlp.DecodeBytes(payload, block); err != nil {
			return fmt.Errorf("record %d of the block journal is not a block: %w", n, err)
		}
		if n <= head {
			if bc.GetCanonicalHash(n) != block.Hash() {
				return fmt.Errorf("%w: its block %d is not the journal's", errDatabase, n)
			}
			return nil
		}
		batch = append(batch, block)
		if size += len(payload); len(batch) < 64 && size < 4<<20 {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	for n := last + 1; n <= head; n++ {
		block := bc.GetBlockByNumber(n)
		if block == nil {
			return fmt.Errorf("%w: block %d is missing", errDatabase, n)
		}
		if err := c.keep(block); err != nil {
			return err
		}
		c.cfg.Log.Warn("restored a block of the journal from the database", "block", n)
	}
	if now := bc.CurrentBlock(); now.Number.Uint64() > head {
		c.cfg.Log.Info("inserted blocks from the journal", "from", head+1, "to", now.Number, "took", c.cfg.Clock.Now().Sub(start))
	}
	bc.SetSafe(bc.CurrentBlock())
	return nil
}

// keep appends a block to the journal; when it returns, the block is on the disk.
func (c *Chain) keep(block *types.Block) error {
	raw, err := rlp.EncodeToBytes(block)
	if err != nil {
		return err
	}
	n, err := c.journal.Append(raw)
	if err == nil && n != block.NumberU64() {
		err = fmt.Errorf("BUG: block %d became record %d of the journal", block.NumberU64(), n)
	}
	return err
}

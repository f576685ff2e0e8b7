package stories

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/rogpeppe/go-internal/testscript"

	"sayso/protocol/abi"
	"sayso/protocol/chain"
)

// anvilPackages is Foundry's chain, of the version of the forge that tests the
// contracts.
const anvilPackages = `{"private": true, "dependencies": {"@foundry-rs/anvil": "1.7.1"}}
`

// anvilTime is the longest that a chain may take to start, to end or to answer.
const anvilTime = 30 * time.Second

// anvilOnce installs anvil when the first story asks for it, and tells the program.
func anvilOnce(dir string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		modules, err := install(dir, anvilPackages)
		if err != nil {
			return "", err
		}
		programs, _ := filepath.Glob(filepath.Join(modules, "@foundry-rs", "anvil-*", "bin", "anvil*"))
		if len(programs) != 1 {
			return "", fmt.Errorf("anvil's package for this machine is not there: %v", programs)
		}
		return programs[0], nil
	})
}

// anvil is a chain in a process of its own.
func (s *story) anvil(ts *testscript.TestScript, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "start":
		return s.startAnvil(ts, args[1:])
	case len(args) == 1 && args[0] == "stop":
		return s.stopAnvil()
	case len(args) == 2 && args[0] == "deploy":
		return s.deploy(ts, args[1])
	case len(args) == 1 && args[0] == "head":
		if err := s.callAnvil("eth_blockNumber", nil); err != nil {
			return err
		}
		n, err := hexutil.DecodeUint64(strings.Trim(s.said, `"`))
		s.said = fmt.Sprintln(n)
		return err
	case len(args) > 1 && args[0] == "emit":
		return s.emit(args[1:])
	case len(args) > 1 && args[0] == "call":
		return s.callAnvil(args[1], args[2:])
	}
	return errors.New("usage: anvil start [flag...] | anvil stop | anvil deploy FILE | anvil head | anvil call METHOD [JSON...] | anvil emit ADDRESS EVENT [VALUE...]")
}

func (s *story) startAnvil(ts *testscript.TestScript, flags []string) error {
	if s.chainRuns != nil {
		return errors.New("the chain runs already")
	}
	program, err := s.anvilProgram()
	if err != nil {
		return err
	}
	p := &process{ended: make(chan struct{}), err: filepath.Join(s.dir, "anvil.err")}
	port := s.chain[len("127.0.0.1:"):]
	p.cmd = exec.Command(program, append([]string{"--host", "127.0.0.1", "--port", port, "--silent"}, flags...)...)
	p.cmd.Dir = s.dir
	file, err := os.Create(p.err)
	if err != nil {
		return err
	}
	defer file.Close()
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() { p.failed = p.cmd.Wait(); close(p.ended) }()
	s.chainRuns = p
	for end := time.After(anvilTime); ; {
		if err = s.callAnvil("eth_chainId", nil); err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("anvil ended: %v: %s", p.failed, p.last())
		case <-end:
			return fmt.Errorf("anvil does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stopAnvil interrupts the chain, which then writes its --state.
func (s *story) stopAnvil() error {
	p := s.chainRuns
	if p == nil {
		return errors.New("no chain runs")
	}
	s.chainRuns = nil
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(anvilTime):
		p.cmd.Process.Kill()
		<-p.ended
		return errors.New("anvil did not end")
	}
}

// callAnvil makes one call; the answer is the output.
func (s *story) callAnvil(method string, params []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), anvilTime)
	defer cancel()
	c, err := rpc.DialContext(ctx, "http://"+s.chain)
	if err != nil {
		return err
	}
	defer c.Close()
	var args []any
	for _, p := range params {
		args = append(args, json.RawMessage(p))
	}
	var out json.RawMessage
	err = c.CallContext(ctx, &out, method, args...)
	if answer := rpc.Error(nil); errors.As(err, &answer) {
		return refusal{err}
	}
	s.said, s.head = string(out), "answered\n"
	return err
}

// deploy puts the contracts on the chain, for the operator whose key is in the
// story's folder of keys, and writes the file that --contracts takes.
func (s *story) deploy(ts *testscript.TestScript, file string) error {
	keys := ts.MkAbs("sayso-keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	operator, err := chain.LoadOrCreateKey(filepath.Join(keys, "operator.key"))
	if err != nil {
		return err
	}
	const ether = `"0x3635c9adc5dea00000"` // 1,000
	if err := s.callAnvil("anvil_setBalance", []string{fmt.Sprintf("%q", operator.Address()), ether}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), anvilTime)
	defer cancel()
	client, err := chain.Dial(ctx, "http://"+s.chain)
	if err != nil {
		return err
	}
	defer client.Close()
	at, err := abi.Deploy(ctx, chain.NewSender(client, operator), operator.Address())
	if err != nil {
		return err
	}
	id, err := client.ChainID(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	members := map[string]any{}
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	members["id"] = id
	if text, err = json.Marshal(members); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(file), text, 0o644)
}

package stories

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"

	"sayso"
	"sayso/client"
	"sayso/internal/clock"
	"sayso/internal/pki"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
)

// source is a cloud that speaks for cars, and whoever attests something.
func (s *story) source(ts *testscript.TestScript, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch {
	case len(args) == 1 && args[0] == "ports":
		for _, name := range []string{"CONNECTIONS", "ATTESTATIONS"} {
			at, err := freePort("127.0.0.1")
			if err != nil {
				return err
			}
			ts.Setenv(name, at)
		}
		return nil
	case len(args) == 5 && args[0] == "new":
		vehicle, err := strconv.ParseUint(args[3], 10, 64)
		if err != nil {
			return err
		}
		return s.newSource(ctx, args[1], args[2], vehicle, args[4])
	case len(args) == 3 && args[0] == "send":
		return s.overTLS(ts, args[1], ts.ReadFile(args[2]))
	case len(args) == 5 && args[0] == "attest":
		return s.attest(ts, args[1], args[2], args[3], args[4])
	}
	return errors.New("usage: source ports | source new NAME DEVICE VEHICLE OWNER | source send NAME FILE | source attest KEY WHO ID DATA")
}

// newSource mints a connection with the address of a key, and a synthetic device
// with another in a vehicle, as its owner signs.
func (s *story) newSource(ctx context.Context, name, device string, vehicle uint64, owner string) error {
	keys := map[string]*chain.Key{}
	for _, n := range []string{"operator", name, device, owner} {
		k, err := chain.LoadOrCreateKey(filepath.Join(s.dir, "sayso-keys", n+".key"))
		if err != nil {
			return err
		}
		keys[n] = k
	}
	text, err := s.send("GET", "/v1/chain", options{}, nil)
	if err != nil {
		return err
	}
	var at registry.ChainInfo
	if err := json.Unmarshal(text, &at); err != nil {
		return err
	}
	contracts, err := abi.Load()
	if err != nil {
		return err
	}
	c, err := chain.Dial(ctx, "http://"+s.chain)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := c.ChainID(ctx)
	if err != nil {
		return err
	}
	operator := chain.NewSender(c, keys["operator"], contracts.Registry.ABI, contracts.Connections.ABI)
	do := func(of abi.Contract, to sayso.Address, fn string, args ...any) error {
		data, err := of.Pack(fn, args...)
		if err != nil {
			return err
		}
		return operator.Call(ctx, common.Address(to), data)
	}
	if err := do(contracts.Connections, at.Connections, "mint", keys["operator"].Address(), keys[name].Address(), name, [32]byte{}); err != nil {
		return fmt.Errorf("the connection: %w", err)
	}
	number := connectionID(name)
	digest := abi.MintSyntheticDigest(id, common.Address(at.Registry), number, newNumber(vehicle))
	input := abi.MintSyntheticDeviceInput{
		ConnectionId: number, VehicleNode: newNumber(vehicle), SyntheticDeviceAddr: keys[device].Address(), AttrInfoPairs: []abi.AttributeInfoPair{},
	}
	if input.SyntheticDeviceSig, err = keys[device].Sign(digest); err != nil {
		return err
	}
	if input.VehicleOwnerSig, err = keys[owner].Sign(digest); err != nil {
		return err
	}
	if err := do(contracts.Registry, at.Registry, "mintSyntheticDeviceSign", input); err != nil {
		return fmt.Errorf("the synthetic device: %w", err)
	}
	return nil
}

// overTLS posts with a certificate of the node's authority, whose name is the
// address of a key.
func (s *story) overTLS(ts *testscript.TestScript, name, body string) error {
	key, err := s.keyOf(name)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "sayso-keys", "connections")
	cert, secret, err := pki.Issue(dir, key.Address().String(), clock.System{}.Now())
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, secret)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "server.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	defer tr.CloseIdleConnections()
	return s.answerOf(&http.Client{Transport: tr, Timeout: 30 * time.Second}, "https://"+ts.Getenv("CONNECTIONS"), "", []byte(body))
}

// attest signs a statement about the vehicle of $DID and posts it with the token
// of somebody, or of nobody.
func (s *story) attest(ts *testscript.TestScript, by, who, id, data string) error {
	bearer := ""
	if who != "nobody" {
		k, err := s.keyOf(who)
		if err != nil {
			return err
		}
		home := "http://" + s.http
		bearer, err = client.New(home).SignIn(context.Background(), token.DriverClient, home, sayso.Address(k.Address()), k)
		if err != nil {
			return err
		}
	}
	key, err := s.keyOf(by)
	if err != nil {
		return err
	}
	sig, err := key.Sign(chain.PersonalDigest([]byte(data)))
	if err != nil {
		return err
	}
	kind := sayso.TypeAttestation
	if bytes.Contains([]byte(data), []byte("voidsId")) {
		kind = sayso.TypeTombstone
	}
	body := fmt.Sprintf(`{"id":%q,"type":%q,"source":%q,"subject":%q,"signature":"0x%s","data":%s}`,
		id, kind, key.Address(), ts.Getenv("DID"), hex.EncodeToString(sig), data)
	return s.answerOf(http.DefaultClient, "http://"+ts.Getenv("ATTESTATIONS"), bearer, []byte(body))
}

// answerOf posts and makes the answer the output, and its status the error.
func (s *story) answerOf(c *http.Client, url, bearer string, body []byte) error {
	r, err := http.NewRequest(http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	s.said, s.head = string(said), res.Status+"\n"
	if res.StatusCode != http.StatusOK {
		return refusal{fmt.Errorf("%s", res.Status)}
	}
	return nil
}

// connectionID is the number of a connection: the bytes of its name, to the left
// of 32.
func connectionID(name string) *big.Int {
	var b [32]byte
	copy(b[:], name)
	return new(big.Int).SetBytes(b[:])
}

func newNumber(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

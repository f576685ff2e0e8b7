package node

import (
	"fmt"
	"net"
	"strings"
	"time"

	"sayso/owner/registry"
	"sayso/protocol/follow"
)

// Config holds every setting of a node. The names are those of the flags; the
// environment has them as SAYSO_<NAME>, the settings file as JSON members.
type Config struct {
	Data    string `help:"Folder of what the node keeps." default:"./sayso-data" type:"path"`
	Keys    string `help:"Folder of the secret keys: root key, token keys, accounts. Back it up apart from the data." default:"./sayso-keys" type:"path"`
	RootKey string `help:"File of the root key that seals the data [<keys>/root.key]." type:"path"`

	Passphrase string `help:"Seal the data under this passphrase instead of the root key file. Give it in the environment."`

	HTTP string `help:"Address to answer HTTP on: questions, tokens, the device door." default:"localhost:8480" name:"http"`
	URL  string `help:"URL by which others reach this node [http://<http>]." name:"url"`

	RPC           string        `help:"JSON-RPC URL of the chain to follow, or several with commas between them, of which two must agree; without it the node runs a chain of its own." name:"rpc"`
	Network       string        `help:"Network on that chain whose contracts are known: polygon or amoy, on which DIMO is."`
	Contracts     string        `help:"JSON file of the contract addresses on that chain, in place of --network." type:"path"`
	StartBlock    uint64        `help:"First block to index on that chain [0: the one in which the contracts appeared]." default:"0"`
	Confirmations uint64        `help:"Blocks on top of a grant before it counts [0, or as many as the --network waits for]." default:"0"`
	ChainListen   string        `help:"Address to answer JSON-RPC of the node's own chain on." default:"127.0.0.1:8545"`
	Heartbeat     time.Duration `help:"Longest time between blocks of the node's own chain." default:"15s"`

	DocumentGateway string `help:"URL that a CID is put behind, to fetch documents behind grants that are not kept here, such as https://assets.dimo.xyz/ipfs; without it none are fetched."`

	MQTT       string `help:"Address to answer devices on that speak MQTT; off for none." default:"127.0.0.1:1883" name:"mqtt"`
	Signatures string `help:"What the signatures of signed-in devices are for: off (nothing), record (checked after the acknowledgement), require (checked before)." default:"off" enum:"off,record,require"`
	DeviceRate int    `help:"Events per second that one device may send, five times as many at once; 0 for no bound." default:"2000"`

	Connections  string `help:"Address to answer connections on, which come with a client certificate, such as 0.0.0.0:9443; off for none." default:"off"`
	Attestations string `help:"Address to answer who attests something about a vehicle on, in clear, such as 127.0.0.1:9442 behind a proxy that has TLS; off for none." default:"off"`

	MaxBody  int64 `help:"Largest message of a device, in bytes." default:"1048576"`
	MemoryMB int64 `help:"Most memory that the store holds for caches, write buffers and what waits to be kept, in MiB." default:"512" name:"memory-mb"`

	WebhookHosts string `help:"Hosts that webhooks may reach although they are not on the public internet, such as localhost:3000, with commas between them."`

	RelayGas   uint64 `help:"Gas that the operator pays for the signed calls of one account in a day; 0 turns the relay off." default:"5000000"`
	RelayTotal uint64 `help:"Gas that the operator pays for all accounts in a day; 0 is no bound." default:"500000000"`

	LogLevel string `help:"How much to log: debug, info, warn, error." default:"info" enum:"debug,info,warn,error"`
}

// ownChain says whether the node runs a chain of its own.
func (c Config) ownChain() bool { return c.RPC == "" }

// endpoints are the URLs of the chain that is followed.
func (c Config) endpoints() []string {
	var list []string
	for _, url := range strings.Split(c.RPC, ",") {
		if url = strings.TrimSpace(url); url != "" {
			list = append(list, url)
		}
	}
	return list
}

// BaseURL is how others reach the node, without a trailing slash.
func (c Config) BaseURL() string {
	if c.URL != "" {
		return strings.TrimRight(c.URL, "/")
	}
	return "http://" + c.HTTP
}

// check refuses settings that cannot work together.
func (c Config) check() error {
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
		return fmt.Errorf("--http %s: %w; an example: localhost:8480", c.HTTP, err)
	}
	switch {
	case c.Network != "" && c.Contracts != "":
		return fmt.Errorf("--network %s and --contracts %s: give one of them", c.Network, c.Contracts)
	case c.Network != "" && c.ownChain():
		return fmt.Errorf("--network %s needs --rpc URL: a node of its chain", c.Network)
	case c.Network != "":
		if _, err := follow.NetworkNamed(c.Network); err != nil {
			return fmt.Errorf("--network: %w", err)
		}
	case !c.ownChain() && c.Contracts == "":
		return fmt.Errorf("--rpc %s needs --network polygon, or --contracts FILE: a JSON object with the members id, registry, vehicle, manufacturer, aftermarketDevice, grants, devLicense", c.RPC)
	}
	if c.Confirmations > registry.Depth {
		return fmt.Errorf("--confirmations %d: at most %d", c.Confirmations, registry.Depth)
	}
	if c.Heartbeat < time.Second || c.Heartbeat > time.Minute {
		return fmt.Errorf("--heartbeat %s: want between 1s and 1m, so that expired grants are seen to expire", c.Heartbeat)
	}
	return nil
}

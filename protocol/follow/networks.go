package follow

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sayso/owner/registry"
)

//go:embed networks.json
var networksFile []byte

// Network is a network whose contracts are known by its name. In which block they
// appeared is found on the chain.
type Network struct {
	Chain         registry.ChainInfo `json:"chain"`
	Confirmations uint64             `json:"confirmations"` // that its own services wait for
}

// NetworkNamed finds a network by its name; an error says which there are.
func NetworkNamed(name string) (Network, error) {
	var all map[string]Network
	if err := json.Unmarshal(networksFile, &all); err != nil {
		return Network{}, fmt.Errorf("follow: networks: %w", err)
	}
	n, ok := all[name]
	if !ok {
		return n, fmt.Errorf("there is no network %q: want %s", name, strings.Join(slices.Sorted(maps.Keys(all)), " or "))
	}
	return n, nil
}

// Package identity answers the public questions about who is who: vehicles,
// their owners and grants, devices, manufacturers, developer licences. It is a
// view of owner/registry in the form that clients of the DIMO identity API
// know (spec api 7); it needs no token, because all of it is on a public chain.
//
// Where a chain has no contract for something, such as names, stakes or rewards,
// its lists are empty and its fields null.
package identity

import (
	_ "embed"
	hexadecimal "encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

//go:embed schema.graphql
var schema string

//go:embed network.graphql
var network string

// Config is what [New] needs. Registry and Clock must be given.
type Config struct {
	Registry *registry.Registry
	Clock    clock.Clock
	BaseURL  string        // of this node, without a slash at the end; links to images and data start with it
	Gate     *graphql.Gate // may be shared with other servers; one of its own by default
	Log      *slog.Logger
}

// answers holds the functions of the schema.
type answers struct {
	Config
	chain registry.ChainInfo
}

// New builds the handler of /identity/query.
func New(cfg Config) (*graphql.Server, error) {
	a := &answers{Config: cfg, chain: cfg.Registry.Chain()}
	types := map[string]graphql.Fields{
		"Query":             a.query(),
		"Vehicle":           a.vehicle(),
		"Definition":        definitionFields(),
		"Privilege":         privileges(),
		"Sacd":              a.sacd(),
		"Template":          template(),
		"Account":           a.account(),
		"AftermarketDevice": a.device(),
		"SyntheticDevice":   a.synthetic(),
		"Connection":        a.connection(),
		"StorageNode":       a.storageNode(),
		"Manufacturer":      a.manufacturer(),
		"DeviceDefinition":  a.deviceDefinition(),
		"DeveloperLicense":  a.licence(),
		"DCN":               a.name(),
		"Stake":             a.stake(),
		"Earning":           a.earning(),
		"Signer":            {"address": graphql.Of(func(s signer) any { return s.key }), "enabledAt": graphql.Of(func(s signer) any { return unix(s.since) })},
		"RedirectURI":       {"uri": graphql.Of(func(u uri) any { return u.uri }), "enabledAt": graphql.Of(func(u uri) any { return unix(u.since) })},
		"PageInfo":          pageInfo(),
	}
	for _, name := range []string{"Vehicle", "Sacd", "AftermarketDevice", "Manufacturer", "DeveloperLicense", "Signer", "RedirectURI", "SyntheticDevice",
		"DCN", "Stake", "Connection", "Template", "DeviceDefinition"} {
		types[name+"Connection"], types[name+"Edge"] = connectionFields(), edgeFields()
	}
	types["PrivilegesConnection"], types["PrivilegeEdge"] = connectionFields(), edgeFields()
	types["EarningsConnection"], types["EarningsEdge"] = connectionFields(), edgeFields()
	for _, name := range []string{"VehicleEarnings", "AftermarketDeviceEarnings", "UserRewards"} {
		types[name] = earningsFields()
	}
	return graphql.New(graphql.Config{
		SDL:    schema + network,
		Types:  types,
		Absent: []string{"DeviceDefinitionAttribute"},
		Scalars: map[string]graphql.Scalar{
			"Address": readAddress, "Bytes": readBytes, "BigInt": readText, "BigDecimal": readText, "Time": readText,
		},
		Authorise: func(*http.Request) (any, error) { return nil, nil },
		Weigh:     a.weigh,
		Gate:      cfg.Gate,
		Log:       cfg.Log,
	})
}

func readAddress(in any) (any, error) {
	s, ok := in.(string)
	if !ok {
		return nil, invalid("not a valid hex address")
	}
	a, err := sayso.ParseAddress(s)
	if err != nil {
		return nil, invalid("not a valid hex address")
	}
	return a, nil
}

func readText(in any) (any, error) {
	if s, ok := in.(string); ok {
		return s, nil
	}
	return fmt.Sprint(in), nil
}

func readBytes(in any) (any, error) {
	s, _ := in.(string)
	digits, ok := strings.CutPrefix(s, "0x")
	b, err := hexadecimal.DecodeString(digits)
	if !ok || err != nil {
		return nil, invalid("not bytes as 0x and hexadecimal digits")
	}
	return b, nil
}

func invalid(format string, args ...any) error {
	return sayso.Fail(sayso.Invalid, "identity", fmt.Sprintf(format, args...))
}

func notFound(format string, args ...any) error {
	return sayso.Fail(sayso.NotFound, "identity", fmt.Sprintf(format, args...))
}

// query are the fields of the root.
func (a *answers) query() graphql.Fields {
	return graphql.Fields{
		"node":               a.findNode,
		"vehicle":            a.findVehicle,
		"vehicles":           a.listVehicles,
		"aftermarketDevice":  a.findDevice,
		"aftermarketDevices": func(c *graphql.Call, _ any, f *graphql.Field) (any, error) { return a.listDevices(c, f.Args, nil) },
		"syntheticDevice":    a.findSynthetic,
		"syntheticDevices":   a.listSynthetics,
		"manufacturer":       a.findManufacturer,
		"manufacturers":      a.listManufacturers,
		"deviceDefinition":   a.findDefinition,
		"developerLicense":   a.findLicence,
		"developerLicenses":  a.listLicences,
		"connection":         a.findConnection,
		"connections":        a.listConnections,
		"dcn":                a.findName,
		"dcns":               a.listNames,
		"stakes":             a.listStakes,
		"rewards":            a.findRewards,
		"template":           a.findTemplate,
		"templates":          a.listTemplates,
		"account":            findAccount,
	}
}

// parseDID reads the DID of a token of a contract.
func (a *answers) parseDID(did string, contract sayso.Address) (sayso.DID, error) {
	d, err := sayso.ParseDID(did)
	switch {
	case err != nil:
		return d, invalid("error decoding tokenDID: %v", err)
	case d.Method != sayso.MethodERC721:
		return d, invalid("error decoding tokenDID: %q is not the DID of a token", did)
	case d.Chain != a.chain.ID:
		return d, notFound("unknown chain id %d in token did", d.Chain)
	case d.Address != contract:
		return d, notFound("invalid contract address '%s' in token did", d.Address)
	}
	return d, nil
}

// token reads a token id that is counted from one out of a DID of a contract.
func (a *answers) token(did string, contract sayso.Address) (uint64, error) {
	d, err := a.parseDID(did, contract)
	if err != nil {
		return 0, err
	}
	if !d.Token.IsUint64() {
		return 0, notFound("there is no token %s", d.Token)
	}
	return d.Token.Uint64(), nil
}

func (a *answers) findNode(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	text, _ := graphql.Arg[string](f.Args, "id")
	prefix, id, err := parseNodeID(text)
	if err != nil {
		return nil, err
	}
	switch prefix {
	case vehiclePrefix:
		if v, ok := a.Registry.Vehicle(uint64(id)); ok && !v.Burned {
			return graphql.Typed{Type: "Vehicle", Value: &v}, nil
		}
	case devicePrefix:
		if d, ok := a.Registry.Device(uint64(id)); ok {
			return graphql.Typed{Type: "AftermarketDevice", Value: &d}, nil
		}
	case syntheticPrefix:
		if s, ok := a.Registry.Synthetic(uint64(id)); ok && s.BurnedAt == 0 {
			return graphql.Typed{Type: "SyntheticDevice", Value: &s}, nil
		}
	case manufacturerPrefix:
		if m, ok := a.Registry.Manufacturer(uint64(id)); ok {
			return graphql.Typed{Type: "Manufacturer", Value: &m}, nil
		}
	case namePrefix:
		if n, ok := a.Registry.NameByNumber(id); ok {
			return graphql.Typed{Type: "DCN", Value: &n}, nil
		}
	}
	return nil, notFound("No node with id %s.", text)
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// lastTime is the greatest time that RFC 3339 can write; expiries without an
// end are answered with it.
const lastTime = 253402300799 // 9999-12-31T23:59:59Z

func expiry(seconds int64) time.Time { return unix(min(seconds, lastTime)) }

// optional is null where a text is empty.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// one says whether exactly one of the arguments is given and not null.
func one(args graphql.Args) bool {
	n := 0
	for _, v := range args {
		if v != nil {
			n++
		}
	}
	return n == 1
}

// address is an optional address argument, ready for a filter.
func address(args graphql.Args, name string) *sayso.Address {
	if a, ok := graphql.Arg[sayso.Address](args, name); ok {
		return &a
	}
	return nil
}

func number(args graphql.Args, name string) *uint64 {
	if n, ok := graphql.Arg[int64](args, name); ok {
		u := uint64(n)
		return &u
	}
	return nil
}

func textArg(args graphql.Args, name string) *string {
	if s, ok := graphql.Arg[string](args, name); ok {
		return &s
	}
	return nil
}

// Package identity answers the public questions about who is who: vehicles,
// their owners and grants, devices, manufacturers, developer licences. It is a
// view of owner/registry in the form that clients of the DIMO identity API
// know (spec api 7); it needs no token, because all of it is on a public chain.
//
// Names, stakes, rewards, synthetic devices and storage nodes are in the
// schema because clients select them; there are none on the chains this node
// follows, so their lists are empty and their fields null.
package identity

import (
	_ "embed"
	"fmt"
	"iter"
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
var present string

//go:embed absent.graphql
var absent string

// Registry is what the answers are taken from; [registry.Registry] is one.
type Registry interface {
	Chain() registry.ChainInfo
	Vehicle(id uint64) (registry.Vehicle, bool)
	Vehicles(registry.VehicleFilter) iter.Seq[registry.Vehicle]
	Device(id uint64) (registry.Device, bool)
	DeviceByAddress(sayso.Address) (registry.Device, bool)
	Devices(registry.DeviceFilter) iter.Seq[registry.Device]
	Manufacturer(id uint64) (registry.Manufacturer, bool)
	ManufacturerByName(name string) (registry.Manufacturer, bool)
	Manufacturers() []registry.Manufacturer
	Licence(id uint64) (registry.Licence, bool)
	LicenceByClient(sayso.Address) (registry.Licence, bool)
	LicenceByAlias(alias string) (registry.Licence, bool)
	Licences(registry.LicenceFilter) iter.Seq[registry.Licence]
	Grant(vehicle uint64, grantee sayso.Address) (registry.Grant, bool)
	Grants(vehicle uint64) []registry.Grant
}

// Config is what [New] needs. Registry and Clock must be given.
type Config struct {
	Registry Registry
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
		"Definition":        definition(),
		"Sacd":              sacd(),
		"AftermarketDevice": a.device(),
		"Manufacturer":      a.manufacturer(),
		"DeveloperLicense":  a.licence(),
		"Signer":            {"address": graphql.Of(func(s signer) any { return s.key }), "enabledAt": graphql.Of(func(s signer) any { return unix(s.since) })},
		"RedirectURI":       {"uri": graphql.Of(func(u uri) any { return u.uri }), "enabledAt": graphql.Of(func(u uri) any { return unix(u.since) })},
		"PageInfo":          pageInfo(),
	}
	for _, name := range []string{"Vehicle", "Sacd", "AftermarketDevice", "Manufacturer", "DeveloperLicense", "Signer", "RedirectURI", "SyntheticDevice", "DCN", "Stake"} {
		types[name+"Connection"], types[name+"Edge"] = connectionFields(), edgeFields()
	}
	types["PrivilegesConnection"], types["PrivilegeEdge"] = connectionFields(), edgeFields()
	return graphql.New(graphql.Config{
		SDL:   present + absent,
		Types: types,
		Absent: []string{"Privilege", "SyntheticDevice", "Connection", "DCN", "Stake", "StorageNode", "Earning",
			"EarningsEdge", "EarningsConnection", "VehicleEarnings", "AftermarketDeviceEarnings", "UserRewards"},
		Scalars: map[string]graphql.Scalar{
			"Address": readAddress, "Bytes": readText, "BigInt": readText, "BigDecimal": readText, "Time": readText,
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

func invalid(format string, args ...any) error {
	return sayso.Fail(sayso.Invalid, "identity", fmt.Sprintf(format, args...))
}

func notFound(format string, args ...any) error {
	return sayso.Fail(sayso.NotFound, "identity", fmt.Sprintf(format, args...))
}

// query are the fields of the root.
func (a *answers) query() graphql.Fields {
	nothing := func(what string) graphql.Func {
		return func(*graphql.Call, any, *graphql.Field) (any, error) { return nil, notFound("No %s found.", what) }
	}
	return graphql.Fields{
		"node":               a.findNode,
		"vehicle":            a.findVehicle,
		"vehicles":           a.listVehicles,
		"aftermarketDevice":  a.findDevice,
		"aftermarketDevices": func(c *graphql.Call, _ any, f *graphql.Field) (any, error) { return a.listDevices(c, f.Args, nil) },
		"manufacturer":       a.findManufacturer,
		"manufacturers":      a.listManufacturers,
		"developerLicense":   a.findLicence,
		"developerLicenses":  a.listLicences,
		"syntheticDevice":    nothing("synthetic device"),
		"syntheticDevices":   none,
		"dcn":                nothing("DCN"),
		"dcns":               none,
		"stakes":             none,
		"rewards":            null,
	}
}

// none answers a list of what does not exist.
func none(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	return paginate(c, f.Args, func(func(*registry.Vehicle) bool) {}, byVehicle)
}

// null answers a field of what does not exist.
func null(*graphql.Call, any, *graphql.Field) (any, error) { return nil, nil }

// token reads a token id out of a DID of a contract.
func (a *answers) token(did string, contract sayso.Address) (uint64, error) {
	d, err := sayso.ParseDID(did)
	switch {
	case err != nil:
		return 0, invalid("error decoding tokenDID: %v", err)
	case d.Method != sayso.MethodERC721:
		return 0, invalid("error decoding tokenDID: %q is not the DID of a token", did)
	case d.Chain != a.chain.ID:
		return 0, notFound("unknown chain id %d in token did", d.Chain)
	case d.Address != contract:
		return 0, notFound("invalid contract address '%s' in token did", d.Address)
	}
	id, ok := d.Is(a.chain.ID, contract)
	if !ok {
		return 0, notFound("there is no token %s", d.Token)
	}
	return id, nil
}

func (a *answers) findNode(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	text, _ := graphql.Arg[string](f.Args, "id")
	prefix, id, err := parseNodeID(text)
	if err != nil {
		return nil, err
	}
	switch prefix {
	case vehiclePrefix:
		if v, ok := a.Registry.Vehicle(id); ok && !v.Burned {
			return graphql.Typed{Type: "Vehicle", Value: &v}, nil
		}
	case devicePrefix:
		if d, ok := a.Registry.Device(id); ok {
			return graphql.Typed{Type: "AftermarketDevice", Value: &d}, nil
		}
	case manufacturerPrefix:
		if m, ok := a.Registry.Manufacturer(id); ok {
			return graphql.Typed{Type: "Manufacturer", Value: &m}, nil
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

// pointers iterates over addresses of copies, which is what the functions of
// the types take.
func pointers[T any](all iter.Seq[T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for v := range all {
			if !yield(&v) {
				return
			}
		}
	}
}

func slug(name string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToLower(name), " ", "-"), "-")
}

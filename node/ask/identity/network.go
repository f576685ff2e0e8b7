package identity

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

func (a *answers) synthetic() graphql.Fields {
	type s = *registry.Synthetic
	return graphql.Fields{
		"id":            graphql.Of(func(s s) any { return nodeID(syntheticPrefix, s.ID) }),
		"name":          graphql.Of(func(s s) any { return "synthetic device " + strconv.FormatUint(s.ID, 10) }),
		"tokenId":       graphql.Of(func(s s) any { return s.ID }),
		"tokenDID":      graphql.Of(func(s s) any { return sayso.NFT(a.chain.ID, a.chain.SyntheticDevice, s.ID) }),
		"integrationId": graphql.Of(func(s s) any { return integration(s.Connection) }),
		"address":       graphql.Of(func(s s) any { return s.Address }),
		"mintedAt":      graphql.Of(func(s s) any { return unix(s.MintedAt) }),
		"vehicle": graphql.Of(func(s s) any {
			v, _ := a.Registry.Vehicle(s.Vehicle)
			v.ID = s.Vehicle
			return &v
		}),
		"connection": graphql.Of(func(s s) any { return a.source(s.Connection) }),
	}
}

// integration is the number of a data source of the form before 2025, 0 for
// others.
func integration(connection string) int64 {
	n, err := strconv.ParseInt(connection, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// source is the connection with a number. Of one that no contract tells of, the
// name is known, which is what the number is made of.
func (a *answers) source(id string) *registry.Connection {
	c, ok := a.Registry.Connection(id)
	if !ok {
		c.ID = id
	}
	if c.Name == "" {
		c.Name = nameIn(id)
	}
	return &c
}

func nameIn(id string) string {
	if n := integration(id); n != 0 {
		return "integration " + id
	}
	name := strings.TrimRight(string(bytes32(id)), "\x00")
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return id
	}
	return name
}

func (a *answers) findSynthetic(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("Pass in exactly one of `address`, `tokenId`, or `tokenDID`.")
	}
	var s registry.Synthetic
	var ok bool
	what := ""
	if key := address(by, "address"); key != nil {
		s, ok = a.Registry.SyntheticByAddress(*key)
		what = "address " + key.String()
	} else {
		id, err := a.number(by, a.chain.SyntheticDevice)
		if err != nil {
			return nil, err
		}
		s, ok = a.Registry.Synthetic(id)
		what = "token id " + strconv.FormatUint(id, 10)
	}
	if !ok || s.BurnedAt != 0 {
		return nil, notFound("No synthetic device with %s.", what)
	}
	return &s, nil
}

// number is the token id that tokenId or tokenDID give.
func (a *answers) number(by graphql.Args, contract sayso.Address) (uint64, error) {
	if did := textArg(by, "tokenDID"); did != nil {
		return a.token(*did, contract)
	}
	if id := number(by, "tokenId"); id != nil {
		return *id, nil
	}
	return 0, nil
}

func (a *answers) listSynthetics(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	filter := registry.SyntheticFilter{Owner: address(by, "owner")}
	if n, ok := graphql.Arg[int64](by, "integrationId"); ok {
		text := strconv.FormatInt(n, 10)
		filter.Connection = &text
	}
	return paginate(c, f.Args, numbered(a.Registry.SyntheticList(filter), func(s *registry.Synthetic) *uint64 { return &s.ID }), bySynthetic)
}

func (a *answers) connection() graphql.Fields {
	type c = *registry.Connection
	return graphql.Fields{
		"name":     graphql.Of(func(c c) any { return c.Name }),
		"address":  graphql.Of(func(c c) any { return c.Address }),
		"owner":    graphql.Of(func(c c) any { return c.Owner }),
		"tokenId":  graphql.Of(func(c c) any { return c.ID }),
		"tokenDID": graphql.Of(func(c c) any { return a.did(a.chain.Connections, c.ID) }),
		"mintedAt": graphql.Of(func(c c) any { return unix(c.MintedAt) }),
		"sacds": func(call *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(call, f.Args, listed(a.standing(a.Registry.Shares(a.chain.Connections, p.(c).ID)), byCreation), byCreation)
		},
	}
}

// did is the DID of a token whose number may be of any size.
func (a *answers) did(contract sayso.Address, id string) string {
	d := sayso.NFT(a.chain.ID, contract, 0)
	d.Token = registry.Amount(id)
	return d.String()
}

func (a *answers) findConnection(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("must specify exactly one of `name`, `address`, `tokenId`, or `tokenDID`")
	}
	var c registry.Connection
	var ok bool
	what := ""
	if name := textArg(by, "name"); name != nil {
		c, ok = a.Registry.ConnectionByName(*name)
		what = "name " + *name
	} else if key := address(by, "address"); key != nil {
		c, ok = a.Registry.ConnectionByAddress(*key)
		what = "address " + key.String()
	} else {
		id, err := a.bigNumber(by, a.chain.Connections)
		if err != nil {
			return nil, err
		}
		c, ok = a.Registry.Connection(id)
		what = "token id " + id
	}
	if !ok {
		return nil, notFound("No connection with %s.", what)
	}
	return &c, nil
}

// bigNumber is the token id that tokenId or tokenDID give, of up to 256 bits.
func (a *answers) bigNumber(by graphql.Args, contract sayso.Address) (string, error) {
	if did := textArg(by, "tokenDID"); did != nil {
		d, err := a.parseDID(*did, contract)
		if err != nil {
			return "", err
		}
		return d.Token.String(), nil
	}
	text := textArg(by, "tokenId")
	n, ok := new(big.Int).SetString(*text, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 256 {
		return "", invalid("%q is not a token id", *text)
	}
	return n.String(), nil
}

func (a *answers) listConnections(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	all := a.Registry.Connections()
	return paginate(c, f.Args, listed(slices.Collect(pointers(slices.Values(all))), bySource), bySource)
}

func (a *answers) storageNode() graphql.Fields {
	type n = *registry.StorageNode
	return graphql.Fields{
		"label":    graphql.Of(func(n n) any { return n.Label }),
		"address":  graphql.Of(func(n n) any { return n.Address }),
		"owner":    graphql.Of(func(n n) any { return n.Owner }),
		"tokenId":  graphql.Of(func(n n) any { return n.ID }),
		"uri":      graphql.Of(func(n n) any { return n.URI }),
		"tokenDID": graphql.Of(func(n n) any { return a.did(a.chain.StorageNodes, n.ID) }),
		"mintedAt": graphql.Of(func(n n) any { return unix(n.MintedAt) }),
	}
}

// defaultNode is the number of the storage node of vehicles whose owners chose
// none: the hash of "DIMO-Storage-Node-Default".
const defaultNode = "97077788752129128008203392238079160986969880871961310481918723204306174661833"

func (a *answers) nodeOf(v *registry.Vehicle) any {
	id := v.StorageNode
	if id == "" {
		id = defaultNode
	}
	if n, ok := a.Registry.StorageNode(id); ok {
		return &n
	}
	return nil
}

func (a *answers) name() graphql.Fields {
	type n = *registry.Name
	token := func(n n) *big.Int { b := n.Bytes(); return new(big.Int).SetBytes(b[:]) }
	return graphql.Fields{
		"id":       graphql.Of(func(n n) any { return nameID(n.Number()) }),
		"node":     graphql.Of(func(n n) any { return n.Node }),
		"tokenId":  graphql.Of(func(n n) any { return token(n).String() }),
		"tokenDID": graphql.Of(func(n n) any { return a.did(a.chain.Names, token(n).String()) }),
		"owner":    graphql.Of(func(n n) any { return n.Owner }),
		"mintedAt": graphql.Of(func(n n) any { return unix(n.MintedAt) }),
		"name":     graphql.Of(func(n n) any { return optional(n.Text) }),
		"expiresAt": graphql.Of(func(n n) any {
			if n.Expires == 0 {
				return nil
			}
			return expiry(n.Expires)
		}),
		"vehicle": graphql.Of(func(n n) any { return a.living(n.Vehicle) }),
	}
}

// living is a vehicle that there is, or null.
func (a *answers) living(id uint64) any {
	if v, ok := a.Registry.Vehicle(id); ok && !v.Burned {
		return &v
	}
	return nil
}

func (a *answers) findName(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("must specify exactly one of `node`, `tokenDID`, or `name`")
	}
	var n registry.Name
	var ok bool
	what := ""
	if text := textArg(by, "name"); text != nil {
		n, ok = a.Registry.NameByText(*text)
		what = "name " + *text
	} else {
		node, err := a.hash(by)
		if err != nil {
			return nil, err
		}
		n, ok = a.Registry.Name(node)
		what = "node " + registry.NameOf(node)
	}
	if !ok {
		return nil, notFound("No DCN with %s.", what)
	}
	return &n, nil
}

// hash is the node that node or tokenDID give.
func (a *answers) hash(by graphql.Args) (node [32]byte, err error) {
	if did := textArg(by, "tokenDID"); did != nil {
		d, err := a.parseDID(*did, a.chain.Names)
		if err == nil {
			d.Token.FillBytes(node[:])
		}
		return node, err
	}
	b, _ := graphql.Arg[[]byte](by, "node")
	if len(b) != 32 {
		return node, invalid("`node` must be 32 bytes long")
	}
	return [32]byte(b), nil
}

func (a *answers) listNames(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	l := rows(a.Registry.NameList(address(by, "owner")), func(n *registry.Name) string { return registry.NamePlace(n.MintedAt, n.Bytes()) })
	return paginate(c, f.Args, l, byName)
}

func template() graphql.Fields {
	type t = *registry.Template
	return graphql.Fields{
		"tokenId":     graphql.Of(func(t t) any { return t.ID }),
		"creator":     graphql.Of(func(t t) any { return t.Creator }),
		"asset":       graphql.Of(func(t t) any { return t.Asset }),
		"permissions": graphql.Of(func(t t) any { return t.Permissions }),
		"cid":         graphql.Of(func(t t) any { return t.CID }),
		"createdAt":   graphql.Of(func(t t) any { return unix(t.CreatedAt) }),
	}
}

func (a *answers) findTemplate(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("must specify exactly one of `tokenId` or `cid`")
	}
	if cid := textArg(by, "cid"); cid != nil {
		if t, ok := a.Registry.TemplateByCID(*cid); ok {
			return &t, nil
		}
		return nil, notFound("No template with cid %s.", *cid)
	}
	id, err := a.bigNumber(by, a.chain.Templates)
	if err != nil {
		return nil, err
	}
	if t, ok := a.Registry.Template(id); ok {
		return &t, nil
	}
	return nil, notFound("No template with token id %s.", id)
}

func (a *answers) listTemplates(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	l := rows(a.Registry.TemplateList(), func(t *registry.Template) string { return registry.TemplatePlace(t.CreatedAt, t.ID) })
	return paginate(c, f.Args, l, byTemplate)
}

// somebody is an account.
type somebody struct{ at sayso.Address }

func (a *answers) account() graphql.Fields {
	return graphql.Fields{
		"address": graphql.Of(func(x somebody) any { return x.at }),
		"sacds": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(c, f.Args, listed(a.standing(a.Registry.Shares(p.(somebody).at, "")), byCreation), byCreation)
		},
	}
}

func findAccount(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	at := address(by, "address")
	if at == nil {
		return nil, invalid("must specify `address`")
	}
	return somebody{*at}, nil
}

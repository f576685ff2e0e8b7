package identity

import (
	"slices"
	"strconv"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

func (a *answers) vehicle() graphql.Fields {
	type v = *registry.Vehicle
	link := func(path string) func(v) any {
		return func(v v) any { return a.BaseURL + "/vehicle/" + strconv.FormatUint(v.ID, 10) + path }
	}
	image := func(v v) any {
		if set := v.Attributes["ImageURI"]; set != "" {
			return set
		}
		return link("/image")(v)
	}
	return graphql.Fields{
		"id":           graphql.Of(func(v v) any { return nodeID(vehiclePrefix, v.ID) }),
		"tokenId":      graphql.Of(func(v v) any { return v.ID }),
		"tokenDID":     graphql.Of(func(v v) any { return sayso.NFT(a.chain.ID, a.chain.Vehicle, v.ID) }),
		"owner":        graphql.Of(func(v v) any { return v.Owner() }),
		"mintedAt":     graphql.Of(func(v v) any { return unix(v.MintedAt) }),
		"name":         graphql.Of(func(v v) any { return "vehicle " + strconv.FormatUint(v.ID, 10) }),
		"imageURI":     graphql.Of(image),
		"image":        graphql.Of(image),
		"dataURI":      graphql.Of(link("")),
		"definition":   graphql.Of(func(v v) any { return v }),
		"manufacturer": func(_ *graphql.Call, p any, _ *graphql.Field) (any, error) { return a.maker(p.(v).Manufacturer), nil },
		"aftermarketDevice": graphql.Of(func(v v) any {
			if d, ok := a.Registry.Device(v.Device); ok && v.Device != 0 {
				return &d
			}
			return nil
		}),
		"sacds": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(c, f.Args, listed(a.standing(a.Registry.Grants(p.(v).ID)), byCreation), byCreation)
		},
		"sacd": func(_ *graphql.Call, p any, f *graphql.Field) (any, error) {
			grantee, _ := graphql.Arg[sayso.Address](f.Args, "grantee")
			if g, ok := a.Registry.Grant(p.(v).ID, grantee); ok && a.stands(&g) {
				return &g, nil
			}
			return nil, nil
		},
		"privileges": a.listPrivileges,
		"syntheticDevice": graphql.Of(func(v v) any {
			if s, ok := a.Registry.Synthetic(v.Synthetic); ok && s.BurnedAt == 0 {
				return &s
			}
			return nil
		}),
		"dcn": graphql.Of(func(v v) any {
			if n, ok := a.Registry.NameOn(v.ID); ok {
				return &n
			}
			return nil
		}),
		"earnings": graphql.Of(func(v v) any {
			return a.earnings(func() *registry.EarningList { return a.Registry.EarningsOf(v.ID) }, all)
		}),
		"stake": graphql.Of(func(v v) any {
			if s, ok := a.Registry.StakeOn(v.ID); ok {
				return &s
			}
			return nil
		}),
		"storageNode": graphql.Of(func(v v) any { return a.nodeOf(v) }),
	}
}

// privilege is a right of the form before grants.
type privilege struct {
	id   uint64
	user sayso.Address
	registry.Privilege
}

func privileges() graphql.Fields {
	type p = *privilege
	return graphql.Fields{
		"id":        graphql.Of(func(p p) any { return p.id }),
		"user":      graphql.Of(func(p p) any { return p.user }),
		"setAt":     graphql.Of(func(p p) any { return unix(p.SetAt) }),
		"expiresAt": graphql.Of(func(p p) any { return expiry(p.Expires) }),
	}
}

// listPrivileges answers the rights of the form before grants that stand.
func (a *answers) listPrivileges(c *graphql.Call, v any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	user, id := address(by, "user"), number(by, "privilegeId")
	now := a.Clock.Now().Unix()
	var out []*privilege
	for _, p := range a.Registry.Privileges(v.(*registry.Vehicle).ID) {
		for n, right := range p.Rights {
			if now < right.Expires && (user == nil || *user == p.User) && (id == nil || *id == n) {
				out = append(out, &privilege{n, p.User, right})
			}
		}
	}
	slices.SortFunc(out, byPrivilege.compare)
	return paginate(c, f.Args, listed(out, byPrivilege), byPrivilege)
}

func definitionFields() graphql.Fields {
	type v = *registry.Vehicle
	return graphql.Fields{
		"id":    graphql.Of(func(v v) any { return optional(v.Definition) }),
		"make":  graphql.Of(func(v v) any { return optional(v.Attributes["Make"]) }),
		"model": graphql.Of(func(v v) any { return optional(v.Attributes["Model"]) }),
		"year": graphql.Of(func(v v) any {
			if year, err := strconv.Atoi(v.Attributes["Year"]); err == nil {
				return year
			}
			return nil
		}),
	}
}

func (a *answers) sacd() graphql.Fields {
	type g = *registry.Grant
	return graphql.Fields{
		"grantee":     graphql.Of(func(g g) any { return g.Grantee }),
		"permissions": graphql.Of(func(g g) any { return g.Permissions }),
		"source":      graphql.Of(func(g g) any { return g.Source }),
		"createdAt":   graphql.Of(func(g g) any { return unix(g.CreatedAt) }),
		"expiresAt":   graphql.Of(func(g g) any { return expiry(g.Expires) }),
		"template": graphql.Of(func(g g) any {
			if t, ok := a.Registry.Template(g.Template); ok && g.Template != "" {
				return &t
			}
			return nil
		}),
	}
}

// stands says whether a grant has not expired and gives anything.
func (a *answers) stands(g *registry.Grant) bool {
	return a.Clock.Now().Unix() < g.Expires && !g.Set().Empty()
}

// standing are those of some grants that stand.
func (a *answers) standing(all []registry.Grant) []*registry.Grant {
	var out []*registry.Grant
	for _, g := range all {
		if a.stands(&g) {
			out = append(out, &g)
		}
	}
	return out
}

func (a *answers) findVehicle(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	if !one(f.Args) {
		return nil, invalid("provide exactly one of `tokenID` or `tokenDID`")
	}
	id, _ := graphql.Arg[int64](f.Args, "tokenId")
	token := uint64(id)
	if did := textArg(f.Args, "tokenDID"); did != nil {
		var err error
		if token, err = a.token(*did, a.chain.Vehicle); err != nil {
			return nil, err
		}
	} else if id < 0 {
		return nil, notFound("No vehicle with token id %d.", id)
	}
	v, ok := a.Registry.Vehicle(token)
	if !ok || v.Burned {
		return nil, notFound("No vehicle with token id %d.", token)
	}
	return &v, nil
}

func (a *answers) listVehicles(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	filter := registry.VehicleFilter{
		Owner: address(by, "owner"), Privileged: address(by, "privileged"),
		Make: textArg(by, "make"), Model: textArg(by, "model"), Definition: textArg(by, "deviceDefinitionId"),
		Manufacturer: number(by, "manufacturerTokenId"), Now: a.Clock.Now(),
	}
	if year, ok := graphql.Arg[int64](by, "year"); ok {
		y := int(year)
		filter.Year = &y
	}
	if at := address(by, "connection"); at != nil {
		source, _ := a.Registry.ConnectionByAddress(*at) // none has an empty id
		filter.Connection = &source.ID
	}
	return paginate(c, f.Args, numbered(a.Registry.VehicleList(filter), func(v *registry.Vehicle) *uint64 { return &v.ID }), byVehicle)
}

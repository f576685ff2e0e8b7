package identity

import (
	"context"
	"math/big"
	"slices"
	"strconv"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

func (a *answers) device() graphql.Fields {
	type d = *registry.Device
	attribute := func(name string) graphql.Func {
		return graphql.Of(func(d d) any { return optional(d.Attributes[name]) })
	}
	return graphql.Fields{
		"id":               graphql.Of(func(d d) any { return nodeID(devicePrefix, d.ID) }),
		"tokenId":          graphql.Of(func(d d) any { return d.ID }),
		"tokenDID":         graphql.Of(func(d d) any { return sayso.NFT(a.chain.ID, a.chain.AftermarketDevice, d.ID) }),
		"address":          graphql.Of(func(d d) any { return d.Address }),
		"owner":            graphql.Of(func(d d) any { return d.Owner }),
		"serial":           attribute("Serial"),
		"imei":             attribute("IMEI"),
		"devEUI":           attribute("DevEUI"),
		"hardwareRevision": attribute("HardwareRevision"),
		"mintedAt":         graphql.Of(func(d d) any { return unix(d.MintedAt) }),
		"name":             graphql.Of(func(d d) any { return "device " + strconv.FormatUint(d.ID, 10) }),
		"image": graphql.Of(func(d d) any {
			return a.BaseURL + "/aftermarket/device/" + strconv.FormatUint(d.ID, 10) + "/image"
		}),
		"earnings": graphql.Of(func(d d) any {
			return a.earnings(func() *registry.EarningList { return a.Registry.EarningsBy(d.ID) },
				func(e *registry.Earning) *big.Int { return registry.Amount(e.DeviceTokens) })
		}),
		"manufacturer": func(_ *graphql.Call, p any, _ *graphql.Field) (any, error) { return a.maker(p.(d).Manufacturer), nil },
		"claimedAt": graphql.Of(func(d d) any {
			if d.ClaimedAt == 0 {
				return nil
			}
			return unix(d.ClaimedAt)
		}),
		"beneficiary": graphql.Of(func(d d) any { return d.Earner() }),
		"vehicle": graphql.Of(func(d d) any {
			p, paired := d.Paired()
			if v, ok := a.Registry.Vehicle(p.Vehicle); ok && paired {
				return &v
			}
			return nil
		}),
		"pairedAt": graphql.Of(func(d d) any {
			if p, paired := d.Paired(); paired {
				return unix(p.From)
			}
			return nil
		}),
	}
}

func (a *answers) findDevice(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("must specify exactly one of `tokenId`, `tokenDID`, `address`, `serial`, `imei`, or `devEUI`")
	}
	var d registry.Device
	var ok bool
	if key := address(by, "address"); key != nil {
		d, ok = a.Registry.DeviceByAddress(*key)
	} else if did := textArg(by, "tokenDID"); did != nil {
		id, err := a.token(*did, a.chain.AftermarketDevice)
		if err != nil {
			return nil, err
		}
		d, ok = a.Registry.Device(id)
	} else if id := number(by, "tokenId"); id != nil {
		d, ok = a.Registry.Device(*id)
	} else {
		d, ok = a.deviceWith(by)
	}
	if !ok {
		return nil, notFound("No aftermarket device found.")
	}
	return &d, nil
}

// deviceWith looks for a device by what is printed on it.
func (a *answers) deviceWith(by graphql.Args) (registry.Device, bool) {
	for argument, label := range map[string]registry.Label{"serial": registry.Serial, "imei": registry.IMEI, "devEUI": registry.DevEUI} {
		if want := textArg(by, argument); want != nil {
			return a.Registry.DeviceByLabel(label, *want)
		}
	}
	return registry.Device{}, false
}

// listDevices answers a list of devices, of a manufacturer where one is given.
func (a *answers) listDevices(c *graphql.Call, args graphql.Args, manufacturer *uint64) (any, error) {
	by, _ := graphql.Arg[graphql.Args](args, "filterBy")
	filter := registry.DeviceFilter{Owner: address(by, "owner"), Beneficiary: address(by, "beneficiary"), Manufacturer: number(by, "manufacturerId")}
	if manufacturer != nil {
		if filter.Manufacturer != nil && *filter.Manufacturer != *manufacturer {
			return paginate(c, args, listed[*registry.Device](nil, byDevice), byDevice)
		}
		filter.Manufacturer = manufacturer
	}
	return paginate(c, args, numbered(a.Registry.DeviceList(filter), func(d *registry.Device) *uint64 { return &d.ID }), byDevice)
}

func (a *answers) manufacturer() graphql.Fields {
	type m = *registry.Manufacturer
	return graphql.Fields{
		"id":       graphql.Of(func(m m) any { return nodeID(manufacturerPrefix, m.ID) }),
		"tokenId":  graphql.Of(func(m m) any { return m.ID }),
		"tokenDID": graphql.Of(func(m m) any { return sayso.NFT(a.chain.ID, a.chain.Manufacturer, m.ID) }),
		"name":     graphql.Of(func(m m) any { return m.Name }),
		"owner":    graphql.Of(func(m m) any { return m.Owner }),
		"tableId": graphql.Of(func(m m) any {
			if m.Table == 0 {
				return nil
			}
			return m.Table
		}),
		"deviceDefinitions": a.listDefinitions,
		"mintedAt":          graphql.Of(func(m m) any { return unix(m.MintedAt) }),
		"aftermarketDevices": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return a.listDevices(c, f.Args, &p.(m).ID)
		},
	}
}

// maker is the manufacturer of something. Of one that was minted before the first
// block that was read, only the number is known.
func (a *answers) maker(id uint64) any {
	m, ok := a.Registry.Manufacturer(id)
	if !ok {
		m.ID = id
	}
	return &m
}

// makerWith is a manufacturer by its number.
func (a *answers) makerWith(id uint64) (any, error) {
	m, ok := a.Registry.Manufacturer(id)
	if !ok {
		return nil, notFound("No manufacturer with token id %d.", id)
	}
	return &m, nil
}

func (a *answers) findManufacturer(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("Provide exactly one of `name`, `tokenID`, `slug`, or `tokenDID`.")
	}
	if name := textArg(by, "name"); name != nil {
		if m, ok := a.Registry.ManufacturerByName(*name); ok {
			return &m, nil
		}
		return nil, notFound("No manufacturer with name %s.", *name)
	}
	if slug := textArg(by, "slug"); slug != nil {
		if m, ok := a.Registry.ManufacturerBySlug(*slug); ok {
			return &m, nil
		}
		return nil, notFound("No manufacturer with slug %s.", *slug)
	}
	id, err := a.number(by, a.chain.Manufacturer)
	if err != nil {
		return nil, err
	}
	return a.makerWith(id)
}

func (a *answers) listManufacturers(*graphql.Call, any, *graphql.Field) (any, error) {
	all := a.Registry.Manufacturers()
	p := &page{total: func(context.Context) (int, error) { return len(all), nil }}
	for i := range all {
		p.add(&all[i], idCursor(all[i].ID))
	}
	return p, nil
}

// signer and uri are entries of a licence.
type signer struct {
	key   sayso.Address
	since int64
}

type uri struct {
	uri   string
	since int64
}

func (a *answers) licence() graphql.Fields {
	type l = *registry.Licence
	return graphql.Fields{
		"tokenId":  graphql.Of(func(l l) any { return l.ID }),
		"tokenDID": graphql.Of(func(l l) any { return sayso.NFT(a.chain.ID, a.chain.DevLicense, l.ID) }),
		"owner":    graphql.Of(func(l l) any { return l.Owner }),
		"clientId": graphql.Of(func(l l) any { return l.ClientID }),
		"alias":    graphql.Of(func(l l) any { return optional(l.Alias) }),
		"mintedAt": graphql.Of(func(l l) any { return unix(l.MintedAt) }),
		"signers": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(c, f.Args, sorted(p.(l).Signers, func(k sayso.Address, since int64) signer { return signer{k, since} }, bySigner), bySigner)
		},
		"redirectURIs": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(c, f.Args, sorted(p.(l).RedirectURIs, func(k string, since int64) uri { return uri{k, since} }, byURI), byURI)
		},
	}
}

// sorted lists the entries of a map in an order.
func sorted[K comparable, T any](from map[K]int64, entry func(K, int64) T, by order[T]) listing[T] {
	out := make([]T, 0, len(from))
	for k, since := range from {
		out = append(out, entry(k, since))
	}
	slices.SortFunc(out, by.compare)
	return listed(out, by)
}

func (a *answers) findLicence(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	if !one(by) {
		return nil, invalid("must specify exactly one of `clientId`, `alias`, `tokenId`, or `tokenDID`")
	}
	var l registry.Licence
	var ok bool
	var what string
	if client := address(by, "clientId"); client != nil {
		l, ok = a.Registry.LicenceByClient(*client)
		what = "client id " + client.String()
	} else if alias := textArg(by, "alias"); alias != nil {
		l, ok = a.Registry.LicenceByAlias(*alias)
		what = "alias " + *alias
	} else {
		id := number(by, "tokenId")
		if did := textArg(by, "tokenDID"); did != nil {
			token, err := a.token(*did, a.chain.DevLicense)
			if err != nil {
				return nil, err
			}
			id = &token
		}
		l, ok = a.Registry.Licence(*id)
		what = "token id " + strconv.FormatUint(*id, 10)
	}
	if !ok || l.Revoked {
		return nil, notFound("No developer license with %s.", what)
	}
	return &l, nil
}

func (a *answers) listLicences(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	filter := registry.LicenceFilter{Owner: address(by, "owner"), Signer: address(by, "signer")}
	return paginate(c, f.Args, numbered(a.Registry.LicenceList(filter), func(l *registry.Licence) *uint64 { return &l.ID }), byLicence)
}

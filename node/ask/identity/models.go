package identity

import (
	"slices"
	"strings"

	"sayso/car/definition"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// model is a device definition: of a manufacturer's table on chain, or of the
// catalogue of vehicles.
type model struct {
	id, name string
	year     int64
	maker    *registry.Manufacturer // nil where it is none of the network
}

func (a *answers) deviceDefinition() graphql.Fields {
	type m = *model
	null := graphql.Of(func(m) any { return nil })
	return graphql.Fields{
		"deviceDefinitionId": graphql.Of(func(m m) any { return m.id }),
		"legacyId":           null,
		"manufacturer": graphql.Of(func(m m) any {
			if m.maker == nil {
				return nil
			}
			return m.maker
		}),
		"model":      graphql.Of(func(m m) any { return m.name }),
		"year":       graphql.Of(func(m m) any { return m.year }),
		"deviceType": null,
		"imageURI":   null,
		"attributes": graphql.Of(func(m) any { return graphql.Slice[any]{} }),
	}
}

// ofTable is a definition of a manufacturer's table.
func (a *answers) ofTable(d *registry.Definition) *model {
	out := &model{id: d.ID, name: d.Model, year: d.Year}
	if known, ok := definition.Parse(d.ID); ok && out.name == "" { // the table was changed, not filled, since the first block that was read
		out.name, out.year = known.Model, int64(known.Year)
	}
	if m, ok := a.Registry.ManufacturerOfTable(d.Table); ok {
		out.maker = &m
	}
	return out
}

// ofCatalogue is a definition of the catalogue of vehicles.
func (a *answers) ofCatalogue(d definition.Definition) *model {
	out := &model{id: d.ID, name: d.Model, year: int64(d.Year)}
	if m, ok := a.Registry.ManufacturerBySlug(d.MakeSlug); ok {
		out.maker = &m
	}
	return out
}

func (a *answers) findDefinition(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "by")
	id := textArg(by, "id")
	if id == nil {
		return nil, invalid("must specify `id`")
	}
	if d, ok := a.Registry.Definition(*id); ok {
		return a.ofTable(&d), nil
	}
	catalogue, err := definition.Load()
	if err != nil {
		return nil, err
	}
	if d, ok := catalogue.Lookup(*id); ok {
		return a.ofCatalogue(d), nil
	}
	return nil, notFound("No device definition with id %s.", *id)
}

// listDefinitions answers what a manufacturer makes: what its table says, and
// where it has none, the catalogue of vehicles.
func (a *answers) listDefinitions(c *graphql.Call, p any, f *graphql.Field) (any, error) {
	m := p.(*registry.Manufacturer)
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	name := textArg(by, "model")
	year, hasYear := graphql.Arg[int64](by, "year")
	var out []*model
	if m.Table != 0 {
		for d := range a.Registry.DefinitionList(m.Table).Up(nil) {
			out = append(out, a.ofTable(&d))
		}
	} else {
		catalogue, err := definition.Load()
		if err != nil {
			return nil, err
		}
		for _, d := range catalogue.ByMake(m.Name, "", 0) {
			out = append(out, &model{id: d.ID, name: d.Model, year: int64(d.Year), maker: m})
		}
	}
	out = slices.DeleteFunc(out, func(d *model) bool {
		return name != nil && !strings.EqualFold(d.name, *name) || hasYear && d.year != year
	})
	return paginate(c, f.Args, listed(out, byText), byText)
}

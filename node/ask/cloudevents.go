package ask

import (
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/owner/consent"
)

// caller is who asks, for the reader of cloud events.
func (a *answers) caller(c *graphql.Call) *fetch.Caller {
	s, _ := c.Caller.(*Session)
	return s.Caller()
}

// Caller is the session as the reader of cloud events takes it; nil of none.
func (s *Session) Caller() *fetch.Caller {
	if s == nil {
		return nil
	}
	return &fetch.Caller{Who: s.Who, Asset: s.Asset, Token: s.Token, Decide: func(vehicle uint64) consent.Verdict {
		return s.Decide(vehicle).Limit(s.Claims)
	}}
}

// subjects are the fields of the root that find for themselves what the query
// names: it may be a device of the vehicle.
var subjects = map[string]bool{"latestCloudEvent": true, "cloudEvents": true, "availableCloudEventTypes": true, "attestations": true}

// cloudEvents are the fields about cloud events as they were received.
func (a *answers) cloudEvents() graphql.Fields {
	return graphql.Fields{
		"latestCloudEvent": func(c *graphql.Call, _ any, f *graphql.Field) (any, error) { return a.raw.Latest(c, a.caller(c), f) },
		"cloudEvents":      func(c *graphql.Call, _ any, f *graphql.Field) (any, error) { return a.raw.Events(c, a.caller(c), f) },
		"availableCloudEventTypes": func(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
			return a.raw.EventTypes(c, a.caller(c), f)
		},
	}
}

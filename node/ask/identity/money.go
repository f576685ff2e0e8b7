package identity

import (
	"math/big"
	"strconv"
	"strings"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// decimals are the digits behind the point of the token.
const decimals = 18

// exact writes an amount of the token's smallest unit in tokens.
func exact(amount *big.Int) string {
	text := amount.String()
	if len(text) <= decimals {
		text = strings.Repeat("0", decimals+1-len(text)) + text
	}
	point := len(text) - decimals
	return strings.TrimSuffix(strings.TrimRight(text[:point]+"."+text[point:], "0"), ".")
}

// cents writes an amount in tokens with two digits behind the point, rounded.
func cents(amount *big.Int) string {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(decimals-2), nil)
	n := new(big.Int).Add(amount, new(big.Int).Rsh(unit, 1))
	text := n.Div(n, unit).String()
	if len(text) < 3 {
		text = strings.Repeat("0", 3-len(text)) + text
	}
	return text[:len(text)-2] + "." + text[len(text)-2:]
}

func (a *answers) stake() graphql.Fields {
	type s = *registry.Stake
	return graphql.Fields{
		"tokenId":  graphql.Of(func(s s) any { return s.ID }),
		"tokenDID": graphql.Of(func(s s) any { return sayso.NFT(a.chain.ID, a.chain.Staking, s.ID) }),
		"owner":    graphql.Of(func(s s) any { return s.Owner }),
		"level":    graphql.Of(func(s s) any { return s.Level }),
		"points": graphql.Of(func(s s) any {
			n, _ := strconv.ParseInt(s.Points, 10, 64)
			return n
		}),
		"amount":   graphql.Of(func(s s) any { return exact(registry.Amount(s.Amount)) }),
		"stakedAt": graphql.Of(func(s s) any { return unix(s.StakedAt) }),
		"endsAt":   graphql.Of(func(s s) any { return expiry(s.EndsAt) }),
		"withdrawnAt": graphql.Of(func(s s) any {
			if s.WithdrawnAt == 0 {
				return nil
			}
			return unix(s.WithdrawnAt)
		}),
		"vehicle": graphql.Of(func(s s) any { return a.living(s.Vehicle) }),
	}
}

func (a *answers) listStakes(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	by, _ := graphql.Arg[graphql.Args](f.Args, "filterBy")
	var keep func(*registry.Stake) bool
	if want, ok := graphql.Arg[bool](by, "attachable"); ok {
		now := a.Clock.Now().Unix()
		keep = func(s *registry.Stake) bool {
			return want == (s.Vehicle == 0 && s.WithdrawnAt == 0 && now < s.EndsAt)
		}
	}
	return paginate(c, f.Args, numbered(a.Registry.StakeList(address(by, "owner"), keep), func(s *registry.Stake) *uint64 { return &s.ID }), byStake)
}

func (a *answers) earning() graphql.Fields {
	type e = *registry.Earning
	return graphql.Fields{
		"week":        graphql.Of(func(e e) any { return e.Week }),
		"beneficiary": graphql.Of(func(e e) any { return e.User }),
		"connectionStreak": graphql.Of(func(e e) any {
			if e.Streak == nil {
				return nil
			}
			return *e.Streak
		}),
		"streakTokens":            graphql.Of(func(e e) any { return cents(registry.Amount(e.StreakTokens)) }),
		"aftermarketDeviceTokens": graphql.Of(func(e e) any { return cents(registry.Amount(e.DeviceTokens)) }),
		"syntheticDeviceTokens":   graphql.Of(func(e e) any { return cents(registry.Amount(e.SyntheticTokens)) }),
		"aftermarketDevice": graphql.Of(func(e e) any {
			if d, ok := a.Registry.Device(e.Device); ok {
				return &d
			}
			return nil
		}),
		"syntheticDevice": graphql.Of(func(e e) any {
			if s, ok := a.Registry.Synthetic(e.Synthetic); ok {
				return &s
			}
			return nil
		}),
		"vehicle": graphql.Of(func(e e) any { return a.living(e.Vehicle) }),
		"sentAt":  graphql.Of(func(e e) any { return unix(e.SentAt) }),
	}
}

// earnings are those of a vehicle, of a device, or of an account, and which part
// of each counts.
type earnings struct {
	list func() *registry.EarningList
	part func(*registry.Earning) *big.Int
}

func (a *answers) earnings(list func() *registry.EarningList, part func(*registry.Earning) *big.Int) any {
	if a.chain.Reward.IsZero() {
		return nil
	}
	return earnings{list, part}
}

func earningsFields() graphql.Fields {
	return graphql.Fields{
		"totalTokens": func(c *graphql.Call, p any, _ *graphql.Field) (any, error) {
			sum, of := new(big.Int), p.(earnings)
			l := of.list()
			for e := range l.Down(c.Context, nil) {
				sum.Add(sum, of.part(&e))
			}
			return cents(sum), l.Err()
		},
		"history": func(c *graphql.Call, p any, f *graphql.Field) (any, error) {
			return paginate(c, f.Args, earned(c.Context, p.(earnings).list()), byWeek)
		},
	}
}

func all(e *registry.Earning) *big.Int { return e.Tokens() }

func (a *answers) findRewards(_ *graphql.Call, _ any, f *graphql.Field) (any, error) {
	who, _ := graphql.Arg[sayso.Address](f.Args, "user")
	return a.earnings(func() *registry.EarningList { return a.Registry.EarningsTo(who) }, all), nil
}

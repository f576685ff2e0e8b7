package consent_test

import (
	"slices"
	"testing"

	"sayso/owner/consent"
	"sayso/owner/document"
)

func verdict(filters ...document.Filter) consent.Verdict {
	return consent.Verdict{Events: []consent.EventRight{{Epoch: 3, Allowed: filters}}}
}

func filter(kind, source string, ids, tags []string) document.Filter {
	return document.Filter{EventType: kind, Source: source, IDs: ids, Tags: tags}
}

var (
	every = []string{"*"}
	none  = []string{}
)

// Each row says which cloud event is seen and, as much, which is not.
func TestWhichEventsAreSeen(t *testing.T) {
	const address = "0x52908400098527886E0F7030069857D2E4169EE7"
	for name, c := range map[string]struct {
		allowed      []document.Filter
		seen, hidden [][4]string // type, source, id, tag; an empty tag is none
	}{
		"nothing": {nil, nil, [][4]string{{"a", "s", "1", "x"}, {"*", "*", "*", "*"}, {"", "", "", ""}}},
		"everything": {[]document.Filter{filter("*", "*", every, every)},
			[][4]string{{"a", "s", "1", "x"}, {"a", "s", "1", ""}, {"", "", "", ""}}, nil},
		"one type": {[]document.Filter{filter("a", "*", every, every)},
			[][4]string{{"a", "s", "1", ""}}, [][4]string{{"b", "s", "1", ""}, {"A", "s", "1", ""}, {"*", "s", "1", ""}, {"ab", "s", "1", ""}}},
		"one source": {[]document.Filter{filter("*", "s", every, every)},
			[][4]string{{"a", "s", "1", ""}}, [][4]string{{"a", "S", "1", ""}, {"a", "", "1", ""}}},
		"an address in any case": {[]document.Filter{filter("*", address, every, every)},
			[][4]string{{"a", "0x52908400098527886e0f7030069857d2e4169ee7", "1", ""}}, [][4]string{{"a", "0x52908400098527886e0f7030069857d2e4169ee8", "1", ""}}},
		"two ids": {[]document.Filter{filter("*", "*", []string{"1", "2"}, every)},
			[][4]string{{"a", "s", "1", ""}, {"a", "s", "2", "x"}}, [][4]string{{"a", "s", "3", ""}, {"a", "s", "", ""}, {"a", "s", "12", ""}}},
		"a tag": {[]document.Filter{filter("*", "*", every, []string{"x"})},
			[][4]string{{"a", "s", "1", "x"}}, [][4]string{{"a", "s", "1", ""}, {"a", "s", "1", "y"}, {"a", "s", "1", "*"}}},
		"no id at all":  {[]document.Filter{filter("*", "*", none, every)}, nil, [][4]string{{"a", "s", "1", ""}, {"a", "s", "", ""}}},
		"no tag at all": {[]document.Filter{filter("*", "*", every, none)}, nil, [][4]string{{"a", "s", "1", ""}, {"a", "s", "1", "x"}}},
		"two agreements do not mix": {[]document.Filter{filter("a", "*", []string{"1"}, every), filter("b", "*", []string{"2"}, every)},
			[][4]string{{"a", "s", "1", ""}, {"b", "s", "2", ""}}, [][4]string{{"a", "s", "2", ""}, {"b", "s", "1", ""}}},
	} {
		v := verdict(c.allowed...)
		for _, e := range c.seen {
			if sight, epochs := see(v, e); sight != consent.Allow || !slices.Equal(epochs, []uint32{3}) {
				t.Errorf("%s: %v is not seen", name, e)
			}
		}
		for _, e := range c.hidden {
			if sight, epochs := see(v, e); sight != consent.Refuse || epochs != nil {
				t.Errorf("%s: %v is seen", name, e)
			}
		}
		for _, e := range append(c.seen, c.hidden...) { // a token that claims nothing sees nothing
			if sight, _ := see(v.LimitEvents(nil), e); sight != consent.Refuse {
				t.Errorf("%s: %v is seen with a token that does not claim it", name, e)
			}
		}
	}
}

func see(v consent.Verdict, e [4]string) (consent.Sight, []uint32) {
	var tags []string
	if e[3] != "" {
		tags = []string{e[3], "another"}
	}
	return v.Event(e[0], e[1], e[2], tags)
}

func TestATokenAndAGrantBothLimit(t *testing.T) {
	v := verdict(filter("*", "*", every, []string{"x", "y"})).LimitEvents([]document.Filter{filter("a", "*", every, []string{"y", "z"})})
	for tags, want := range map[string]consent.Sight{"x": consent.Refuse, "y": consent.Allow, "z": consent.Refuse} {
		if got, _ := v.Event("a", "s", "1", []string{tags}); got != want {
			t.Errorf("tag %s: %v, want %v", tags, got, want)
		}
	}
	if got, _ := v.Event("b", "s", "1", []string{"y"}); got != consent.Refuse {
		t.Error("a type that the token does not claim is seen")
	}
	// An event that has both tags passes both, each by its own.
	if got, _ := v.Event("a", "s", "1", []string{"x", "z"}); got != consent.Allow {
		t.Error("an event with a granted tag and a claimed one is not seen")
	}
	twice := v.LimitEvents([]document.Filter{filter("*", "t", every, every)})
	if got, _ := twice.Event("a", "s", "1", []string{"y"}); got != consent.Refuse {
		t.Error("the second limit is none")
	}
	if got, _ := v.Event("a", "s", "1", []string{"y"}); got != consent.Allow {
		t.Error("limiting a verdict changes the one it was made from")
	}
	owner := consent.Verdict{Events: []consent.EventRight{{Epoch: 1, All: true}, {Epoch: 4, All: true}}}
	if got, epochs := owner.Event("a", "s", "1", nil); got != consent.Allow || !slices.Equal(epochs, []uint32{1, 4}) {
		t.Errorf("an owner of two times: %v %v", got, epochs)
	}
	if got, _ := owner.LimitEvents([]document.Filter{filter("b", "*", every, every)}).Event("a", "s", "1", nil); got != consent.Refuse {
		t.Error("an owner's token sees more than it claims")
	}
}

// Covers is asked before a token is issued: the pairs of ids and tags one by one.
func TestWhatATokenMayClaim(t *testing.T) {
	v := verdict(
		filter("a", "s", []string{"1"}, []string{"x", "y"}),
		filter("a", "*", []string{"2"}, []string{"x"}),
		filter("*", "*", []string{"2"}, []string{"y"}),
	)
	for _, c := range []struct {
		want document.Filter
		may  bool
	}{
		{filter("a", "s", []string{"1"}, []string{"x"}), true},
		{filter("a", "s", []string{"1", "2"}, []string{"x", "y"}), true}, // each pair by another agreement
		{filter("a", "t", []string{"1"}, []string{"x"}), false},
		{filter("a", "t", []string{"2"}, []string{"x", "y"}), true},
		{filter("b", "t", []string{"2"}, []string{"y"}), true},
		{filter("b", "t", []string{"2"}, []string{"x", "y"}), false},
		{filter("*", "*", []string{"2"}, []string{"y"}), true},
		{filter("*", "s", []string{"1"}, []string{"x"}), false},
		{filter("a", "*", []string{"1"}, []string{"x"}), false},
		{filter("a", "s", every, []string{"x"}), false},
		{filter("a", "s", []string{"1"}, every), false},
		{filter("a", "s", none, []string{"x"}), false},
		{filter("a", "s", []string{"1"}, none), false},
		{document.Filter{}, false},
	} {
		if got := v.Covers(c.want); got != c.may {
			t.Errorf("%+v: %v, want %v", c.want, got, c.may)
		}
	}
	if (consent.Verdict{}).Covers(filter("a", "s", []string{"1"}, []string{"x"})) {
		t.Error("nothing covers something")
	}
}

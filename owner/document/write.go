package document

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"sayso"
)

// Draft is a grant to be written down and signed.
type Draft struct {
	Grantor, Grantee sayso.Address
	Asset            sayso.DID
	Window
	Permissions sayso.Permissions
	Events      []Filter // nil members stand for everything
	Template    string   // decimal number, or empty
}

// Form is a template to be written down and signed.
type Form struct {
	Owner       sayso.Address
	Asset       sayso.DID // the contract whose tokens it is for, as an account
	Permissions sayso.Permissions
}

// Data writes the part that is signed.
func (f Form) Data() ([]byte, error) {
	return json.Marshal(struct {
		Owner     party     `json:"owner"`
		Agreement []written `json:"agreements"`
	}{party{f.Owner}, []written{permits(f.Asset, f.Permissions)}})
}

// permits is an agreement about permissions.
func permits(asset sayso.DID, set sayso.Permissions) written {
	a := written{Type: KindPermission, Asset: asset.String()}
	for _, p := range set.List() {
		a.Permissions = append(a.Permissions, named{p.String()})
	}
	return a
}

type party struct {
	Address sayso.Address `json:"address"`
}

type named struct {
	Name string `json:"name"`
}

type written struct {
	Type        string   `json:"type"`
	Asset       string   `json:"asset"`
	Permissions []named  `json:"permissions,omitempty"`
	EventType   string   `json:"eventType,omitempty"`
	Source      string   `json:"source,omitempty"`
	IDs         []string `json:"ids,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// Data writes the part that is signed.
func (d Draft) Data() ([]byte, error) {
	agreements := []written{}
	if !d.Permissions.Empty() {
		agreements = append(agreements, permits(d.Asset, d.Permissions))
	}
	for _, f := range d.Events {
		f = f.Whole()
		agreements = append(agreements, written{
			Type: KindCloudEvent, Asset: d.Asset.String(), EventType: f.EventType, Source: f.Source, IDs: f.IDs, Tags: f.Tags,
		})
	}
	return json.Marshal(struct {
		Grantor   party     `json:"grantor"`
		Grantee   party     `json:"grantee"`
		From      string    `json:"effectiveAt,omitempty"`
		Until     string    `json:"expiresAt,omitempty"`
		Asset     string    `json:"asset"`
		Template  string    `json:"permissionTemplateId"`
		Agreement []written `json:"agreements"`
	}{party{d.Grantor}, party{d.Grantee}, stamp(d.From), stamp(d.Until), d.Asset.String(), d.Template, agreements})
}

// Whole is the filter with [Any] where a member was left out.
func (f Filter) Whole() Filter {
	if f.EventType == "" {
		f.EventType = Any
	}
	if f.Source == "" {
		f.Source = Any
	}
	if len(f.IDs) == 0 {
		f.IDs = []string{Any}
	}
	if len(f.Tags) == 0 {
		f.Tags = []string{Any}
	}
	return f
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Envelope puts signed data into a document of a type.
func Envelope(kind string, data, signature []byte, at time.Time) ([]byte, error) {
	return json.Marshal(struct {
		SpecVersion string          `json:"specversion"`
		Time        string          `json:"time"`
		Type        string          `json:"type"`
		DataVersion string          `json:"dataversion"`
		Signature   string          `json:"signature"`
		Data        json.RawMessage `json:"data"`
	}{"1.0", stamp(at), kind, "sacd/v1.0", "0x" + hex.EncodeToString(signature), data})
}

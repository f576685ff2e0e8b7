package rpc

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sayso"
	"sayso/node/ask/fetch"
	"sayso/node/vault"
)

func (s *service) latestIndex(ctx context.Context, r *http.Request, in *latestRequest) (*indexReply, error) {
	list, err := s.search(ctx, r, in.request, true)
	return &indexReply{list}, err
}

func (s *service) listIndexes(ctx context.Context, r *http.Request, in *listRequest) (*indexReply, error) {
	list, err := s.search(ctx, r, in.request, false)
	return &indexReply{list}, err
}

func (s *service) latestEvent(ctx context.Context, r *http.Request, in *latestRequest) (*eventReply, error) {
	list, err := s.search(ctx, r, in.request, true)
	return &eventReply{list}, err
}

func (s *service) listEvents(ctx context.Context, r *http.Request, in *listRequest) (*eventReply, error) {
	list, err := s.search(ctx, r, in.request, false)
	return &eventReply{list}, err
}

// search answers the calls that search. Without a subject it is the vehicle of
// the token.
func (s *service) search(ctx context.Context, r *http.Request, in request, latest bool) ([]vault.Stored, error) {
	o := in.advanced
	if o == nil {
		o = in.options
	}
	if o == nil {
		o = &options{}
	}
	q := fetch.Query{Limit: fetch.Clamp(int64(in.limit)), Bytes: maxReply - 1<<20, After: o.after, Before: o.before, Ascending: o.ascending && !latest}
	q.Match = o.match()
	if o.kind != nil {
		q.Classes = o.kind.classes()
	}
	subject := ""
	if f := o.subject; f != nil && len(f.in) == 1 && f.notIn == nil && f.or == nil {
		subject = f.in[0]
	} else if f != nil {
		return nil, sayso.Fail(sayso.Invalid, "rpc", "the subject must be one DID: the vehicle of the token, or a device of it")
	}
	return s.list(ctx, r, subject, q)
}

// list decides and reads.
func (s *service) list(ctx context.Context, r *http.Request, subject string, q fetch.Query) ([]vault.Stored, error) {
	caller, err := s.Caller(r)
	if err != nil {
		return nil, err
	}
	if subject == "" && caller != nil && caller.Asset != nil {
		subject = caller.Asset.String()
	}
	if q.Subject, err = s.Reader.Find(caller, subject); err != nil {
		return nil, err
	}
	verdict, err := s.Reader.Open(caller, q.Subject)
	if err != nil {
		return nil, err
	}
	done, err := s.Turn(ctx, caller.Who.String())
	if err != nil {
		return nil, err
	}
	defer done()
	list, err := s.Reader.List(ctx, verdict, q)
	if err == nil && len(list) == 0 {
		err = sayso.Fail(sayso.NotFound, "rpc", "no cloud events found")
	}
	return list, err
}

// maxKeys is how many events may be asked for by their keys.
const maxKeys = fetch.MaxLimit

// listFromIndex gives the events that keys name. They are found in one look over
// the time that the keys span.
func (s *service) listFromIndex(ctx context.Context, r *http.Request, in *keysRequest) (*eventReply, error) {
	if len(in.indexes) == 0 || len(in.indexes) > maxKeys {
		return nil, sayso.Fail(sayso.Invalid, "rpc", "1 to 1000 indexes can be asked for")
	}
	q := fetch.Query{Limit: len(in.indexes), Bytes: maxReply - 1<<20}
	wanted, order, subject := map[string]bool{}, map[string]int{}, ""
	for i, x := range in.indexes {
		key, at, kind, err := x.name()
		if err != nil {
			return nil, err
		}
		of, _, _ := strings.Cut(key, "!")
		if i > 0 && of != subject {
			return nil, sayso.Fail(sayso.Invalid, "rpc", "all indexes must be of one subject")
		}
		subject = of
		if i == 0 || at.Before(q.After) {
			q.After = at
		}
		if end := at.Add(time.Second); end.After(q.Before) {
			q.Before = end
		}
		q.Classes |= vault.ClassOf(kind)
		wanted[key] = true
		if _, twice := order[key]; !twice {
			order[key] = i
		}
	}
	q.After = q.After.Add(-time.Nanosecond)
	q.Match = func(e *sayso.CloudEvent) bool { return wanted[fetch.IndexKey(e)] }
	list, err := s.list(ctx, r, subject, q)
	slices.SortFunc(list, func(a, b vault.Stored) int {
		return order[fetch.IndexKey(&a.Envelope)] - order[fetch.IndexKey(&b.Envelope)]
	})
	return &eventReply{list}, err
}

// classes are those to look at for a filter of types; 0 for all.
func (f *textFilter) classes() (of vault.Class) {
	if len(f.in) == 0 {
		return 0
	}
	for _, t := range f.in {
		of |= vault.ClassOf(t)
	}
	for _, alternative := range f.or {
		more := alternative.classes()
		if more == 0 {
			return 0
		}
		of |= more
	}
	return of
}

// match is the test that options ask for.
func (o *options) match() func(*sayso.CloudEvent) bool {
	source, producer := o.source.each(fetch.AddressText), o.producer.each(fetch.DIDText)
	return func(e *sayso.CloudEvent) bool {
		return o.kind.holds(e.Type) && o.dataVersion.holds(e.DataVersion) && o.names.holds(e.ID) &&
			source.holds(e.Source.String()) && producer.holds(didText(e.Producer)) &&
			(o.extras == nil || o.extras.holds(extrasText(e))) && o.tags.holds(e.Tags)
	}
}

// each brings the texts of a filter to the form of what they are compared with.
func (f *textFilter) each(form func(string) string) *textFilter {
	if f == nil {
		return nil
	}
	out := &textFilter{}
	for _, s := range f.in {
		out.in = append(out.in, form(s))
	}
	for _, s := range f.notIn {
		out.notIn = append(out.notIn, form(s))
	}
	for _, o := range f.or {
		out.or = append(out.or, o.each(form))
	}
	return out
}

// holds says whether a text passes: what is given must hold, or one of the
// alternatives. A filter that asks for nothing lets everything through.
func (f *textFilter) holds(s string) bool {
	if f == nil {
		return true
	}
	asks := len(f.in)+len(f.notIn) > 0
	if (asks || len(f.or) == 0) && (len(f.in) == 0 || slices.Contains(f.in, s)) && !slices.Contains(f.notIn, s) {
		return true
	}
	return slices.ContainsFunc(f.or, func(o *textFilter) bool { return o.holds(s) })
}

// holds is the same for a list.
func (f *listFilter) holds(list []string) bool {
	if f == nil {
		return true
	}
	has := func(s string) bool { return slices.Contains(list, s) }
	all := func(of []string) bool { return !slices.ContainsFunc(of, func(s string) bool { return !has(s) }) }
	asks := len(f.any)+len(f.all)+len(f.notAny)+len(f.notAll) > 0
	if (asks || len(f.or) == 0) && (len(f.any) == 0 || slices.ContainsFunc(f.any, has)) && all(f.all) &&
		!slices.ContainsFunc(f.notAny, has) && (len(f.notAll) == 0 || !all(f.notAll)) {
		return true
	}
	return slices.ContainsFunc(f.or, func(o *listFilter) bool { return o.holds(list) })
}

// name is the key of an index, the time in it, and the type.
func (i *index) name() (key string, at time.Time, kind string, err error) {
	key = i.key
	if key == "" {
		key = fetch.KeyOf(fetch.DIDText(i.subject), i.time, i.kind, fetch.AddressText(i.source), i.id)
	}
	if at, kind, err = fetch.ParseKey(key); err != nil {
		return "", at, "", err
	}
	return key, at, kind, nil
}

func didText(d sayso.DID) string {
	if d.Method == "" {
		return ""
	}
	return d.String()
}

func extraNames(e *sayso.CloudEvent) []string { return slices.Sorted(maps.Keys(e.Extras)) }

// extrasText is what the column extras of the reference holds: the members of the
// header that have no column, as JSON with the names in order.
func extrasText(e *sayso.CloudEvent) string {
	all := map[string]json.RawMessage{}
	for name, value := range e.Extras {
		all[name] = value
	}
	put := func(name string, value any) { all[name], _ = json.Marshal(value) }
	for name, text := range map[string]string{"dataschema": e.DataSchema, "signature": e.Signature, "raweventid": e.RawEventID} {
		if text != "" {
			put(name, text)
		}
	}
	if len(e.Tags) > 0 {
		put("tags", e.Tags)
	}
	if len(all) == 0 {
		return ""
	}
	out, _ := json.Marshal(all)
	return string(out)
}

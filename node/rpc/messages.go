package rpc

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sayso/node/ask/fetch"
	"sayso/node/vault"
)

// textFilter is a StringFilterOption.
type textFilter struct {
	in, notIn []string
	or        []*textFilter
}

// listFilter is an ArrayFilterOption.
type listFilter struct {
	any, all, notAny, notAll []string
	or                       []*listFilter
}

// options are SearchOptions or AdvancedSearchOptions.
type options struct {
	after, before                                               time.Time
	ascending                                                   bool
	kind, dataVersion, subject, source, producer, extras, names *textFilter
	tags                                                        *listFilter
}

func (f *textFilter) read(b []byte, depth int) error {
	if depth > maxNesting {
		return errWire
	}
	return fields(b, func(x field) error {
		switch {
		case x.sub(1):
			return x.add(&f.in)
		case x.sub(2):
			return x.add(&f.notIn)
		case x.sub(3):
			f.or = append(f.or, &textFilter{})
			return f.or[len(f.or)-1].read(x.text, depth+1)
		}
		return nil
	})
}

func (f *listFilter) read(b []byte, depth int) error {
	if depth > maxNesting {
		return errWire
	}
	return fields(b, func(x field) error {
		lists := [...]*[]string{1: &f.any, 2: &f.all, 3: &f.notAny, 4: &f.notAll}
		switch {
		case x.kind != protowire.BytesType:
		case x.n >= 1 && x.n <= 4:
			return x.add(lists[x.n])
		case x.n == 5:
			f.or = append(f.or, &listFilter{})
			return f.or[len(f.or)-1].read(x.text, depth+1)
		}
		return nil
	})
}

// filterAt is the member of a number; nil if that is none.
func (o *options) filterAt(n protowire.Number) **textFilter {
	return map[protowire.Number]**textFilter{
		4: &o.kind, 5: &o.dataVersion, 6: &o.subject, 8: &o.source, 9: &o.producer, 10: &o.extras, 11: &o.names,
	}[n]
}

func (o *options) read(b []byte, advanced bool) error {
	return fields(b, func(x field) error {
		if x.kind != protowire.BytesType {
			return nil
		}
		switch at := o.filterAt(x.n); {
		case x.n == 1:
			return x.instant(&o.after)
		case x.n == 2:
			return x.instant(&o.before)
		case x.n == 3:
			return fields(x.text, func(x field) error {
				if x.is(1, protowire.VarintType) {
					o.ascending = x.num != 0
				}
				return nil
			})
		case x.n == 12 && advanced:
			if o.tags == nil {
				o.tags = &listFilter{}
			}
			return o.tags.read(x.text, 0)
		case at == nil:
			return nil
		case advanced:
			if *at == nil {
				*at = &textFilter{}
			}
			return (*at).read(x.text, 0)
		default:
			if *at == nil {
				*at = &textFilter{in: []string{""}}
			}
			return x.wrapped(&(*at).in[0])
		}
	})
}

// request is any of the requests of the FetchService that search.
type request struct {
	options, advanced *options
	limit             int32
}

func (r *request) option(x field, advanced bool) error {
	at := &r.options
	if advanced {
		at = &r.advanced
	}
	if *at == nil {
		*at = &options{}
	}
	return (*at).read(x.text, advanced)
}

// latestRequest is GetLatestIndexRequest or GetLatestCloudEventRequest.
type latestRequest struct{ request }

func (r *latestRequest) unmarshal(b []byte) error {
	return fields(b, func(x field) error {
		if x.sub(1) || x.sub(2) {
			return r.option(x, x.n == 2)
		}
		return nil
	})
}

// listRequest is ListIndexesRequest or ListCloudEventsRequest.
type listRequest struct{ request }

func (r *listRequest) unmarshal(b []byte) error {
	return fields(b, func(x field) error {
		switch {
		case x.sub(1), x.sub(3):
			return r.option(x, x.n == 3)
		case x.is(2, protowire.VarintType):
			r.limit = int32(x.num)
		}
		return nil
	})
}

// keysRequest is ListCloudEventsFromKeysRequest. Of an index without a key, the
// header names the event.
type keysRequest struct{ indexes []index }

type index struct {
	key                       string
	id, source, subject, kind string
	time                      time.Time
}

func (r *keysRequest) unmarshal(b []byte) error {
	return fields(b, func(x field) error {
		if !x.sub(1) {
			return nil
		}
		r.indexes = append(r.indexes, index{})
		return r.indexes[len(r.indexes)-1].read(x.text)
	})
}

func (i *index) read(b []byte) error {
	return fields(b, func(x field) error {
		switch {
		case x.sub(2):
			return fields(x.text, func(x field) error {
				if x.sub(1) {
					return x.string(&i.key)
				}
				return nil
			})
		case x.sub(1):
			return fields(x.text, i.header)
		}
		return nil
	})
}

func (i *index) header(x field) error {
	switch {
	case x.sub(1):
		return x.string(&i.id)
	case x.sub(2):
		return x.string(&i.source)
	case x.sub(5):
		return x.string(&i.subject)
	case x.sub(6):
		return x.instant(&i.time)
	case x.sub(7):
		return x.string(&i.kind)
	}
	return nil
}

// indexReply is GetLatestIndexResponse or ListIndexesResponse, eventReply one of
// the responses with cloud events.
type (
	indexReply struct{ list []vault.Stored }
	eventReply struct{ list []vault.Stored }
)

func (r *indexReply) marshal() []byte {
	var b out
	for i := range r.list {
		b.message(1, func(b *out) {
			b.message(1, func(b *out) { writeHeader(b, &r.list[i]) })
			b.message(2, func(b *out) { b.string(1, fetch.IndexKey(&r.list[i].Envelope)) })
		})
	}
	return b
}

func (r *eventReply) marshal() []byte {
	var b out
	for i := range r.list {
		b.message(1, func(b *out) {
			b.message(1, func(b *out) { writeHeader(b, &r.list[i]) })
			if data := r.list[i].Envelope.Data; len(data) > 0 {
				b.bytes(2, data)
			}
		})
	}
	return b
}

// writeHeader writes a CloudEventHeader.
func writeHeader(b *out, s *vault.Stored) {
	e := &s.Envelope
	b.string(1, e.ID)
	b.string(2, e.Source.String())
	b.string(3, didText(e.Producer))
	b.string(4, "1.0")
	b.string(5, didText(e.Subject))
	b.instant(6, e.Time)
	b.string(7, e.Type)
	b.string(8, e.DataContentType)
	b.string(9, e.DataSchema)
	b.string(10, e.DataVersion)
	for _, name := range extraNames(e) {
		b.message(11, func(b *out) {
			b.string(1, name)
			b.bytes(2, e.Extras[name])
		})
	}
	for _, t := range e.Tags {
		b.bytes(12, []byte(t))
	}
	b.string(13, e.Signature)
	b.string(14, e.RawEventID)
}

// accessRequest is AccessCheckRequest.
type accessRequest struct {
	grantee, asset string
	privileges     []string
	events         []eventFilter
}

type eventFilter struct {
	kind, source string
	ids          []string
}

func (r *accessRequest) unmarshal(b []byte) error {
	return fields(b, func(x field) error {
		switch {
		case x.sub(1):
			return x.string(&r.grantee)
		case x.sub(2):
			return x.string(&r.asset)
		case x.sub(3):
			return x.add(&r.privileges)
		case x.sub(4):
			r.events = append(r.events, eventFilter{})
			f := &r.events[len(r.events)-1]
			return fields(x.text, func(x field) error {
				switch {
				case x.sub(1):
					return x.string(&f.kind)
				case x.sub(2):
					return x.string(&f.source)
				case x.sub(3):
					return x.add(&f.ids)
				}
				return nil
			})
		}
		return nil
	})
}

// accessReply is AccessCheckResponse.
type accessReply struct {
	has             bool
	reason          string
	code            int
	external, cause string
}

func (r *accessReply) marshal() []byte {
	var b out
	if r.has {
		b.number(1, 1)
	}
	b.string(2, r.reason)
	if r.code != 0 {
		b.message(3, func(b *out) {
			b.number(1, uint64(r.code))
			b.string(2, r.external)
			b.string(3, r.cause)
		})
	}
	return b
}

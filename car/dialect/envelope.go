// Package dialect turns what a source sends into readings and events: bytes to
// an envelope, the payload of an envelope to a message. Everything in it is a
// pure function of bytes, catalogue and time. The dialects themselves are in
// packages below.
package dialect

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"sayso"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
	"sayso/car/dialect/standard"
)

// MaxHeader is the largest envelope without its payload, as [Encode] writes
// it, in bytes (spec ingest 1.5).
const MaxHeader = 8192

// Arrival is what the door knows about a message besides its bytes.
type Arrival struct {
	// Source is the proven sender; the member source of the envelope does not
	// count then. If it is zero, the member must be an address.
	Source sayso.Address
	// Producer stands in where the envelope names none. Without it such an
	// envelope is refused.
	Producer sayso.DID
	// Time is when the message arrived; it stands in where the envelope has no
	// time.
	Time time.Time
	// Names make DIDs of the numbers in messages of devices that send no cloud
	// events. Without them such a message is taken only from their own sources.
	Names Names
	// Statement says that the envelope is one which somebody signed about a
	// vehicle. Its own source counts then, and Source stands in where it has none;
	// it must name its subject, which may be an account, in the current form; and
	// nothing need have measured it.
	Statement bool
}

// Envelope reads one CloudEvent in the JSON form (spec ingest 1.1 to 1.5). Of
// members with the same name the first counts; a header member that should be
// a text and is none reads as empty. An envelope without an id gets the hash of
// its bytes, so that the same bytes sent again are known again. The type may be
// empty; what it is kept as follows from the payload.
//
// The payload of the result is the part of body where it stands, so body may
// not be changed afterwards. The error is [sayso.Invalid] and says which rule
// was broken.
func Envelope(body []byte, from Arrival) (sayso.CloudEvent, error) {
	e := envelope{from: from, size: len(body)}
	if err := e.read(body); err != nil {
		return sayso.CloudEvent{}, invalid("the envelope is %v", err)
	}
	if err := e.understand(); err != nil {
		return sayso.CloudEvent{}, err
	}
	if e.ID == "" {
		sum := sha256.Sum256(body)
		e.ID = hex.EncodeToString(sum[:16])
	}
	if err := e.headerSize(); err != nil {
		return sayso.CloudEvent{}, err
	}
	return e.CloudEvent, nil
}

// understand reads what the members mean, each by the ones before. It names the
// steps one by one, so that an envelope can stay on the stack.
func (e *envelope) understand() error {
	if err := e.tokens(); err != nil {
		return err
	}
	if err := e.identifiers(); err != nil {
		return err
	}
	if err := e.payload(); err != nil {
		return err
	}
	if err := e.parties(); err != nil {
		return err
	}
	return e.moment()
}

func invalid(format string, args ...any) error {
	return sayso.Fail(sayso.Invalid, "dialect.Envelope", fmt.Sprintf(format, args...))
}

// envelope is a CloudEvent on its way, with the members that need a second
// look.
type envelope struct {
	sayso.CloudEvent
	from                      Arrival
	size                      int
	source, subject, producer string
	time, data, base64        []byte
	seen                      uint32
	named                     bool // subject and producer are known from their numbers
}

// The members of an envelope; each has a bit in envelope.seen.
const (
	seenVersion = 1 << iota
	seenType
	seenSource
	seenSubject
	seenProducer
	seenID
	seenTime
	seenContentType
	seenSchema
	seenDataVersion
	seenSignature
	seenRawEventID
	seenTags
	seenData
	seenBase64
)

func (e *envelope) read(body []byte) error {
	c := jsonscan.New(body)
	if kind := c.Kind(); kind != jsonscan.Object && c.Err() == nil {
		return fmt.Errorf("%s, want one object", kind)
	}
	if c.Open() {
		for name, ok := c.Member(); ok; name, ok = c.Member() {
			e.member(&c, name)
		}
	}
	return c.End()
}

func (e *envelope) member(c *jsonscan.Cursor, name []byte) {
	switch string(name) {
	case "specversion":
		c.Skip()
		e.seen |= seenVersion
	case "type":
		e.text(c, seenType, &e.Type)
	case "source":
		if e.from.Source.IsZero() || e.from.Statement {
			e.text(c, seenSource, &e.source)
		} else {
			c.Skip()
		}
	case "subject":
		e.text(c, seenSubject, &e.subject)
	case "producer":
		e.text(c, seenProducer, &e.producer)
	case "id":
		e.text(c, seenID, &e.ID)
	case "datacontenttype":
		e.text(c, seenContentType, &e.DataContentType)
	case "dataschema":
		e.text(c, seenSchema, &e.DataSchema)
	case "dataversion":
		e.text(c, seenDataVersion, &e.DataVersion)
	case "signature":
		e.text(c, seenSignature, &e.Signature)
	case "raweventid":
		e.text(c, seenRawEventID, &e.RawEventID)
	case "time":
		e.raw(c, seenTime, &e.time)
	case "data":
		e.raw(c, seenData, &e.data)
	case "data_base64":
		e.raw(c, seenBase64, &e.base64)
	case "tags":
		e.tags(c)
	default:
		raw := c.Skip()
		if _, again := e.Extras[string(name)]; again || raw == nil {
			return
		}
		if e.Extras == nil {
			e.Extras = map[string][]byte{}
		}
		e.Extras[string(name)] = raw
	}
}

// first says whether a member is met for the first time.
func (e *envelope) first(bit uint32) bool {
	again := e.seen&bit != 0
	e.seen |= bit
	return !again
}

func (e *envelope) text(c *jsonscan.Cursor, bit uint32, to *string) {
	if c.Kind() != jsonscan.String {
		c.Skip()
		e.first(bit)
		return
	}
	if t := c.Text(); e.first(bit) {
		*to = shared(t)
	}
}

// shared is a text, without a copy of its own where nearly every message has it.
func shared(t []byte) string {
	switch string(t) {
	case sayso.TypeStatus:
		return sayso.TypeStatus
	case contentJSON:
		return contentJSON
	case standard.Version:
		return standard.Version
	}
	return string(t)
}

func (e *envelope) raw(c *jsonscan.Cursor, bit uint32, to *[]byte) {
	if raw := c.Skip(); e.first(bit) {
		*to = raw
	}
}

// tags reads a list of texts; an element that is none reads as empty.
func (e *envelope) tags(c *jsonscan.Cursor) {
	if c.Kind() != jsonscan.Array || !e.first(seenTags) {
		e.first(seenTags)
		c.Skip()
		return
	}
	c.Open()
	for c.Element() {
		if c.Kind() == jsonscan.String {
			e.Tags = append(e.Tags, string(c.Text()))
		} else {
			c.Skip()
			e.Tags = append(e.Tags, "")
		}
	}
}

// identifiers checks the alphabet of the members that name things.
func (e *envelope) identifiers() error {
	for _, m := range [...]struct{ name, value string }{
		{"id", e.ID}, {"type", e.Type}, {"subject", e.subject}, {"producer", e.producer},
		{"datacontenttype", e.DataContentType}, {"dataschema", e.DataSchema}, {"dataversion", e.DataVersion},
	} {
		for i := range len(m.value) {
			if !identifierChar(m.value[i]) {
				return invalid("%s %q may hold only letters, digits and - _ / , . : and space", m.name, message.Clip(m.value))
			}
		}
	}
	return nil
}

func identifierChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= ':':
		return true
	}
	return c == '-' || c == '_' || c == '/' || c == ',' || c == '.' || c == ' '
}

const contentJSON = "application/json"

// payload takes data or data_base64.
func (e *envelope) payload() error {
	if e.seen&seenData != 0 && e.seen&seenBase64 != 0 {
		return invalid("data and data_base64 are both present; only one is allowed")
	}
	if e.seen&seenBase64 == 0 {
		switch e.DataContentType {
		case "":
			e.DataContentType = contentJSON
		case contentJSON:
		default:
			return invalid("datacontenttype %q is not allowed with data: want %s", e.DataContentType, contentJSON)
		}
		e.Data = e.data
		return nil
	}
	switch e.DataContentType {
	case contentJSON, "image/png", "image/jpeg", "application/pdf":
	case "":
		return invalid("data_base64 needs a datacontenttype")
	default:
		return invalid("datacontenttype %q is not allowed: want %s, image/png, image/jpeg or application/pdf", e.DataContentType, contentJSON)
	}
	c := jsonscan.New(e.base64)
	if c.Kind() != jsonscan.String {
		return invalid("data_base64 is %s, want a text", c.Kind())
	}
	data, err := decodeBase64(c.Text())
	if err != nil {
		return invalid("data_base64 is not standard base64: %v", err)
	}
	e.Data, e.Base64 = data, true
	return nil
}

// decodeBase64 accepts the one way to write the bytes, so that the text can be
// had back from them.
func decodeBase64(text []byte) ([]byte, error) {
	for i, c := range text {
		if c == '\n' || c == '\r' {
			return nil, base64.CorruptInputError(i)
		}
	}
	return base64.StdEncoding.Strict().AppendDecode(nil, text)
}

// statement reads source, producer and subject of a statement.
func (e *envelope) statement() (err error) {
	e.Source = e.from.Source
	if e.source != "" {
		if e.Source, err = sayso.ParseAddress(message.Clip(e.source)); err != nil {
			return invalid("source: %v", err)
		}
	}
	if e.subject == "" {
		return invalid("subject is missing: want the did:erc721 of the vehicle that the statement is about")
	}
	if e.Subject, err = named("subject", e.subject); err == nil && e.producer != "" {
		e.Producer, err = named("producer", e.producer)
	}
	return err
}

// named reads the DID of a token or an account, in the current form.
func named(member, s string) (sayso.DID, error) {
	if strings.HasPrefix(s, "did:"+sayso.MethodEthr+":") {
		d, err := sayso.ParseDID(message.Clip(s))
		if err != nil {
			return d, invalid("%s: %v", member, err)
		}
		return d, nil
	}
	if !strings.HasPrefix(s, "did:"+sayso.MethodERC721+":") {
		return sayso.DID{}, invalid("%s: %q is no DID of a statement: want did:erc721:<chain>:<contract>:<token> or did:ethr:<chain>:<address>", member, message.Clip(s))
	}
	return token(member, s)
}

// parties reads source, producer and subject.
func (e *envelope) parties() (err error) {
	if e.from.Statement {
		return e.statement()
	}
	e.Source = e.from.Source
	if e.Source.IsZero() {
		if e.Source, err = sayso.ParseAddress(message.Clip(e.source)); err != nil {
			return invalid("source: %v", err)
		}
	}
	if e.named {
		return nil
	}
	e.Producer = e.from.Producer
	if e.producer != "" {
		if e.Producer, err = token("producer", e.producer); err != nil {
			return err
		}
	}
	if e.Producer.Method == "" {
		return invalid("producer is missing: want the did:erc721 of the device that measured")
	}
	if e.subject == "" {
		e.Subject = e.Producer
		return nil
	}
	e.Subject, err = token("subject", e.subject)
	return err
}

// token reads the DID of a token, also in the legacy form.
func token(member, s string) (sayso.DID, error) {
	const longest = 160 // the longest chain, contract and token need 153 bytes
	if len(s) > longest {
		return sayso.DID{}, invalid("%s: %q is too long for a DID", member, message.Clip(s))
	}
	d, err := sayso.ParseDID(s)
	if err != nil {
		return d, invalid("%s: %v", member, err)
	}
	if d.Method != sayso.MethodERC721 {
		return d, invalid("%s: %q is not the DID of a token: want did:erc721:<chain>:<contract>:<token>", member, s)
	}
	return d, nil
}

// moment reads the time. An envelope from the future would stay the newest of
// its vehicle until then, so it is refused.
func (e *envelope) moment() error {
	e.Time = e.from.Time.UTC()
	c := jsonscan.New(e.time)
	switch kind := c.Kind(); kind {
	case jsonscan.None, jsonscan.Null:
		return nil
	case jsonscan.String:
		var t time.Time
		text := c.Text()
		if t.UnmarshalText(text) != nil {
			return invalid("time %q is not of RFC 3339, such as 2025-03-04T12:00:00Z", message.Clip(string(text)))
		}
		if t.IsZero() {
			return nil
		}
		if t.After(e.from.Time.Add(message.Ahead)) {
			return invalid("time %s is more than %d minutes ahead", t.UTC().Format(time.RFC3339Nano), message.Ahead/time.Minute)
		}
		e.Time = t.UTC()
		return nil
	default:
		return invalid("time is %s, want a text of RFC 3339", kind)
	}
}

// headerSize checks the size of the envelope without its payload. Most
// envelopes are so small that they need not be written out for it: what
// [Encode] adds to what was received is less than slack.
func (e *envelope) headerSize() error {
	const slack = 600
	if e.size-len(e.data)-len(e.base64)+slack <= MaxHeader {
		return nil
	}
	if n := len(appendHeader(nil, e.CloudEvent)) + len("}"); n > MaxHeader {
		return invalid("the envelope without its payload has %d bytes, over %d", n, MaxHeader)
	}
	return nil
}

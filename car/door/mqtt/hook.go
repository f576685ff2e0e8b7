package mqtt

import (
	"bytes"
	"context"
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/door"
)

// hook is where mochi asks.
type hook struct {
	mochi.HookBase
	s *Server
}

// ID names the hook.
func (h *hook) ID() string { return "door" }

// Provides lists what mochi asks about.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnSessionEstablished, mochi.OnACLCheck, mochi.OnPacketRead, mochi.OnPacketEncode,
		mochi.OnSubscribe, mochi.OnUnsubscribe, mochi.OnPublish, mochi.OnClientExpired:
		return true
	}
	return false
}

// OnConnect proves the device. The client identifier becomes the device's
// address in its one canonical form, so that a session belongs to a key; a will
// is dropped, since it would be published without being asked about.
func (h *hook) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	c := connOf(cl)
	c.old = cl.Properties.ProtocolVersion < 5
	cl.Properties.Will = mochi.Will{}
	se, code, err := h.s.prove(&pk)
	if err != nil {
		h.s.refused.Add(1)
		h.s.cfg.Log.Debug("a device was not let in", "client", pk.Connect.ClientIdentifier, "remote", cl.Net.Remote, "error", err)
		if c.old {
			code = oldCode(code)
		} else {
			code.Reason = sayso.MessageOf(err)
		}
		if werr := h.s.broker.SendConnack(cl, code, false, nil); werr != nil {
			return werr
		}
		return err
	}
	cl.ID = se.device.String()
	cl.Properties.Props.AssignedClientID = ""
	if pk.Connect.ClientIdentifier == "" {
		cl.Properties.Props.AssignedClientID = cl.ID
	}
	if limit := uint16(maxKeepalive / time.Second); cl.State.Keepalive == 0 || cl.State.Keepalive > limit {
		cl.State.Keepalive, cl.State.ServerKeepalive = limit, true
	}
	if old, ok := h.s.broker.Clients.Get(cl.ID); ok && !old.Closed() {
		h.s.takenOver.Add(1)
		h.s.cfg.Log.Info("a device connected a second time; the first connection ends", "device", cl.ID, "remote", cl.Net.Remote, "before", old.Net.Remote)
	}
	c.session = se
	h.s.accepted.Add(1)
	h.s.connected.Add(1)
	return nil
}

// oldCode is a code as CONNACK has it in MQTT 3.1.1 (section 3.2.2.3). Mochi
// translates some.
func oldCode(code packets.Code) packets.Code {
	switch code.Code {
	case packets.ErrClientIdentifierNotValid.Code:
		return packets.Err3ClientIdentifierNotValid
	case packets.ErrServerBusy.Code:
		return packets.Err3ServerUnavailable
	case packets.ErrBadUsernameOrPassword.Code:
		return packets.ErrMalformedUsernameOrPassword
	}
	return packets.Err3NotAuthorized
}

// OnConnectAuthenticate lets pass what OnConnect did.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, _ packets.Packet) bool {
	return sessionOf(cl) != nil
}

// OnSessionEstablished asks once more, since a block that came in between had
// only the others judged again.
func (h *hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	if err := h.s.cfg.Door.Paired(sessionOf(cl).device); err != nil {
		h.s.cut(cl, packets.ErrNotAuthorized, sayso.MessageOf(err))
	}
}

// OnPacketEncode tells a device in MQTT 5 what it may not do.
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && cl.Properties.ProtocolVersion == 5 {
		p := &pk.Properties
		p.MaximumPacketSize = h.s.broker.Options.Capabilities.MaximumPacketSize
		p.RetainAvailable, p.RetainAvailableFlag = 0, true
		p.SharedSubAvailable, p.SharedSubAvailableFlag = 0, true
	}
	return pk
}

// OnPacketRead ends connections that publish what no device may: a retained
// message in MQTT 5, which was told not to, and a topic that mochi would leave
// without an answer. A message of quality 2 that comes again is taken again,
// since a repetition changes nothing; mochi would refuse it.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type != packets.Publish {
		return pk, nil
	}
	switch {
	case pk.FixedHeader.Retain && cl.Properties.ProtocolVersion == 5:
		h.s.end(cl, packets.ErrRetainNotSupported, packets.ErrRetainNotSupported.Reason)
		return pk, packets.ErrRejectPacket
	case strings.HasPrefix(pk.TopicName, "$"):
		h.s.end(cl, packets.ErrTopicNameInvalid, "no topic begins with $ here")
		return pk, packets.ErrRejectPacket
	}
	if pk.FixedHeader.Qos == 2 && cl.State.Inflight.Delete(pk.PacketID) {
		cl.State.Inflight.IncreaseReceiveQuota()
	}
	return pk, nil
}

// OnACLCheck says whether a device may publish to a topic or subscribe to a
// filter.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	se := sessionOf(cl)
	if se == nil {
		return false
	}
	if write {
		return se.mayPublish(topic)
	}
	return se.maySubscribe(topic)
}

// The topics: v1/devices/<address>/<what>.
const topicRoot = "v1/devices/"

// Topic is where a device publishes its readings.
func Topic(address string) string { return topicRoot + address + "/status" }

// mayPublish is for exactly three topics, the address in any case.
func (se *session) mayPublish(topic string) bool {
	what, own := se.own(topic)
	return own && (what == "status" || what == "events" || what == "fingerprint")
}

// maySubscribe is for whatever lies under the device's own address. A wildcard
// fills its level, and # is the last (MQTT 5 section 4.7.1); mochi lets more pass.
func (se *session) maySubscribe(filter string) bool {
	what, own := se.own(filter)
	if !own || what == "" {
		return false
	}
	for level, more := "", true; more; {
		level, what, more = strings.Cut(what, "/")
		if strings.ContainsAny(level, "+#") && level != "+" && (level != "#" || more) {
			return false
		}
	}
	return true
}

// own cuts the device's prefix off a topic or filter.
func (se *session) own(topic string) (what string, own bool) {
	n := len(se.prefix)
	if len(topic) < n || topic[:len(topicRoot)] != topicRoot || !strings.EqualFold(topic[:n], se.prefix) {
		return "", false
	}
	return topic[n:], true
}

// OnSubscribe writes the device's address in filters as it is in topics.
func (h *hook) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	if se := sessionOf(cl); se != nil {
		for i := range pk.Filters {
			if what, own := se.own(pk.Filters[i].Filter); own {
				pk.Filters[i].Filter = se.prefix + what
			}
		}
	}
	return pk
}

// OnUnsubscribe does the same.
func (h *hook) OnUnsubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	return h.OnSubscribe(cl, pk)
}

// OnClientExpired forgets what mochi would keep of a session.
func (h *hook) OnClientExpired(cl *mochi.Client) { h.s.broker.UnsubscribeClient(cl) }

// backfillProperty is the user property that asks for the back-fill lane.
const backfillProperty = door.BackfillHeader

// OnPublish puts a message in line to be kept. Mochi does not acknowledge it:
// that is done when it is kept.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	se := sessionOf(cl)
	if se == nil {
		return pk, packets.ErrRejectPacket
	}
	form, err := formOf(&pk)
	e := entry{qos: pk.FixedHeader.Qos, id: pk.PacketID}
	if err != nil {
		e.wait = func() door.Batch { return door.Batch{Err: err} }
		se.put(h.s, cl, e)
		return pk, packets.ErrRejectPacket
	}
	backfill := false
	for _, u := range pk.Properties.User {
		backfill = backfill || (strings.EqualFold(u.Key, backfillProperty) && strings.EqualFold(u.Val, "true"))
	}
	e.wait = h.s.submit(se, pk.Payload, form, backfill)
	se.put(h.s, cl, e)
	return pk, packets.ErrRejectPacket
}

// formOf says how the events of a message are written: by its content type, or,
// without one, an array where the first byte is a bracket.
func formOf(pk *packets.Packet) (door.Form, error) {
	if t := pk.Properties.ContentType; t != "" {
		return door.FormOf(t)
	}
	if text := bytes.TrimLeft(pk.Payload, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return door.Array, nil
	}
	return door.One, nil
}

// submit puts a message in line, waiting for a place and for the device's rate:
// a device that sends too much is not read from.
func (s *Server) submit(se *session, payload []byte, form door.Form, backfill bool) func() door.Batch {
	failed := func(err error) func() door.Batch { return func() door.Batch { return door.Batch{Err: err} } }
	leave, err := s.cfg.Door.Gate.Wait(s.ctx)
	if err != nil {
		return failed(err)
	}
	for {
		// What is in line is waited for even when the door closes.
		wait, err := s.cfg.Door.Submit(context.WithoutCancel(s.ctx), payload, form, se.device, backfill)
		if err == nil {
			return func() door.Batch {
				defer leave()
				return wait(context.WithoutCancel(s.ctx))
			}
		}
		limited, ok := door.AsLimited(err)
		if !ok {
			leave()
			return failed(err)
		}
		leave()
		if err := sleep(s.ctx, limited.After); err != nil {
			return failed(err)
		}
		if leave, err = s.cfg.Door.Gate.Wait(s.ctx); err != nil {
			return failed(err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return &sayso.Error{Op: "mqtt", Fault: sayso.Cancelled, Message: "the door closes", Err: ctx.Err()}
	case <-t.C:
		return nil
	}
}

// Package mqtt is the door for devices that speak MQTT, 5 and 3.1.1
// (docs/formats/mqtt.md). A device proves itself when it connects, by a token
// or by a signature of its key, and publishes cloud events on topics of its own.
// Quality of service 1 and 2 are acknowledged when the event is on stable
// storage, never before. The protocol itself is mochi-mqtt's; who may do what is
// decided here, and what a message says by package door.
package mqtt

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/door"
	"sayso/internal/clock"
)

// Config is what [New] needs; all of it must be given.
type Config struct {
	Door *door.Door
	Log  *slog.Logger
	// Home is the node's URL, which a device signs.
	Home string
	// Token reads the token of a signed-in device and tells until when it is
	// good.
	Token func(raw string) (device sayso.Address, until time.Time, err error)
	// Block is the number of the last block in the registry. When it changes,
	// every connection is judged again.
	Block func() uint64
	// Connections is how many there may be at once.
	Connections int
}

// The bounds of a connection.
const (
	maxConnect   = 16 << 10         // bytes of the packet that opens it
	maxKeepalive = 20 * time.Minute // without a sign of life
	maxInLine    = 64               // messages of one device on their way to the disk
	maxOutbound  = 64               // messages to a device that it has not taken
	slack        = 8 << 10          // of a packet, beside the payload
	maxSession   = 24 * time.Hour   // kept of a device that is away
	signedTerm   = 14 * 24 * time.Hour
	lookEvery    = 250 * time.Millisecond
)

// Server is the door. [Server.Serve] opens it, [Server.Close] closes it.
type Server struct {
	cfg    Config
	broker *mochi.Server
	nonces nonces
	ctx    context.Context // ends when the door closes
	cancel context.CancelFunc
	listen *listener
	tasks  sync.WaitGroup // acknowledgements, judgements
	once   sync.Once

	listening                                                     atomic.Bool
	connected, accepted, refused, cutOff, takenOver, slow, faults atomic.Int64
}

// Figures are counts since the start, and the connections that are open.
type Figures struct {
	Connected int64 // now
	Accepted  int64 // connections whose device was proven
	Refused   int64 // connections that were not let in
	CutOff    int64 // connections ended because the device may no longer send
	TakenOver int64 // connections ended because the same key connected again
	Slow      int64 // connections ended because a packet took too long
	Faults    int64 // connections ended by a fault of this program
}

// Figures counts.
func (s *Server) Figures() Figures {
	return Figures{s.connected.Load(), s.accepted.Load(), s.refused.Load(), s.cutOff.Load(), s.takenOver.Load(), s.slow.Load(), s.faults.Load()}
}

// New builds the door. Nothing is listened to yet.
func New(cfg Config) (*Server, error) {
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumClientWritesPending = maxOutbound
	capabilities.MaximumSessionExpiryInterval = uint32(maxSession / time.Second)
	capabilities.MaximumPacketSize = uint32(cfg.Door.MaxBody*door.BatchFactor) + slack
	capabilities.ReceiveMaximum = maxInLine
	capabilities.MaximumInflight = 1024
	capabilities.TopicAliasMaximum = 0
	capabilities.MinimumProtocolVersion = 4
	capabilities.SharedSubAvailable = 0
	capabilities.RetainAvailable = 0
	capabilities.Compatibilities.NoInheritedPropertiesOnAck = true
	s := &Server{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.broker = mochi.New(&mochi.Options{
		Capabilities:            capabilities,
		ClientNetReadBufferSize: 4 << 10,
		// What mochi logs may hold payloads and passwords.
		Logger:                 slog.New(slog.DiscardHandler),
		SysTopicResendInterval: int64((365 * 24 * time.Hour).Seconds()),
	})
	if err := s.broker.AddHook(&hook{s: s}, nil); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve answers on a listener, which it closes in the end. It does not wait.
func (s *Server) Serve(l net.Listener) error {
	s.listen = &listener{s: s, net: l, open: map[net.Conn]bool{}}
	if err := s.broker.AddListener(s.listen); err != nil {
		return err
	}
	s.tasks.Go(s.watch)
	if err := s.broker.Serve(); err != nil {
		return err
	}
	s.listening.Store(true)
	return nil
}

// Listening says whether devices can connect.
func (s *Server) Listening() bool { return s.listening.Load() }

// Close ends all connections and waits for what is under way. Messages that are
// not acknowledged then are sent again by their devices.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		s.listening.Store(false)
		s.cancel()
		if s.listen == nil {
			return
		}
		s.listen.hurry()
		err = s.broker.Close()
		s.tasks.Wait()
	})
	return err
}

// watch judges the connections again when a block changed who is paired, and
// ends those whose proof has run out.
func (s *Server) watch() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last uint64
	n := 0
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		block := s.cfg.Block()
		if n++; n > 1 && block == last && n%int(10*time.Second/lookEvery) != 0 {
			continue
		}
		last = block
		now := s.cfg.Door.Clock.Now()
		for _, cl := range s.broker.Clients.GetAll() {
			se := sessionOf(cl)
			if se == nil || cl.Closed() {
				continue
			}
			if err := s.cfg.Door.Paired(se.device); err != nil {
				s.tasks.Go(func() { s.cut(cl, packets.ErrNotAuthorized, sayso.MessageOf(err)) })
			} else if !now.Before(se.until) {
				s.tasks.Go(func() { s.cut(cl, packets.ErrMaxConnectTime, "the token has run out: sign in again") })
			}
		}
	}
}

// cut ends the connection of a device that may no longer send.
func (s *Server) cut(cl *mochi.Client, code packets.Code, why string) {
	if cl.Closed() {
		return
	}
	s.cutOff.Add(1)
	s.cfg.Log.Info("a device was cut off", "device", cl.ID, "why", why)
	s.end(cl, code, why)
}

// end closes a connection, saying why where the protocol can.
func (s *Server) end(cl *mochi.Client, code packets.Code, why string) {
	code.Reason = why
	if cl.Properties.ProtocolVersion < 5 {
		cl.Stop(code)
		return
	}
	// It answers with the code that it was given.
	_ = s.broker.DisconnectClient(cl, code)
}

// now is the time of the machine, by which deadlines of sockets go.
func now() time.Time { return clock.System{}.Now() }

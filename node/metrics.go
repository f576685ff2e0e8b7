package node

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sayso/car/door/mqtt"
)

// metrics are the node's figures, in a registry of their own so that several
// nodes can be in one process.
type metrics struct {
	http.Handler
	messages   *prometheus.CounterVec
	signatures *prometheus.CounterVec
	webhooks   *prometheus.CounterVec
}

func newMetrics(n *Node) *metrics {
	reg := prometheus.NewRegistry()
	m := &metrics{
		Handler: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sayso_door_messages_total", Help: "Messages of devices by outcome: kept, duplicate, or the fault.",
		}, []string{"outcome"}),
		signatures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sayso_door_signatures_total", Help: "Signatures checked after the acknowledgement by outcome: valid, missing, wrong, unchecked (the backlog was full), unmarked.",
		}, []string{"outcome"}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sayso_webhooks_total", Help: "What became of occurrences that webhooks listen to: delivered, refused (by the target), denied, revoked (while they waited), cooling, unanswered (the condition failed), dropped (too many waited).",
		}, []string{"outcome"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	count := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	yes := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.messages, m.signatures, m.webhooks,
		gauge("sayso_door_under_way", "Messages of devices being judged and kept.", func() float64 { now, _ := n.devices.gate.Busy(); return float64(now) }),
		count("sayso_door_turned_away_total", "Messages of devices turned away because too many were under way.", func() float64 { _, all := n.devices.gate.Busy(); return float64(all) }),
		gauge("sayso_mqtt_connections", "Devices connected over MQTT.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.Connected })),
		count("sayso_mqtt_accepted_total", "Connections over MQTT whose device was proven.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.Accepted })),
		count("sayso_mqtt_refused_total", "Connections over MQTT that were not let in.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.Refused })),
		count("sayso_mqtt_cut_off_total", "Connections over MQTT ended because the device may no longer send.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.CutOff })),
		count("sayso_mqtt_taken_over_total", "Connections over MQTT ended because the same key connected again.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.TakenOver })),
		count("sayso_mqtt_slow_total", "Connections over MQTT ended because a packet took too long.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.Slow })),
		count("sayso_mqtt_faults_total", "Connections over MQTT ended by a fault of this program.", n.mqttFigure(func(f mqtt.Figures) int64 { return f.Faults })),
		gauge("sayso_vault_sequence", "Commit sequence of the vault.", func() float64 { return float64(n.Vault.Seq()) }),
		gauge("sayso_vault_damage", "Findings of what is missing or altered in the vault; /ready names them.", func() float64 { return float64(len(n.Vault.Damage())) }),
		count("sayso_vault_scrubs_total", "How often everything that is kept was read and verified.", func() float64 { return float64(n.Vault.Scrubbed()) }),
		gauge("sayso_vault_disk_bytes", "Size of the vault's rows on disk.", func() float64 { return float64(n.Vault.Stats().DiskBytes) }),
		gauge("sayso_chain_block", "Last block in the registry.", func() float64 { b, _ := n.Registry.Head(); return float64(b.Number) }),
		gauge("sayso_chain_fresh", "1 while the chain is in sight.", func() float64 { return yes(n.Registry.Fresh(n.Clock.Now())) }),
		gauge("sayso_ready", "1 while everything works.", func() float64 { ready, _ := n.status(); return yes(ready) }))
	return m
}

func (m *metrics) door(outcome string) { m.messages.WithLabelValues(outcome).Inc() }

func (m *metrics) webhook(outcome string) { m.webhooks.WithLabelValues(outcome).Inc() }

func (m *metrics) signature(outcome string) { m.signatures.WithLabelValues(outcome).Inc() }

// mqttFigure is a figure of the MQTT door, 0 where there is none.
func (n *Node) mqttFigure(of func(mqtt.Figures) int64) func() float64 {
	return func() float64 {
		if n.devices.mqtt == nil {
			return 0
		}
		return float64(of(n.devices.mqtt.Figures()))
	}
}

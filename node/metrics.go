package node

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the node's figures, in a registry of their own so that several
// nodes can be in one process.
type metrics struct {
	http.Handler
	messages *prometheus.CounterVec
}

func newMetrics(n *Node) *metrics {
	reg := prometheus.NewRegistry()
	m := &metrics{
		Handler: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sayso_door_messages_total", Help: "Messages of devices by outcome: kept, duplicate, or the fault.",
		}, []string{"outcome"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	yes := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.messages,
		gauge("sayso_vault_sequence", "Commit sequence of the vault.", func() float64 { return float64(n.Vault.Seq()) }),
		gauge("sayso_chain_block", "Last block in the registry.", func() float64 { b, _ := n.Registry.Head(); return float64(b.Number) }),
		gauge("sayso_chain_fresh", "1 while the chain is in sight.", func() float64 { return yes(n.Registry.Fresh(n.Clock.Now())) }),
		gauge("sayso_ready", "1 while everything works.", func() float64 { ready, _ := n.status(); return yes(ready) }))
	return m
}

func (m *metrics) door(outcome string) { m.messages.WithLabelValues(outcome).Inc() }

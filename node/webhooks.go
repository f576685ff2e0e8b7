package node

import (
	"context"
	"path/filepath"
	"strings"

	"sayso/node/front"
	"sayso/node/watch"
)

// openWebhooks opens the engine of the webhooks and starts it.
func (n *Node) openWebhooks(f *front.Front) error {
	reach, err := watch.NewReach(n.Config.webhookHosts())
	if err != nil {
		return err
	}
	engine, err := f.Webhooks(watch.Config{
		Path: filepath.Join(n.Config.Data, "webhooks.db"), RootKey: n.inner, Reach: reach, Count: n.metrics.webhook,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := engine.Run(ctx); err != nil {
			n.fail(err)
		}
	}()
	n.closers = append(n.closers, func() error {
		cancel()
		<-done
		return engine.Close()
	})
	return nil
}

// webhookHosts are the "host:port" that webhooks may reach although they are
// not public.
func (c Config) webhookHosts() (list []string) {
	for _, h := range strings.Split(c.WebhookHosts, ",") {
		if h = strings.TrimSpace(h); h != "" {
			list = append(list, h)
		}
	}
	return list
}

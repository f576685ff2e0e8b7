package shelf_test

import (
	"testing"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/document/shelf"
)

// What a read pays for a grant with a document, and without one.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name   string
		source func(*world) string
	}{
		{"record alone", func(*world) string { return "" }},
		{"document", func(w *world) string { return w.kept(written(draft(), "anna")) }},
		{"document that is not here", func(*world) string { return document.Of([]byte("x")).Source() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, options{})
			w.grant(car, "app", c.source(w))
			state := shelf.State{Registry: w.registry, Shelf: w.shelf}
			want := sayso.PermissionSet(1)
			if c.name == "document" {
				want = want.With(sayso.RawData)
			}
			who := account("app")
			b.ReportAllocs()
			for b.Loop() {
				if v := consent.Decide(state, who, car, w.clock.Now()); v.Permissions() != want {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}

package vault

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// A document of 24 MiB, which is what 32 MiB of base64 hold, is kept and read
// byte for byte, also after the vault was closed; one that fits into no segment
// is refused, and costs nothing else.
func TestALargeDocumentIsKept(t *testing.T) {
	fs := vfs.NewMem()
	large := func() Config {
		cfg := testConfig(t, fs)
		cfg.SegmentBytes, cfg.MemTableBytes, cfg.CommitTimeout = 0, 0, time.Minute
		return cfg
	}
	v := testOpen(t, large())
	document := make([]byte, 24<<20)
	chacha := rand.NewChaCha8([32]byte{1})
	chacha.Read(document)
	keep := func(id string, data []byte) error {
		d := Deposit{Vehicle: 1, Epoch: 1, Body: [32]byte{id[0]}, Envelope: sayso.CloudEvent{
			ID: id, Type: "dimo.document.title", Source: sayso.Address{1}, Subject: sayso.Account(1, sayso.Address{2}),
			Time: sayso.Instant(1e12).Time(), DataContentType: "application/pdf", Data: data, Base64: true,
		}}
		_, err := v.Commit(t.Context(), &d)
		return err
	}
	if err := keep("title", document); err != nil {
		t.Fatal(err)
	}
	if err := keep("over", bytes.Repeat(document, 2)); sayso.FaultOf(err) != sayso.TooLarge {
		t.Error(err)
	}
	if err := keep("after", []byte("small")); err != nil {
		t.Error(err)
	}
	check := func() {
		t.Helper()
		n := 0
		err := v.CloudEvents(t.Context(), View{Vehicle: 1, Epochs: []uint32{1}}, 0, 2e12, func(s Stored) bool {
			if n++; s.Envelope.ID == "title" && !bytes.Equal(s.Envelope.Data, document) {
				t.Error("another document is read than was kept")
			}
			return true
		})
		if err != nil || n != 2 {
			t.Error(n, err)
		}
	}
	check()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v = testOpen(t, large())
	check()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

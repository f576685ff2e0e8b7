package fetch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/ask/fetch"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// What deciding and hiding cost beside the vault's own call: the newest event,
// and ten attestations among 20,000 messages that a car streamed.
func BenchmarkBesideTheVault(b *testing.B) {
	key, err := rootkey.New([32]byte{7})
	if err != nil {
		b.Fatal(err)
	}
	v, err := vault.Open(vault.Config{FS: vfs.NewMem(), Dir: "vault", RootKey: key, Clock: clock.NewManual(start), SegmentBytes: 1 << 20, MemTableBytes: 4 << 20, CacheBytes: 8 << 20, MinFreeBytes: 1, CommitTimeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	const messages = 20_000
	for i := range messages {
		e := told{epoch: 1, kind: sayso.TypeStatus, id: fmt.Sprint(i), source: 1, at: start.Add(time.Duration(i-messages) * time.Second)}
		if i%1000 == 0 {
			e.kind = sayso.TypeAttestation
		}
		e.keep(b, v)
	}
	verdict := consent.Verdict{Rights: []consent.Right{{Epoch: 1, Permissions: sayso.PermissionSet(sayso.RawData)}}}
	reader, ctx := &fetch.Reader{Vault: v}, context.Background()
	newest := func(of vault.Class, n int) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				left := n
				err := v.CloudEventsOf(ctx, vault.View{Vehicle: 7, Epochs: []uint32{1}}, of, -1<<63, 1<<63-1, func(vault.Stored) bool { left--; return left > 0 })
				if err != nil || left != 0 {
					b.Fatal(err, left)
				}
			}
		}
	}
	read := func(of vault.Class, n int) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				list, err := reader.List(ctx, verdict, fetch.Query{Subject: fetch.Subject{Vehicle: 7}, Classes: of, Limit: n})
				if err != nil || len(list) != n {
					b.Fatal(err, len(list))
				}
			}
		}
	}
	b.Run("newest/vault", newest(vault.AnyClass, 1))
	b.Run("newest/decided", read(vault.AnyClass, 1))
	b.Run("attestations/vault", newest(vault.Statement, 10))
	b.Run("attestations/decided", read(vault.Statement, 10))
}

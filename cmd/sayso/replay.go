package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/car/replay"
	"sayso/client/device"
	"sayso/internal/clock"
)

type replayCmd struct {
	remote
	File     string            `arg:"" type:"existingfile" help:"The recording: a candump log, a CSV or cloud events as NDJSON."`
	Device   string            `help:"Name of the key of the device that sends." default:"device"`
	Format   string            `help:"candump, csv or ndjson [by the file's name]."`
	DBC      string            `help:"Table of the messages of a CAN log." type:"existingfile" name:"dbc"`
	Map      string            `help:"Which signals the table's values become [known cars are built in]." type:"existingfile"`
	Rename   map[string]string `help:"Columns of a CSV: column=signal;column=signal."`
	KeepTime bool              `help:"Leave the times as recorded, instead of moving the last to now. Older readings go through the back-fill lane."`
	Speed    float64           `help:"Send as fast as recorded (1), faster (10), or without waiting (0)." default:"0"`
	Sample   time.Duration     `help:"At most one reading of a signal in this time; 0 sends all." default:"0"`
}

// Help shows an example.
func (replayCmd) Help() string {
	return "Example: sayso replay drive.log --dbc toyota_2017_ref_pt.dbc --device dongle --keep-time"
}

// replayed is what a replay came to.
type replayed struct {
	Messages   int `json:"messages"`
	Readings   int `json:"readings"`
	Duplicates int `json:"duplicates"`
	Rejected   int `json:"rejected"`
	PassedOver int `json:"passedOver"`
}

// Run sends a recording.
func (c *replayCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	key, err := c.key(c.Device)
	if err != nil {
		return err
	}
	bearer, err := d.deviceToken(ctx, key)
	if err != nil {
		return err
	}
	cat, err := catalogue.Load()
	if err != nil {
		return err
	}
	unnamed := sayso.NFT(d.at.ID, d.at.AftermarketDevice, 0)
	p, err := replay.Open(replay.Options{
		Path: c.File, Format: replay.Format(c.Format), DBC: c.DBC, Map: c.Map, Rename: c.Rename, Every: c.Sample,
		KeepTime: c.KeepTime, Speed: c.Speed, Catalogue: cat, Clock: clock.System{}, Problem: c.problem,
		Identity: device.Identity{Subject: unnamed, Producer: unnamed, Source: sayso.Address(key.Address())},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	var total replayed
	bar := c.progress()
	_, err = p.Play(ctx, func(ctx context.Context, m replay.Message) error {
		bar.Add(1)
		return total.add(c.post(ctx, d, bearer, m))
	})
	bar.Finish()
	total.PassedOver = p.Problems()
	if err != nil {
		return err
	}
	return show(c.JSON, total, fmt.Sprintf("Sent %d messages with %d readings; %d were kept before, %d values were not accepted, %d places of the file were passed over.\n",
		total.Messages, total.Readings, total.Duplicates, total.Rejected, total.PassedOver))
}

// post sends one message, waiting where the node asks to.
func (c *replayCmd) post(ctx context.Context, d *desk, bearer string, m replay.Message) (door.Result, error) {
	headers := map[string]string{}
	if c.KeepTime {
		headers[door.BackfillHeader] = "true"
	}
	for {
		answer, err := d.api.Post(ctx, door.Path, bearer, headers, m.Body)
		if err != nil && sayso.FaultOf(err) == sayso.Busy && !errors.Is(ctx.Err(), context.Canceled) {
			select {
			case <-ctx.Done():
				return door.Result{}, err
			case <-time.After(time.Second):
				continue
			}
		}
		var r door.Result
		if err == nil {
			err = json.Unmarshal(answer, &r)
		}
		if err != nil {
			return r, fmt.Errorf("%s:%d: %w", m.File, m.Line, err)
		}
		return r, nil
	}
}

func (t *replayed) add(r door.Result, err error) error {
	if err != nil {
		return err
	}
	t.Messages++
	t.Readings += r.Signals
	t.Rejected += len(r.Rejected)
	if r.Duplicate {
		t.Duplicates++
	}
	return nil
}

func (c *replayCmd) problem(p replay.Problem) {
	fmt.Fprintf(os.Stderr, "passed over: %v\n", p)
}

// progress shows how it goes on a terminal, and nothing elsewhere.
func (c *replayCmd) progress() *progressbar.ProgressBar {
	info, err := os.Stderr.Stat()
	if c.JSON || err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return progressbar.DefaultSilent(-1)
	}
	return progressbar.Default(-1, "sending")
}

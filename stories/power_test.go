package stories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/rogpeppe/go-internal/testscript"
)

// shutdownNow is FS_IOC_SHUTDOWN with the flag that writes nothing more, not even
// the journal of the file system: what was not synced is lost, as without power.
const (
	fsIOCShutdown = 0x8004587d
	shutdownNow   = 2
)

// disk is a file system of the story's own, in a file.
type disk struct{ image, at string }

func (d *disk) mount() error { return command("mount", "-o", "loop", d.image, d.at) }

// unmount waits until nobody holds it any more.
func (d *disk) unmount() (err error) {
	for range 100 {
		if err = command("umount", d.at); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// cut takes the power from it.
func (d *disk) cut() error {
	f, err := os.Open(d.at)
	if err != nil {
		return err
	}
	how := uint32(shutdownNow)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fsIOCShutdown, uintptr(unsafe.Pointer(&how)))
	if errno != 0 {
		return errors.Join(errno, f.Close())
	}
	return f.Close()
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// newDisk makes and mounts one, with the space that the vault wants free; it says
// why where this machine cannot.
func newDisk(dir string) (*disk, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root mounts file systems")
	}
	d := &disk{filepath.Join(dir, "disk.img"), filepath.Join(dir, "disk")}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(d.image, 8<<30); err != nil {
		return nil, err
	}
	if err := command("mkfs.ext4", "-q", d.image); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		return nil, err
	}
	return d, d.mount()
}

// power has devices send without pause to a node whose data are on a file system of
// its own, takes the power from that so many times, and every fourth time once more
// while the node starts.
func (s *story) power(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: power TIMES DEVICE..., while a node runs with --data disk/data")
	}
	times, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.dir, "oplog"))
	if err != nil {
		return err
	}
	defer file.Close()
	s.log = s.newLog(file)
	var senders []*sender
	for _, name := range args[1:] {
		one, err := s.sender(name)
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		senders = append(senders, one)
	}
	serve := []string{"serve", "--data", "disk/data"}
	for round := range times {
		if err := s.powerCut(senders); err != nil {
			return fmt.Errorf("cut %d: %w", round+1, err)
		}
		if round%4 == 3 {
			if err := s.launch(ts, serve); err != nil {
				return err
			}
			if err := s.powerCut(nil); err != nil {
				return fmt.Errorf("cut %d, while it started: %w", round+1, err)
			}
		}
		if _, err := s.start(ts, serve); err != nil {
			return fmt.Errorf("start after cut %d: %w", round+1, err)
		}
	}
	ts.Logf("counted: the power went %d times under load and %d more while the node started", times, times/4)
	return nil
}

// powerCut lets the senders send for a moment and takes the power. The node is
// ended after that: it may notice the disk by itself and exit before.
func (s *story) powerCut(senders []*sender) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	failures := make(chan error, len(senders))
	for _, one := range senders {
		go func() { failures <- one.send(ctx) }()
	}
	time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
	err := s.disk.cut()
	p := s.running
	s.running = nil
	if kill := p.cmd.Process.Kill(); kill != nil && !errors.Is(kill, os.ErrProcessDone) {
		err = errors.Join(err, kill)
	}
	<-p.ended
	stop()
	for range senders {
		err = errors.Join(err, <-failures)
	}
	if err == nil {
		err = s.disk.unmount()
	}
	if err == nil {
		err = s.disk.mount()
	}
	return err
}

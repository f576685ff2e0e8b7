package stories

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// canaries looks for texts in every file of a folder: as they are, in hexadecimal
// digits, in UTF-16, and, of a number, as a double in both byte orders. A file that
// holds one is the failure.
func (s *story) canaries(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: canaries FOLDER TEXT...")
	}
	var needles [][]byte
	for _, text := range args[1:] {
		needles = append(needles, []byte(text), []byte(hex.EncodeToString([]byte(text))), wide(text))
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			needles = append(needles, binary.LittleEndian.AppendUint64(nil, math.Float64bits(n)), binary.BigEndian.AppendUint64(nil, math.Float64bits(n)))
		}
	}
	files, size := 0, 0
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the node has removed it meanwhile
		}
		files, size = files+1, size+len(content)
		for _, n := range needles {
			if at := bytes.Index(content, n); at >= 0 {
				err = errors.Join(err, refusal{fmt.Errorf("%s holds %q at byte %d", path, n, at)})
			}
		}
		return err
	})
	ts.Logf("counted: %d files, %d bytes, %d texts in %d forms", files, size, len(args)-1, len(needles))
	if err == nil && files == 0 {
		err = errors.New("there is no file to look at")
	}
	return err
}

// wide is a text in UTF-16.
func wide(text string) (b []byte) {
	for i := range len(text) {
		b = append(b, text[i], 0)
	}
	return b
}

// quit ends the node with SIGQUIT, on which it prints what every goroutine is
// doing with which arguments, and puts that into a file.
func (s *story) quit(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 || s.running == nil {
		return errors.New("usage: quit FILE, while a node runs")
	}
	p := s.running
	s.running = nil
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
		return errors.New("it did not end within 20 s of the signal")
	}
	text, err := os.ReadFile(p.err)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte("goroutine ")) {
		return errors.New("there is no trace of the goroutines")
	}
	if err := os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o700); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), text, 0o600)
}

package vault

import (
	"errors"
	"runtime"

	"sayso"
)

// A group takes at most so many bytes or records, if it has more than one.
const (
	groupBytes   = 1 << 20
	groupRecords = 4096
)

// groupOut is a group on stable storage on its way to the applier.
type groupOut struct {
	list     []*pending
	at       position
	bytes    int
	answered bool // acknowledged before it is in the rows
}

// write is the goroutine that turns what waits into groups of the log. While a
// group is being synced the next one gathers: that is the whole of group
// commit. What it hands on is applied in the same order by one other goroutine.
func (v *Vault) write() {
	defer close(v.groups)
	var buf []byte
	for {
		list, more := v.gather()
		if len(list) == 0 {
			if !more {
				return
			}
			continue
		}
		if err := v.failure(); err != nil {
			v.refuseAll(list, err)
			continue
		}
		if list = v.unknown(list); len(list) == 0 {
			continue
		}
		out, b, err := v.writeGroup(list, buf[:0])
		if buf = b; cap(buf) > 4*groupBytes {
			buf = nil
		}
		switch {
		case errors.Is(err, errNoSpace):
			v.setFull(fullSegment, true)
			v.refuseAll(list, errFull(opCommit))
		case err != nil:
			v.fail(err)
			v.refuseAll(list, v.failure())
		default:
			if out.answered = out.answered && v.flows(out.bytes); out.answered {
				v.behind.add(out.list)
				v.acknowledge(&out, nil)
			}
			v.show(out)
		}
	}
}

// gather waits for records and takes as many as make a group. It answers false
// when there are none and there will be none.
func (v *Vault) gather() (list []*pending, more bool) {
	v.queue.Lock()
	waiting, closed := len(v.queue.list), v.queue.closed
	v.queue.Unlock()
	if waiting == 0 {
		if closed {
			return nil, false
		}
		<-v.wake
	}
	runtime.Gosched() // whoever is ready to send comes in first
	v.queue.Lock()
	defer v.queue.Unlock()
	n, bytes := 0, 0
	most := min(groupBytes, int(v.cfg.SegmentBytes)-segmentHead-endSize)
	for n < len(v.queue.list) && n < groupRecords {
		size := v.queue.list[n].room()
		if n > 0 && bytes+size > most {
			break
		}
		bytes += size
		n++
	}
	list = append(list, v.queue.list[:n]...)
	clear(v.queue.list[:n])
	if v.queue.list = v.queue.list[n:]; len(v.queue.list) == 0 {
		v.queue.list = nil
	}
	return list, true
}

// writeGroup numbers, seals and writes a group. New data keys are on stable
// storage before the group is.
func (v *Vault) writeGroup(list []*pending, buf []byte) (groupOut, []byte, error) {
	j := v.journal
	group, seq := j.group+1, j.seq
	size := 0
	for _, p := range list {
		size += p.room()
	}
	if err := v.keys.room(v.keys.lacking(list)); err != nil {
		return groupOut{}, buf, err
	}
	if !j.fits(size) {
		if err := j.rotate(); err != nil {
			return groupOut{}, buf, err
		}
		v.kick()
	}
	now := sayso.At(v.cfg.Clock.Now())
	var ad [40]byte
	early := true
	for _, p := range list {
		seq++
		if p.kind == frameErase {
			early = false // it is done when the keys are destroyed
			p.encodeErase(v.keys.retire(p.owner))
		} else if err := p.seal(v.keys, seq, now, ad[:0]); err != nil {
			return groupOut{}, buf, err
		}
		*p.buf = endFrame(*p.buf, group, seq)
		p.seq = seq
		buf = append(buf, *p.buf...)
	}
	if err := v.keys.flush(); err != nil {
		return groupOut{}, buf, err
	}
	buf, err := j.append(buf, len(list), seq)
	if err != nil {
		return groupOut{}, buf, err
	}
	v.stats.groups.Add(1)
	v.stats.logBytes.Add(uint64(len(buf)))
	at := logEnd{j.position, j.number}
	v.end.Store(&at)
	return groupOut{list, j.position, len(buf), early}, buf, nil
}

// acknowledge tells who waits for the records of a group that it is on stable
// storage. From here on every read sees them, see [Vault.see].
func (v *Vault) acknowledge(g *groupOut, err error) {
	for was := v.keptUpTo.Load(); err == nil && was < g.at.seq && !v.keptUpTo.CompareAndSwap(was, g.at.seq); {
		was = v.keptUpTo.Load()
	}
	for _, p := range g.list {
		v.leave(p)
		p.answer(p.seq, err)
	}
}

// refuseAll answers a group that could not be written.
func (v *Vault) refuseAll(list []*pending, err error) {
	for _, p := range list {
		v.leave(p)
		v.refuse(p, err)
	}
}

// leave takes a record out of what counts as waiting.
func (v *Vault) leave(p *pending) {
	v.queue.Lock()
	v.queue.bytes -= p.size
	v.queue.Unlock()
}

package registry

// The final state is the state at the last final block: as many blocks below
// the head as there are confirmations. It is kept as the difference from the
// head, what each fact was before the blocks above it; so it is a function of
// the canonical chain alone, whatever forks there were.

// Final says whether a block is deep enough that a grant in it counts.
func (r *Registry) Final(block uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.final(block, r.head)
}

func (r *Registry) final(block uint64, head Block) bool {
	return block+r.cfg.Confirmations <= head.Number
}

// recentAfter is what the facts were before the blocks that are not final after
// a move, by fact and lowest block first.
func (r *Registry) recentAfter(db querier, m Move, d *draft, head Block) (map[fact][]past, error) {
	recent := map[fact][]past{}
	if r.cfg.Confirmations == 0 {
		return recent, nil
	}
	if m.Back {
		return r.loadRecent(db, head)
	}
	for f, list := range r.recent {
		for _, p := range list {
			if !r.final(p.block, head) {
				recent[f] = append(recent[f], p)
			}
		}
	}
	for _, b := range d.blocks {
		for _, e := range b.edits {
			if !r.final(b.Number, head) {
				recent[e.fact] = append(recent[e.fact], past{e.fact, b.Number, e.before})
			}
		}
	}
	return recent, nil
}

func (r *Registry) loadRecent(db querier, head Block) (map[fact][]past, error) {
	recent := map[fact][]past{}
	if r.cfg.Confirmations == 0 {
		return recent, nil
	}
	list, err := pasts(db, int64(head.Number)-int64(r.cfg.Confirmations))
	for _, p := range list {
		recent[p.fact] = append(recent[p.fact], p)
	}
	return recent, err
}

// finalRow finds a row as it is in the final state.
func finalRow[T any](r *Registry, f fact) (out T, ok bool) {
	v := r.state.rows.get(f)
	if list := r.recent[f]; len(list) > 0 {
		v = list[0].row
	}
	p, ok := v.(*T)
	if !ok {
		return out, false
	}
	return *p, true
}

// before fills in what the grantee has in the final state: nothing, where the
// ownership under which that was granted has ended, and nothing where the file
// does not tell because the confirmations were fewer when it was written.
func (r *Registry) before(key string, g *Grant) {
	g.Before, g.SourceBefore = Right{}, ""
	last, ok := finalRow[Grant](r, fact{grants, key})
	if !ok || !r.final(last.Block, r.head) {
		return
	}
	then, ok := finalRow[Vehicle](r, fact{vehicles, numberKey(g.Vehicle)})
	now, _ := row[Vehicle](r.state, vehicles, numberKey(g.Vehicle))
	if ok && then.Epoch() == now.Epoch() {
		g.Before, g.SourceBefore = last.Right, last.Source
	}
}

// settled leaves of a licence the signers and redirect URIs that it has in the
// final state too, each since the earlier of both times.
func (r *Registry) settled(l Licence) Licence {
	last, _ := finalRow[Licence](r, fact{licences, numberKey(l.ID)})
	l.Signers = both(l.Signers, last.Signers)
	l.RedirectURIs = both(l.RedirectURIs, last.RedirectURIs)
	return l
}

// both keeps the members of a that b has as well, with the lower value. Where
// nothing changes by that, it is a itself.
func both[K comparable](a, b map[K]int64) map[K]int64 {
	same := true
	out := make(map[K]int64, len(a))
	for k, v := range a {
		w, ok := b[k]
		if ok {
			out[k] = min(v, w)
		}
		same = same && ok && v <= w
	}
	if same {
		return a
	}
	return out
}

package driver

import (
	"sync"
	"time"
)

// Owned remembers what a consumer owns and how far it came.
type Owned struct {
	mu  sync.Mutex
	pos map[TP]int64
}

const unknown = int64(-1)

// Add starts owning; the position is not known yet. It returns what was not owned before.
func (o *Owned) Add(list []TP) (added []TP) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pos == nil {
		o.pos = map[TP]int64{}
	}
	for _, tp := range list {
		if _, ok := o.pos[tp]; !ok {
			o.pos[tp] = unknown
			added = append(added, tp)
		}
	}
	return added
}

// Remove ends owning and returns what was owned.
func (o *Owned) Remove(list []TP) (removed []TP) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, tp := range list {
		if _, ok := o.pos[tp]; ok {
			delete(o.pos, tp)
			removed = append(removed, tp)
		}
	}
	return removed
}

// Set remembers a position of an owned partition.
func (o *Owned) Set(tp TP, position int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.pos[tp]; ok {
		o.pos[tp] = position
	}
}

// List is everything owned.
func (o *Owned) List() (list []TP) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for tp := range o.pos {
		list = append(list, tp)
	}
	return list
}

// Positions are the known positions, and the partitions without one.
func (o *Owned) Positions() (known []Offset, without []TP) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for tp, p := range o.pos {
		if p == unknown {
			without = append(without, tp)
		} else {
			known = append(known, Offset{tp, p})
		}
	}
	return known, without
}

// Matching are the owned partitions a command means.
func (o *Owned) Matching(c *Command) (list []TP) {
	for _, tp := range o.List() {
		if (c.Topic == "" || c.Topic == tp.Topic) && (c.Partition == nil || *c.Partition == tp.Partition) {
			list = append(list, tp)
		}
	}
	return list
}

// Gate stops a loop that passes through it.
type Gate struct {
	mu   sync.Mutex
	shut chan struct{}
}

// Shut closes the gate.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

// Open opens the gate.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// Passed is closed when one may pass.
func (g *Gate) Passed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		open := make(chan struct{})
		close(open)
		return open
	}
	return g.shut
}

// Sleep d, or until the channel is closed.
func Sleep(d time.Duration, until <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-until:
	}
}

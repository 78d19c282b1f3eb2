package driver

import (
	"context"
	"sync"
	"time"
)

// Transactor is a transactional producer that is led step by step.
type Transactor interface {
	Begin() error
	Send(topic string, partition int32, values []string) ([]int64, error)
	Offsets(group string, list []Offset) error
	End(commit bool) error
	Close() error
}

// Transforming is what a client library does for a consume-transform-produce loop.
type Transforming interface {
	// Open takes the transactional id over and joins the group.
	Open(ctx context.Context) error
	// Turn does transactions until something fails for good or ctx ends.
	Turn(ctx context.Context) error
	Close()
}

// Sent is a record of a transaction that was acknowledged.
type Sent struct {
	TP
	Offset int64
	Value  string
}

// MarshalJSON writes the ["topic", number, offset, "value"] of the protocol.
func (s Sent) MarshalJSON() ([]byte, error) {
	return marshalTuple(s.Topic, s.Partition, s.Offset, s.Value)
}

// Ledger numbers the transactions of a transform and tells of them.
type Ledger struct {
	out   *Out
	every int64
	n     int64
}

// NewLedger is a ledger by the command's fields.
func NewLedger(out *Out, c *Command) *Ledger {
	return &Ledger{out: out, every: Or(c.AbortEvery, 0)}
}

// Begin counts a transaction and says whether it is to be committed.
func (l *Ledger) Begin() bool {
	l.n++
	return l.every == 0 || l.n%l.every != 0
}

// Sending tells what is about to be sent to a partition.
func (l *Ledger) Sending(tp TP, values []string) {
	emit("sending", l.out.id, Fields{"txn": l.n, "topic": tp.Topic, "partition": tp.Partition, "values": values})
}

// Ending tells that the outcome is about to be asked for.
func (l *Ledger) Ending(commit bool, sent []Sent) {
	if sent == nil {
		sent = []Sent{}
	}
	emit("ending", l.out.id, Fields{"txn": l.n, "commit": commit, "sent": sent})
}

// Finished tells the outcome.
func (l *Ledger) Finished(committed bool) {
	emit("finished", l.out.id, Fields{"txn": l.n, "committed": committed})
}

// transform is the loop around a Transforming: begun anew with other clients whenever these cannot go on.
type transform struct {
	out  *Out
	stop context.CancelFunc
	over sync.WaitGroup
}

func startTransform(running context.Context, out *Out, t Transforming) (*transform, error) {
	ctx, cancel := context.WithCancel(running)
	loop := &transform{out: out, stop: cancel}
	opened := make(chan struct{})
	loop.over.Go(func() { loop.run(ctx, t, opened) })
	select {
	case <-opened:
		return loop, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *transform) run(ctx context.Context, t Transforming, opened chan struct{}) {
	for begun := false; ctx.Err() == nil; {
		err := t.Open(ctx)
		if err == nil {
			if !begun {
				begun = true
				close(opened)
			}
			err = t.Turn(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.out.Error("transform", err)
			Sleep(100*time.Millisecond, ctx.Done())
		}
		t.Close()
	}
}

func (l *transform) Close() error {
	l.stop()
	l.over.Wait()
	return nil
}

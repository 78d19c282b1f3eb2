package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.example/clients/driver"
)

func transactional(c *driver.Command) []kgo.Opt {
	return append(options(c),
		kgo.TransactionalID(c.TransactionalID),
		kgo.TransactionTimeout(c.TransactionTimeout()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
}

// transactor is a producer led step by step.
type transactor struct {
	c  *driver.Command
	cl *kgo.Client
}

func (franz) Transact(c *driver.Command) (driver.Transactor, error) {
	cl, err := kgo.NewClient(transactional(c)...)
	if err != nil {
		return nil, driver.Failf("%v", err)
	}
	ctx, cancel := timeout()
	defer cancel()
	// The client would ask for its id with the first record only.
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return &transactor{c, cl}, nil
}

func (t *transactor) Begin() error { return t.cl.BeginTransaction() }

func (t *transactor) Send(topic string, partition int32, values []string) ([]int64, error) {
	ctx, cancel := timeout()
	defer cancel()
	records := make([]*kgo.Record, 0, len(values))
	for _, value := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)})
	}
	if err := t.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	offsets := make([]int64, 0, len(records))
	for _, record := range records {
		offsets = append(offsets, record.Offset)
	}
	return offsets, nil
}

// Offsets asks for what the client does within a group session only, with requests of its own.
func (t *transactor) Offsets(group string, list []driver.Offset) error {
	ctx, cancel := timeout()
	defer cancel()
	id, epoch, err := t.cl.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.c.TransactionalID, id, epoch, group
	added, err := add.RequestWith(ctx, t.cl)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(added.ErrorCode); err != nil {
		return err
	}
	var offsets kadm.Offsets
	for _, o := range list {
		offsets.AddOffset(o.Topic, o.Partition, o.Offset, -1)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = t.c.TransactionalID, id, epoch, group
	commit.Generation = -1
	for topic, partitions := range offsets {
		of := kmsg.NewTxnOffsetCommitRequestTopic()
		of.Topic = topic
		for partition, offset := range partitions {
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset = partition, offset.At
			of.Partitions = append(of.Partitions, p)
		}
		commit.Topics = append(commit.Topics, of)
	}
	committed, err := commit.RequestWith(ctx, t.cl)
	if err != nil {
		return err
	}
	for _, topic := range committed.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *transactor) End(commit bool) error {
	ctx, cancel := timeout()
	defer cancel()
	if err := t.cl.Flush(ctx); err != nil {
		return err
	}
	return t.cl.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func (t *transactor) Close() error {
	t.cl.Close()
	return nil
}

// transforming is a consume-transform-produce loop on the client's own session for it.
type transforming struct {
	out    *driver.Out
	c      *driver.Command
	s      driver.Settings
	ledger *driver.Ledger
	sess   *kgo.GroupTransactSession
}

func (franz) Transform(out *driver.Out, c *driver.Command) (driver.Transforming, error) {
	s, err := c.Settings()
	return &transforming{out: out, c: c, s: s, ledger: driver.NewLedger(out, c)}, err
}

func (t *transforming) Open(ctx context.Context) error {
	opts := append(transactional(t.c),
		kgo.ConsumerGroup(t.c.Group),
		kgo.ConsumeTopics(t.c.FromTopic()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.ConsumeResetOffset(resetOffset(t.s.Reset)),
		kgo.MetadataMaxAge(t.s.MetadataMaxAge),
		kgo.MetadataMinAge(min(t.s.MetadataMaxAge, 250*time.Millisecond)),
		kgo.SessionTimeout(t.s.SessionTimeout),
		kgo.HeartbeatInterval(t.s.HeartbeatInterval),
		kgo.RebalanceTimeout(t.s.MaxPollInterval),
		kgo.Balancers(kgo.RangeBalancer()),
	)
	sess, err := kgo.NewGroupTransactSession(opts...)
	if err != nil {
		return driver.Failf("%v", err)
	}
	t.sess = sess
	// Now, and not with the first record: until then what the producer before left open holds the group's offsets up.
	_, _, err = sess.Client().ProducerID(ctx)
	return err
}

func (t *transforming) Close() {
	if t.sess != nil {
		t.sess.CloseAllowingRebalance()
		t.sess = nil
	}
}

func (t *transforming) Turn(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := t.sess.PollRecords(ctx, int(driver.Or(t.c.Batch, 50)))
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				t.out.Error("transform", e.Err)
			}
		}
		if ctx.Err() != nil || fetches.NumRecords() == 0 {
			continue
		}
		if err := t.transact(fetches); err != nil {
			return err
		}
	}
	return nil
}

func (t *transforming) transact(fetches kgo.Fetches) error {
	commit := t.ledger.Begin()
	if err := t.sess.Begin(); err != nil {
		return err
	}
	var (
		mu     sync.Mutex
		sent   []driver.Sent
		failed error
	)
	ctx, cancel := timeout()
	defer cancel()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		tp := driver.TP{Topic: t.c.ToTopic(), Partition: p.Partition}
		values := make([]string, 0, len(p.Records))
		for _, r := range p.Records {
			values = append(values, string(r.Value))
		}
		t.ledger.Sending(tp, values)
		for _, r := range p.Records {
			out := &kgo.Record{Topic: tp.Topic, Partition: tp.Partition, Key: r.Key, Value: r.Value}
			t.sess.Produce(ctx, out, func(r *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				sent = append(sent, driver.Sent{TP: tp, Offset: r.Offset, Value: string(r.Value)})
			})
		}
	})
	if err := t.sess.Client().Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	if failed != nil {
		t.out.Error("transform", failed)
		commit = false
	}
	t.ledger.Ending(commit, sent)
	mu.Unlock()
	committed, err := t.sess.End(ctx, kgo.TransactionEndTry(commit))
	if err != nil {
		return err
	}
	t.ledger.Finished(committed)
	return nil
}

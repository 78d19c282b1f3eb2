package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ottla.example/clients/driver"
)

func transactional(c *driver.Command) *sarama.Config {
	cfg := config(c)
	p := &cfg.Producer
	p.Idempotent = true
	p.RequiredAcks = sarama.WaitForAll
	p.Return.Successes, p.Return.Errors = true, true
	p.Partitioner = sarama.NewManualPartitioner
	p.Transaction.ID = c.TransactionalID
	p.Transaction.Timeout = c.TransactionTimeout()
	// A minute, as long as it takes to start a broker again.
	p.Retry.Max, p.Retry.Backoff = 600, 100*time.Millisecond
	p.Transaction.Retry.Max, p.Transaction.Retry.Backoff = 600, 100*time.Millisecond
	cfg.Metadata.Retry.Max = 240
	cfg.Net.MaxOpenRequests = 1
	return cfg
}

// end a transaction. Whether a failed call may come again, must be followed by an abort or is the end of the producer is told
// by the producer's state.
func end(p sarama.SyncProducer, commit bool) (committed bool, err error) {
	for deadline := time.Now().Add(time.Minute); ; {
		if commit {
			err = p.CommitTxn()
		} else {
			err = p.AbortTxn()
		}
		switch status := p.TxnStatus(); {
		case err == nil:
			return commit, nil
		case status&sarama.ProducerTxnFlagFatalError != 0, time.Now().After(deadline):
			return false, err
		case status&sarama.ProducerTxnFlagAbortableError != 0:
			commit = false
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func messages(tp driver.TP, values []string) []*sarama.ProducerMessage {
	list := make([]*sarama.ProducerMessage, 0, len(values))
	for _, value := range values {
		list = append(list, &sarama.ProducerMessage{Topic: tp.Topic, Partition: tp.Partition, Value: sarama.StringEncoder(value)})
	}
	return list
}

// first of the errors behind what the producer says of many messages.
func first(err error) error {
	var many sarama.ProducerErrors
	if errors.As(err, &many) && len(many) > 0 {
		return many[0].Err
	}
	return err
}

// transactor is a producer led step by step.
type transactor struct{ sarama.SyncProducer }

func (client) Transact(c *driver.Command) (driver.Transactor, error) {
	p, err := sarama.NewSyncProducer(c.Brokers(), transactional(c))
	if err != nil {
		return nil, err
	}
	return &transactor{p}, nil
}

func (t *transactor) Begin() error { return t.BeginTxn() }

func (t *transactor) Send(topic string, partition int32, values []string) ([]int64, error) {
	list := messages(driver.TP{Topic: topic, Partition: partition}, values)
	if err := t.SendMessages(list); err != nil {
		return nil, first(err)
	}
	offsets := make([]int64, 0, len(list))
	for _, m := range list {
		offsets = append(offsets, m.Offset)
	}
	return offsets, nil
}

func (t *transactor) Offsets(group string, list []driver.Offset) error {
	// Sent to the coordinator with the end of the transaction.
	return t.AddOffsetsToTxn(offsetsOf(list), group)
}

func (t *transactor) End(commit bool) error {
	committed, err := end(t.SyncProducer, commit)
	if err == nil && committed != commit {
		return driver.Failf("the transaction had to be aborted")
	}
	return err
}

func offsetsOf(list []driver.Offset) map[string][]*sarama.PartitionOffsetMetadata {
	offsets := map[string][]*sarama.PartitionOffsetMetadata{}
	for _, o := range list {
		offsets[o.Topic] = append(offsets[o.Topic],
			&sarama.PartitionOffsetMetadata{Partition: o.Partition, Offset: o.Offset, LeaderEpoch: -1})
	}
	return offsets
}

// transforming is a consume-transform-produce loop: one producer for all claims, one transaction at a time.
type transforming struct {
	out    *driver.Out
	c      *driver.Command
	s      driver.Settings
	ledger *driver.Ledger
	group  sarama.ConsumerGroup

	mu       sync.Mutex
	producer sarama.SyncProducer
	fatal    error
}

func (client) Transform(out *driver.Out, c *driver.Command) (driver.Transforming, error) {
	s, err := c.Settings()
	return &transforming{out: out, c: c, s: s, ledger: driver.NewLedger(out, c)}, err
}

func (t *transforming) Open(context.Context) (err error) {
	t.fatal = nil
	if t.producer, err = sarama.NewSyncProducer(t.c.Brokers(), transactional(t.c)); err != nil {
		return err
	}
	cfg := config(t.c)
	cfg.Metadata.RefreshFrequency = t.s.MetadataMaxAge
	cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Offsets.AutoCommit.Enable = false
	cfg.Consumer.MaxWaitTime = 100 * time.Millisecond
	cfg.Consumer.Return.Errors = true
	g := &cfg.Consumer.Group
	g.Session.Timeout, g.Heartbeat.Interval = t.s.SessionTimeout, t.s.HeartbeatInterval
	g.Rebalance.Timeout, g.Rebalance.Retry.Backoff = t.s.MaxPollInterval, 200*time.Millisecond
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	if t.group, err = sarama.NewConsumerGroup(t.c.Brokers(), t.c.Group, cfg); err != nil {
		return err
	}
	go func(errs <-chan error) {
		for err := range errs {
			t.out.Error("poll", err)
		}
	}(t.group.Errors())
	return nil
}

func (t *transforming) Close() {
	if t.group != nil {
		_ = t.group.Close()
		t.group = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.producer != nil {
		_ = t.producer.Close()
		t.producer = nil
	}
}

func (t *transforming) Turn(ctx context.Context) error {
	for ctx.Err() == nil {
		err := t.group.Consume(ctx, []string{t.c.FromTopic()}, t)
		t.mu.Lock()
		fatal := t.fatal
		t.mu.Unlock()
		if fatal != nil {
			return fatal
		}
		if err != nil && ctx.Err() == nil {
			t.out.Error("poll", err)
			driver.Sleep(250*time.Millisecond, ctx.Done())
		}
	}
	return nil
}

func (t *transforming) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (t *transforming) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim ends with the first transaction that is not committed, and the session with it: the next one begins at what
// was committed.
func (t *transforming) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-s.Context().Done():
			return nil
		case one, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			batch := collect(one, claim.Messages())
			if max := int(driver.Or(t.c.Batch, 50)); len(batch) > max {
				// The rest is handled in transactions of its own.
				for len(batch) > max {
					if !t.transact(s, batch[:max]) {
						return nil
					}
					batch = batch[max:]
				}
			}
			if !t.transact(s, batch) {
				return nil
			}
		}
	}
}

func (t *transforming) transact(s sarama.ConsumerGroupSession, batch []*sarama.ConsumerMessage) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fatal != nil || s.Context().Err() != nil {
		return false
	}
	committed, err := t.once(s, batch)
	if err != nil {
		t.fatal = err
		return false
	}
	t.ledger.Finished(committed)
	return committed
}

// once does one transaction; an error means that the producer cannot go on and nobody knows the outcome.
func (t *transforming) once(s sarama.ConsumerGroupSession, batch []*sarama.ConsumerMessage) (bool, error) {
	commit := t.ledger.Begin()
	if err := t.producer.BeginTxn(); err != nil {
		return false, err
	}
	last := batch[len(batch)-1]
	tp := driver.TP{Topic: t.c.ToTopic(), Partition: last.Partition}
	values := make([]string, 0, len(batch))
	for _, m := range batch {
		values = append(values, string(m.Value))
	}
	t.ledger.Sending(tp, values)
	list := messages(tp, values)
	var sent []driver.Sent
	if err := t.producer.SendMessages(list); err != nil {
		t.out.Error("transform", first(err))
		commit = false
	} else {
		for i, m := range list {
			sent = append(sent, driver.Sent{TP: tp, Offset: m.Offset, Value: values[i]})
		}
		member := &sarama.ConsumerGroupMetadata{GroupID: t.c.Group, GenerationID: s.GenerationID(), MemberID: s.MemberID()}
		read := driver.Offset{TP: driver.TP{Topic: last.Topic, Partition: last.Partition}, Offset: last.Offset + 1}
		if err := t.producer.AddOffsetsToTxnWithGroupMetadata(offsetsOf([]driver.Offset{read}), member); err != nil {
			t.out.Error("transform", err)
			commit = false
		}
	}
	t.ledger.Ending(commit, sent)
	return end(t.producer, commit)
}

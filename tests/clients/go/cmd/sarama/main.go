// Driver for github.com/IBM/sarama. See ../../../PROTOCOL.md.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"ottla.example/clients/driver"
)

type client struct{}

func main() {
	metrics.UseNilMetrics = true
	sarama.Logger = log.New(io.Discard, "", 0)
	driver.Main("sarama", driver.Version("github.com/IBM/sarama"), client{})
}

func (client) Code(err error) (int16, bool) {
	var k sarama.KError
	if errors.As(err, &k) {
		return int16(k), true
	}
	return 0, false
}

func config(c *driver.Command) *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	if id := driver.Or(c.ClientID, ""); id != "" {
		cfg.ClientID = id
	}
	cfg.Metadata.AllowAutoTopicCreation = false
	return cfg
}

// base is what a member of a group and a manual assignment have in common.
type base struct {
	out   *driver.Out
	s     driver.Settings
	group string
	cl    sarama.Client
	adm   sarama.ClusterAdmin
	owned driver.Owned
	gate  driver.Gate

	close   sync.Once
	closing chan struct{}
	loops   sync.WaitGroup
}

func (b *base) open(out *driver.Out, c *driver.Command, cfg *sarama.Config) (err error) {
	b.out, b.group, b.closing = out, c.Group, make(chan struct{})
	cfg.Metadata.RefreshFrequency = b.s.MetadataMaxAge
	cfg.Consumer.Return.Errors = true
	if b.s.ReadCommitted {
		cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	// Commits and heartbeats share the connection with fetches if the coordinator leads a partition too, and wait behind them.
	cfg.Consumer.MaxWaitTime = 100 * time.Millisecond
	switch b.s.Reset {
	case "earliest":
		cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	case "latest":
		cfg.Consumer.Offsets.Initial = sarama.OffsetNewest
	default:
		return driver.Unsupported("sarama always resets")
	}
	cfg.Consumer.Offsets.AutoCommit.Enable = b.s.AutoCommit
	cfg.Consumer.Offsets.AutoCommit.Interval = b.s.AutoCommitInterval
	if b.cl, err = sarama.NewClient(c.Brokers(), cfg); err != nil {
		return err
	}
	b.adm, err = sarama.NewClusterAdminFromClient(b.cl)
	return err
}

func (b *base) Pause()  { b.gate.Shut() }
func (b *base) Resume() { b.gate.Open() }

func (b *base) isClosing() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// collect takes one record and those that are there already.
func collect(one *sarama.ConsumerMessage, more <-chan *sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	batch := []*sarama.ConsumerMessage{one}
	for len(batch) < 500 {
		select {
		case msg, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, msg)
		default:
			return batch
		}
	}
	return batch
}

func (b *base) handle(batch []*sarama.ConsumerMessage, commit func([]driver.Offset) error) {
	first, last := batch[0], batch[len(batch)-1]
	tp := driver.TP{Topic: first.Topic, Partition: first.Partition}
	offsets, values := make([]int64, 0, len(batch)), make([]string, 0, len(batch))
	for _, m := range batch {
		offsets = append(offsets, m.Offset)
	}
	if b.s.Values {
		for _, m := range batch {
			values = append(values, string(m.Value))
		}
	}
	b.out.Records(tp, offsets, values, b.s.Values)
	b.owned.Set(tp, last.Offset+1)
	if b.s.ProcessTime > 0 {
		time.Sleep(b.s.ProcessTime)
	}
	if b.s.CommitEach {
		o := []driver.Offset{{TP: tp, Offset: last.Offset + 1}}
		if err := commit(o); err != nil {
			b.out.Error("commit", err)
		} else {
			b.out.Committed(o)
		}
	}
}

func (b *base) resolve(tp driver.TP, w driver.Where) (int64, error) {
	switch w.Name {
	case "":
		return w.Number, nil
	case "earliest":
		return b.cl.GetOffset(tp.Topic, tp.Partition, sarama.OffsetOldest)
	case "latest":
		return b.cl.GetOffset(tp.Topic, tp.Partition, sarama.OffsetNewest)
	case "committed":
		return b.committed(tp)
	}
	return 0, driver.Failf("no such place: %s", w.Name)
}

// committed offset of the group, else where the reset leads.
func (b *base) committed(tp driver.TP) (int64, error) {
	if b.group != "" {
		r, err := b.adm.ListConsumerGroupOffsets(b.group, map[string][]int32{tp.Topic: {tp.Partition}})
		if err != nil {
			return 0, err
		}
		block := r.GetBlock(tp.Topic, tp.Partition)
		if block != nil && block.Err != sarama.ErrNoError {
			return 0, block.Err
		}
		if block != nil && block.Offset >= 0 {
			return block.Offset, nil
		}
	}
	return b.resolve(tp, driver.Where{Name: b.s.Reset})
}

// Position of partitions nothing came from yet is what was committed, else where the reset leads.
func (b *base) Position() ([]driver.Offset, error) {
	known, without := b.owned.Positions()
	for _, tp := range without {
		at, err := b.committed(tp)
		if err != nil {
			return nil, err
		}
		known = append(known, driver.Offset{TP: tp, Offset: at})
	}
	return known, nil
}

func (b *base) targets(c *driver.Command) (map[driver.TP]int64, error) {
	to := map[driver.TP]int64{}
	for _, tp := range b.owned.Matching(c) {
		at, err := b.resolve(tp, *c.To)
		if err != nil {
			return nil, err
		}
		to[tp] = at
	}
	return to, nil
}

func commitError(r *sarama.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	for _, ps := range r.Errors {
		for _, e := range ps {
			if e != sarama.ErrNoError {
				return e
			}
		}
	}
	return nil
}

// assignment of given partitions.
type assignment struct {
	base
	consumer sarama.Consumer

	mu    sync.Mutex
	parts map[driver.TP]*part
}

type part struct {
	sarama.PartitionConsumer
	quit chan struct{} // tells the loop to let the partition go
	over chan struct{}
}

func (client) Assign(out *driver.Out, c *driver.Command) (driver.Member, error) {
	s, err := c.Settings()
	if err != nil {
		return nil, err
	}
	list, err := c.PartitionList()
	if err != nil {
		return nil, driver.Failf("bad partitions: %v", err)
	}
	if s.AutoCommit {
		return nil, driver.Unsupported("sarama commits by itself only in a group")
	}
	a := &assignment{base: base{s: s}, parts: map[driver.TP]*part{}}
	if err := a.open(out, c, config(c)); err != nil {
		a.shut()
		return nil, err
	}
	if a.consumer, err = sarama.NewConsumerFromClient(a.cl); err != nil {
		a.shut()
		return nil, err
	}
	from := driver.Or(c.From, driver.Where{Name: "earliest"})
	a.owned.Add(list)
	for _, tp := range list {
		at, err := a.resolve(tp, from)
		if err == nil {
			err = a.consume(tp, at)
		}
		if err != nil {
			_ = a.Close()
			return nil, err
		}
	}
	return a, nil
}

func (a *assignment) consume(tp driver.TP, at int64) error {
	pc, err := a.consumer.ConsumePartition(tp.Topic, tp.Partition, at)
	if err != nil {
		return err
	}
	p := &part{pc, make(chan struct{}), make(chan struct{})}
	a.mu.Lock()
	a.parts[tp] = p
	a.mu.Unlock()
	a.owned.Set(tp, at)
	go func() {
		for err := range pc.Errors() {
			a.out.Error("poll", err)
		}
	}()
	go func() {
		defer close(p.over)
		for msg := range pc.Messages() {
			select {
			case <-p.quit:
				continue // drain
			case <-a.gate.Passed():
			}
			select {
			case <-p.quit:
				continue
			default:
			}
			a.handle(collect(msg, pc.Messages()), a.commit)
		}
	}()
	return nil
}

func (a *assignment) stop(tp driver.TP) {
	a.mu.Lock()
	p := a.parts[tp]
	delete(a.parts, tp)
	a.mu.Unlock()
	if p != nil {
		close(p.quit)
		p.AsyncClose()
		<-p.over
	}
}

func (a *assignment) commit(list []driver.Offset) error {
	if a.group == "" {
		return driver.Failf("no group to commit to")
	}
	os := map[string]map[int32]sarama.OffsetAndMetadata{}
	for _, o := range list {
		if os[o.Topic] == nil {
			os[o.Topic] = map[int32]sarama.OffsetAndMetadata{}
		}
		os[o.Topic][o.Partition] = sarama.OffsetAndMetadata{Offset: o.Offset, LeaderEpoch: -1}
	}
	return commitError(a.adm.AlterConsumerGroupOffsets(a.group, os, nil))
}

func (a *assignment) Commit() ([]driver.Offset, error) {
	list, err := a.Position()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if err := a.commit(list); err != nil {
		return nil, err
	}
	a.out.Committed(list)
	return list, nil
}

func (a *assignment) Seek(c *driver.Command) error {
	to, err := a.targets(c)
	if err != nil {
		return err
	}
	for tp, at := range to {
		a.stop(tp)
		if err := a.consume(tp, at); err != nil {
			return err
		}
	}
	return nil
}

func (a *assignment) Close() error {
	for _, tp := range a.owned.List() {
		a.stop(tp)
	}
	var err error
	if a.consumer != nil {
		err = a.consumer.Close()
	}
	a.shut()
	return err
}

func (b *base) shut() {
	if b.cl != nil {
		_ = b.cl.Close()
	}
}

// member of a group.
type member struct {
	base
	topics []string
	cg     sarama.ConsumerGroup

	mu      sync.Mutex
	session sarama.ConsumerGroupSession
	again   context.CancelFunc  // ends the session, to start another
	seeks   map[driver.TP]int64 // to be done at the start of a session
}

func (client) Consumer(out *driver.Out, c *driver.Command) (driver.Member, error) {
	s, err := c.Settings()
	if err != nil {
		return nil, err
	}
	m := &member{base: base{s: s}, topics: c.Topics}
	cfg := config(c)
	g := &cfg.Consumer.Group
	g.Session.Timeout = s.SessionTimeout
	g.Heartbeat.Interval = s.HeartbeatInterval
	g.Rebalance.Timeout = s.MaxPollInterval
	g.Rebalance.Retry.Backoff = 200 * time.Millisecond
	g.InstanceId = s.InstanceID
	var strategy sarama.BalanceStrategy
	switch s.Assignor {
	case "default":
		strategy = g.Rebalance.GroupStrategies[0]
	case "range":
		strategy = sarama.NewBalanceStrategyRange()
	case "roundrobin":
		strategy = sarama.NewBalanceStrategyRoundRobin()
	case "cooperative-sticky":
		strategy = &cooperative{sarama.NewBalanceStrategyCooperativeSticky().(inner), m}
	default:
		return nil, driver.Unsupported("no assignor %s", s.Assignor)
	}
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	if err := m.open(out, c, cfg); err != nil {
		m.shut()
		return nil, err
	}
	if m.cg, err = sarama.NewConsumerGroupFromClient(c.Group, m.cl); err != nil {
		m.shut()
		return nil, err
	}
	go func() {
		for err := range m.cg.Errors() {
			m.out.Error("poll", err)
		}
	}()
	m.loops.Go(m.loop)
	return m, nil
}

func (m *member) loop() {
	for !m.isClosing() {
		ctx, cancel := context.WithCancel(context.Background())
		m.mu.Lock()
		m.again = cancel
		m.mu.Unlock()
		if m.isClosing() {
			cancel()
		}
		err := m.cg.Consume(ctx, m.topics, m)
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
			m.out.Error("poll", err)
			driver.Sleep(250*time.Millisecond, m.closing)
		}
	}
}

func flat(in map[string][]int32) (list []driver.TP) {
	for t, ps := range in {
		for _, p := range ps {
			list = append(list, driver.TP{Topic: t, Partition: p})
		}
	}
	return list
}

// Setup is called at the start of a session, which is one generation of an eager group, or all of a cooperative one.
func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	list := flat(s.Claims())
	m.mu.Lock()
	m.session = s
	for _, tp := range list {
		if at, ok := m.seeks[tp]; ok {
			// One goes back only, the other forward only.
			s.ResetOffset(tp.Topic, tp.Partition, at, "")
			s.MarkOffset(tp.Topic, tp.Partition, at, "")
		}
	}
	m.seeks = nil
	m.mu.Unlock()
	m.owned.Add(list)
	m.out.Assigned(list, s.GenerationID(), s.MemberID())
	return nil
}

// Cleanup is called when all claims have ended.
func (m *member) Cleanup(s sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	m.session = nil
	m.mu.Unlock()
	list := m.owned.Remove(m.owned.List())
	cause := context.Cause(s.Context())
	if errors.Is(cause, sarama.ErrUnknownMemberId) || errors.Is(cause, sarama.ErrIllegalGeneration) || errors.Is(cause, sarama.ErrFencedInstancedId) {
		m.out.Error("heartbeat", cause)
		m.out.Lost(list)
	} else {
		m.out.Revoked(list)
	}
	return nil
}

// ConsumeClaim runs for each partition by itself.
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	tp := driver.TP{Topic: claim.Topic(), Partition: claim.Partition()}
	defer func() {
		// Revoked one by one: that is how a cooperative session that goes on lets partitions go.
		if s.Context().Err() == nil && !m.isClosing() {
			m.out.Revoked(m.owned.Remove([]driver.TP{tp}))
		}
	}()
	if at := claim.InitialOffset(); at >= 0 {
		m.owned.Set(tp, at)
	}
	for {
		var one *sarama.ConsumerMessage
		ok := false
		select {
		case one, ok = <-claim.Messages():
		case <-s.Context().Done():
		case <-m.closing:
		}
		// An application that is stuck does not notice the end of a session either.
		select {
		case <-m.gate.Passed():
		case <-m.closing:
		}
		if !ok || s.Context().Err() != nil || m.isClosing() {
			return nil
		}
		batch := collect(one, claim.Messages())
		m.handle(batch, func(o []driver.Offset) error { return m.commit(s, o) })
		if m.s.AutoCommit {
			s.MarkMessage(batch[len(batch)-1], "")
		}
	}
}

// commit with a request of its own, because Commit of a session does not say what became of it.
func (m *member) commit(s sarama.ConsumerGroupSession, list []driver.Offset) (err error) {
	deadline := time.Now().Add(m.s.MaxPollInterval)
	for {
		generation := s.GenerationID()
		req := sarama.NewOffsetCommitRequest(m.cl.Config(), m.group)
		req.ConsumerID = s.MemberID()
		req.ConsumerGroupGeneration = generation
		if m.s.InstanceID != "" {
			req.GroupInstanceId = &m.s.InstanceID
		}
		for _, o := range list {
			req.AddBlockWithLeaderEpoch(o.Topic, o.Partition, o.Offset, -1, 0, "")
		}
		coordinator, e := m.cl.Coordinator(m.group)
		if err = e; err == nil {
			err = commitError(coordinator.CommitOffset(req))
		}
		var k sarama.KError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &k), k == sarama.ErrNotCoordinatorForConsumer, k == sarama.ErrConsumerCoordinatorNotAvailable:
			// The connection or the coordinator went away.
			if coordinator != nil && !errors.As(err, &k) {
				_ = coordinator.Close()
			}
			_ = m.cl.RefreshCoordinator(m.group)
		case k == sarama.ErrOffsetsLoadInProgress:
		case m.s.Assignor == "cooperative-sticky" && (k == sarama.ErrRebalanceInProgress || k == sarama.ErrIllegalGeneration):
			// A cooperative member goes on through a rebalance; the next generation can commit.
		default:
			return err
		}
		if s.Context().Err() != nil || m.isClosing() || time.Now().After(deadline) {
			return err
		}
		driver.Sleep(100*time.Millisecond, s.Context().Done())
	}
}

func (m *member) Commit() ([]driver.Offset, error) {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	if s == nil {
		return nil, driver.Failf("nothing is assigned")
	}
	list, err := m.Position()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if err := m.commit(s, list); err != nil {
		return nil, err
	}
	m.out.Committed(list)
	return list, nil
}

// Seek ends the session and gives the next one the new positions: running claims cannot be moved.
func (m *member) Seek(c *driver.Command) error {
	to, err := m.targets(c)
	if err != nil || len(to) == 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seeks = to
	m.again()
	return nil
}

func (m *member) Close() error {
	var err error
	m.close.Do(func() {
		close(m.closing)
		m.mu.Lock()
		m.again()
		m.mu.Unlock()
		m.loops.Wait()
		err = m.cg.Close()
		m.shut()
	})
	return err
}

// inner is what the library's cooperative strategy implements.
type inner interface {
	sarama.RebalanceProtocolBalanceStrategy
	sarama.OnAssignmentBalanceStrategy
	sarama.SubscriptionUserDataBalanceStrategy
}

// cooperative listens to the assignments of a session that goes on: the library calls no handler for them.
type cooperative struct {
	inner
	m *member
}

func (c *cooperative) OnAssignment(a *sarama.ConsumerGroupMemberAssignment, generation int32) {
	c.inner.OnAssignment(a, generation)
	c.m.mu.Lock()
	s := c.m.session
	c.m.mu.Unlock()
	if s != nil {
		c.m.out.Assigned(c.m.owned.Add(flat(a.Topics)), generation, s.MemberID())
	}
}

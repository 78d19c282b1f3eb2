// Driver for github.com/twmb/franz-go. See ../../../PROTOCOL.md.
package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla.example/clients/driver"
)

type franz struct{}

func main() { driver.Main("franz-go", driver.Version("github.com/twmb/franz-go"), franz{}) }

func (franz) Code(err error) (int16, bool) {
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Code, true
	}
	return 0, false
}

func epoch(offset int64, leader int32) kgo.EpochOffset {
	return kgo.EpochOffset{Epoch: leader, Offset: offset}
}

type member struct {
	out     *driver.Out
	s       driver.Settings
	group   string
	cl      *kgo.Client
	adm     *kadm.Client
	owned   driver.Owned
	inGroup bool

	mu      sync.Mutex
	wake    context.CancelFunc  // ends the poll under way
	tasks   []func()            // to be run between polls
	seeks   map[driver.TP]int64 // to be done when partitions are assigned again
	paused  bool
	closing bool
	signal  *sync.Cond
	over    chan struct{}
}

func options(c *driver.Command) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers()...)}
	if id := driver.Or(c.ClientID, ""); id != "" {
		opts = append(opts, kgo.ClientID(id))
	}
	return opts
}

func resetOffset(reset string) kgo.Offset {
	switch reset {
	case "latest":
		return kgo.NewOffset().AtEnd()
	case "none":
		return kgo.NoResetOffset()
	}
	return kgo.NewOffset().AtStart()
}

func newMember(out *driver.Out, c *driver.Command) (*member, []kgo.Opt, error) {
	s, err := c.Settings()
	if err != nil {
		return nil, nil, err
	}
	m := &member{out: out, s: s, group: c.Group, over: make(chan struct{})}
	m.signal = sync.NewCond(&m.mu)
	opts := append(options(c),
		kgo.MetadataMaxAge(s.MetadataMaxAge),
		kgo.MetadataMinAge(min(s.MetadataMaxAge, 250*time.Millisecond)),
		kgo.ConsumeResetOffset(resetOffset(s.Reset)),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if s.ReadCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	return m, opts, nil
}

func (m *member) start(opts []kgo.Opt) error {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return driver.Failf("%v", err)
	}
	m.mu.Lock()
	m.cl, m.adm = cl, kadm.NewClient(cl)
	m.mu.Unlock()
	go m.loop()
	return nil
}

func (franz) Consumer(out *driver.Out, c *driver.Command) (driver.Member, error) {
	m, opts, err := newMember(out, c)
	if err != nil {
		return nil, err
	}
	m.inGroup = true
	opts = append(opts,
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topics...),
		kgo.SessionTimeout(m.s.SessionTimeout),
		kgo.HeartbeatInterval(m.s.HeartbeatInterval),
		kgo.RebalanceTimeout(m.s.MaxPollInterval),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(m.assigned),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.lost),
		kgo.AdjustFetchOffsetsFn(m.adjust),
		kgo.WithHooks(m),
	)
	switch m.s.Assignor {
	case "default":
	case "range":
		opts = append(opts, kgo.Balancers(kgo.RangeBalancer()))
	case "roundrobin":
		opts = append(opts, kgo.Balancers(kgo.RoundRobinBalancer()))
	case "cooperative-sticky":
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	default:
		return nil, driver.Unsupported("no assignor %s", m.s.Assignor)
	}
	if m.s.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(m.s.InstanceID))
	}
	if m.s.AutoCommit {
		opts = append(opts,
			kgo.AutoCommitInterval(m.s.AutoCommitInterval),
			kgo.AutoCommitCallback(func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, err error) {
				if err = commitError(r, err); err != nil {
					m.out.Error("commit", err)
				}
			}),
		)
	} else {
		opts = append(opts, kgo.DisableAutoCommit())
	}
	return m, m.start(opts)
}

func (franz) Assign(out *driver.Out, c *driver.Command) (driver.Member, error) {
	m, opts, err := newMember(out, c)
	if err != nil {
		return nil, err
	}
	list, err := c.PartitionList()
	if err != nil {
		return nil, driver.Failf("bad partitions: %v", err)
	}
	if m.s.AutoCommit {
		return nil, driver.Unsupported("franz-go commits by itself only in a group")
	}
	from := driver.Or(c.From, driver.Where{Name: "earliest"})
	var committed kadm.OffsetResponses
	if from.Name == "committed" {
		ctx, cancel := timeout()
		defer cancel()
		adm, err := kadm.NewOptClient(options(c)...)
		if err != nil {
			return nil, driver.Failf("%v", err)
		}
		defer adm.Close()
		if committed, err = adm.FetchOffsets(ctx, c.Group); err != nil {
			return nil, err
		}
	}
	at := map[string]map[int32]kgo.Offset{}
	for _, tp := range list {
		o := kgo.NewOffset()
		switch from.Name {
		case "earliest":
			o = o.AtStart()
		case "latest":
			o = o.AtEnd()
		case "committed":
			if r, ok := committed.Lookup(tp.Topic, tp.Partition); ok && r.Err == nil && r.At >= 0 {
				o = o.At(r.At)
			} else {
				o = resetOffset(m.s.Reset)
			}
		case "":
			o = o.At(from.Number)
		default:
			return nil, driver.Failf("no such place: %s", from.Name)
		}
		if at[tp.Topic] == nil {
			at[tp.Topic] = map[int32]kgo.Offset{}
		}
		at[tp.Topic][tp.Partition] = o
		m.owned.Add([]driver.TP{tp})
		if from.Name == "" {
			m.owned.Set(tp, from.Number)
		}
	}
	return m, m.start(append(opts, kgo.ConsumePartitions(at)))
}

func flat(in map[string][]int32) (list []driver.TP) {
	for t, ps := range in {
		for _, p := range ps {
			list = append(list, driver.TP{Topic: t, Partition: p})
		}
	}
	return list
}

func (m *member) assigned(_ context.Context, cl *kgo.Client, added map[string][]int32) {
	list := flat(added)
	m.owned.Add(list)
	id, generation := cl.GroupMetadata()
	m.out.Assigned(list, generation, id)
}

func (m *member) revoked(ctx context.Context, cl *kgo.Client, gone map[string][]int32) {
	if m.s.AutoCommit {
		// The client's own callback, which this one replaces, commits here. All that was polled has been handled, since
		// rebalances wait until the loop allows them.
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			m.out.Error("commit", err)
		}
	}
	m.out.Revoked(m.owned.Remove(flat(gone)))
}

func (m *member) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	m.out.Lost(m.owned.Remove(flat(gone)))
}

// OnGroupManageError is the client's hook for what ends a group session.
func (m *member) OnGroupManageError(err error) {
	if !errors.Is(err, context.Canceled) {
		m.out.Error("heartbeat", err)
	}
}

func (m *member) loop() {
	defer close(m.over)
	for {
		ctx, open := m.between()
		if !open {
			return
		}
		m.cl.AllowRebalance()
		fetches := m.cl.PollRecords(ctx, 500)
		if fetches.IsClientClosed() {
			return
		}
		failed := false
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.Canceled) {
				continue
			}
			failed = true
			m.out.Error("poll", e.Err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { m.handle(p) })
		if failed {
			driver.Sleep(100*time.Millisecond, ctx.Done())
		}
	}
}

// between polls: do what was asked for, wait while paused. Rebalances are held up all the while, as they are in an
// application that is stuck in its records.
func (m *member) between() (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if m.closing {
			return nil, false
		}
		if len(m.tasks) > 0 {
			task := m.tasks[0]
			m.tasks = m.tasks[1:]
			m.mu.Unlock()
			task()
			m.mu.Lock()
			continue
		}
		if !m.paused {
			break
		}
		m.signal.Wait()
	}
	if m.wake != nil {
		m.wake()
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.wake = cancel
	return ctx, true
}

// interrupt the poll after a change of state.
func (m *member) interrupt(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	if m.wake != nil {
		m.wake()
	}
	m.signal.Broadcast()
}

func (m *member) handle(p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	tp := driver.TP{Topic: p.Topic, Partition: p.Partition}
	last := p.Records[len(p.Records)-1]
	offsets, values := make([]int64, 0, len(p.Records)), make([]string, 0, len(p.Records))
	for _, r := range p.Records {
		offsets = append(offsets, r.Offset)
	}
	if m.s.Values {
		for _, r := range p.Records {
			values = append(values, string(r.Value))
		}
	}
	m.out.Records(tp, offsets, values, m.s.Values)
	m.owned.Set(tp, last.Offset+1)
	if m.s.ProcessTime > 0 {
		time.Sleep(m.s.ProcessTime)
	}
	if m.s.CommitEach {
		o := []driver.Offset{{TP: tp, Offset: last.Offset + 1}}
		if err := m.commit(o, last.LeaderEpoch); err != nil {
			m.out.Error("commit", err)
		} else {
			m.out.Committed(o)
		}
	}
}

func timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 60*time.Second)
}

func commitError(r *kmsg.OffsetCommitResponse, err error) error {
	if err != nil || r == nil {
		return err
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *member) commit(list []driver.Offset, leader int32) (err error) {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := timeout()
	defer cancel()
	if !m.inGroup {
		if m.group == "" {
			return driver.Failf("no group to commit to")
		}
		var os kadm.Offsets
		for _, o := range list {
			os.AddOffset(o.Topic, o.Partition, o.Offset, leader)
		}
		return m.adm.CommitAllOffsets(ctx, m.group, os)
	}
	os := map[string]map[int32]kgo.EpochOffset{}
	for _, o := range list {
		if os[o.Topic] == nil {
			os[o.Topic] = map[int32]kgo.EpochOffset{}
		}
		os[o.Topic][o.Partition] = epoch(o.Offset, leader)
	}
	m.cl.CommitOffsetsSync(ctx, os, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, e error) {
		err = commitError(r, e)
	})
	return err
}

func (m *member) Commit() ([]driver.Offset, error) {
	list, err := m.Position()
	if err != nil {
		return nil, err
	}
	if err := m.commit(list, -1); err != nil {
		return nil, err
	}
	m.out.Committed(list)
	return list, nil
}

// Position of partitions nothing came from yet is what was committed, else where the reset leads.
func (m *member) Position() ([]driver.Offset, error) {
	known, without := m.owned.Positions()
	if len(without) == 0 {
		return known, nil
	}
	ctx, cancel := timeout()
	defer cancel()
	committed := kadm.OffsetResponses{}
	if m.group != "" {
		var err error
		if committed, err = m.adm.FetchOffsets(ctx, m.group); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, err
		}
	}
	for _, tp := range without {
		if r, ok := committed.Lookup(tp.Topic, tp.Partition); ok && r.Err == nil && r.At >= 0 {
			known = append(known, driver.Offset{TP: tp, Offset: r.At})
			continue
		}
		at, err := m.resolve(ctx, tp, driver.Where{Name: m.s.Reset})
		if err != nil {
			return nil, err
		}
		known = append(known, driver.Offset{TP: tp, Offset: at})
	}
	return known, nil
}

func (m *member) resolve(ctx context.Context, tp driver.TP, w driver.Where) (int64, error) {
	if w.Name == "" {
		return w.Number, nil
	}
	return listOffset(ctx, m.adm, tp, w)
}

func (m *member) Seek(c *driver.Command) error {
	done := make(chan error, 1)
	m.interrupt(func() {
		m.tasks = append(m.tasks, func() { done <- m.seek(c) })
	})
	select {
	case err := <-done:
		return err
	case <-m.over:
		return driver.Failf("the member has ended")
	}
}

func (m *member) seek(c *driver.Command) error {
	ctx, cancel := timeout()
	defer cancel()
	to := map[string]map[int32]kgo.EpochOffset{}
	for _, tp := range m.owned.Matching(c) {
		at, err := m.resolve(ctx, tp, *c.To)
		if err != nil {
			return err
		}
		if to[tp.Topic] == nil {
			to[tp.Topic] = map[int32]kgo.EpochOffset{}
		}
		to[tp.Topic][tp.Partition] = epoch(at, -1)
		m.owned.Set(tp, at)
	}
	if !m.inGroup {
		m.cl.SetOffsets(to)
		return nil
	}
	// The client moves only partitions of which it has an offset, committed or polled. It is made to look up the others
	// again, which it does when they are assigned.
	again := map[driver.TP]int64{}
	known := m.cl.CommittedOffsets()
	for t, ps := range to {
		for p, o := range ps {
			if _, ok := known[t][p]; !ok {
				again[driver.TP{Topic: t, Partition: p}] = o.Offset
			}
		}
	}
	if len(again) > 0 {
		if m.s.Assignor == "default" || m.s.Assignor == "cooperative-sticky" {
			return driver.Unsupported("franz-go cannot seek in partitions without an offset, and a cooperative member keeps them")
		}
		m.mu.Lock()
		m.seeks = again
		m.mu.Unlock()
		m.cl.ForceRebalance()
	}
	m.cl.SetOffsets(to)
	return nil
}

func (m *member) adjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t, ps := range offsets {
		for p := range ps {
			if at, ok := m.seeks[driver.TP{Topic: t, Partition: p}]; ok {
				ps[p] = kgo.NewOffset().At(at)
				m.owned.Set(driver.TP{Topic: t, Partition: p}, at)
			}
		}
	}
	m.seeks = nil
	return offsets, nil
}

func (m *member) Pause()  { m.interrupt(func() { m.paused = true }) }
func (m *member) Resume() { m.interrupt(func() { m.paused = false }) }

func (m *member) Close() error {
	m.interrupt(func() { m.closing = true })
	<-m.over
	m.cl.CloseAllowingRebalance()
	return nil
}

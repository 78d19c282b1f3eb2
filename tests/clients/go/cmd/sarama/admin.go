package main

import (
	"context"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"ottla.example/clients/driver"
)

func (client) Produce(ctx context.Context, c *driver.Command, r *driver.Report) error {
	cfg := config(c)
	cfg.Metadata.AllowAutoTopicCreation = true
	p := &cfg.Producer
	p.RequiredAcks = sarama.RequiredAcks(r.Acks)
	p.Return.Successes, p.Return.Errors = true, true
	// A minute, as long as it takes to start a broker again. Records fail also when the search for a leader does.
	p.Retry.Max = 600
	cfg.Metadata.Retry.Max = 240
	if r.Idempotent {
		p.Idempotent = true
		cfg.Net.MaxOpenRequests = 1
	}
	if r.Manual {
		p.Partitioner = sarama.NewManualPartitioner
	}
	if err := p.Compression.UnmarshalText([]byte(r.Codec)); err != nil {
		return driver.Unsupported("no compression %s", r.Codec)
	}
	producer, err := sarama.NewAsyncProducer(c.Brokers(), cfg)
	if err != nil {
		return err
	}
	var all, flying sync.WaitGroup
	all.Go(func() {
		for m := range producer.Successes() {
			r.Acked(m.Metadata.(int64), m.Partition, m.Offset)
			flying.Done()
		}
	})
	all.Go(func() {
		for e := range producer.Errors() {
			r.Failed(e.Err)
			flying.Done()
		}
	})
	r.Each(ctx, func(rec driver.Record) {
		m := &sarama.ProducerMessage{Topic: c.Topic, Partition: rec.Partition, Value: sarama.ByteEncoder(rec.Value), Metadata: rec.I}
		if rec.Key != nil {
			m.Key = sarama.ByteEncoder(rec.Key)
		}
		flying.Add(1)
		producer.Input() <- m
	})
	// A producer that is closing fails what it would try again otherwise.
	flying.Wait()
	producer.AsyncClose()
	all.Wait()
	return nil
}

func (client) Admin(_ context.Context, c *driver.Command) (driver.Fields, error) {
	adm, err := sarama.NewClusterAdmin(c.Brokers(), config(c))
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	p := c.PartitionNumber()
	switch c.Cmd {
	case "create_topic":
		n, err := c.PartitionCount()
		if err != nil {
			return nil, driver.Failf("bad partitions: %v", err)
		}
		if n == 0 {
			n = -1
		}
		return nil, adm.CreateTopic(c.Topic, &sarama.TopicDetail{NumPartitions: n, ReplicationFactor: -1, ConfigEntries: c.ConfigStrings()}, false)
	case "create_partitions":
		return nil, adm.CreatePartitions(c.Topic, c.Total, nil, false)
	case "delete_topic":
		return nil, adm.DeleteTopic(c.Topic)
	case "describe_topic":
		ts, err := adm.DescribeTopics([]string{c.Topic})
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			if t.Err != sarama.ErrNoError {
				return nil, t.Err
			}
			return driver.Fields{"partitions": len(t.Partitions)}, nil
		}
		return nil, sarama.ErrUnknownTopicOrPartition
	case "list_topics":
		ts, err := adm.ListTopics()
		if err != nil {
			return nil, err
		}
		list := []string{}
		for t := range ts {
			if !strings.HasPrefix(t, "__") {
				list = append(list, t)
			}
		}
		return driver.Fields{"topics": list}, nil
	case "describe_configs":
		rs, err := adm.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: c.Topic}}, sarama.DescribeConfigsOptions{})
		if err != nil {
			return nil, err
		}
		configs := map[string]string{}
		for _, r := range rs {
			if r.ErrorCode != sarama.ErrNoError {
				return nil, r.ErrorCode
			}
			for _, e := range r.Configs {
				configs[e.Name] = e.Value
			}
		}
		return driver.Fields{"configs": configs}, nil
	case "alter_configs":
		entries := map[string]sarama.IncrementalAlterConfigsEntry{}
		for k, v := range c.ConfigStrings() {
			entries[k] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: v}
		}
		return nil, adm.IncrementalAlterConfig(sarama.TopicResource, c.Topic, entries, false)
	case "list_offsets":
		at, err := place(c.At)
		if err != nil {
			return nil, err
		}
		rs, err := adm.ListOffsets(map[string]map[int32]int64{c.Topic: {p: at}}, nil)
		if err != nil {
			return nil, err
		}
		r := rs[c.Topic][p]
		if r == nil {
			return nil, sarama.ErrUnknownTopicOrPartition
		}
		if r.Err != nil && r.Err != sarama.ErrNoError {
			return nil, r.Err
		}
		return driver.Fields{"offset": r.Offset}, nil
	case "delete_records":
		if err := adm.DeleteRecords(c.Topic, map[int32]int64{p: c.Before}); err != nil {
			return nil, err
		}
		// The library drops the low watermark of the answer.
		rs, err := adm.ListOffsets(map[string]map[int32]int64{c.Topic: {p: sarama.OffsetOldest}}, nil)
		if err != nil {
			return nil, err
		}
		return driver.Fields{"low": rs[c.Topic][p].Offset}, nil
	case "list_groups":
		gs, err := adm.ListConsumerGroups()
		if err != nil {
			return nil, err
		}
		list := []string{}
		for g := range gs {
			list = append(list, g)
		}
		return driver.Fields{"groups": list}, nil
	case "describe_group":
		gs, err := adm.DescribeConsumerGroups([]string{c.Group})
		if err != nil {
			return nil, err
		}
		for _, g := range gs {
			if g.Err != sarama.ErrNoError {
				return nil, g.Err
			}
			members := []driver.Fields{}
			for id, m := range g.Members {
				list := []driver.TP{}
				if a, err := m.GetMemberAssignment(); err == nil && a != nil {
					list = append(list, flat(a.Topics)...)
				}
				members = append(members, driver.Fields{"member": id, "client": m.ClientId, "host": m.ClientHost, "instance": m.GroupInstanceId, "partitions": list})
			}
			return driver.Fields{"state": g.State, "protocol": g.Protocol, "members": members}, nil
		}
		return nil, sarama.ErrGroupIDNotFound
	case "committed":
		n, err := c.PartitionCount()
		if err != nil {
			return nil, driver.Failf("bad partitions: %v", err)
		}
		ask := map[string][]int32{c.Topic: {}}
		for i := range n {
			ask[c.Topic] = append(ask[c.Topic], i)
		}
		r, err := adm.ListConsumerGroupOffsets(c.Group, ask)
		if err != nil {
			return nil, err
		}
		list := []driver.Offset{}
		for i := range n {
			o := driver.Offset{TP: driver.TP{Topic: c.Topic, Partition: i}, Offset: -1}
			if b := r.GetBlock(c.Topic, i); b != nil {
				if b.Err != sarama.ErrNoError {
					return nil, b.Err
				}
				o.Offset = b.Offset
			}
			list = append(list, o)
		}
		return driver.Fields{"offsets": list}, nil
	case "delete_group":
		return nil, adm.DeleteConsumerGroup(c.Group)
	case "delete_offsets":
		return nil, adm.DeleteConsumerGroupOffset(c.Group, c.Topic, p)
	case "alter_offsets":
		os := map[string]map[int32]sarama.OffsetAndMetadata{}
		for _, o := range c.Offsets {
			if os[o.Topic] == nil {
				os[o.Topic] = map[int32]sarama.OffsetAndMetadata{}
			}
			os[o.Topic][o.Partition] = sarama.OffsetAndMetadata{Offset: o.Offset, LeaderEpoch: -1}
		}
		return nil, commitError(adm.AlterConsumerGroupOffsets(c.Group, os, nil))
	}
	return nil, driver.Unsupported("no command %s", c.Cmd)
}

func place(w *driver.Where) (int64, error) {
	if w == nil {
		return 0, driver.Failf("list_offsets needs `at`")
	}
	switch w.Name {
	case "":
		return w.Number, nil
	case "earliest":
		return sarama.OffsetOldest, nil
	case "latest":
		return sarama.OffsetNewest, nil
	case "max_timestamp":
		return 0, driver.Unsupported("sarama asks ListOffsets up to version 6; the greatest timestamp came with 7")
	}
	return 0, driver.Failf("no such place: %s", w.Name)
}

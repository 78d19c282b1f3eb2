package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla.example/clients/driver"
)

func (franz) Produce(ctx context.Context, c *driver.Command, r *driver.Report) error {
	opts := append(options(c),
		kgo.AllowAutoTopicCreation(),
		kgo.RecordDeliveryTimeout(2*time.Minute),
	)
	switch r.Acks {
	case 0:
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	case 1:
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	default:
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	}
	if !r.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if r.Manual {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	codec, ok := codecs[r.Codec]
	if !ok {
		return driver.Unsupported("no compression %s", r.Codec)
	}
	cl, err := kgo.NewClient(append(opts, kgo.ProducerBatchCompression(codec))...)
	if err != nil {
		return driver.Failf("%v", err)
	}
	defer cl.Close()
	var all sync.WaitGroup
	r.Each(ctx, func(rec driver.Record) {
		all.Add(1)
		k := &kgo.Record{Topic: c.Topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value}
		cl.Produce(ctx, k, func(k *kgo.Record, err error) {
			defer all.Done()
			if err != nil {
				r.Failed(err)
				return
			}
			r.Acked(rec.I, k.Partition, k.Offset)
		})
	})
	all.Wait()
	return nil
}

func listOffset(ctx context.Context, adm *kadm.Client, tp driver.TP, w driver.Where) (int64, error) {
	var l kadm.ListedOffsets
	var err error
	switch w.Name {
	case "earliest":
		l, err = adm.ListStartOffsets(ctx, tp.Topic)
	case "latest":
		l, err = adm.ListEndOffsets(ctx, tp.Topic)
	case "max_timestamp":
		l, err = adm.ListMaxTimestampOffsets(ctx, tp.Topic)
	case "":
		l, err = adm.ListOffsetsAfterMilli(ctx, w.Number, tp.Topic)
	default:
		return 0, driver.Failf("no such place: %s", w.Name)
	}
	if err != nil {
		return 0, err
	}
	o, ok := l.Lookup(tp.Topic, tp.Partition)
	if !ok {
		return 0, kerr.UnknownTopicOrPartition
	}
	if o.Err == nil && w.Name == "" && o.Timestamp < 0 {
		return -1, nil // the library gives the end of the log where Kafka says that there is no such record
	}
	return o.Offset, o.Err
}

func (franz) Admin(ctx context.Context, c *driver.Command) (driver.Fields, error) {
	adm, err := kadm.NewOptClient(options(c)...)
	if err != nil {
		return nil, driver.Failf("%v", err)
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
		r, err := adm.CreateTopic(ctx, n, -1, c.ConfigStrings(), c.Topic)
		return nil, first(err, r.Err)
	case "create_partitions":
		r, err := adm.UpdatePartitions(ctx, int(c.Total), c.Topic)
		return nil, first(err, r.Error())
	case "delete_topic":
		r, err := adm.DeleteTopic(ctx, c.Topic)
		return nil, first(err, r.Err)
	case "describe_topic":
		ts, err := adm.ListTopicsWithInternal(ctx, c.Topic)
		if err = first(err, ts[c.Topic].Err); err != nil {
			return nil, err
		}
		return driver.Fields{"partitions": len(ts[c.Topic].Partitions)}, nil
	case "list_topics":
		ts, err := adm.ListTopics(ctx)
		if err != nil {
			return nil, err
		}
		return driver.Fields{"topics": append([]string{}, ts.Names()...)}, nil
	case "describe_configs":
		rs, err := adm.DescribeTopicConfigs(ctx, c.Topic)
		if err != nil {
			return nil, err
		}
		r, err := rs.On(c.Topic, nil)
		if err = first(err, r.Err); err != nil {
			return nil, err
		}
		configs := map[string]*string{}
		for _, e := range r.Configs {
			configs[e.Key] = e.Value
		}
		return driver.Fields{"configs": configs}, nil
	case "alter_configs":
		var alter []kadm.AlterConfig
		for k, v := range c.ConfigStrings() {
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: v})
		}
		rs, err := adm.AlterTopicConfigs(ctx, alter, c.Topic)
		for _, r := range rs {
			err = first(err, r.Err)
		}
		return nil, err
	case "list_offsets":
		if c.At == nil {
			return nil, driver.Failf("list_offsets needs `at`")
		}
		o, err := listOffset(ctx, adm, driver.TP{Topic: c.Topic, Partition: p}, *c.At)
		return driver.Fields{"offset": o}, err
	case "delete_records":
		var os kadm.Offsets
		os.AddOffset(c.Topic, p, c.Before, -1)
		rs, err := adm.DeleteRecords(ctx, os)
		if err != nil {
			return nil, err
		}
		r, ok := rs[c.Topic][p]
		if !ok {
			return nil, kerr.UnknownTopicOrPartition
		}
		return driver.Fields{"low": r.LowWatermark}, r.Err
	case "list_groups":
		gs, err := adm.ListGroups(ctx)
		if err != nil {
			return nil, err
		}
		return driver.Fields{"groups": append([]string{}, gs.Groups()...)}, nil
	case "describe_group":
		return describeGroup(ctx, adm, c.Group)
	case "committed":
		n, err := c.PartitionCount()
		if err != nil {
			return nil, driver.Failf("bad partitions: %v", err)
		}
		rs, err := adm.FetchOffsetsForTopics(ctx, c.Group, c.Topic)
		if err != nil {
			return nil, err
		}
		var list []driver.Offset
		for i := range n {
			o := driver.Offset{TP: driver.TP{Topic: c.Topic, Partition: i}, Offset: -1}
			if r, ok := rs.Lookup(c.Topic, i); ok {
				if r.Err != nil {
					return nil, r.Err
				}
				o.Offset = r.At
			}
			list = append(list, o)
		}
		return driver.Fields{"offsets": list}, nil
	case "delete_group":
		r, err := adm.DeleteGroup(ctx, c.Group)
		return nil, first(err, r.Err)
	case "delete_offsets":
		s := kadm.TopicsSet{}
		s.Add(c.Topic, p)
		rs, err := adm.DeleteOffsets(ctx, c.Group, s)
		return nil, first(err, rs.Error())
	case "alter_offsets":
		var os kadm.Offsets
		for _, o := range c.Offsets {
			os.AddOffset(o.Topic, o.Partition, o.Offset, -1)
		}
		return nil, adm.CommitAllOffsets(ctx, c.Group, os)
	}
	return nil, driver.Unsupported("no command %s", c.Cmd)
}

func describeGroup(ctx context.Context, adm *kadm.Client, group string) (driver.Fields, error) {
	gs, err := adm.DescribeGroups(ctx, group)
	if err != nil {
		return nil, err
	}
	g := gs[group]
	members := []driver.Fields{}
	if g.Err != nil || g.State == "Dead" {
		// Not a classic group, or none at all.
		cs, err := adm.DescribeConsumerGroups(ctx, group)
		c := cs[group]
		if err != nil || c.Err != nil {
			if g.Err == nil {
				return driver.Fields{"state": g.State, "protocol": g.Protocol, "members": members}, nil
			}
			return nil, first(g.Err, err)
		}
		for _, m := range c.Members {
			list := []driver.TP{}
			m.Assignment.Each(func(t string, p int32) { list = append(list, driver.TP{Topic: t, Partition: p}) })
			members = append(members, describeMember(m.MemberID, m.ClientID, m.ClientHost, m.InstanceID, list))
		}
		return driver.Fields{"state": c.State, "protocol": c.AssignorName, "members": members}, nil
	}
	for _, m := range g.Members {
		list := []driver.TP{}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				for _, p := range t.Partitions {
					list = append(list, driver.TP{Topic: t.Topic, Partition: p})
				}
			}
		}
		members = append(members, describeMember(m.MemberID, m.ClientID, m.ClientHost, m.InstanceID, list))
	}
	return driver.Fields{"state": g.State, "protocol": g.Protocol, "members": members}, nil
}

func describeMember(id, client, host string, instance *string, list []driver.TP) driver.Fields {
	return driver.Fields{"member": id, "client": client, "host": host, "instance": instance, "partitions": list}
}

// first error of several. Errors of a shard carry the error of the broker.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			var s *kadm.ShardErrors
			if errors.As(err, &s) && len(s.Errs) > 0 {
				return s.Errs[0].Err
			}
			return err
		}
	}
	return nil
}

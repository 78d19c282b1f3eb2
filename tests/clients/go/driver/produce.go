package driver

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// Record to be sent. Partition is -1 if the client shall choose.
type Record struct {
	I          int64
	Partition  int32
	Key, Value []byte
}

// Report is the plan of a produce command and what became of it.
type Report struct {
	Acks       int // -1, 0 or 1
	Idempotent bool
	Codec      string
	Manual     bool // the driver chooses the partition

	c          *Command
	partitions int32
	prefix     string

	mu     sync.Mutex
	acked  [][3]int64
	failed int
	first  string
}

func newReport(c *Command) (*Report, error) {
	r := &Report{c: c, Acks: -1, Codec: Or(c.Compression, "none"), prefix: Or(c.Prefix, "v"), acked: [][3]int64{}}
	if c.Acks != nil && c.Acks.Name != "all" {
		r.Acks = int(c.Acks.Number)
	}
	// Idempotence needs all acknowledgements; who asks for fewer and says nothing of it does not want it.
	r.Idempotent = Or(c.Idempotent, r.Acks == -1)
	if r.Idempotent && r.Acks != -1 {
		return nil, Failf("an idempotent producer needs acks all")
	}
	var err error
	if r.partitions, err = c.PartitionCount(); err != nil {
		return nil, Failf("bad partitions: %v", err)
	}
	r.Manual = c.Partition != nil || r.partitions > 0
	return r, nil
}

// Each makes the records one after the other, at the wanted rate, until there are no more or ctx ends.
func (r *Report) Each(ctx context.Context, send func(Record)) {
	begin := time.Now()
	first := Or(r.c.First, 0)
	rate, size, keys := Or(r.c.Rate, 0), Or(r.c.Size, 0), Or(r.c.Keys, false)
	for n := range r.c.Count {
		if rate > 0 {
			due := begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			if wait := time.Until(due); wait > 0 {
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		i := first + n
		name := fmt.Sprintf("%s-%d", r.prefix, i)
		rec := Record{I: i, Partition: -1}
		if keys {
			rec.Key = []byte(name)
		}
		if len(name) < size {
			name += strings.Repeat(".", size-len(name))
		}
		rec.Value = []byte(name)
		if r.c.Partition != nil {
			rec.Partition = *r.c.Partition
		} else if r.partitions > 0 {
			rec.Partition = int32(i % int64(r.partitions))
		}
		send(rec)
	}
}

// Acked says where a record went. Without acknowledgements nobody knows the offset, whatever the client makes up.
func (r *Report) Acked(i int64, partition int32, offset int64) {
	if r.Acks == 0 {
		offset = -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = append(r.acked, [3]int64{i, int64(partition), offset})
}

// Failed says that a record was not taken.
func (r *Report) Failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	if r.first == "" {
		r.first = NameOf(err)
		fmt.Fprintf(os.Stderr, "%s: first record failed: %v\n", r.c.ID, err)
	}
}

func (r *Report) fields() Fields {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := Fields{"acked": len(r.acked), "failed": r.failed}
	if r.first != "" {
		f["first_error"] = r.first
	}
	if Or(r.c.Report, true) {
		sort.Slice(r.acked, func(a, b int) bool { return r.acked[a][0] < r.acked[b][0] })
		f["acks"] = r.acked
	}
	return f
}

// Package driver is the part of a driver that does not depend on the client: it reads commands, runs them (one after the
// other for an id, at the same time for different ids) and writes events. See ../../PROTOCOL.md.
package driver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Client is what a client library must be able to do.
type Client interface {
	// Consumer starts a group member and its poll loop.
	Consumer(out *Out, c *Command) (Member, error)
	// Assign starts a consumer of given partitions and its poll loop.
	Assign(out *Out, c *Command) (Member, error)
	// Produce sends records and reports each of them.
	Produce(ctx context.Context, c *Command, r *Report) error
	// Transact opens a transactional producer that is initialized.
	Transact(c *Command) (Transactor, error)
	// Transform prepares a consume-transform-produce loop.
	Transform(out *Out, c *Command) (Transforming, error)
	// Admin runs an admin command and returns the fields of its `done`.
	Admin(ctx context.Context, c *Command) (Fields, error)
	// Code is the Kafka error code in an error, if there is one.
	Code(err error) (int16, bool)
}

// Member is a running consumer.
type Member interface {
	Close() error
	Commit() ([]Offset, error)
	Position() ([]Offset, error)
	Seek(c *Command) error
	Pause()
	Resume()
}

// Fields of an event.
type Fields map[string]any

type failure struct{ name, text string }

func (f *failure) Error() string { return f.text }

// Unsupported says that the library lacks something.
func Unsupported(format string, a ...any) error {
	return &failure{"UNSUPPORTED", fmt.Sprintf(format, a...)}
}

// Failf is an error of the driver itself.
func Failf(format string, a ...any) error { return &failure{"CLIENT", fmt.Sprintf(format, a...)} }

var (
	client  Client
	started = time.Now()
	writing sync.Mutex
)

// Names of today where the table in use has an older one.
var newNames = map[int16]string{6: "NOT_LEADER_OR_FOLLOWER"}

// NameOf is the Kafka name of an error, UNSUPPORTED or CLIENT.
func NameOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.name
	}
	if code, ok := client.Code(err); ok {
		if name, ok := newNames[code]; ok {
			return name
		}
		var k *kerr.Error
		if errors.As(kerr.ErrorForCode(code), &k) {
			return k.Message
		}
	}
	return "CLIENT"
}

func emit(event, id string, f Fields) {
	line := Fields{"event": event}
	if id != "" {
		line["id"] = id
	}
	for k, v := range f {
		line[k] = v
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// The time is taken under the lock, so it never goes backwards from line to line.
	writing.Lock()
	defer writing.Unlock()
	line["ms"] = time.Since(started).Milliseconds()
	if err := enc.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "cannot write event:", err)
		return
	}
	_, _ = os.Stdout.Write(b.Bytes())
}

// Version is the version of a module this program was built with.
func Version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return m.Version[1:]
			}
		}
	}
	return "unknown"
}

type actor struct {
	id      string
	queue   chan *Command
	member  Member
	steps   Transactor
	loop    *transform
	running context.Context
}

// Main runs the driver until the end of stdin.
func Main(name, version string, c Client) {
	client = c
	emit("ready", "", Fields{"client": name, "version": version})
	ctx, cancel := context.WithCancel(context.Background())
	actors := map[string]*actor{}
	var all sync.WaitGroup
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			cmd := new(Command)
			if bad := json.Unmarshal(line, cmd); bad != nil {
				failed(cmd, Failf("bad command: %v", bad))
			} else {
				a := actors[cmd.ID]
				if a == nil {
					a = &actor{id: cmd.ID, queue: make(chan *Command, 1000), running: ctx}
					actors[cmd.ID] = a
					all.Go(a.run)
				}
				a.queue <- cmd
			}
		}
		if err != nil {
			if err != io.EOF {
				fmt.Fprintln(os.Stderr, "cannot read commands:", err)
			}
			break
		}
	}
	// What was asked for is finished first, within reason.
	time.AfterFunc(30*time.Second, cancel)
	time.AfterFunc(60*time.Second, func() {
		fmt.Fprintln(os.Stderr, "closing took too long")
		os.Exit(1)
	})
	for _, a := range actors {
		close(a.queue)
	}
	all.Wait()
	cancel()
}

func (a *actor) run() {
	for c := range a.queue {
		fields, err := a.do(c)
		if err != nil {
			failed(c, err)
			continue
		}
		done := Fields{"cmd": c.Cmd}
		for k, v := range fields {
			done[k] = v
		}
		emit("done", a.id, done)
	}
	if a.member != nil || a.loop != nil || a.steps != nil {
		_ = a.close()
	}
}

func failed(c *Command, err error) {
	emit("failed", c.ID, Fields{"cmd": c.Cmd, "error": NameOf(err), "message": err.Error()})
}

func (a *actor) close() (err error) {
	if a.steps != nil {
		err, a.steps = a.steps.Close(), nil
		return err
	}
	if a.loop != nil {
		_, a.loop = a.loop.Close(), nil
		emit("ended", a.id, nil)
		return nil
	}
	m := a.member
	a.member = nil
	if err = m.Close(); err != nil {
		(&Out{id: a.id}).Error("close", err)
	}
	emit("ended", a.id, nil)
	return err
}

func (a *actor) do(c *Command) (f Fields, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Failf("panic: %v", p)
			fmt.Fprintf(os.Stderr, "panic in %s: %v\n%s", c.Cmd, p, debug.Stack())
		}
	}()
	switch c.Cmd {
	case "consumer", "assign":
		if a.member != nil {
			return nil, Failf("there is already a member %s", a.id)
		}
		start := client.Consumer
		if c.Cmd == "assign" {
			start = client.Assign
		}
		m, err := start(&Out{id: a.id}, c)
		if err != nil {
			return nil, err
		}
		a.member = m
		return nil, nil
	case "transact", "transform", "begin", "send", "offsets", "end":
		return a.transaction(c)
	case "close", "commit", "position", "seek", "pause", "resume":
		if c.Cmd == "close" && (a.loop != nil || a.steps != nil) {
			return nil, a.close()
		}
		if a.member == nil {
			return nil, Failf("no member %s", a.id)
		}
		switch c.Cmd {
		case "close":
			_ = a.close()
		case "commit":
			o, err := a.member.Commit()
			return Fields{"offsets": sorted(o)}, err
		case "position":
			o, err := a.member.Position()
			return Fields{"offsets": sorted(o)}, err
		case "seek":
			if c.To == nil {
				return nil, Failf("seek needs `to`")
			}
			return nil, a.member.Seek(c)
		case "pause":
			a.member.Pause()
		case "resume":
			a.member.Resume()
		}
		return nil, nil
	case "produce":
		r, err := newReport(c)
		if err != nil {
			return nil, err
		}
		if err := client.Produce(a.running, c, r); err != nil {
			return nil, err
		}
		return r.fields(), nil
	default:
		ctx, cancel := context.WithTimeout(a.running, 60*time.Second)
		defer cancel()
		return client.Admin(ctx, c)
	}
}

func (a *actor) transaction(c *Command) (f Fields, err error) {
	switch c.Cmd {
	case "transact":
		a.steps, err = client.Transact(c)
		return nil, err
	case "transform":
		t, err := client.Transform(&Out{id: a.id}, c)
		if err != nil {
			return nil, err
		}
		a.loop, err = startTransform(a.running, &Out{id: a.id}, t)
		return nil, err
	}
	if a.steps == nil {
		return nil, Failf("no producer %s", a.id)
	}
	switch c.Cmd {
	case "begin":
		return nil, a.steps.Begin()
	case "send":
		values, err := c.ValueList()
		if err != nil {
			return nil, Failf("bad values: %v", err)
		}
		offsets, err := a.steps.Send(c.Topic, c.PartitionNumber(), values)
		return Fields{"offsets": offsets}, err
	case "offsets":
		return nil, a.steps.Offsets(c.Group, c.Offsets)
	default:
		return nil, a.steps.End(Or(c.Commit, true))
	}
}

func sorted(o []Offset) []Offset {
	if o == nil {
		o = []Offset{}
	}
	sort.Slice(o, func(i, j int) bool { return less(o[i].TP, o[j].TP) })
	return o
}

func less(a, b TP) bool {
	if a.Topic != b.Topic {
		return a.Topic < b.Topic
	}
	return a.Partition < b.Partition
}

// Out writes the events of one actor.
type Out struct{ id string }

// Name of the actor.
func (o *Out) Name() string { return o.id }

// Assigned reports newly added partitions.
func (o *Out) Assigned(list []TP, generation int32, member string) {
	f := Fields{"partitions": partitions(list)}
	if generation >= 0 {
		f["generation"] = generation
	}
	if member != "" {
		f["member"] = member
	}
	emit("assigned", o.id, f)
}

// Revoked reports partitions given back in good order.
func (o *Out) Revoked(list []TP) {
	if len(list) > 0 {
		emit("revoked", o.id, Fields{"partitions": partitions(list)})
	}
}

// Lost reports partitions taken away.
func (o *Out) Lost(list []TP) {
	if len(list) > 0 {
		emit("lost", o.id, Fields{"partitions": partitions(list)})
	}
}

// Records reports one batch of one partition.
func (o *Out) Records(tp TP, offsets []int64, values []string, list bool) {
	first, last, count := offsets[0], offsets[len(offsets)-1], len(offsets)
	f := Fields{"topic": tp.Topic, "partition": tp.Partition, "first": first, "last": last, "count": count}
	if last-first+1 != int64(count) {
		f["offsets"] = offsets
	}
	if list {
		f["values"] = values
	}
	emit("records", o.id, f)
}

// Committed reports a commit made by the driver.
func (o *Out) Committed(list []Offset) { emit("committed", o.id, Fields{"offsets": sorted(list)}) }

// Error reports an error that belongs to no command.
func (o *Out) Error(during string, err error) {
	emit("error", o.id, Fields{"error": NameOf(err), "message": err.Error(), "during": during})
}

// Ended reports that the client gave up.
func (o *Out) Ended() { emit("ended", o.id, nil) }

func partitions(list []TP) []TP {
	if list == nil {
		return []TP{}
	}
	sort.Slice(list, func(i, j int) bool { return less(list[i], list[j]) })
	return list
}

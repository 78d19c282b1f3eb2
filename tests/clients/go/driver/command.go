package driver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TP is one partition.
type TP struct {
	Topic     string
	Partition int32
}

// MarshalJSON writes the ["topic", number] pair of the protocol.
func (tp TP) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{tp.Topic, tp.Partition})
}

// UnmarshalJSON reads the ["topic", number] pair of the protocol.
func (tp *TP) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &tp.Topic, &tp.Partition)
}

// Offset is one partition with an offset.
type Offset struct {
	TP
	Offset int64
}

// MarshalJSON writes the ["topic", number, offset] triple of the protocol.
func (o Offset) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{o.Topic, o.Partition, o.Offset})
}

// UnmarshalJSON reads the ["topic", number, offset] triple of the protocol.
func (o *Offset) UnmarshalJSON(b []byte) error {
	return unmarshalTuple(b, &o.Topic, &o.Partition, &o.Offset)
}

func marshalTuple(values ...any) ([]byte, error) { return json.Marshal(values) }

func unmarshalTuple(b []byte, into ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != len(into) {
		return fmt.Errorf("expected %d elements in %s", len(into), b)
	}
	for i := range raw {
		if err := json.Unmarshal(raw[i], into[i]); err != nil {
			return err
		}
	}
	return nil
}

// Where is a place in a log: a name ("earliest", "latest", "committed", "max_timestamp", ...) or a number.
type Where struct {
	Name   string
	Number int64
}

// UnmarshalJSON accepts a name, a number, or a number written as a name.
func (w *Where) UnmarshalJSON(b []byte) error {
	s := string(bytes.TrimSpace(b))
	if s == "null" {
		return nil
	}
	if strings.HasPrefix(s, `"`) {
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		w.Number = n
		return nil
	}
	w.Name = s
	return nil
}

// Command is one line from stdin. It has the fields of all commands.
type Command struct {
	Cmd       string `json:"cmd"`
	ID        string `json:"id"`
	Bootstrap string `json:"bootstrap"`

	Group              string          `json:"group"`
	Topics             []string        `json:"topics"`
	Assignor           *string         `json:"assignor"`
	InstanceID         *string         `json:"instance_id"`
	ClientID           *string         `json:"client_id"`
	AutoCommit         *bool           `json:"auto_commit"`
	AutoCommitInterval *int64          `json:"auto_commit_interval_ms"`
	CommitEach         *bool           `json:"commit_each"`
	SessionTimeout     *int64          `json:"session_timeout_ms"`
	HeartbeatInterval  *int64          `json:"heartbeat_interval_ms"`
	MaxPollInterval    *int64          `json:"max_poll_interval_ms"`
	Reset              *string         `json:"reset"`
	MetadataMaxAge     *int64          `json:"metadata_max_age_ms"`
	ProcessTime        *int64          `json:"process_ms"`
	ValuesOrWhether    json.RawMessage `json:"values"`
	From               *Where          `json:"from"`
	To                 *Where          `json:"to"`
	At                 *Where          `json:"at"`
	Topic              string          `json:"topic"`
	Partition          *int32          `json:"partition"`
	PartitionsOrCount  json.RawMessage `json:"partitions"`

	Count       int64    `json:"count"`
	First       *int64   `json:"first"`
	Prefix      *string  `json:"prefix"`
	Acks        *Where   `json:"acks"`
	Idempotent  *bool    `json:"idempotent"`
	Compression *string  `json:"compression"`
	Size        *int     `json:"size"`
	Rate        *float64 `json:"rate"`
	Keys        *bool    `json:"keys"`
	Report      *bool    `json:"report"`

	Isolation       *string `json:"isolation"`
	TransactionalID string  `json:"transactional_id"`
	TxnTimeout      *int64  `json:"transaction_timeout_ms"`
	AbortEvery      *int64  `json:"abort_every"`
	Batch           *int64  `json:"batch"`
	Commit          *bool   `json:"commit"`

	Configs map[string]any `json:"configs"`
	Total   int32          `json:"total"`
	Before  int64          `json:"before"`
	Offsets []Offset       `json:"offsets"`
}

// Or is the value behind a pointer, or what to take if there is none.
func Or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func millis(p *int64, otherwise int64) time.Duration {
	return time.Duration(Or(p, otherwise)) * time.Millisecond
}

// Brokers are the bootstrap addresses.
func (c *Command) Brokers() []string { return strings.Split(c.Bootstrap, ",") }

// PartitionCount is `partitions` as a number; 0 if there is none.
func (c *Command) PartitionCount() (int32, error) {
	var n int32
	if len(c.PartitionsOrCount) == 0 || string(c.PartitionsOrCount) == "null" {
		return 0, nil
	}
	err := json.Unmarshal(c.PartitionsOrCount, &n)
	return n, err
}

// PartitionList is `partitions` as a list.
func (c *Command) PartitionList() ([]TP, error) {
	var list []TP
	err := json.Unmarshal(c.PartitionsOrCount, &list)
	return list, err
}

// ValueList is `values` as a list.
func (c *Command) ValueList() (list []string, err error) {
	err = json.Unmarshal(c.ValuesOrWhether, &list)
	return list, err
}

// FromTopic is `from` of a transform.
func (c *Command) FromTopic() string { return Or(c.From, Where{}).Name }

// ToTopic is `to` of a transform.
func (c *Command) ToTopic() string { return Or(c.To, Where{}).Name }

// TransactionTimeout is how long a transaction may take.
func (c *Command) TransactionTimeout() time.Duration { return millis(c.TxnTimeout, 60000) }

// PartitionNumber is `partition`; 0 if there is none.
func (c *Command) PartitionNumber() int32 { return Or(c.Partition, 0) }

// ConfigStrings are the configs, with numbers and booleans written as Kafka reads them.
func (c *Command) ConfigStrings() map[string]*string {
	out := make(map[string]*string, len(c.Configs))
	for k, v := range c.Configs {
		s := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			s = strconv.FormatFloat(f, 'f', -1, 64)
		}
		out[k] = &s
	}
	return out
}

// Settings are the settings of a member with their defaults applied.
type Settings struct {
	Assignor           string
	InstanceID         string
	ClientID           string
	AutoCommit         bool
	AutoCommitInterval time.Duration
	CommitEach         bool
	SessionTimeout     time.Duration
	HeartbeatInterval  time.Duration
	MaxPollInterval    time.Duration
	Reset              string
	MetadataMaxAge     time.Duration
	ProcessTime        time.Duration
	Values             bool
	ReadCommitted      bool
}

// Settings applies the defaults of the protocol; manual assignment commits only when told to.
func (c *Command) Settings() (Settings, error) {
	s := Settings{
		Assignor:           Or(c.Assignor, "range"),
		InstanceID:         Or(c.InstanceID, ""),
		ClientID:           Or(c.ClientID, ""),
		AutoCommit:         Or(c.AutoCommit, false),
		AutoCommitInterval: millis(c.AutoCommitInterval, 1000),
		CommitEach:         Or(c.CommitEach, c.Cmd == "consumer"),
		SessionTimeout:     millis(c.SessionTimeout, 6000),
		HeartbeatInterval:  millis(c.HeartbeatInterval, 500),
		MaxPollInterval:    millis(c.MaxPollInterval, 60000),
		Reset:              Or(c.Reset, "earliest"),
		MetadataMaxAge:     millis(c.MetadataMaxAge, 1000),
		ProcessTime:        millis(c.ProcessTime, 0),
		Values:             string(c.ValuesOrWhether) != "false",
		ReadCommitted:      Or(c.Isolation, "") == "read_committed",
	}
	if s.AutoCommit {
		s.CommitEach = false
	}
	switch s.Reset {
	case "earliest", "latest", "none":
	default:
		return s, Failf("no such reset: %s", s.Reset)
	}
	return s, nil
}

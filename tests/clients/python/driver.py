"""What the two Python drivers share: commands in, events out, one thread per actor.

`PROTOCOL.md` in the parent directory is the contract. Nothing here knows a client library: a driver hands `run` a
`Client`, whose sessions (group members and manual assignments), producer and admin verbs do the library's part.
"""

import json
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque

POLL_SECONDS = 0.1
BACKOFF_SECONDS_MAX = 1.0
CLOSE_SECONDS_MAX = 60

MEMBER_STARTS = {"consumer", "assign", "transform"}
STEPS = {"begin", "send", "offsets", "end", "close"}
MEMBER_COMMANDS = {"close", "commit", "seek", "pause", "resume", "position"}
ADMIN_VERBS = {
    "create_topic", "create_partitions", "delete_topic", "describe_topic", "list_topics", "describe_configs",
    "alter_configs", "list_offsets", "delete_records", "list_groups", "describe_group", "committed", "delete_group",
    "delete_offsets", "alter_offsets",
}

# What the libraries call an error, where that differs from Kafka's own name.
KAFKA_NAMES = {
    "INVALID_MSG": "CORRUPT_MESSAGE",
    "INVALID_MSG_SIZE": "INVALID_FETCH_SIZE",
    "INVALID_REPLICATION_ASSIGNMENT": "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_TOPIC": "INVALID_TOPIC_EXCEPTION",
    "MESSAGE_SIZE_TOO_LARGE": "MESSAGE_TOO_LARGE",
    "MSG_SIZE_TOO_LARGE": "MESSAGE_TOO_LARGE",
    "NOT_LEADER_FOR_PARTITION": "NOT_LEADER_OR_FOLLOWER",
    "STALE_CTRL_EPOCH": "STALE_CONTROLLER_EPOCH",
    "TOPIC_EXCEPTION": "INVALID_TOPIC_EXCEPTION",
    "UNKNOWN": "UNKNOWN_SERVER_ERROR",
    "UNKNOWN_TOPIC_OR_PART": "UNKNOWN_TOPIC_OR_PARTITION",
}


class Failure(Exception):
    """An answer the driver itself decides on: a Kafka error name, `CLIENT` or `UNSUPPORTED`."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


def unsupported(message):
    """The failure for whatever the client library cannot do."""
    return Failure("UNSUPPORTED", message)


class Session(ABC):
    """One consumer of the client library, used from its actor's thread only.

    The library's rebalance callbacks go to the `listener` (a `MemberActor`): `assigned`, `revoked`, `lost`, `records`
    and `error`, none of which raises.
    """

    @abstractmethod
    def poll(self, seconds):
        """Polls once; returns `[(topic, partition, [(offset, value)])]` in offset order."""

    @abstractmethod
    def commit(self, offsets):
        """Commits `[(topic, partition, offset)]` synchronously or raises."""

    @abstractmethod
    def positions(self):
        """The next offset of every assigned partition, -1 where the client does not know it."""

    @abstractmethod
    def assignment(self):
        """The assigned partitions as `[(topic, partition)]`."""

    @abstractmethod
    def seek(self, topic, partition, to):
        """Moves one partition to `earliest`, `latest` or an offset."""

    @abstractmethod
    def close(self):
        """Closes the client, leaving its group."""


class Client(ABC):
    """The client library of a driver."""

    name = None
    version = None

    @abstractmethod
    def session(self, command, listener):
        """Opens a `Session` for a `consumer` or `assign` command."""

    @abstractmethod
    def produce(self, command, outgoing, tally):
        """Sends every record of `outgoing`, reports each to `tally` and closes the producer."""

    def transactional(self, command):
        """A transactional producer with one method for each of `STEPS`."""
        raise unsupported(f"{self.name} is not driven in transactions")

    def transform(self, command, tell):
        """A consume-transform-produce loop: `open`, `turn`, `close`."""
        raise unsupported(f"{self.name} is not driven in transactions")

    @abstractmethod
    def admin(self, bootstrap):
        """A context manager whose value has one method for each admin verb the library knows."""

    @abstractmethod
    def describe(self, exception):
        """The error name and the text of an exception of the library."""

    @abstractmethod
    def gives_up(self, exception):
        """Whether a session that raised this can never go on."""

    def explain(self, exception):
        """The error name and the text of any exception."""
        if isinstance(exception, Failure):
            return exception.name, str(exception)
        name, message = self.describe(exception)
        return KAFKA_NAMES.get(name, name), message


class Events:
    """Writes events to stdout, one at a time, each with its time."""

    def __init__(self):
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def emit(self, event, **fields):
        """Writes one event and flushes it."""
        with self._lock:
            fields = {"event": event, **fields, "ms": int((time.monotonic() - self._start) * 1000)}
            try:
                sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                pass  # Nobody listens any more; the end of stdin follows.

    def done(self, command, **fields):
        """Answers a command with success."""
        self.emit("done", id=command.get("id"), cmd=command.get("cmd"), **fields)

    def failed(self, command, name, message):
        """Answers a command with an error."""
        self.emit("failed", id=command.get("id"), cmd=command.get("cmd"), error=name, message=message)


class MemberActor:
    """A group member or a manual assignment: its poll loop, and the commands that reach it between polls."""

    def __init__(self, registry, command):
        self._registry = registry
        self._client = registry.client
        self._events = registry.events
        self._command = command
        self._id = command["id"]
        self._commands = queue.SimpleQueue()
        self._session = None
        self._paused = False
        self._failures = 0
        self._gave_up = False
        self._commit_each = option(command, "commit_each", command["cmd"] == "consumer")
        if option(command, "auto_commit", False):
            self._commit_each = False
        self._values = option(command, "values", True)
        self._process_seconds = option(command, "process_ms", 0) / 1000
        self.ended = False
        self.thread = threading.Thread(target=self._run, name=f"member {self._id}", daemon=True)

    def submit(self, command):
        """Queues a command; None closes the member without an answer."""
        self._commands.put(command)

    # What the session's rebalance callbacks call.

    def assigned(self, partitions, **fields):
        """Newly added partitions, none if the rebalance brought none."""
        self._emit("assigned", partitions=sorted(map(list, partitions)), **fields)

    def revoked(self, partitions):
        """Partitions given up while still owned."""
        if partitions:
            self._emit("revoked", partitions=sorted(map(list, partitions)))

    def lost(self, partitions):
        """Partitions that may already belong to another member."""
        if partitions:
            self._emit("lost", partitions=sorted(map(list, partitions)))

    def records(self, batches):
        """Reports, works on and commits each batch in turn."""
        for topic, partition, records in batches:
            fields = {"first": records[0][0], "last": records[-1][0], "count": len(records)}
            if records[-1][0] - records[0][0] + 1 != len(records):
                fields["offsets"] = [offset for offset, _ in records]
            if self._values:
                fields["values"] = [text(value) for _, value in records]
            self._emit("records", topic=topic, partition=partition, **fields)
            if self._process_seconds:
                time.sleep(self._process_seconds)
            if self._commit_each:
                try:
                    self._commit([(topic, partition, records[-1][0] + 1)])
                except Exception as exception:
                    self.error(exception, "commit")

    def error(self, exception, during):
        """Reports an error the loop survives, or the last one before it ends."""
        self._gave_up = self._gave_up or self._client.gives_up(exception)
        name, message = self._client.explain(exception)
        self._emit("error", error=name, message=message, during=during)

    # The actor's own thread.

    def _run(self):
        try:
            self._session = self._client.session(self._command, self)
        except Exception as exception:
            self._end()
            self._events.failed(self._command, *self._client.explain(exception))
            return
        self._events.done(self._command)
        closing = self._loop()
        failure = self._close()
        self._emit("ended")
        self._end()
        if closing and failure:
            self._events.failed(closing, *self._client.explain(failure))
        elif closing:
            self._events.done(closing)

    def _loop(self):
        """Polls until told to close, or until the client gives up; returns the close command, if any."""
        while not self._gave_up:
            while self._paused or not self._commands.empty():
                command = self._commands.get()
                if command is None or command["cmd"] == "close":
                    return command
                self._answer(command)
            try:
                batches = self._session.poll(POLL_SECONDS)
                self._failures = 0
            except Exception as exception:
                self.error(exception, "poll")
                self._failures += 1
                time.sleep(min(POLL_SECONDS * self._failures, BACKOFF_SECONDS_MAX))
                continue
            self.records(batches)
        return None

    def _answer(self, command):
        try:
            fields = getattr(self, "_do_" + command["cmd"])(command)
        except Exception as exception:
            self._events.failed(command, *self._client.explain(exception))
        else:
            self._events.done(command, **fields)

    def _do_commit(self, _command):
        offsets = [position for position in self._session.positions() if position[2] >= 0]
        if offsets:
            self._commit(offsets)
        return {"offsets": offsets}

    def _do_seek(self, command):
        topic, partition = command.get("topic"), command.get("partition")
        chosen = [
            (t, p)
            for t, p in self._session.assignment()
            if (topic is None or t == topic) and (partition is None or p == partition)
        ]
        if not chosen:
            raise Failure("CLIENT", "no such partition is assigned")
        for t, p in chosen:
            self._session.seek(t, p, command["to"])
        return {}

    def _do_pause(self, _command):
        self._paused = True
        return {}

    def _do_resume(self, _command):
        self._paused = False
        return {}

    def _do_position(self, _command):
        return {"offsets": self._session.positions()}

    def _commit(self, offsets):
        self._session.commit(offsets)
        self._emit("committed", offsets=offsets)

    def _close(self):
        try:
            self._session.close()
        except Exception as exception:
            self.error(exception, "close")
            return exception
        return None

    def _end(self):
        """Takes no more commands and answers those that came too late."""
        with self._registry.lock:
            self.ended = True
        while not self._commands.empty():
            command = self._commands.get()
            if command is not None:
                self._registry.answer_ended(command)

    def _emit(self, event, **fields):
        self._events.emit(event, id=self._id, **fields)


class TransformActor:
    """A consume-transform-produce loop: begun anew with other clients whenever these cannot go on."""

    def __init__(self, registry, command):
        self._registry = registry
        self._client = registry.client
        self._events = registry.events
        self._command = command
        self._commands = queue.SimpleQueue()
        self.ended = False
        self.thread = threading.Thread(target=self._run, name=f"transform {command['id']}", daemon=True)

    def submit(self, command):
        """Queues a command; None closes the loop without an answer."""
        self._commands.put(command)

    def event(self, event, **fields):
        """Tells something."""
        self._events.emit(event, id=self._command["id"], **fields)

    def error(self, exception, during):
        """Tells of an error the loop survives."""
        name, message = self._client.explain(exception)
        self.event("error", error=name, message=message, during=during)

    def _run(self):
        try:
            transform = self._client.transform(self._command, self)
        except Exception as exception:
            self.ended = True
            self._events.failed(self._command, *self._client.explain(exception))
            return
        begun = False
        closing = False
        while not closing:
            try:
                transform.open()
                if not begun:
                    begun = True
                    self._events.done(self._command)
                while not (closing := not self._commands.empty()):
                    transform.turn()
            except Exception as exception:
                self.error(exception, "transform")
                closing = not self._commands.empty()
                time.sleep(POLL_SECONDS)
            transform.close()
        self.event("ended")
        self._end()

    def _end(self):
        with self._registry.lock:
            self.ended = True
        while not self._commands.empty():
            command = self._commands.get()
            if command is not None:
                self._registry.answer_ended(command)


class JobActor:
    """The produce and admin commands of one id, in the order they came; it retires when none is left."""

    def __init__(self, registry, actor_id):
        self._registry = registry
        self._id = actor_id
        self._commands = deque()
        self.thread = threading.Thread(target=self._run, name=f"job {actor_id}", daemon=True)

    def submit(self, command):
        """Queues a command; the caller holds the registry's lock."""
        self._commands.append(command)

    def _run(self):
        while True:
            with self._registry.lock:
                if not self._commands:
                    del self._registry.jobs[self._id]
                    return
                command = self._commands.popleft()
            self._answer(command)

    def _answer(self, command):
        work = {"produce": self._produce, "transact": self._transact}.get(command["cmd"])
        work = work or (self._step if command["cmd"] in STEPS else self._admin)
        try:
            fields = work(command)
        except Exception as exception:
            self._registry.events.failed(command, *self._registry.client.explain(exception))
        else:
            self._registry.events.done(command, **(fields or {}))

    def _transact(self, command):
        self._registry.producers[self._id] = self._registry.client.transactional(command)

    def _step(self, command):
        producer = self._registry.producers.get(self._id)
        if producer is None:
            raise Failure("CLIENT", "no producer of this id")
        return getattr(producer, command["cmd"])(command)

    def _produce(self, command):
        tally = Tally(command)
        self._registry.client.produce(command, Outgoing(command, self._registry.stopping), tally)
        return tally.result()

    def _admin(self, command):
        with self._registry.client.admin(command["bootstrap"]) as admin:
            verb = getattr(admin, command["cmd"], None)
            if verb is None:
                raise unsupported(f"{self._registry.client.name} has no {command['cmd']}")
            return verb(command)


class Outgoing:
    """The records a produce command asks for, at its pace, as `(i, value, key, partition)`."""

    def __init__(self, command, stopping):
        self._command = command
        self._stopping = stopping

    @property
    def stopped(self):
        """Whether the driver is closing and nobody waits for the rest."""
        return self._stopping.is_set()

    def __iter__(self):
        command = self._command
        first, rate, size = option(command, "first", 0), option(command, "rate", 0), option(command, "size", 0)
        prefix, keys = option(command, "prefix", "v"), option(command, "keys", False)
        start = time.monotonic()
        for i in range(first, first + command["count"]):
            if rate:
                self._stopping.wait(max(0.0, start + (i - first) / rate - time.monotonic()))
            if self.stopped:
                return
            name = f"{prefix}-{i}"
            yield i, name.ljust(size, ".").encode(), name.encode() if keys else None, self._partition(i)

    def _partition(self, i):
        if self._command.get("partition") is not None:
            return self._command["partition"]
        if self._command.get("partitions") is not None:
            return i % self._command["partitions"]
        return None


class Tally:
    """What became of each record of a produce command; told from any thread."""

    def __init__(self, command):
        self._lock = threading.Lock()
        self._count = command["count"]
        self._report = option(command, "report", True)
        self._acks = []
        self._failed = 0
        self._first_error = None

    def acked(self, i, partition, offset):
        """The broker took record i; an offset it did not tell (acks 0) is -1."""
        with self._lock:
            self._acks.append([i, partition, offset if offset is not None and offset >= 0 else -1])

    def failed(self, name):
        """The client gave up on a record."""
        with self._lock:
            self._failed += 1
            self._first_error = self._first_error or name

    def result(self):
        """The fields of `done`; records nobody reported on count as failed."""
        with self._lock:
            silent = self._count - len(self._acks) - self._failed
            fields = {"acked": len(self._acks), "failed": self._failed + silent}
            if fields["failed"]:
                fields["first_error"] = self._first_error or "CLIENT"
            if self._report:
                fields["acks"] = sorted(self._acks)
            return fields


class Registry:
    """All actors of the process, and the way from a command to its actor."""

    def __init__(self, client, events):
        self.client = client
        self.events = events
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.members = {}
        self.jobs = {}
        self.producers = {}

    def dispatch(self, command):
        """Hands one command to its actor."""
        verb, actor_id = command.get("cmd"), command.get("id")
        if actor_id is None:
            self.events.failed(command, "CLIENT", "a command needs an id")
        elif verb in MEMBER_STARTS:
            self._start_member(command)
        elif verb in MEMBER_COMMANDS and not (verb in STEPS and actor_id in self.producers):
            self._command_member(command)
        elif verb in ("produce", "transact") or verb in STEPS or verb in ADMIN_VERBS:
            self._job(command)
        else:
            self.events.failed(command, "UNSUPPORTED", f"no command {verb!r}")

    def answer_ended(self, command):
        """Answers a command to a member that has ended: closing it again is no error."""
        if command["cmd"] == "close":
            self.events.done(command)
        else:
            self.events.failed(command, "CLIENT", "the member has ended")

    def close(self):
        """Closes every member, stops every producer and waits for them."""
        self.stopping.set()
        with self.lock:
            actors = list(self.members.values()) + list(self.jobs.values())
            for member in self.members.values():
                member.submit(None)
        deadline = time.monotonic() + CLOSE_SECONDS_MAX
        for actor in actors:
            actor.thread.join(max(0.0, deadline - time.monotonic()))

    def _start_member(self, command):
        with self.lock:
            old = self.members.get(command["id"])
            member = None
            if old is None or old.ended:
                kind = TransformActor if command["cmd"] == "transform" else MemberActor
                member = self.members[command["id"]] = kind(self, command)
        if member is None:
            self.events.failed(command, "CLIENT", "a member of this id is running")
        else:
            member.thread.start()

    def _command_member(self, command):
        with self.lock:
            member = self.members.get(command["id"])
            running = member is not None and not member.ended
            if running:
                member.submit(command)
        if member is None:
            self.events.failed(command, "CLIENT", "no member of this id")
        elif not running:
            self.answer_ended(command)

    def _job(self, command):
        with self.lock:
            job = self.jobs.get(command["id"])
            fresh = job is None
            if fresh:
                job = self.jobs[command["id"]] = JobActor(self, command["id"])
            job.submit(command)
        if fresh:
            job.thread.start()


def option(command, name, default):
    """A field that may be absent or null."""
    value = command.get(name)
    return default if value is None else value


def text(value):
    """A record's value as it stands in an event."""
    return None if value is None else bytes(value).decode("utf-8", "replace")


def texts(configs):
    """Configuration values as the strings they are on the wire."""
    return {name: value if isinstance(value, str) else str(value).lower() for name, value in configs.items()}


def grouped(records):
    """Batches by partition, in order of first appearance, from `(topic, partition, offset, value)`."""
    batches = {}
    for topic, partition, offset, value in records:
        batches.setdefault((topic, partition), []).append((offset, value))
    return [(topic, partition, batch) for (topic, partition), batch in batches.items()]


def run(client):
    """Runs a driver until the end of stdin."""
    events = Events()
    registry = Registry(client, events)
    events.emit("ready", client=client.name, version=client.version)
    for line in sys.stdin:
        if not line.strip():
            continue
        command = {}
        try:
            command = json.loads(line)
            registry.dispatch(command)
        except Exception as exception:
            command = command if isinstance(command, dict) else {}
            events.failed(command, "CLIENT", f"not a command: {exception!r}")
    registry.close()

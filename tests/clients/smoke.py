#!/usr/bin/env python3
"""Walks a client driver through PROTOCOL.md against a running broker.

    smoke.py BOOTSTRAP DRIVER [ARGUMENT ...]
    smoke.py 127.0.0.1:9092 tests/clients/java/run.sh

Prints one line for each check: ok, SKIP (the driver's client lacks a verb) or FAIL, and exits with 1 if one failed.
SMOKE_TRACE=1 prints every command and event to stderr, SMOKE_TIMEOUT is the patience with each step in seconds (30),
SMOKE_MEMBER is a JSON object of fields for every group member, such as {"assignor": "cooperative-sticky"}.
The topics and groups made are removed at the end, and carry the time in their names.
"""

import json
import os
import subprocess
import sys
import threading
import time

TIMEOUT = float(os.environ.get("SMOKE_TIMEOUT", "30"))
TRACE = bool(os.environ.get("SMOKE_TRACE"))
MEMBER = json.loads(os.environ.get("SMOKE_MEMBER", "{}"))


class Unsupported(Exception):
    """The client cannot do what the check needs."""


class Failed(Exception):
    """The driver answered `failed`."""

    def __init__(self, event):
        super().__init__(f"{event.get('cmd')}: {event.get('error')}: {event.get('message')}")
        self.error = event.get("error")


def expect(truth, message):
    if not truth:
        raise AssertionError(message)


class Driver:
    """A driver process, and everything it has said."""

    def __init__(self, command, bootstrap):
        self.bootstrap = bootstrap
        self.events = []
        self.bad_lines = []
        self.sent = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if TRACE:
                print("<", line.rstrip()[:500], file=sys.stderr)
            try:
                event = json.loads(line)
                expect(isinstance(event, dict), "not an object")
            except (ValueError, AssertionError):
                event = None
            with self.changed:
                if event is None:
                    self.bad_lines.append(line.rstrip())
                else:
                    self.events.append(event)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait(self, what, found, timeout=None):
        """Waits until `found()` finds something, and returns it."""
        deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
        with self.changed:
            while True:
                result = found()
                if result:
                    return result
                left = deadline - time.monotonic()
                expect(left > 0, f"waited in vain for {what}")
                expect(self.process.poll() is None or self.reader.is_alive(),
                       f"the driver ended ({self.process.returncode}) while waiting for {what}")
                self.changed.wait(min(left, 0.2))

    def send(self, cmd, id=None, **fields):
        """Sends a command and returns its id."""
        id = id or f"c{len(self.sent) + 1}"
        line = json.dumps({"cmd": cmd, "id": id, **fields})
        self.sent.append((id, cmd))
        if TRACE:
            print(">", line, file=sys.stderr)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return id

    def answers(self, id, cmd):
        return [e for e in self.events if e["event"] in ("done", "failed") and e.get("id") == id and e.get("cmd") == cmd]

    def call(self, cmd, id=None, timeout=None, **fields):
        """Sends a command and returns its `done` event."""
        before = len(self.answers(id, cmd)) if id else 0
        id = self.send(cmd, id, **fields)
        answer = self.wait(f"the answer to {cmd} {id}", lambda: (self.answers(id, cmd)[before:] or [None])[0], timeout)
        if answer["event"] == "failed":
            if answer.get("error") == "UNSUPPORTED":
                raise Unsupported(cmd)
            raise Failed(answer)
        return answer

    def admin(self, cmd, **fields):
        return self.call(cmd, bootstrap=self.bootstrap, **fields)

    def of(self, id, event, since=0):
        return [e for e in self.events[since:] if e["event"] == event and e.get("id") == id]

    def owned(self, id):
        """The partitions a member holds according to its events."""
        owned = set()
        for e in self.events:
            if e.get("id") == id:
                partitions = {tuple(p) for p in e.get("partitions") or []} if e["event"] in (
                    "assigned", "revoked", "lost") else set()
                owned = owned | partitions if e["event"] == "assigned" else owned - partitions
        return owned

    def values(self, ids, since=0):
        """The values of all records these members have reported."""
        return [v for id in ids for e in self.of(id, "records", since) for v in e["values"]]

    def end(self):
        """Closes stdin and returns the exit code."""
        self.process.stdin.close()
        code = self.process.wait(TIMEOUT)
        self.reader.join(5)
        return code


def eventually(what, check, timeout=10):
    """Repeats a check whose result may take effect with a delay."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            seen = check()
        except Failed as e:
            seen = e
        if seen is True:
            return
        expect(time.monotonic() < deadline, f"{what}: {seen}")
        time.sleep(0.1)


def same(seen, wanted):
    """True, or what was seen instead: for `eventually`."""
    return True if seen == wanted else f"{seen} instead of {wanted}"


class Smoke:
    """The checks, in order; each builds on those before."""

    def __init__(self, command, bootstrap):
        self.command = command
        self.bootstrap = bootstrap
        stamp = f"{os.getpid()}-{int(time.time())}"
        self.topic = f"smoke-{stamp}"
        self.group = f"smoke-group-{stamp}"
        self.altered = self.deleted = False
        self.low = 0
        self.driver = Driver(command, bootstrap)

    # ---- helpers

    def produce(self, first, count, **fields):
        done = self.driver.admin("produce", **{"topic": self.topic, "first": first, "count": count, "partitions": 6,
                                               **fields})
        expect((done["acked"], done["failed"]) == (count, 0), f"not all were acknowledged: {str(done)[:300]}")
        return done

    def committed(self, partitions=6):
        done = self.driver.admin("committed", group=self.group, topic=self.topic, partitions=partitions)
        return {partition: offset for _, partition, offset in done["offsets"]}

    def join(self, id, **fields):
        self.driver.call("consumer", id, bootstrap=self.bootstrap, group=self.group, topics=[self.topic],
                         **{**MEMBER, **fields})

    def shared(self, ids, each):
        """Waits until the members own `each` partitions apiece and all six together."""
        def found():
            owned = [self.driver.owned(id) for id in ids]
            return all(len(o) == each for o in owned) and len(set().union(*owned)) == 6
        try:
            self.driver.wait("the partitions to be shared", found)
        except AssertionError as e:
            raise AssertionError(f"{e}: {[sorted(self.driver.owned(id)) for id in ids]}") from None

    def seen_once(self, ids, first, count, since):
        """Waits for the values of these numbers, and sees that none comes twice and none by another's partition."""
        wanted = sorted(f"v-{i}" for i in range(first, first + count))
        self.driver.wait(f"{count} records", lambda: len(self.driver.values(ids, since)) >= count)
        time.sleep(0.5)
        seen = sorted(self.driver.values(ids, since))
        expect(seen == wanted, f"{len(seen)} records, {len(set(seen))} different, instead of {count}")
        for id in ids:
            for e in self.driver.of(id, "records", since):
                expect((e["topic"], e["partition"]) in self.driver.owned(id), f"{id} read what it does not own: {e}")
                expect(e["count"] == len(e["values"]) == e["last"] - e["first"] + 1, f"batch out of form: {e}")

    # ---- topics and producing

    def check_ready(self):
        self.driver.wait("ready", lambda: self.driver.events)
        first = self.driver.events[0]
        expect(first["event"] == "ready" and first.get("client") and first.get("version"), f"first event is {first}")
        return f"{first['client']} {first['version']}"

    def check_create_topic(self):
        self.driver.admin("create_topic", topic=self.topic, partitions=6)

    def check_describe_topic(self):
        eventually("partitions", lambda: same(
            self.driver.admin("describe_topic", topic=self.topic)["partitions"], 6))

    def check_list_topics(self):
        expect(self.topic in self.driver.admin("list_topics")["topics"], "the topic is not listed")

    def check_create_existing_topic_fails(self):
        try:
            self.driver.admin("create_topic", topic=self.topic, partitions=6)
        except Failed as e:
            expect(e.error in ("TOPIC_ALREADY_EXISTS", "CLIENT"), f"fails with {e.error}")
            return e.error
        raise AssertionError("it succeeded")

    # ---- a group

    def check_three_members_share(self):
        for id in ("m1", "m2", "m3"):
            self.join(id, client_id=f"client-{id}")
        self.shared(["m1", "m2", "m3"], 2)

    def check_describe_group(self):
        eventually("state", lambda: same(
            self.driver.admin("describe_group", group=self.group)["state"], "Stable"))
        group = self.driver.admin("describe_group", group=self.group)
        if MEMBER.get("group_protocol", "classic") == "classic" and MEMBER.get("assignor") != "default":
            wanted = MEMBER.get("assignor", "range")
            expect(group["protocol"] == wanted, f"protocol {group['protocol']} instead of {wanted}")
        expect(len(group["members"]) == 3, f"{len(group['members'])} members")
        for member in group["members"]:
            expect(member["member"], "a member without an id")
            id = member["client"].removeprefix("client-")
            expect({tuple(p) for p in member["partitions"]} == self.driver.owned(id), f"other partitions: {member}")

    def check_list_groups(self):
        expect(self.group in self.driver.admin("list_groups")["groups"], "the group is not listed")

    def check_delete_group_with_members_fails(self):
        try:
            self.driver.admin("delete_group", group=self.group)
        except Failed as e:
            expect(e.error in ("NON_EMPTY_GROUP", "CLIENT"), f"fails with {e.error}")
            return e.error
        raise AssertionError("it succeeded")

    def check_produce_600(self):
        self.since = len(self.driver.events)
        done = self.produce(0, 600)
        acks = sorted(done["acks"])
        expect(acks == [[i, i % 6, i // 6] for i in range(600)], f"the acks are not as sent: {acks[:10]}...")

    def check_600_seen_once(self):
        self.seen_once(["m1", "m2", "m3"], 0, 600, self.since)

    def check_commit_each_reported(self):
        offsets = {(t, p): o for id in ("m1", "m2", "m3") for e in self.driver.of(id, "committed") for t, p, o in
                   e["offsets"]}
        expect(offsets == {(self.topic, p): 100 for p in range(6)}, f"last committed events: {offsets}")

    def check_committed_100_each(self):
        eventually("committed", lambda: same(self.committed(), {p: 100 for p in range(6)}))

    def check_commit(self):
        seen = {tuple(o) for o in self.driver.call("commit", "m1")["offsets"]}
        wanted = {(t, p, 100) for t, p in self.driver.owned("m1")}
        expect(seen == wanted, f"{seen} instead of {wanted}")

    def check_position(self):
        seen = {tuple(o) for o in self.driver.call("position", "m2")["offsets"]}
        wanted = {(t, p, 100) for t, p in self.driver.owned("m2")}
        expect(seen == wanted, f"{seen} instead of {wanted}")

    def check_close_moves_partitions(self):
        self.driver.call("close", "m3")
        self.driver.wait("ended", lambda: self.driver.of("m3", "ended"))
        self.shared(["m1", "m2"], 3)

    def check_60_more_seen_once(self):
        since = len(self.driver.events)
        self.produce(600, 60)
        self.seen_once(["m1", "m2"], 600, 60, since)
        eventually("committed", lambda: same(self.committed(), {p: 110 for p in range(6)}))

    def check_pause_and_resume(self):
        for id in ("m1", "m2"):
            self.driver.call("pause", id)
        since = len(self.driver.events)
        self.produce(660, 6)
        time.sleep(1)
        expect(not self.driver.values(["m1", "m2"], since), "records came while paused")
        for id in ("m1", "m2"):
            self.driver.call("resume", id)
        self.seen_once(["m1", "m2"], 660, 6, since)

    def check_seek_earliest(self):
        topic, partition = sorted(self.driver.owned("m1"))[0]
        since = len(self.driver.events)
        self.driver.call("seek", "m1", to="earliest", topic=topic, partition=partition)
        wanted = [f"v-{i}" for i in range(666) if i % 6 == partition]
        self.driver.wait("the partition again", lambda: len(self.driver.values(["m1"], since)) >= len(wanted))
        time.sleep(0.3)
        expect(self.driver.values(["m1"], since) == wanted, f"read {self.driver.values(['m1'], since)[:5]}...")

    def check_seek_to_offset(self):
        topic, partition = sorted(self.driver.owned("m1"))[0]
        since = len(self.driver.events)
        self.driver.call("seek", "m1", to=105, topic=topic, partition=partition)
        self.driver.wait("6 records again", lambda: len(self.driver.values(["m1"], since)) >= 6)
        first = self.driver.of("m1", "records", since)[0]
        expect((first["partition"], first["first"]) == (partition, 105), f"first read {first}")

    def check_seek_latest(self):
        self.driver.call("seek", "m1", to="earliest")
        since = len(self.driver.events)
        self.driver.wait("records again", lambda: self.driver.of("m1", "records", since))
        self.driver.call("seek", "m1", to="latest")
        wanted = {(t, p, 111) for t, p in self.driver.owned("m1")}
        eventually("position", lambda: same(
            {tuple(o) for o in self.driver.call("position", "m1")["offsets"]}, wanted))
        self.driver.call("commit", "m1")

    def check_empty_group(self):
        for id in ("m1", "m2"):
            self.driver.call("close", id)
        eventually("committed", lambda: same(self.committed(), {p: 111 for p in range(6)}))
        eventually("state", lambda: same(self.driver.admin("describe_group", group=self.group)["state"], "Empty"))
        expect(self.driver.admin("describe_group", group=self.group)["members"] == [], "there are members")

    # ---- offsets from outside

    def check_alter_offsets(self):
        self.driver.admin("alter_offsets", group=self.group, offsets=[[self.topic, 0, 5]])
        self.altered = True
        expect(self.committed()[0] == 5, f"committed is {self.committed()}")

    def check_delete_offsets(self):
        self.driver.admin("delete_offsets", group=self.group, topic=self.topic, partition=1)
        self.deleted = True
        expect(self.committed()[1] == -1, f"committed is {self.committed()}")

    def check_auto_commit_continues_from_committed(self):
        if not self.altered:
            raise Unsupported("alter_offsets")
        since = len(self.driver.events)
        self.join("m4", auto_commit=True)
        count = 106 + (111 if self.deleted else 0)
        self.driver.wait(f"{count} records", lambda: len(self.driver.values(["m4"], since)) >= count)
        time.sleep(0.5)
        seen = sorted(self.driver.values(["m4"], since))
        wanted = sorted([f"v-{i}" for i in range(30, 666, 6)] +
                        ([f"v-{i}" for i in range(1, 666, 6)] if self.deleted else []))
        expect(seen == wanted, f"{len(seen)} records instead of {len(wanted)}")
        self.driver.call("close", "m4")
        expect(not self.driver.of("m4", "committed"), "the client's own commits are not the driver's to report")
        eventually("committed", lambda: same(self.committed(), {p: 111 for p in range(6)}))

    # ---- offsets and manual assignment

    def check_list_offsets(self):
        for at, wanted in (("earliest", 0), ("latest", 111), (0, 0)):
            seen = self.driver.admin("list_offsets", topic=self.topic, partition=2, at=at)["offset"]
            expect(seen == wanted, f"at {at}: {seen} instead of {wanted}")

    def check_delete_records(self):
        low = self.driver.admin("delete_records", topic=self.topic, partition=2, before=50)["low"]
        expect(low == 50, f"low is {low}")
        self.low = 50
        seen = self.driver.admin("list_offsets", topic=self.topic, partition=2, at="earliest")["offset"]
        expect(seen == 50, f"earliest is {seen}")

    def assign(self, id, source, partition, **fields):
        self.driver.call("assign", id, bootstrap=self.bootstrap, partitions=[[self.topic, partition]],
                         **{"from": source}, **fields)

    def assign_reads(self, id, source, partition, first, last, **fields):
        """Reads a partition by hand from a place to its end."""
        self.assign(id, source, partition, **fields)
        self.driver.wait("records", lambda: len(self.driver.values([id])) >= last - first + 1)
        time.sleep(0.3)
        batches = self.driver.of(id, "records")
        expect((batches[0]["first"], batches[-1]["last"]) == (first, last), f"read {batches}")
        expect(sum(b["count"] for b in batches) == last - first + 1, "wrong number of records")
        expect(not self.driver.of(id, "committed"), "committed without being told to")
        self.driver.call("close", id)

    def check_assign_earliest(self):
        self.assign_reads("a1", "earliest", 2, self.low, 110)

    def check_assign_offset(self):
        self.assign_reads("a2", 100, 3, 100, 110)

    def check_assign_committed(self):
        self.driver.admin("alter_offsets", group=self.group, offsets=[[self.topic, 4, 60]])
        self.assign_reads("a3", "committed", 4, 60, 110, group=self.group)

    def check_assign_latest(self):
        """The client may look for the end late: produce until something comes, what it is must be new."""
        self.assign("a4", "latest", 5)
        i = 666
        deadline = time.monotonic() + TIMEOUT
        while not self.driver.of("a4", "records"):
            expect(time.monotonic() < deadline, "nothing came")
            self.produce(i, 1, partition=5, partitions=None)
            i += 1
            time.sleep(0.5)
        first = self.driver.of("a4", "records")[0]
        expect(first["first"] >= 111, f"old records came: {first}")
        self.driver.call("close", "a4")

    def check_list_offsets_max_timestamp(self):
        time.sleep(0.05)
        ack = self.produce(900, 1, partition=5, partitions=None)["acks"][0]
        seen = self.driver.admin("list_offsets", topic=self.topic, partition=5, at="max_timestamp")["offset"]
        expect(seen == ack[2], f"{seen} instead of {ack[2]}")

    # ---- configuration

    def check_describe_configs(self):
        configs = self.driver.admin("describe_configs", topic=self.topic)["configs"]
        expect(configs.get("cleanup.policy") == "delete", f"cleanup.policy is {configs.get('cleanup.policy')}")

    def check_alter_configs(self):
        self.driver.admin("alter_configs", topic=self.topic, configs={"retention.ms": "123456789"})
        eventually("retention.ms", lambda: same(
            self.driver.admin("describe_configs", topic=self.topic)["configs"].get("retention.ms"), "123456789"))

    def check_create_topic_with_configs(self):
        self.driver.admin("create_topic", topic=f"{self.topic}-2", partitions=1,
                          configs={"segment.bytes": "10485760"})
        eventually("segment.bytes", lambda: same(
            self.driver.admin("describe_configs", topic=f"{self.topic}-2")["configs"].get("segment.bytes"), "10485760"))

    def check_create_partitions(self):
        self.driver.admin("create_partitions", topic=f"{self.topic}-2", total=7)
        eventually("partitions", lambda: same(
            self.driver.admin("describe_topic", topic=f"{self.topic}-2")["partitions"], 7))

    # ---- ways of producing: each into the second topic, and read back

    def check_produce_plain(self):
        self.produce_and_read("p1", acks="1", idempotent=False)

    def check_produce_sized_with_keys(self):
        self.produce_and_read("p2", size=200, keys=True)

    def check_produce_gzip(self):
        self.produce_and_read("p3", compression="gzip")

    def check_produce_snappy(self):
        self.produce_and_read("p4", compression="snappy")

    def check_produce_lz4(self):
        self.produce_and_read("p5", compression="lz4")

    def check_produce_zstd(self):
        self.produce_and_read("p6", compression="zstd")

    def produce_and_read(self, prefix, **fields):
        wanted = [f"{prefix}-{i}".ljust(fields.get("size", 0), ".") for i in range(50)]
        done = self.produce(0, 50, topic=f"{self.topic}-2", partition=0, partitions=None, prefix=prefix, **fields)
        first = min(offset for _, _, offset in done["acks"])
        self.driver.call("assign", prefix, bootstrap=self.bootstrap, partitions=[[f"{self.topic}-2", 0]],
                         **{"from": first})
        self.driver.wait("50 records", lambda: len(self.driver.values([prefix])) >= 50)
        expect(self.driver.values([prefix]) == wanted, f"read {self.driver.values([prefix])[:3]}...")
        self.driver.call("close", prefix)

    def check_produce_at_a_rate(self):
        started = time.monotonic()
        done = self.produce(0, 20, topic=f"{self.topic}-2", partitions=None, rate=20, report=False)
        took = time.monotonic() - started
        expect(0.8 <= took <= 5, f"20 records at 20 a second took {took:.1f} s")
        expect("acks" not in done, "acks although report is false")

    # ---- the end

    def check_command_to_nobody_fails(self):
        try:
            self.driver.call("commit", "nobody")
        except Failed as e:
            return e.error
        raise AssertionError("it succeeded")

    def check_end_of_stdin(self):
        self.join("m5", session_timeout_ms=45000)
        self.driver.wait("the assignment", lambda: len(self.driver.owned("m5")) == 6)
        code = self.driver.end()
        expect(code == 0, f"exit code {code}")
        expect(bool(self.driver.of("m5", "ended")), "no ended event")

    def check_form_of_events(self):
        driver = self.driver
        expect(not driver.bad_lines, f"not JSON objects: {driver.bad_lines[:3]}")
        for e in driver.events:
            expect(isinstance(e.get("ms"), (int, float)), f"no ms: {e}")
        for id, cmd in set(driver.sent):
            sent, answered = driver.sent.count((id, cmd)), len(driver.answers(id, cmd))
            expect(sent == answered, f"{cmd} {id}: sent {sent} times, answered {answered} times")
        errors = [e for e in driver.events if e["event"] == "error"]
        expect(not errors, f"error events: {errors[:3]}")

    def check_member_left_at_the_end(self):
        """In a new driver: the session of the member that was there at the end of stdin cannot have run out."""
        self.driver = Driver(self.command, self.bootstrap)
        eventually("state", lambda: same(
            self.driver.admin("describe_group", group=self.group)["state"], "Empty"), 5)

    def check_delete_group(self):
        self.driver.admin("delete_group", group=self.group)
        eventually("listed groups", lambda: self.group not in self.driver.admin("list_groups")["groups"])

    def check_committed_of_no_group(self):
        seen = self.committed()
        expect(seen == {p: -1 for p in range(6)}, f"{seen}")

    def check_delete_topic(self):
        for topic in (self.topic, f"{self.topic}-2"):
            self.driver.admin("delete_topic", topic=topic)
        eventually("listed topics", lambda: not {self.topic, f"{self.topic}-2"} & set(
            self.driver.admin("list_topics")["topics"]))

    def check_end(self):
        code = self.driver.end()
        expect(code == 0, f"exit code {code}")

    # ---- running them

    # Without these nothing that follows makes sense.
    ESSENTIAL = {"check_ready", "check_create_topic", "check_three_members_share", "check_produce_600"}

    def run(self):
        """Runs all checks in the order they are written in; returns the number of failures."""
        failures = skipped = passed = 0
        for name in [n for n in vars(Smoke) if n.startswith("check_")]:
            title = name.removeprefix("check_").replace("_", " ")
            started = time.monotonic()
            try:
                note = getattr(self, name)()
                passed += 1
                print(f"ok   {time.monotonic() - started:5.1f}s  {title}{f': {note}' if note else ''}", flush=True)
            except Unsupported as e:
                skipped += 1
                print(f"SKIP         {title}: no {e}", flush=True)
                if name in self.ESSENTIAL:
                    failures += 1
                    break
            except (AssertionError, Failed, OSError, KeyError, TypeError, ValueError, subprocess.TimeoutExpired) as e:
                failures += 1
                print(f"FAIL {time.monotonic() - started:5.1f}s  {title}: {type(e).__name__}: {e}", flush=True)
                if name in self.ESSENTIAL:
                    break
        if self.driver.process.poll() is None:
            self.driver.process.kill()
        print(f"{passed} passed, {skipped} skipped, {failures} failed", flush=True)
        return failures


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(1 if Smoke(sys.argv[2:], sys.argv[1]).run() else 0)


if __name__ == "__main__":
    main()

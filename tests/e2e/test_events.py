#!/usr/bin/env python3
"""Events on two servers of one database: in by WebSocket and durable, out by WebSocket, stored and live, once."""
import base64
import json
import os
import pathlib
import signal
import socket
import struct
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import live  # noqa: E402
import test_services  # noqa: E402
from test_agent import call  # noqa: E402

test_services.ENVIRONMENT = {"PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
                             "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true"}
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
WAIT_S = 120


class Closed(Exception):
    def __init__(self, code, reason):
        super().__init__(f"closed {code}: {reason}")
        self.code, self.reason = code, reason


class Socket:
    """A WebSocket as RFC 6455 has it, with Prefect's handshake."""

    def __init__(self, url, path):
        host, port = url.split("/")[2].split(":")
        self.socket = socket.create_connection((host, int(port)), WAIT_S)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET /api{path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: prefect\r\n\r\n".encode())
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        self.send({"type": "auth", "token": None})
        assert self.receive() == {"type": "auth_success"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise Closed(None, "")
        self.received += piece

    def frame(self, opcode, data):
        size = len(data)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else
                                         bytes([0xfe]) + struct.pack(">H", size) if size < 65536 else
                                         bytes([0xff]) + struct.pack(">Q", size))
        self.socket.sendall(head + b"\0\0\0\0" + data)  # a mask of zeros is a mask

    def send(self, message):
        self.frame(TEXT, (message if isinstance(message, str) else json.dumps(message)).encode())

    def next_frame(self):
        while len(self.received) < 2:
            self.more()
        opcode, size, at = self.received[0] & 15, self.received[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            while len(self.received) < at:
                self.more()
            size = int.from_bytes(self.received[2:at], "big")
        while len(self.received) < at + size:
            self.more()
        data, self.received = self.received[at:at + size], self.received[at + size:]
        return opcode, data

    def receive(self, wanted=TEXT):
        while True:
            opcode, data = self.next_frame()
            if opcode == PING:
                self.frame(PONG, data)
            elif opcode == CLOSE:
                raise Closed(int.from_bytes(data[:2], "big"), data[2:].decode())
            elif opcode == wanted:
                return json.loads(data) if wanted == TEXT else data

    def ping(self, data=b"?"):
        """Everything before is received when this returns."""
        self.frame(PING, data)
        return self.receive(PONG)


def now(ahead_s=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead_s))


def event(name, **more):
    return {"id": str(uuid.uuid4()), "occurred": now(), "event": name, "resource": {"prefect.resource.id": "lab.x"},
            "payload": {}, **more}


class EventsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = test_services.Database()
        cls.addClassCleanup(cls.database.stop)
        cls.one = test_services.Replica(cls.database)
        cls.addClassCleanup(lambda: cls.one.stop())
        cls.two = test_services.Replica(cls.database)
        cls.addClassCleanup(lambda: cls.two.stop())

    def setUp(self):
        self.name = "lab." + uuid.uuid4().hex[:8]

    def listen(self, server, backfill=True, **filter_):
        out = Socket(server.url, "/events/out")
        self.addCleanup(out.socket.close)
        filter_ = {"event": {"prefix": [self.name]}, "occurred": {"until": now(3600)}, **filter_}
        out.send({"type": "filter", "filter": filter_, "backfill": backfill})
        return out

    def hear(self, out, count):
        return [out.receive()["event"] for _ in range(count)]

    def stored(self, server):
        _, page = call(server.url, "POST", "/events/filter",
                       {"filter": {"event": {"prefix": [self.name]}, "order": "ASC", "occurred": {"until": now(3600)}}})
        return page["events"]

    def subscribed(self, out, server):
        """Live events come from now on."""
        probe = event(self.name + ".probe")
        with Socket(server.url, "/events/in") as feed:
            feed.send(probe)
            feed.ping()
        self.assertEqual(out.receive()["event"]["id"], probe["id"])

    def test_stored_then_live_each_once_and_in_order_on_both_servers(self):
        with Socket(self.one.url, "/events/in") as feed:
            before = [event(self.name, payload={"n": n}) for n in range(600)]  # more than two pages
            for e in before:
                feed.send(e)
            feed.ping()
            listeners = [self.listen(self.one), self.listen(self.two)]
            after = [event(self.name, payload={"n": n}) for n in range(600, 700)]
            for e in after:
                feed.send(e)
            for out in listeners:
                heard = self.hear(out, 700)
                self.assertEqual({e["id"] for e in heard}, {e["id"] for e in before + after})
        quiet = event(self.name + ".end")
        with Socket(self.two.url, "/events/in") as feed:
            feed.send(quiet)
        for out in listeners:
            self.assertEqual(out.receive()["event"]["id"], quiet["id"])  # and nothing twice in between

    def test_without_backfill_only_what_comes(self):
        with Socket(self.one.url, "/events/in") as feed:
            feed.send(event(self.name + ".old"))
            feed.ping()
        out = self.listen(self.one, backfill=False)
        call(self.one.url, "POST", "/events", [event(self.name + ".new")])
        self.assertEqual(self.hear(out, 1)[0]["event"], self.name + ".new")

    def test_a_pong_means_durable(self):
        sent = [event(self.name, payload={"n": n}) for n in range(50)]
        third = test_services.Replica(self.database)
        try:
            with Socket(third.url, "/events/in") as feed:
                for e in sent:
                    feed.send(e)
                self.assertEqual(feed.ping(b"all"), b"all")
                third.kill()
        finally:
            third.start()
            third.stop()
        self.assertEqual({e["id"] for e in self.stored(self.one)}, {e["id"] for e in sent})

    def test_what_is_sent_again_is_stored_once(self):
        e = event(self.name)
        for server in (self.one, self.two, self.one):
            with Socket(server.url, "/events/in") as feed:
                feed.send(e)
                feed.send(e)
                feed.ping()
        self.assertEqual([x["id"] for x in self.stored(self.two)], [e["id"]])

    def test_a_refused_event_does_not_stop_those_behind_it(self):
        good = event(self.name)
        with Socket(self.one.url, "/events/in") as feed:
            feed.send({"id": "x"})
            feed.send(event(self.name, payload={"text": "a\0b"}))
            feed.send(event(self.name, payload={"text": "x" * 1600000}))
            feed.send(event(self.name, related=[{"prefect.resource.id": "no role"}]))
            feed.send(good)
            feed.ping()
        self.assertEqual([e["id"] for e in self.stored(self.one) if e["payload"] == {}], [good["id"]])
        with Socket(self.one.url, "/events/in") as feed, self.assertRaises(Closed) as closed:
            feed.send("no JSON")
            feed.receive()
        self.assertEqual(closed.exception.code, 1007)

    def test_a_refused_filter_says_why(self):
        for message, reason in [({"type": "x"}, "Expected 'filter' message"), ({"type": "filter"}, "Invalid filter: 'filter'"),
                                ({"type": "filter", "filter": {"x": 1}}, "Invalid filter: filter.x: Extra inputs are not permitted")]:
            with Socket(self.one.url, "/events/out") as out, self.assertRaises(Closed) as closed:
                out.send(message)
                out.receive()
            self.assertEqual((closed.exception.code, closed.exception.reason), (1002, reason))

    def test_a_slow_reader_is_told_to_come_back(self):
        out = self.listen(self.one)
        self.subscribed(out, self.one)
        large = [event(self.name, payload={"text": "x" * 1000000}) for _ in range(40)]
        with Socket(self.one.url, "/events/in") as feed:
            for e in large:
                feed.send(e)
            feed.ping()
        with self.assertRaises(Closed) as closed:
            for _ in range(len(large) + 1):
                out.receive()
        self.assertEqual(closed.exception.code, 1013)
        again = self.listen(self.one)
        heard = {e["id"] for e in self.hear(again, len(large) + 1)}
        self.assertLessEqual({e["id"] for e in large}, heard)

    def test_a_run_tells_its_states_to_both(self):
        outs = [self.listen(server, event={"prefix": ["prefect.flow-run."]},
                            any_resource={"labels": {"prefect.resource.name": self.name}}) for server in (self.one, self.two)]
        _, flow = call(self.one.url, "POST", "/flows/", {"name": self.name})
        _, run = call(self.one.url, "POST", "/flow_runs/", {"flow_id": flow["id"], "name": self.name, "tags": ["t"],
                                                            "state": {"type": "PENDING"}})
        for kind in ("RUNNING", "COMPLETED"):
            call(self.two.url, "POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": kind}})
        for out in outs:
            heard = sorted(self.hear(out, 3), key=lambda e: e["occurred"])
            self.assertEqual([e["event"].rsplit(".", 1)[1] for e in heard], ["Pending", "Running", "Completed"])
            self.assertEqual([e["follows"] for e in heard], [None, heard[0]["id"], heard[1]["id"]])
            self.assertEqual([e["resource"]["prefect.run-count"] for e in heard], ["0", "1", "1"])
            self.assertIn({"prefect.resource.id": "prefect.tag.t", "prefect.resource.role": "tag"}, heard[2]["related"])
        self.assertEqual(heard[2]["id"], call(self.one.url, "GET", "/flow_runs/" + run["id"])[1]["state_id"])

    def test_log_lines_go_to_both(self):
        outs = []
        for server in (self.one, self.two):
            out = Socket(server.url, "/logs/out")
            self.addCleanup(out.socket.close)
            out.send({"type": "filter", "filter": {"level": {"ge_": 30}, "text": {"query": self.name}}})
            self.assertEqual(out.ping(), b"?")  # the filter was read
            outs.append(out)
        lines = [{"name": "n", "level": level, "message": f"{self.name} {level}", "timestamp": now()} for level in (20, 30, 40)]
        call(self.one.url, "POST", "/logs/", lines)
        for out in outs:
            heard = [out.receive()["log"] for _ in range(2)]
            self.assertEqual([(x["level"], x["created"]) for x in heard], [(30, None), (40, None)])
            self.assertEqual(len({x["id"] for x in heard}), 2)

    def test_pages_are_followed_by_their_addresses(self):
        call(self.one.url, "POST", "/events", [event(f"{self.name}.{n:03d}") for n in range(120)])
        body = {"filter": {"event": {"prefix": [self.name]}}, "limit": 50}
        _, page = call(self.one.url, "POST", "/events/filter", body)
        names = [e["event"] for e in page["events"]]
        while page["next_page"]:
            self.assertTrue(page["next_page"].startswith(self.one.url + "/events/filter/next?page-token="))
            call(self.one.url, "POST", "/events", [event(self.name + ".late", occurred=now(60))])
            _, page = call(self.one.url, "GET", page["next_page"][len(self.one.url):])
            names += [e["event"] for e in page["events"]]
            self.assertEqual(page["total"], 120)
        self.assertEqual(len(names), 120)
        self.assertEqual(len(set(names)), 120)
        for token, status in [("", 403), ("xx", 403)]:
            self.assertEqual(call(self.one.url, "GET", "/events/filter/next?page-token=" + token)[0], status)
        self.assertEqual(call(self.one.url, "GET", "/events/filter/next")[0], 422)

    def test_a_client_that_hangs_up_loses_nothing_that_came_whole(self):
        for n in range(20):
            inward = Socket(self.one.url, "/events/in")
            for k in range(10):
                inward.send(event(f"{self.name}.{n}.{k}"))
            inward.socket.shutdown(socket.SHUT_WR)  # without waiting for the server
            inward.socket.close()
        body = {"filter": {"event": {"prefix": [self.name]}}, "limit": 0}
        deadline = time.monotonic() + WAIT_S
        while call(self.one.url, "POST", "/events/filter", body)[1]["total"] < 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(call(self.one.url, "POST", "/events/filter", body)[1]["total"], 200)


class PostgresKilled(unittest.TestCase):
    def deliver(self, server, events):
        """As Prefect's client: what no pong was for is sent again."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                with Socket(server.url, "/events/in") as feed:
                    for e in events:
                        feed.send(e)
                    feed.ping()
                    return
            except (Closed, OSError, AssertionError):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)

    def test_what_was_confirmed_is_there_and_nothing_twice(self):
        first, second = ([event("lab.killed", payload={"n": n}) for n in range(60)] for _ in range(2))
        with live.Server() as server:
            with Socket(server.url, "/events/in") as feed:
                for e in first:
                    feed.send(e)
                feed.ping()
                os.kill(int(pathlib.Path(server.folder, "data/pg/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
                for e in second:
                    feed.send(e)  # whether these arrive is not known
            self.deliver(server, second)
            body = {"filter": {"event": {"name": ["lab.killed"]}, "occurred": {"until": now(3600)}}, "limit": 50}
            _, page = call(server.url, "POST", "/events/filter", body)
            found = list(page["events"])
            while page["next_page"]:
                _, page = call(server.url, "GET", page["next_page"][len(server.url):])
                found += page["events"]
            self.assertEqual(sorted(e["id"] for e in found), sorted(e["id"] for e in first + second))


if __name__ == "__main__":
    unittest.main()

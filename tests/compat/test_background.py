"""Background tasks of the unmodified SDK: `.delay()`, `serve(task)`, and what happens when a consumer is lost.

python test_background.py: starts our server, or uses the one at TEST_API_URL."""
import asyncio
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
import wire  # noqa: E402

WAIT_S = 90
TASKS = """
import os, sys
from prefect import task
from prefect.task_worker import serve

@task
def add(a, b):
    with open(os.environ["OUT"], "a") as out:
        out.write(f"{a + b}\\n")
    return a + b

if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(add)
    for n in range(int(sys.argv[2])):
        print(add.delay(n, 1).task_run_id)
"""


def until(what, good):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        value = good()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain for " + what)


class BackgroundTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(live.Server())
        self.api = wire.Api(self.server.url)
        self.folder = pathlib.Path(self.server.folder)
        (self.folder / "tasks.py").write_text(TASKS)
        self.out = self.folder / "out"
        self.environment = {**os.environ, "PREFECT_API_URL": self.server.url, "PREFECT_HOME": str(self.folder / "prefect"),
                            "OUT": str(self.out), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    def delay(self, count):
        done = subprocess.run([sys.executable, "tasks.py", "delay", str(count)], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout.split()

    def serve(self):
        with open(self.folder / "serve.log", "ab") as log:
            worker = subprocess.Popen([sys.executable, "tasks.py", "serve"], cwd=self.folder, env=self.environment,
                                      stdout=log, stderr=log)

        def stop():
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        self.addCleanup(stop)

    def lines(self):
        return sorted(self.out.read_text().split()) if self.out.exists() else []

    def states(self, ids):
        rows = self.api.post("/task_runs/filter", {"task_runs": {"id": {"any_": ids}}})
        return [row["state_name"] for row in rows]

    @unittest.skipIf(os.environ.get("TEST_API_URL"), "restarts the server")
    def test_runs_wait_for_a_worker_also_over_a_restart(self):
        first = self.delay(3)
        self.assertEqual(self.states(first), ["Scheduled"] * 3)
        self.server.kill()
        self.server.start()
        self.serve()
        until("three results", lambda: self.lines() == ["1", "2", "3"])
        until("their states", lambda: self.states(first) == ["Completed"] * 3)
        workers = self.api.post("/task_workers/filter", {})
        self.assertEqual(len(workers), 1)
        self.assertIn("add", workers[0]["task_keys"][0])
        wanted = {"task_worker_filter": {"task_keys": workers[0]["task_keys"]}}
        self.assertEqual(len(self.api.post("/task_workers/filter", wanted)), 1)
        self.assertEqual(self.api.post("/task_workers/filter", {"task_worker_filter": {"task_keys": ["other"]}}), [])
        began = time.monotonic()
        second = self.delay(2)
        until("all results", lambda: self.lines() == ["1", "1", "2", "2", "3"])
        until("their states", lambda: self.states(second) == ["Completed"] * 2)
        self.assertLess(time.monotonic() - began, 60)

    def test_a_lost_consumer_gives_its_run_back_in_front(self):
        from websockets.asyncio.client import connect

        url = self.server.url.replace("http", "ws") + "/task_runs/subscriptions/scheduled"
        key = "k-" + uuid.uuid4().hex[:6]

        def make(name):
            state = {"type": "SCHEDULED", "state_details": {"deferred": True}}
            return self.api.post("/task_runs/", {"task_key": key, "dynamic_key": name, "name": name, "state": state})["id"]

        async def subscribe(keys):
            socket = await connect(url, subprotocols=["prefect"])
            await socket.send(json.dumps({"type": "auth", "token": None}))
            self.assertEqual(json.loads(await socket.recv()), {"type": "auth_success"})
            await socket.send(json.dumps({"type": "subscribe", "keys": keys, "client_id": "test"}))
            return socket

        async def next_name(socket):
            return json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))["name"]

        async def scenario():
            make("one")
            make("two")
            lost = await subscribe([key])
            other = await subscribe([key])
            self.assertEqual({await next_name(lost), await next_name(other)}, {"one", "two"})
            make("three")
            lost.transport.abort()
            await asyncio.to_thread(until, "the loss", lambda: len(self.api.post("/task_workers/filter", {})) == 1)
            await other.send('{"type":"ack"}')
            again = await next_name(other)
            self.assertIn(again, ("one", "two"))
            await other.send('{"type":"ack"}')
            self.assertEqual(await next_name(other), "three")
            await other.send('{"type":"ack"}')
            idle = await subscribe(["nobody", key])
            await other.send('{"type":"quit"}')
            self.assertEqual((await other.wait_closed(), other.close_code)[1], 1000)
            began = time.monotonic()
            make("four")
            self.assertEqual(await next_name(idle), "four")
            self.assertLess(time.monotonic() - began, 3)
            await idle.close()
            for first, reason in (({"type": "x"}, "expected 'subscribe' message"),
                                  ({"type": "subscribe", "keys": [], "client_id": "a"}, "expected 'keys' in subscribe message"),
                                  ({"type": "subscribe", "keys": ["a"]}, "expected 'client_id' in subscribe message")):
                socket = await connect(url, subprotocols=["prefect"])
                await socket.send(json.dumps({"type": "auth", "token": None}))
                await socket.recv()
                await socket.send(json.dumps(first))
                await socket.wait_closed()
                self.assertEqual((socket.close_code, socket.close_reason), (4001, "Protocol violation: " + reason))

        asyncio.run(scenario())


if __name__ == "__main__":
    unittest.main()

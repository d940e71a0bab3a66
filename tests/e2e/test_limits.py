#!/usr/bin/env python3
"""Slots under contention: however many ask at once, no limit is exceeded and every slot comes back."""
import concurrent.futures
import json
import pathlib
import sys
import threading
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402

LIMIT, ASKING, ROUNDS = 2, 12, 25


def setUpModule():
    global server
    server = live.Server().__enter__()


def tearDownModule():
    server.__exit__()


def call(method, path, body=None):
    """Gives (status, reply)."""
    request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode(),
                                     {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
            contract.hold(method, path, reply.status, text)
            return reply.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read()
        contract.hold(method, path, error.code, text)
        return error.code, text


class Contention(unittest.TestCase):
    def setUp(self):
        self.name = "meter-" + uuid.uuid4().hex[:8]

    def compete(self, take, release):
        """All ask at once, many times over; `take` gives what `release` wants, or None."""
        gate = threading.Barrier(ASKING)

        def ask(n):
            gate.wait(30)
            return take(n)

        with concurrent.futures.ThreadPoolExecutor(ASKING) as pool:
            for _ in range(ROUNDS):
                held = [got for got in pool.map(ask, range(ASKING)) if got]
                self.assertEqual(len(held), LIMIT)
                for got in held:
                    release(got)
        _, limit = call("GET", f"/v2/concurrency_limits/{self.name}")
        self.assertEqual(limit["active_slots"], 0)

    def test_leases(self):
        call("POST", "/v2/concurrency_limits/", {"name": self.name, "limit": LIMIT})

        def take(_):
            status, got = call("POST", "/v2/concurrency_limits/increment-with-lease",
                               {"names": [self.name], "slots": 1, "mode": "concurrency", "lease_duration": 60})
            self.assertIn(status, (200, 423))
            return got["lease_id"] if status == 200 else None

        self.compete(take, lambda lease: call("POST", "/v2/concurrency_limits/decrement-with-lease", {"lease_id": lease}))

    def test_tags(self):
        tag, self.name = self.name, "tag:" + self.name
        call("POST", "/concurrency_limits/", {"tag": tag, "concurrency_limit": LIMIT})

        def take(_):
            run = str(uuid.uuid4())
            status, _ = call("POST", "/concurrency_limits/increment", {"names": [tag], "task_run_id": run})
            self.assertIn(status, (200, 423))
            return run if status == 200 else None

        self.compete(take, lambda run: call("POST", "/concurrency_limits/decrement", {"names": [tag], "task_run_id": run}))

    def test_task_runs(self):
        tag, self.name = self.name, "tag:" + self.name
        call("POST", "/concurrency_limits/", {"tag": tag, "concurrency_limit": LIMIT})
        state = {"state": {"type": "RUNNING"}}

        def take(_):
            _, run = call("POST", "/task_runs/", {"task_key": "flash", "dynamic_key": uuid.uuid4().hex, "tags": [tag]})
            _, verdict = call("POST", f"/task_runs/{run['id']}/set_state", state)
            return run["id"] if verdict["status"] == "ACCEPT" else None

        self.compete(take, lambda run: call("POST", f"/task_runs/{run}/set_state", {"state": {"type": "COMPLETED"}}))

    def test_deployments(self):
        _, flow = call("POST", "/flows/", {"name": self.name})
        _, deployment = call("POST", "/deployments/", {"name": self.name, "flow_id": flow["id"], "concurrency_limit": LIMIT,
                                                       "concurrency_options": {"collision_strategy": "CANCEL_NEW"}})
        self.name = deployment["global_concurrency_limit"]["name"]

        def take(_):
            _, run = call("POST", f"/deployments/{deployment['id']}/create_flow_run", {})
            _, verdict = call("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "PENDING"}})
            return run["id"] if verdict["status"] == "ACCEPT" and verdict["state"]["type"] == "PENDING" else None

        def release(run):
            call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "COMPLETED"}, "force": True})

        self.compete(take, release)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""Devices that people hold, what a waiting run says it waits for.  The agent is played over its protocol."""
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402


class Devices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())

    def rest(self, method, path, body=None):
        request = urllib.request.Request(self.server.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def cli(self, *words, status=0):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def setUp(self):
        self.pool, self.agent = "pool-" + uuid.uuid4().hex[:8], str(uuid.uuid4())
        self.bench = "bench-" + uuid.uuid4().hex[:6]
        self.rest("POST", "/work_pools/", {"name": self.pool, "type": "switchyard"})
        flow = self.rest("POST", "/flows/", {"name": self.pool})
        self.deployment = self.rest("POST", "/deployments/", {
            "name": "default", "flow_id": flow["id"], "work_pool_name": self.pool, "enforce_parameter_schema": False,
            "job_variables": {"bench": {"target": "{{ parameters.target }}"}}})
        self.health = {}

    def call(self, **more):
        device = {"name": self.bench, "type": "bench", "target": "f7", "labels": {}, "free": True, "health": self.health}
        return {"agent": self.agent, "name": self.bench + "-agent", "epoch": 1, "pool": self.pool, "devices": [device], "claims": [], **more}

    def claim(self):
        """What was acknowledged in time: on a busy machine an offer may have gone back before."""
        while True:
            self.rest("POST", "/switchyard/heartbeat", self.call())
            claims = (self.rest("POST", "/switchyard/claim", self.call(slots=2, wait_s=0)) or {}).get("claims", [])
            if not claims or not self.rest("POST", "/switchyard/claims/ack", {"agent": self.agent, "epoch": 1, "claims": [
                    {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})["lost"]:
                return claims

    def run_for(self, target="f7"):
        return self.rest("POST", f"/deployments/{self.deployment['id']}/create_flow_run",
                         {"parameters": {"target": target}, "state": {"type": "SCHEDULED"}})

    def why(self, run):
        return self.rest("GET", f"/switchyard/flow_runs/{run['id']}/why")

    def kinds(self, run):
        return [reason["kind"] for reason in self.why(run)["reasons"]]

    def device(self):
        return next(d for d in self.rest("GET", "/switchyard/devices") if d["name"] == self.bench)

    def test_a_hold_keeps_runs_away(self):
        run = self.run_for()
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.cli("device", "hold", self.bench, "--by", "anna", "--minutes", 30, "--comment", "new jumper")
        device = self.device()
        self.assertEqual((device["status"], device["held_by"], device["held_comment"]), ("HELD", "anna", "new jumper"))
        self.assertEqual(self.claim(), [])
        said = self.cli("why", run["id"])
        self.assertIn(f"no bench for the target f7 is free: {self.bench} is held by anna until", said)
        self.assertIn("new jumper", said)
        self.assertIn("held by anna", self.cli("device", "hold", self.bench, "--by", "bert", status=7))
        self.cli("device", "hold", self.bench, "--by", "anna", "--minutes", 5)  # her own: prolonged
        self.cli("device", "release", self.bench)
        self.assertEqual([c["devices"] for c in self.claim()], [[self.bench]])
        self.assertEqual(self.device()["status"], "BUSY")
        self.assertEqual(self.cli("device", "hold", "nobody", "--by", "x", status=3).count("there is no device nobody"), 1)

    def test_a_hold_ends_by_itself(self):
        self.run_for()
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.rest("POST", f"/switchyard/devices/{self.bench}/hold", {"by": "anna", "minutes": 0.0001})
        for _ in range(50):
            if self.device()["status"] == "FREE":
                break
        self.assertEqual(len(self.claim()), 1)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.rest("POST", f"/switchyard/devices/{self.bench}/hold", {"by": "anna", "minutes": 0})
        self.assertEqual(refused.exception.code, 422)

    def test_why(self):
        run = self.run_for()
        self.assertIn("no_agent", self.kinds(run))
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.claim_none = self.rest("POST", "/switchyard/claim", self.call(slots=0, wait_s=0))
        self.assertEqual(self.kinds(run), ["no_slot"])
        self.assertEqual(self.kinds(self.run_for("else")), ["no_slot", "no_bench"])
        self.rest("PATCH", f"/work_pools/{self.pool}", {"is_paused": True})
        self.assertEqual(self.kinds(run)[0], "pool_paused")
        self.rest("PATCH", f"/work_pools/{self.pool}", {"is_paused": False})
        self.rest("PATCH", f"/work_pools/{self.pool}/queues/default", {"is_paused": True})
        self.assertIn("queue_paused", self.kinds(run))
        self.rest("PATCH", f"/work_pools/{self.pool}/queues/default", {"is_paused": False})
        self.assertEqual(len(self.claim()), 1)
        self.assertEqual((self.why(run)["waits"], self.why(run)["state"]), (False, "Pending"))
        second = self.run_for()
        self.assertIn(f"{self.bench} is leased by the run {run['name']} until", self.cli("why", second["id"]))
        self.rest("PATCH", f"/work_pools/{self.pool}", {"concurrency_limit": 0})
        self.assertIn("pool_limit", self.kinds(second))
        late = self.rest("POST", f"/deployments/{self.deployment['id']}/create_flow_run", {
            "parameters": {"target": "f7"},
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2040-01-01T00:00:00Z"}}})
        self.assertIn("planned for 2040-01-01", self.cli("why", late["id"]))

    def test_kick(self):
        run = self.run_for()
        self.assertEqual(len(self.claim()), 1)
        self.rest("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING"}, "force": True})
        self.assertIn("Cancelling the run", self.cli("device", "kick", self.bench))
        self.assertEqual(self.rest("GET", f"/flow_runs/{run['id']}")["state"]["type"], "CANCELLING")

    def test_quarantine_is_shown(self):
        run = self.run_for()
        self.health = {"quarantined": True, "reason": "openocd: open failed", "retry": 2}
        call = self.call()
        call["devices"][0]["free"] = False
        self.rest("POST", "/switchyard/heartbeat", call)
        self.rest("POST", "/switchyard/claim", call | {"slots": 1, "wait_s": 0})
        device = self.device()
        self.assertEqual((device["status"], device["health"]["retry"]), ("QUARANTINED", 2))
        self.assertIn("is quarantined: openocd: open failed", self.cli("why", run["id"]))


if __name__ == "__main__":
    unittest.main()

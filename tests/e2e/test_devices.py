#!/usr/bin/env python3
"""Devices that people hold, what a waiting run says it waits for.  The agent is played over its protocol."""
import json
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())

    def rest(self, method, path, body=None):
        request = urllib.request.Request(self.server.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
            contract.hold(method, path, reply.status, text)
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


class Devices(Bench):
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
        self.cli("device", "hold", self.bench, "--by", "bert")
        self.assertIn(f"Cancelling the run {run['id']}", self.cli("device", "kick", self.bench, "--by", "anna", "--comment", "smoke"))
        state = self.rest("GET", f"/flow_runs/{run['id']}")["state"]
        why = f"{self.bench} was kicked by anna: smoke"
        self.assertEqual((state["type"], state["message"]), ("CANCELLING", why))
        self.assertIsNone(self.device()["held_by"])
        self.assertEqual(self.rest("POST", "/switchyard/claim", self.call(slots=2, wait_s=0))["reasons"], {run["id"]: why})
        kick = self.rest("GET", f"/switchyard/devices/{self.bench}/history")["events"][0]
        self.assertEqual((kick["kind"], kick["by"], kick["comment"], kick["flow_run_id"]), ("kick", "anna", "smoke", run["id"]))
        self.cli("device", "kick", "nobody", status=3)

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

    def test_maintenance_and_history(self):
        run = self.run_for()
        self.health = {"flashes": 3, "failures": 1}
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.assertIn("in maintenance", self.cli("device", "maintenance", "on", self.bench, "--by", "anna", "--comment", "new jumper"))
        device = self.device()
        self.assertEqual((device["status"], device["maintenance_by"], device["maintenance_comment"]), ("MAINTENANCE", "anna", "new jumper"))
        self.assertEqual(self.claim(), [])
        self.assertIn("is in maintenance by anna: new jumper", self.cli("why", run["id"]))
        self.cli("device", "maintenance", "maybe", self.bench, status=2)
        self.cli("device", "maintenance", "off", self.bench, "--by", "anna")
        self.assertEqual(len(self.claim()), 1)
        self.health = {"flashes": 2, "failures": 0}  # the agent was started anew
        self.rest("POST", "/switchyard/heartbeat", self.call())
        history = json.loads(self.cli("-o", "json", "device", "history", self.bench))
        self.assertEqual((history["flashes"], history["failures"], history["runs"]), (5, 1, 1))
        self.assertEqual([e["kind"] for e in history["events"]], ["run", "maintenance off", "maintenance on"])
        self.assertEqual(history["events"][0]["flow_run_id"], run["id"])
        self.assertIn("5 flashes, 1 failure, 1 run", self.cli("device", "history", self.bench))
        self.cli("device", "history", "nobody", status=3)

    def test_rungs_of_the_ladder_stand_in_the_history(self):
        self.health = {"flashes": 1, "failures": 0, "quarantined": False, "retry": 0, "power_cycle": 0}
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.health = self.health | {"failures": 1, "retry": 2, "power_cycle": 1, "usb_reset": 1}
        for _ in range(2):
            self.rest("POST", "/switchyard/heartbeat", self.call())
        self.health = {"retry": 1}  # the agent was started anew
        self.rest("POST", "/switchyard/heartbeat", self.call())
        events = self.rest("GET", f"/switchyard/devices/{self.bench}/history")["events"]
        self.assertEqual(events[0]["comment"], "retry")
        self.assertEqual(sorted(e["comment"] for e in events[1:]), ["power_cycle", "retry, 2 times", "usb_reset"])
        self.assertEqual({e["kind"] for e in events}, {"recovery"})

    def quarantine(self, **labels):
        self.health = {"quarantined": True, "reason": "openocd: open failed"}
        call = self.call()
        call["devices"][0] |= {"free": False, "labels": labels}
        return self.rest("POST", "/switchyard/heartbeat", call)

    def test_quarantine_ends_by_hand_or_after_hours(self):
        self.assertEqual(self.quarantine()["return"], [])
        self.cli("device", "return", self.bench, "--by", "anna")
        self.assertEqual(self.quarantine()["return"], [self.bench])
        self.health = {}
        self.rest("POST", "/switchyard/heartbeat", self.call())  # the agent has heard it
        kinds = [e["kind"] for e in self.rest("GET", f"/switchyard/devices/{self.bench}/history")["events"]]
        self.assertEqual(kinds, ["return", "return asked", "quarantine"])
        self.assertEqual(self.quarantine(return_after_h="1000")["return"], [])
        self.assertEqual(self.quarantine(return_after_h="never")["return"], [])
        self.assertEqual(self.quarantine(return_after_h="0.000001")["return"], [self.bench])

    def test_what_an_agent_said_of_a_device_outlives_it(self):
        self.quarantine()
        self.health = {}
        self.rest("POST", "/switchyard/heartbeat", self.call() | {"epoch": 2})  # started anew, it knows of nothing
        self.server.kill()
        self.server.start()
        self.rest("POST", "/switchyard/heartbeat", self.call() | {"epoch": 2})
        device = self.device()
        self.assertEqual((device["status"], device["quarantine_reason"]), ("QUARANTINED", "openocd: open failed"))
        self.run_for()
        self.assertEqual(self.rest("POST", "/switchyard/claim", self.call(slots=2, wait_s=0) | {"epoch": 2})["claims"], [])
        self.cli("device", "return", self.bench)
        self.assertEqual(self.device()["status"], "FREE")

    def test_a_device_that_is_not_reported_keeps_its_history(self):
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.cli("device", "maintenance", "on", self.bench)
        self.rest("POST", "/switchyard/heartbeat", self.call() | {"devices": []})
        self.assertEqual(self.device()["status"], "OFFLINE")
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.assertEqual(self.device()["status"], "MAINTENANCE")


class Health(Bench):
    """A deployment with `health` checks the devices of its type: when they are new, on schedule, after maintenance and quarantine."""

    def setUp(self):
        super().setUp()
        self.seq = 0
        flow = self.rest("POST", "/flows/", {"name": self.pool + "-health"})
        schema = {"type": "object", "properties": {"target": {"type": "string"}, "model": {"type": "string"}}}
        self.checker = self.rest("POST", "/deployments/", {
            "name": "golden", "flow_id": flow["id"], "work_pool_name": self.pool, "parameter_openapi_schema": schema,
            "job_variables": {"bench": {"target": "{{ parameters.target }}"},
                              "health": {"type": "bench", "every_s": 3600, "parameters": {"model": "golden"}}}})

    def await_claim(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            claims = self.claim()
            if claims:
                self.assertEqual(len(claims), 1)
                return claims[0]
            time.sleep(0.1)
        self.fail("nothing to do: " + json.dumps(self.device()))

    def end(self, claim, energy=None, state="COMPLETED"):
        about = {"flow_run_id": claim["flow_run"]["id"], "token": claim["token"]}
        data = {"model": "golden", "target": "f7", "board": "b", "meter": "m", "emulated": True, "volts": 3.3, "sample_rate_hz": 1000,
                "samples": 1000, "lost": 0, "latency_s": 0.01, "median_energy_per_inference_j": energy, "build_id": "b7",
                "windows": [{"start_s": 0.0, "end_s": 1.0, "inferences": 1, "energy_j": energy, "energy_per_inference_j": energy}],
                "gates": [{"name": "lost_samples", "passed": True, "value": 0, "limit": 1, "detail": ""}]}
        artifact = {"artifact": {"type": "measurement", "key": "m", "data": data}, "id": str(uuid.uuid4())}
        records = [("state", {"state": {"type": "RUNNING"}})] + ([("artifact", artifact)] if energy else []) + [
            ("state", {"state": {"type": state, "message": "as played"}}), ("done", {"claim_id": claim["claim_id"], "message": ""})]
        self.rest("POST", "/switchyard/journal", {"agent": self.agent, "epoch": 1, "records": [
            {"seq": self.seq + i + 1, "kind": kind, "body": about | body} for i, (kind, body) in enumerate(records)]})
        self.seq += len(records)

    def settled(self, status):
        end = time.monotonic() + 30
        while self.device()["status"] != status:
            self.assertLess(time.monotonic(), end, json.dumps(self.device()))
            self.rest("POST", "/switchyard/heartbeat", self.call())
            time.sleep(0.05)

    def check(self, energy, status="FREE", state="COMPLETED"):
        claim = self.await_claim()
        self.assertEqual((claim["flow_run"]["name"], claim["devices"]), ("health " + self.bench, [self.bench]))
        self.assertEqual(claim["flow_run"]["parameters"], {"model": "golden", "target": "f7"})
        self.end(claim, energy, state)
        self.settled(status)

    def again(self):
        self.cli("device", "maintenance", "on", self.bench)
        self.cli("device", "maintenance", "off", self.bench)
        self.assertEqual(self.device()["status"], "PROBATION")

    def history(self):
        return self.rest("GET", f"/switchyard/devices/{self.bench}/history")

    def test_the_golden_model_keeps_within_its_limits(self):
        self.check(1.0)  # it is new
        self.assertEqual(self.claim(), [])  # and not due before an hour
        for energy in (1.01, 0.99, 1.0, 1.02):
            self.again()
            waits = self.run_for()
            self.assertIn(f"{self.bench} waits for its health check", self.cli("why", waits["id"]))
            self.check(energy)
            claim = self.await_claim()  # what waited
            self.assertEqual(claim["flow_run"]["id"], waits["id"])
            self.end(claim)
        self.again()
        self.check(1.5, "QUARANTINED")
        reason = self.device()["quarantine_reason"]
        self.assertIn("1.5 J per inference, outside of 0.9", reason)
        waits = self.run_for()
        self.assertIn("is quarantined: " + reason, self.cli("why", waits["id"]))
        self.assertEqual(self.claim(), [])
        self.cli("device", "return", self.bench, "--by", "anna")
        self.check(1.01)
        self.assertEqual(self.await_claim()["flow_run"]["id"], waits["id"])
        checks = self.history()["checks"]
        self.assertEqual([c["passed"] for c in checks], [True, False] + [True] * 5)
        self.assertTrue(checks[1]["low_j"] < 1 < checks[1]["high_j"] < 1.5 == checks[1]["value_j"])
        said = self.cli("device", "history", self.bench)
        self.assertRegex(said, r"CHECKED +RESULT +J/INFERENCE +FROM +TO +RUN")
        self.assertRegex(said, r"(?m)^\S.* +failed +1\.5 +0\.9\d+ +1\.0\d+ ")
        self.assertEqual(len(re.findall(r"(?m)^\S.* +passed +(?:1|1\.01|0\.99|1\.02) ", said)), 6)
        kinds = [e["kind"] for e in self.history()["events"] if e["kind"] != "run"]
        self.assertEqual(kinds[:3], ["health passed", "return asked", "quarantine"])

    def test_a_cancelled_check_tells_nothing_and_a_failed_one_quarantines(self):
        claim = self.await_claim()
        self.end(claim, state="CRASHED")
        end = time.monotonic() + 30
        while not [e for e in self.history()["events"] if e["kind"] == "health undecided"]:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.assertEqual(self.device()["status"], "FREE")
        self.again()
        # undecided: repeated after a minute, not at once
        self.assertEqual(self.claim(), [])

    def test_a_check_that_cannot_be_made_holds_up_no_other(self):
        flow = self.rest("POST", "/flows/", {"name": self.pool + "-broken"})
        schema = {"type": "object", "properties": {"model": {"type": "string"}}, "required": ["model"]}
        self.rest("POST", "/deployments/", {
            "name": "broken", "flow_id": flow["id"], "work_pool_name": self.pool, "parameter_openapi_schema": schema,
            "job_variables": {"health": {"type": "bench", "target": "g4", "parameters": {"model": 7}}}})
        before = self.bench
        self.bench = "a-" + before  # comes first
        devices = [{"type": "bench", "labels": {}, "free": True, "health": {}} | d
                   for d in ({"name": self.bench, "target": "g4"}, {"name": before, "target": "f7"})]
        self.rest("POST", "/switchyard/heartbeat", self.call(devices=devices))
        end = time.monotonic() + 30
        while not self.history()["checks"]:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        [check] = self.history()["checks"]
        self.assertEqual((check["passed"], check["flow_run_id"]), (None, None))
        self.assertIn("the health check could not be made: ", check["reason"])
        self.assertIn("model", check["reason"])
        self.assertEqual([(e["kind"], e["comment"]) for e in self.history()["events"]], [("health undecided", check["reason"])])
        self.assertIn("could not be made", self.cli("device", "history", self.bench))
        claims = self.rest("POST", "/switchyard/claim", self.call(slots=2, wait_s=20, devices=devices))["claims"]
        self.assertEqual([c["flow_run"]["name"] for c in claims], ["health " + before])

    def test_nobody_waits_for_a_check_that_nobody_makes(self):
        self.check(1.0)
        self.again()
        self.end(self.await_claim(), state="CRASHED")
        self.settled("PROBATION")
        self.rest("DELETE", f"/deployments/{self.checker['id']}")
        self.assertEqual(self.device()["status"], "FREE")
        run = self.run_for()
        self.assertEqual(self.await_claim()["flow_run"]["id"], run["id"])

    def test_policy_brings_it_back(self):
        self.rest("PATCH", f"/deployments/{self.checker['id']}", {"job_variables": {
            "bench": {"target": "{{ parameters.target }}"},
            "health": {"type": "bench", "every_s": 1, "return_after_s": 1, "low_j": 0.9, "high_j": 1.1, "parameters": {"model": "golden"}}}})
        self.check(2.0, "QUARANTINED")
        self.check(1.0)  # a second later it is on probation by itself, and passes
        self.check(1.0)  # and a second later the next is due
        self.check(None, "QUARANTINED", state="FAILED")
        self.assertIn("health check failed: as played", self.device()["quarantine_reason"])


class Leases(Bench):
    """Several agents and hundreds of runs that ask for one, two or a share of a device."""
    AGENTS, RUNS = 4, 24

    def devices_of(self, n):
        one = {"type": "board", "target": "f7", "labels": {}, "health": {}, "free": True}
        return [one | {"name": f"b{n}-1"}, one | {"name": f"b{n}-2"}, one | {"name": f"build{n}", "type": "builder", "target": "x86", "capacity": 2}]

    def agent_call(self, n, **more):
        return {"agent": self.ids[n], "name": f"{self.pool}-{n}", "epoch": 1, "pool": self.pool, "devices": self.devices_of(n), "claims": [], **more}

    def ask(self, devices, name):
        return self.rest("POST", f"/deployments/{self.deployment['id']}/create_flow_run",
                         {"name": name, "job_variables": {"devices": devices}, "state": {"type": "SCHEDULED"}})

    def work(self, n, stop):
        seq = 0
        while not stop.is_set():
            claims = self.rest("POST", "/switchyard/claim", self.agent_call(n, slots=8, wait_s=0.2))["claims"]
            if not claims:
                continue
            self.rest("POST", "/switchyard/claims/ack", {"agent": self.ids[n], "epoch": 1, "claims": [
                {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})
            with self.lock:
                for claim in claims:
                    self.order.append(claim["flow_run"]["name"])
                    for device in claim["devices"]:
                        self.held[device] = self.held.get(device, 0) + 1
                        self.most[device] = max(self.most.get(device, 0), self.held[device])
            time.sleep(random.uniform(0, 0.05))
            for claim in random.sample(claims, len(claims)):
                with self.lock:
                    for device in claim["devices"]:
                        self.held[device] -= 1
                seq += 2
                about = {"flow_run_id": claim["flow_run"]["id"], "token": claim["token"]}
                answer = self.rest("POST", "/switchyard/journal", {"agent": self.ids[n], "epoch": 1, "records": [
                    {"seq": seq - 1, "kind": "state", "body": about | {"state": {"type": "COMPLETED"}, "force": True}},
                    {"seq": seq, "kind": "done", "body": about | {"claim_id": claim["claim_id"], "message": ""}}]})
                assert not answer["refused"], answer

    def test_agents_fight(self):
        self.ids = [str(uuid.uuid4()) for _ in range(self.AGENTS)]
        self.lock, self.held, self.most, self.order = threading.Lock(), {}, {}, []
        for n in range(self.AGENTS):
            self.rest("POST", "/switchyard/heartbeat", self.agent_call(n))
        board, builder = {"type": "board", "target": "f7"}, {"type": "builder"}
        for i in range(self.RUNS):
            self.ask([board | {"count": 2}] if i % 6 == 2 else [builder] if i % 6 == 4 else [board], f"run-{i}")
        stop, errors = threading.Event(), []

        def guarded(n):
            try:
                self.work(n, stop)
            except Exception as e:  # noqa: BLE001
                errors.append(repr(e))
                stop.set()
        threads = [threading.Thread(target=guarded, args=(n,)) for n in range(self.AGENTS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 120
        while len(self.order) < self.RUNS and time.monotonic() < deadline and not stop.is_set():
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(sorted(self.order), sorted(f"run-{i}" for i in range(self.RUNS)))  # each once
        self.assertEqual({d: most for d, most in self.most.items() if most > (2 if d.startswith("build") else 1)}, {})
        self.assertEqual({d["used"] for d in self.rest("GET", "/switchyard/devices") if d["pool"] == self.pool}, {0})  # none is leaked

    def test_who_needs_two_has_its_turn(self):
        self.ids = [str(uuid.uuid4())]
        self.rest("POST", "/switchyard/heartbeat", self.agent_call(0))

        def claim():
            claims = self.rest("POST", "/switchyard/claim", self.agent_call(0, slots=8, wait_s=0))["claims"]
            self.rest("POST", "/switchyard/claims/ack", {"agent": self.ids[0], "epoch": 1, "claims": [
                {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})
            return claims

        def end(seq, c):
            about = {"flow_run_id": c["flow_run"]["id"], "token": c["token"]}
            self.rest("POST", "/switchyard/journal", {"agent": self.ids[0], "epoch": 1, "records": [
                {"seq": seq, "kind": "state", "body": about | {"state": {"type": "COMPLETED"}, "force": True}},
                {"seq": seq + 1, "kind": "done", "body": about | {"claim_id": c["claim_id"], "message": ""}}]})

        first = self.ask([{"name": "b0-1"}], "first")
        [lease] = claim()
        both = self.ask([{"type": "board", "count": 2}], "both")
        for i in range(3):
            self.ask([{"type": "board"}], f"later-{i}")
        self.assertEqual(claim(), [])  # b0-2 is kept for `both`
        self.assertIn(f"b0-1 is leased by the run {first['name']} until", self.cli("why", self.ask([{"name": "b0-1"}], "same")["id"]))
        self.assertIn("no set of its devices is free", self.cli("why", both["id"]))
        end(1, lease)
        [lease] = claim()
        self.assertEqual((lease["flow_run"]["id"], sorted(lease["devices"])), (both["id"], ["b0-1", "b0-2"]))
        self.assertEqual(claim(), [])
        end(3, lease)
        self.assertEqual([c["flow_run"]["name"] for c in claim()], ["later-0", "later-1"])


if __name__ == "__main__":
    unittest.main()

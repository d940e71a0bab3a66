#!/usr/bin/env python3
"""Whose turn it is: nothing that cannot run now hides what can, a device is known by its agent and its name, and what `why` says is true."""
import json
import time
import unittest
import urllib.request
import uuid

import test_devices as base  # its own tests are not run here

CROWD = 70  # more than a claim looks at in one page


class Bench(base.Bench):
    """Agents with devices of their own; `names` of each."""

    def bench_of(self, agent, names, slots=4, **more):
        devices = [{"name": n, "type": "board", "target": "f7", "labels": {}, "health": {}, "free": True} | more for n in names]
        return {"agent": agent, "name": f"{self.pool}-{agent[:4]}", "epoch": 1, "pool": self.pool, "devices": devices, "claims": [], "slots": slots,
                "wait_s": 0}

    def introduce(self, *calls):
        for call in calls:
            self.rest("POST", "/switchyard/heartbeat", call)
            self.rest("POST", "/switchyard/claim", call)

    def take(self, call):
        """Names of the runs that the agent gets, in order; it keeps them."""
        while True:
            claims = self.rest("POST", "/switchyard/claim", call)["claims"]
            if not claims or not self.rest("POST", "/switchyard/claims/ack", {"agent": call["agent"], "epoch": 1, "claims": [
                    {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})["lost"]:
                return [c["flow_run"]["name"] for c in claims]

    def ask(self, name, devices, **more):
        return self.rest("POST", f"/deployments/{self.deployment['id']}/create_flow_run",
                         {"name": name, "job_variables": {"devices": devices}, "state": {"type": "SCHEDULED"}} | more)

    def reasons(self, run):
        return {r["kind"]: r["text"] for r in self.why(run)["reasons"]}


class Turn(Bench):
    def setUp(self):
        super().setUp()
        self.mine = self.bench_of(self.agent, ["b1", "b2"])
        self.introduce(self.mine)

    def test_those_who_wait_for_one_device_hide_nobody_else(self):
        self.ask("first", [{"name": "b1"}])
        self.assertEqual(self.take(self.mine), ["first"])
        for i in range(CROWD):
            self.ask(f"crowd-{i}", [{"name": "b1"}])
        for i in range(CROWD):
            self.ask(f"other-{i}", [{"type": "board", "labels": {"n": str(i)}}])
        self.ask("last", [{"name": "b2"}])
        self.assertEqual(self.take(self.mine), ["last"])

    def test_a_full_queue_hides_no_other(self):
        for name, priority, limit in (("narrow", 1, 1), ("wide", 2, None)):
            self.rest("POST", f"/work_pools/{self.pool}/queues", {"name": name, "priority": priority, "concurrency_limit": limit})
        for i in range(CROWD):
            self.ask(f"narrow-{i}", [], work_queue_name="narrow")
        self.ask("wide", [], work_queue_name="wide")
        self.assertEqual(self.take(self.mine), ["narrow-0", "wide"])

    def test_a_misspelt_wish_is_no_weaker_one(self):
        run = self.ask("typo", [{"tagret": "f7"}])
        self.assertEqual(self.take(self.mine), [])
        self.assertIn("has a device that could be told by `tagret`", self.reasons(run)["no_bench"])


class Identity(Bench):
    """Two agents of one pool whose devices have the same names."""

    def setUp(self):
        super().setUp()
        self.left, self.right = (self.bench_of(str(uuid.uuid4()), ["b1"]) for _ in range(2))
        self.introduce(self.left, self.right)

    def test_a_run_may_name_the_agent(self):
        by_name = self.ask("by-name", [{"name": "b1", "agent": self.right["name"]}])
        self.ask("by-id", [{"target": "f7", "agent": self.left["agent"]}])
        nobody = self.ask("nobody", [{"name": "b1", "agent": "else"}])
        self.assertEqual((self.take(self.left), self.take(self.right)), (["by-id"], ["by-name"]))
        self.assertIn("device b1 of the agent else", self.reasons(nobody)["no_bench"])
        again = self.ask("again", [{"name": "b1", "agent": self.right["name"]}])
        self.assertIn(f"b1 is leased by the run {by_name['name']} until", self.reasons(again)["bench"])
        self.assertNotIn("by-id", self.reasons(again)["bench"])

    def test_a_person_says_which(self):
        self.assertIn("say which", self.cli("device", "hold", "b1", status=7))
        self.cli("device", "hold", "b1", "--agent", self.left["agent"], "--by", "anna")
        held = {d["agent_name"]: d["held_by"] for d in self.rest("GET", "/switchyard/devices?name=b1")}
        self.assertEqual(held, {self.left["name"]: "anna", self.right["name"]: None})
        self.rest("POST", "/switchyard/heartbeat", self.right | {"devices": []})  # it has none any more: there is one left to mean
        self.cli("device", "release", "b1")
        self.assertIsNone(self.rest("GET", "/switchyard/devices?name=b1")[0]["held_by"] or self.rest("GET", "/switchyard/devices?name=b1")[1]["held_by"])


class Checks(base.Health):
    """Of Health only its fixture."""
    test_the_golden_model_keeps_within_its_limits = None
    test_a_cancelled_check_tells_nothing_and_a_failed_one_quarantines = None
    test_a_check_that_cannot_be_made_holds_up_no_other = None
    test_nobody_waits_for_a_check_that_nobody_makes = None
    test_policy_brings_it_back = None

    def test_a_crowd_does_not_keep_a_device_on_probation(self):
        self.check(1.0)
        self.cli("device", "maintenance", "on", self.bench)
        for _ in range(CROWD):
            self.run_for()
        self.cli("device", "maintenance", "off", self.bench)
        self.check(1.01, "FREE")
        self.assertEqual(len(self.claim()), 1)  # and the crowd moves on

    def test_a_check_goes_to_the_agent_of_its_device(self):
        other = self.call() | {"agent": str(uuid.uuid4()), "name": "other-agent"}
        self.rest("POST", "/switchyard/heartbeat", other)
        self.rest("POST", "/switchyard/heartbeat", self.call())
        ends = time.monotonic() + 30
        while not all(h["checks"] for h in self.histories("other-agent", self.bench + "-agent")):
            self.assertLess(time.monotonic(), ends)
            time.sleep(0.05)
        claims = {c["agent"]: self.rest("POST", "/switchyard/claim", c | {"slots": 4, "wait_s": 5})["claims"] for c in (other, self.call())}
        self.assertEqual({agent: len(c) for agent, c in claims.items()}, {other["agent"]: 1, self.agent: 1})
        mine = claims[self.agent][0]["flow_run"]["id"]
        self.assertEqual(self.histories(self.bench + "-agent")[0]["checks"][0]["flow_run_id"], mine)

    def histories(self, *agents):
        return [self.rest("GET", f"/switchyard/devices/{self.bench}/history?agent={a}") for a in agents]

    def test_the_end_of_a_check_is_not_waited_for(self):
        claim = self.await_claim()
        time.sleep(1.2)  # a service that looks now and then would have a rhythm
        self.end(claim, 1.0)
        ended = time.monotonic()
        while self.history()["checks"][0]["passed"] is None:
            self.assertLess(time.monotonic() - ended, 20)
            time.sleep(0.01)
        log = self.server.log()
        self.assertIn("event=device.health", log)

    def test_totals_and_the_last_golden_measurement(self):
        self.check(1.25)
        run = self.run_for()
        claim = self.await_claim()
        self.assertEqual(claim["flow_run"]["id"], run["id"])
        self.end(claim, 7.0)
        self.health = {"flashes": 4, "failures": 1, "retry": 2, "power_cycle": 1, "quarantine": 1}
        for _ in range(2):
            self.rest("POST", "/switchyard/heartbeat", self.call())
        self.health = {"flashes": 1, "retry": 1}  # the agent's folder was lost: it counts from the beginning
        self.rest("POST", "/switchyard/heartbeat", self.call())
        self.server.kill()
        self.server.start()
        wanted = {"retry": 3, "power_cycle": 1, "usb_reset": 0, "hub_cycle": 0, "quarantine": 1}
        history = self.history()
        self.assertEqual(history["recoveries"], wanted)
        self.assertEqual(self.device()["recoveries"], wanted)
        golden, other = history["last_golden_measurement"], history["last_measurement"]
        self.assertEqual((golden["median_energy_per_inference_j"], golden["flow_run_id"]), (1.25, history["checks"][0]["flow_run_id"]))
        self.assertEqual((other["median_energy_per_inference_j"], other["flow_run_id"]), (7.0, run["id"]))
        said = self.cli("device", "history", self.bench)
        self.assertIn("3 retries, 1 power cycle, 1 quarantine", said)
        self.assertIn("golden model: 1.25 J per inference, golden, run ", said)
        self.assertIn("last other model: 7 J per inference, golden, run ", said)
        self.assertRegex(self.cli("device", "inspect", self.bench), r"Recoveries +3 retries, 1 power cycle, 1 quarantine")
        self.cli("device", "inspect", "nobody", status=3)
        with urllib.request.urlopen(self.server.url.removesuffix("/api") + "/metrics") as reply:
            text = reply.read().decode()
        self.assertIn(f'switchyard_device_recoveries_total{{agent="{self.bench}-agent",device="{self.bench}",rung="retry"}} 3\n', text)
        self.assertIn(f'switchyard_device_flashes_total{{agent="{self.bench}-agent",device="{self.bench}"}} 5\n', text)


class Why(Bench):
    """Each thing that a run may wait for, and that it is not said of others."""

    def setUp(self):
        super().setUp()
        self.mine = self.bench_of(self.agent, ["b1", "b2"])
        self.whole = self.bench
        self.part = self.whole + ".meter"
        self.mine["devices"].append({"name": self.whole, "type": "bench", "target": "u5", "labels": {}, "health": {}, "free": True})
        self.mine["devices"].append({"name": self.part, "type": "meter", "labels": {}, "health": {}, "free": True, "bench": self.whole})
        self.introduce(self.mine)

    def test_a_bench_whose_part_is_in_use(self):
        part = self.ask("part", [{"name": self.part}])
        self.assertEqual(self.take(self.mine), ["part"])
        whole = self.ask("whole", [{"target": "u5"}])
        self.assertRegex(self.reasons(whole)["bench"], rf"^no bench for the target u5 is free: {self.whole} goes with {self.part}, which is leased by the run {part['name']} until ")
        self.cli("device", "hold", self.whole, "--by", "anna")
        meter = self.ask("meter", [{"type": "meter"}])
        self.assertIn(f"{self.part} is leased by the run part", self.reasons(meter)["bench"])

    def test_a_part_of_a_bench_that_is_held(self):
        self.cli("device", "hold", self.whole, "--by", "anna")
        meter = self.ask("meter", [{"type": "meter"}])
        self.assertEqual(self.take(self.mine), [])
        status = {d["name"]: d["status"] for d in self.rest("GET", "/switchyard/devices") if d["pool"] == self.pool}
        self.assertEqual(status, {"b1": "FREE", "b2": "FREE", self.whole: "HELD", self.part: "HELD"})
        self.assertIn(f"{self.part} goes with {self.whole}, which is held by anna until", self.reasons(meter)["bench"])

    def test_the_agent_of_the_device_is_busy(self):
        other = self.bench_of(str(uuid.uuid4()), ["x1"], slots=1, target="g4")
        self.introduce(other)
        self.ask("busy", [{"name": "x1", "count": 1}])
        self.assertEqual(self.take(other), ["busy"])
        self.mine["devices"][0] |= {"capacity": 2}
        other["devices"] += [dict(other["devices"][0], name="x2")]
        self.rest("POST", "/switchyard/heartbeat", other)
        run = self.ask("waits", [{"target": "g4"}])
        self.assertEqual(self.take(other), [])
        text = self.reasons(run)["bench"]
        self.assertIn("x1 is leased by the run busy", text)
        self.assertIn(f"x2 is of the agent {other['name']}, which has no free slot", text)

    def test_what_is_kept_for_another(self):
        self.ask("first", [{"name": "b1"}])
        self.assertEqual(self.take(self.mine), ["first"])
        both = self.ask("both", [{"type": "board", "count": 2}])
        later = self.ask("later", [{"type": "board"}])
        self.assertEqual(self.take(self.mine), [])
        self.assertIn("no set of its devices is free", self.reasons(both)["bench"])
        self.assertEqual(self.reasons(later), {"turn": "the board that is free is kept for the run both, which comes first"})

    def test_its_turn(self):
        runs = [self.ask(f"turn-{i}", []) for i in range(3)]
        self.assertIn("nothing is in its way", self.reasons(runs[0])["turn"])
        self.assertEqual(self.reasons(runs[1])["turn"], "1 run of its work pool is before it")
        self.assertEqual(self.reasons(runs[2])["turn"], "2 runs of its work pool are before it")

    def test_the_limit_of_a_deployment(self):
        self.rest("PATCH", f"/deployments/{self.deployment['id']}", {"concurrency_limit": 1})
        self.ask("first", [])
        second = self.ask("second", [])
        self.assertEqual(self.take(self.mine), ["first"])
        self.assertIn("its deployment had its limit of concurrent runs", self.reasons(second)["concurrency_limit"])

    def test_many_devices_are_not_all_told(self):
        many = self.bench_of(str(uuid.uuid4()), [f"m{i:02}" for i in range(20)], target="h7")
        for d in many["devices"]:
            d["free"] = False
        self.introduce(many)
        text = self.reasons(self.ask("one", [{"target": "h7"}]))["bench"]
        self.assertEqual(text.count("is down"), 8)
        self.assertTrue(text.endswith("; and 12 more"), text)

    def test_the_dashboard_and_the_program_say_the_same(self):
        run = self.ask("same", [{"name": "b9"}])
        answer = json.loads(self.cli("-o", "json", "why", run["id"]))
        self.assertEqual(answer, self.why(run))
        self.assertIn(answer["reasons"][0]["text"], self.cli("why", run["id"]))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A campaign that is interrupted: its creation is killed midway and repeated; server and agent are killed (-9) while it runs, is
paused, and is cancelled.  Each run ends once, none is doubled, no device is leaked."""
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402
from test_agent import Agent, AgentTest  # noqa: E402

BENCHES = "benches:\n" + "".join(f"  - {{name: c{k}, target: netduinoplus2, emulated: true}}\n" for k in range(3)) + "discover: false\n"
FLOW = """
name: night
parameters: {model: {type: string}, target: {type: string}}
tasks:
  work: {uses: shell, with: {run: sleep 0.1}}
"""
MODELS, TARGETS = 300, 6


class Crash(AgentTest):
    def cli(self, *words, status=0):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stdout[-500:] + done.stderr[-2000:])
        return done.stdout

    def status(self, name):
        return self.ok("GET", "/switchyard/campaigns/" + name)

    def create(self, name, deployment, models, targets):
        return [live.BUILD / "switchyard", "--server", self.server.url, "campaign", "create", name, deployment["id"], "-m",
                "model=" + ",".join(f"m{k}" for k in range(models)), "-m", "target=" + ",".join(targets)]

    def all_runs(self, name):
        runs = []
        while True:
            page = self.ok("POST", "/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["campaign:" + name]}}, "sort": "ID_DESC",
                                                         "limit": 200, "offset": len(runs)})
            runs += page
            if not page:
                return runs

    def test_a_creation_that_was_killed_is_finished_by_the_next(self):
        self.ok("POST", "/work_pools/", {"name": "made", "type": "switchyard"})
        deployment = self.deploy("made", {"command": "true"})
        command = self.create("killed", deployment, MODELS, [f"t{k}" for k in range(TARGETS)])
        parts = []
        for fraction in (0.3, 0.5, 0.8):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            count = "select"
            while process.poll() is None and count != "enough":
                made = self.ok("POST", "/flow_runs/count", {"flow_runs": {"tags": {"all_": ["campaign:killed"]}}})
                count = "enough" if made >= fraction * MODELS * TARGETS else count
            process.kill()
            process.wait()
            parts.append(made)
        self.assertTrue([n for n in parts if 0 < n < MODELS * TARGETS], parts)  # it was cut off in the middle at least once
        begin = time.monotonic()
        self.assertEqual(subprocess.run(command, capture_output=True, timeout=120).returncode, 0)
        self.assertLess(time.monotonic() - begin, 60)
        runs = self.all_runs("killed")
        self.assertEqual(len(runs), MODELS * TARGETS)
        self.assertEqual(len({(r["parameters"]["model"], r["parameters"]["target"]) for r in runs}), MODELS * TARGETS)

    def test_server_and_agent_are_killed(self):
        agent = Agent(self, slots=3, config=BENCHES)
        deployment = self.deploy_native(agent.pool, FLOW, bench={"target": "{{ parameters.target }}"}, lost_attempts=20)
        self.assertEqual(subprocess.run(self.create("night", deployment, 40, ["netduinoplus2"]), capture_output=True).returncode, 0)

        def crash():
            agent.kill()
            self.server.kill()
            self.server.start()
            agent.start()

        self.wait("the first runs", lambda: self.status("night")["completed"] >= 5)
        crash()
        self.cli("campaign", "pause", "night")
        self.wait("runs at work to end", lambda: not self.status("night")["running"] + self.status("night")["pending"])
        crash()
        paused = self.status("night")
        time.sleep(1)
        self.assertEqual((self.status("night")["state"], self.status("night")["done"]), ("paused", paused["done"]))
        self.cli("campaign", "resume", "night")
        self.wait("more runs", lambda: self.status("night")["completed"] >= paused["completed"] + 5)
        crash()
        self.cli("campaign", "cancel", "night")
        crash()
        self.wait("the end", lambda: self.status("night")["total"] == self.status("night")["done"])
        end = self.status("night")
        self.assertEqual((end["total"], end["completed"] + end["cancelled"], end["eta_s"]), (40, 40, 0))
        self.assertGreater(end["cancelled"], 0)
        self.wait("free devices", lambda: {d["used"] for d in self.ok("GET", "/switchyard/devices") if d["pool"] == agent.pool} == {0})
        runs = self.all_runs("night")
        self.assertEqual(len({r["parameters"]["model"] for r in runs}), 40)


if __name__ == "__main__":
    unittest.main()

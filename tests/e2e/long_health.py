#!/usr/bin/env python3
"""Health checks by real measurements: the demo's health flow builds, flashes and measures the golden model on an emulated bench.  Its
limits are learnt; a meter that shows more than before quarantines the bench, which returns by policy once it is mended."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import live  # noqa: E402
import test_agent as base  # noqa: E402

DEMO = live.ROOT / "deploy/demo"
CONFIG = "benches:\n  - {name: golden-bench, target: netduinoplus2, emulated: true}\ndiscover: false\n"
# Starts the simulator with the faults of a file.
SIMULATOR = """#!/bin/sh
echo $$ > "%(folder)s/simulator.pid"
exec "%(build)s/switchyard-benchsim" "$@" $(cat "%(folder)s/faults")
"""
PAST_MIN = 5  # checks before limits are learnt, HEALTH_PAST_MIN
base.WAIT_S = 400  # a check takes 15 s or more, and there are eight


class Agent(base.Agent):
    """With a simulator of its own beside it."""

    def start(self):
        bin_ = self.folder / "bin"
        if not bin_.exists():
            bin_.mkdir()
            shutil.copy(live.BUILD / "switchyard-worker", bin_)
            (self.folder / "faults").touch()
            simulator = bin_ / "switchyard-benchsim"
            simulator.write_text(SIMULATOR % {"folder": self.folder, "build": live.BUILD.resolve()})
            simulator.chmod(0o755)
            self.command[0] = bin_ / "switchyard-worker"
        super().start()

    def be_faulty(self, faults):
        """The agent starts the simulator anew."""
        (self.folder / "faults").write_text(faults)
        os.kill(int((self.folder / "simulator.pid").read_text()), signal.SIGKILL)


class Health(base.AgentTest):
    def cli(self, *words):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def deploy_health(self, agent):
        firmware = agent.folder / "firmware"
        shutil.copytree(DEMO / "firmware", firmware)
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "firmware"]):
            subprocess.run(["git", "-C", firmware, "-c", "user.name=t", "-c", "user.email=t@localhost", *words], check=True)
        self.cli("file", "put", DEMO / "models/fc-small.tflite")
        shutil.copy(DEMO / "energy-profile.yaml", agent.folder)
        text = (DEMO / "bench-health.yaml").read_text()
        for before, after in (("every: 24h", "every: 1s"), ("return_after: 1h", "return_after: 2s"),
                              ("https://git.example/firmware.git", str(firmware))):
            self.assertEqual(text.count(before), 1, before)
            text = text.replace(before, after)
        (agent.folder / "bench-health.yaml").write_text(text)
        self.cli("deploy", agent.folder / "bench-health.yaml", "--pool", agent.pool)

    def checks(self):
        """Those that are over, newest first."""
        found = self.ok("GET", "/switchyard/devices/golden-bench/history")["checks"]
        return [c for c in found if c["passed"] is not None]

    def device(self):
        return next(d for d in self.ok("GET", "/switchyard/devices") if d["name"] == "golden-bench")

    def test_a_bench_that_measures_otherwise_is_quarantined_and_returns(self):
        agent = Agent(self, config=CONFIG)
        self.wait("the bench", lambda: [d for d in self.ok("GET", "/switchyard/devices") if d["name"] == "golden-bench" and d["status"] == "FREE"])
        self.deploy_health(agent)
        self.wait("limits", lambda: len(self.checks()) > PAST_MIN or any(not c["passed"] for c in self.checks()))
        checks = self.checks()
        self.assertEqual([c["passed"] for c in checks], [True] * len(checks), checks)
        normal = checks[0]
        self.assertTrue(0 < normal["low_j"] < normal["value_j"] < normal["high_j"], normal)
        self.assertIsNone(checks[-1]["low_j"])  # the first: nothing was learnt yet

        agent.be_faulty("--fault idle-step=0.005")
        self.wait("the quarantine", lambda: self.device()["status"] == "QUARANTINED")
        agent.be_faulty("")
        sick = self.checks()[0]
        print(f"normal {normal['value_j']:.6g} J of {normal['low_j']:.6g} to {normal['high_j']:.6g} J; with a fault: {sick['reason']}")
        self.assertEqual(sick["passed"], False)
        self.assertIn("J per inference, outside of", sick["reason"])
        self.assertGreater(sick["value_j"], sick["high_j"])
        self.assertEqual(self.device()["quarantine_reason"], sick["reason"])

        back = self.wait("a check after the quarantine", lambda: next((c for c in self.checks() if c["began"] > sick["began"]), None))
        self.assertTrue(back["passed"], back)
        self.assertLess(abs(back["value_j"] / normal["value_j"] - 1), 0.015)
        self.wait("the return", lambda: self.device()["status"] in ("FREE", "BUSY"))
        self.assertIn("quarantine", [e["kind"] for e in self.ok("GET", "/switchyard/devices/golden-bench/history")["events"]])


if __name__ == "__main__":
    unittest.main()

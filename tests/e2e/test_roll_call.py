#!/usr/bin/env python3
"""What an agent does to a bench by itself, seen at the meter's end of the line: it asks who an idle one is, and leaves none under power."""
import os
import pty
import select
import tempfile
import threading
import time
import tty
import unittest
import uuid

import test_bench as base  # its own tests are not run here
from test_agent import FINAL, Agent

# No clean-up of its own.
CARELESS = base.WAITS.split("  off:")[0]


class Line:
    """The far end of a serial port: notes each line that comes; `answers` makes a meter of it, `noise` one that measures."""

    def __init__(self, answers=False, noise=b""):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path, self.answers, self.noise = os.ttyname(self.slave), answers, noise
        self.heard, self.bytes, self.end = [], 0, False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        rest = b""
        while not self.end:
            if self.noise and select.select([], [self.master], [], 0)[1]:
                os.write(self.master, self.noise)
            if not select.select([self.master], [], [], 0.02)[0]:
                continue
            chunk = os.read(self.master, 4096)
            self.bytes += len(chunk)
            *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in filter(None, (line.decode().strip() for line in lines)):
                self.heard.append((time.monotonic(), line))
                if self.answers:
                    os.write(self.master, self.reply(line).encode())

    def reply(self, line):
        more = {"powershield": "ack powershield STLINK-V3PWR 003A0034", "version": "ack version: V4J4B1P2", "volt get": "ack volt get 3300-03"}
        return more.get(line, f"ack {line}") + "\r\n"

    def commands(self):
        return [line for _, line in self.heard]

    def close(self):
        self.end = True
        self.thread.join()
        os.close(self.master)
        os.close(self.slave)


class RollCall(base.Benches):
    test_a_bench_is_told_with_its_parts = test_a_flow_has_several_devices = None
    test_a_sick_bench_is_quarantined_and_comes_back = test_a_quarantine_outlives_its_agent_and_the_server = None
    test_a_kick_ends_the_step_and_cleans_up = None

    def bench(self, **meter):
        self.meter, self.uart = Line(**meter), Line()
        volume = self.enterContext(tempfile.TemporaryDirectory())
        for port in (self.meter, self.uart):
            self.addCleanup(port.close)
        for name, text in (("MBED.HTM", ""), ("DETAILS.TXT", "Version: 0221\r\nBuild:   Jan  7 2019 16:41:17\r\n")):
            with open(f"{volume}/{name}", "w") as file:
                file.write(text)
        self.name = "r" + uuid.uuid4().hex[:6]
        return Agent(self, config=f"""
benches:
  - name: {self.name}
    target: netduinoplus2
    board: {{backend: msd, serial: X1, volume: {volume}, uart: {self.uart.path}}}
    meter: {{port: {self.meter.path}}}
discover: false
""")

    def one(self, part=""):
        return next((d for d in self.ok("GET", "/switchyard/devices") if d["name"] == self.name + part), {"status": None, "firmware": {}})

    def await_free(self):
        self.wait("the bench", lambda: self.one()["status"] == "FREE")

    def test_an_idle_bench_says_who_it_is(self):
        self.bench(answers=True)
        self.await_free()
        self.assertEqual(self.one(".meter")["firmware"], {"meter": "V4J4B1P2"})
        self.assertEqual(self.one(".meter")["labels"]["serial"], "003A0034")
        self.assertEqual(self.one(".board")["firmware"], {"probe": "0221"})
        self.assertEqual(set(self.meter.commands()), {"powershield", "version"})  # nothing was set
        self.assertIn("meter V4J4B1P2", self.cli("device", "ls"))
        self.assertRegex(self.cli("device", "inspect", self.name + ".board"), r"Firmware +probe 0221")

    def test_a_meter_that_sends_is_left_alone(self):
        self.bench(noise=b"\x52\xa0" * 50)
        self.await_free()
        self.assertEqual((self.meter.bytes, self.one(".meter")["firmware"]), (0, {}))
        self.assertEqual(self.one(".board")["firmware"], {"probe": "0221"})

    def test_a_bench_that_a_person_holds_is_left_alone(self):
        agent = self.bench()
        self.await_free()  # nobody answered
        self.cli("device", "hold", self.name, "--by", "anna")
        agent.kill()
        self.meter.answers, self.meter.bytes = True, 0
        before = self.one()["last_seen"]
        agent.start()
        self.wait("the agent", lambda: self.one()["last_seen"] > before and self.one()["status"] == "HELD")
        time.sleep(3)
        self.assertEqual(self.meter.bytes, 0)
        self.cli("device", "release", self.name)
        self.wait("the version", lambda: self.one(".meter")["firmware"] == {"meter": "V4J4B1P2"})
        self.await_free()

    def test_a_run_that_is_kicked_leaves_no_power(self):
        agent = self.bench(answers=True)
        self.await_free()
        run = self.run_flow(agent, CARELESS)
        self.wait("the power", lambda: "pwr on" in self.meter.commands())
        self.assertNotIn("pwr off", self.meter.commands()[self.meter.commands().index("pwr on"):])
        self.cli("device", "kick", self.name, "--by", "anna")
        self.assertEqual(self.await_state(run, *FINAL)["type"], "CANCELLED")
        self.await_free()  # the lease ends when the supply is off
        self.assertEqual([c for c in self.meter.commands() if c.startswith("pwr")][-1], "pwr off")
        silent, uart = self.meter.bytes, self.uart.bytes
        time.sleep(2)
        self.assertEqual((self.meter.bytes, self.uart.bytes), (silent, uart))  # nothing drives it any more
        folder = f"/proc/{agent.process.pid}/fd"
        opened = {os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder) if os.path.lexists(f"{folder}/{fd}")}
        self.assertEqual(opened & {self.uart.path, self.meter.path}, set())  # both lines are cut

    def test_a_program_that_is_kicked_leaves_no_power(self):
        agent = self.bench(answers=True)
        self.await_free()
        flow = self.ok("POST", "/flows/", {"name": "sleeps"})
        deployment = self.ok("POST", "/deployments/", {"name": self.name, "flow_id": flow["id"], "work_pool_name": agent.pool, "job_variables": {
            "command": "sleep 1000", "bench": {"target": "netduinoplus2"}}})
        run = self.ok("POST", f"/deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
        self.wait("the lease", lambda: self.one()["leases"])
        self.wait("the program", lambda: "run.start" in (agent.folder / "log").read_text())
        self.cli("device", "kick", self.name, "--by", "anna")
        self.assertEqual(self.await_state(run, *FINAL)["type"], "CANCELLED")
        self.await_free()
        self.assertEqual([c for c in self.meter.commands() if c.startswith("pwr")], ["pwr off"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The agent and its benches: what it tells of them, runs with several devices, and that a device is driven under a lease only."""
import hashlib
import http.server
import json
import os
import pathlib
import pty
import select
import subprocess
import sys
import tempfile
import threading
import time
import tty
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402
from test_agent import FINAL, Agent, AgentTest  # noqa: E402

BENCHES = """
benches:
  - {name: PREFIX-1, target: netduinoplus2, emulated: true, location: shelf 2, labels: {rack: "3"}, capabilities: [uart]}
  - {name: PREFIX-2, target: netduinoplus2, emulated: true}
devices:
  - {name: PREFIX-oven, type: chamber, labels: {room: lab-2}, capacity: 2}
discover: false
"""

SEVERAL = """
name: several
devices:
  left: {type: bench, target: netduinoplus2, labels: {rack: "3"}}
  right: {type: bench, target: netduinoplus2}
  oven: {type: chamber}
tasks:
  say:
    uses: shell
    with: {run: "echo got {{ devices.left.name }} {{ devices.right.name }} {{ devices.oven.name }}"}
  off:
    uses: board.off
    with: {device: right}
  which:
    uses: shell
    with: {run: "echo off {{ tasks.off.outputs.bench }}"}
"""

PARTS = """
name: parts
devices:
  board: {type: board, target: netduinoplus2}
  meter: {type: meter}
tasks:
  say:
    uses: shell
    with: {run: "echo got {{ devices.board.name }} {{ devices.meter.name }}"}
"""

WAITS = """
name: waits
devices:
  bench: {target: netduinoplus2}
tasks:
  listen:
    uses: serial.expect
    with: {pattern: never said, power: cycle, timeout: 100}
  off:
    uses: board.off
    always: true
    needs: listen
"""


HEALTH = """
name: bench-health
health: {type: bench, every: 24h, return_after: 1s}
devices:
  bench: {type: bench}
tasks:
  golden:
    uses: shell
    with: {run: "test ! -e SICK"}
  off: {uses: board.off, always: true, needs: golden}
"""


class Benches(AgentTest):
    def cli(self, *words):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def devices(self, agent):
        """By what their names have in common on all agents."""
        return {d["name"].split("-")[1]: d for d in self.ok("GET", "/switchyard/devices") if d["pool"] == agent.pool}

    def bench_agent(self):
        agent = Agent(self, config=BENCHES.replace("PREFIX", "b" + uuid.uuid4().hex[:4]))
        self.wait("the benches", lambda: [d["status"] for d in self.devices(agent).values()] == ["FREE"] * 7)
        return agent

    def run_flow(self, agent, text):
        path = agent.folder / "flow.yaml"
        path.write_text(text)
        name = text.split("name: ")[1].split()[0]
        self.cli("deploy", path, "--pool", agent.pool)
        found = self.ok("GET", f"/deployments/name/{name}/default")
        return self.ok("POST", f"/deployments/{found['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]

    def test_a_bench_is_told_with_its_parts(self):
        found = self.devices(self.bench_agent())
        self.assertEqual(sorted(found), ["1", "1.board", "1.meter", "2", "2.board", "2.meter", "oven"])
        bench, board, oven = found["1"], found["1.board"], found["oven"]
        self.assertEqual((bench["type"], bench["location"], bench["labels"]["rack"], bench["capabilities"]),
                         ("bench", "shelf 2", "3", ["uart"]))
        self.assertEqual((board["type"], board["target"], board["bench"]), ("board", "netduinoplus2", bench["name"]))
        self.assertEqual((oven["type"], oven["capacity"], oven["labels"]), ("chamber", 2, {"room": "lab-2"}))

    def test_a_flow_has_several_devices(self):
        agent = self.bench_agent()
        run = self.run_flow(agent, SEVERAL)
        state = self.await_state(run, *FINAL)
        self.assertEqual(state["type"], "COMPLETED", state["message"])
        said = [m for m in self.messages(run) if m.startswith(("got", "off"))]
        names = {k: d["name"] for k, d in self.devices(agent).items()}
        self.assertEqual(sorted(said), [f"got {names['1']} {names['2']} {names['oven']}", f"off {names['2']}"])
        run = self.run_flow(agent, PARTS)
        self.assertEqual(self.await_state(run, *FINAL)["type"], "COMPLETED")
        got = next(m for m in self.messages(run) if m.startswith("got")).split()[1:]
        self.assertIn(got[0], (names["1.board"], names["2.board"]))
        self.assertIn(got[1], (names["1.meter"], names["2.meter"]))
        self.assertEqual({d["used"] for d in self.devices(agent).values()}, {0})

    def test_a_sick_bench_is_quarantined_and_comes_back(self):
        agent = self.bench_agent()
        sick = agent.folder / "sick"
        sick.touch()
        path = agent.folder / "health.yaml"
        path.write_text(HEALTH.replace("SICK", str(sick)))
        self.cli("deploy", path, "--pool", agent.pool)
        bench = self.devices(agent)["1"]["name"]
        status = lambda: self.devices(agent)["1"]["status"]  # noqa: E731
        self.cli("device", "maintenance", "on", bench)
        self.cli("device", "maintenance", "off", bench)
        self.wait("the quarantine", lambda: status() == "QUARANTINED")
        self.assertIn("health check failed", self.devices(agent)["1"]["quarantine_reason"])
        sick.unlink()
        self.wait("the return", lambda: status() == "FREE")  # by the policy, and a check that passed
        history = self.ok("GET", f"/switchyard/devices/{bench}/history")
        self.assertEqual(history["checks"][0]["passed"], True)
        self.assertIn("quarantine", [e["kind"] for e in history["events"]])
        log = self.messages(history["checks"][0]["flow_run_id"])
        self.assertIn("the board's supply is off", log)

    def test_a_quarantine_outlives_its_agent_and_the_server(self):
        agent = self.bench_agent()
        sick, path = agent.folder / "sick", agent.folder / "health.yaml"
        sick.touch()
        path.write_text(HEALTH.replace("SICK", str(sick)).replace(", return_after: 1s", ""))
        self.cli("deploy", path, "--pool", agent.pool)
        one = lambda: self.devices(agent)["1"]  # noqa: E731
        for what in ("on", "off"):
            self.cli("device", "maintenance", what, one()["name"])
        self.wait("the quarantine", lambda: one()["status"] == "QUARANTINED")
        before = one()
        sick.unlink()
        agent.kill()
        self.server.kill()
        self.server.start()
        agent.start()
        self.wait("the agent", lambda: one()["last_seen"] > before["last_seen"])
        run = self.run_flow(agent, WAITS.replace("netduinoplus2", "netduinoplus2, labels: {rack: '3'}"))
        self.wait("the reason", lambda: any("is quarantined: " + before["quarantine_reason"] in r["text"]
                                            for r in self.ok("GET", f"/switchyard/flow_runs/{run}/why")["reasons"]))
        for name in ("status", "quarantine_reason", "quarantined_since"):
            self.assertEqual(one()[name], before[name])
        self.assertEqual(self.state(run)["type"], "SCHEDULED")
        self.cli("device", "return", before["name"], "--by", "anna")
        self.await_state(run, "RUNNING")  # after a check that passed
        self.assertTrue(self.ok("GET", f"/switchyard/devices/{before['name']}/history")["checks"][0]["passed"])
        self.ok("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
        self.await_state(run, *FINAL)

    def test_a_kick_ends_the_step_and_cleans_up(self):
        agent = self.bench_agent()
        run = self.run_flow(agent, WAITS)
        self.await_state(run, "RUNNING")
        busy = self.wait("a lease", lambda: next((d for d in self.devices(agent).values() if d["type"] == "bench" and d["leases"]), None))
        self.cli("device", "kick", busy["name"], "--by", "anna", "--comment", "smoke")
        state = self.await_state(run, *FINAL)
        self.assertEqual(state["type"], "CANCELLED")
        self.assertIn(f"{busy['name']} was kicked by anna: smoke", state["message"])
        self.wait("the log", lambda: "the board's supply is off" in self.messages(run))  # under the lease, which was still there
        self.wait("free devices", lambda: {d["status"] for d in self.devices(agent).values()} == {"FREE"})
        kick = self.ok("GET", f"/switchyard/devices/{busy['name']}/history")["events"][0]
        self.assertEqual((kick["kind"], kick["by"], kick["flow_run_id"]), ("kick", "anna", run))


# ---- a server that goes silent ----

LEASE_S = 6
DRIVES = """
name: drives
tasks:
  drive:
    uses: board.off
    retries: 100
    retry_delay: 0.1
  last:
    uses: board.off
    always: true
    needs: drive
    retries: 100
    retry_delay: 0.2
"""

# A program that does not end by itself.
DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    with open(os.environ["BEATS"], "a") as file:
        file.write(f"{time.monotonic()}\\n")
    time.sleep(0.05)
"""


class Silent(http.server.ThreadingHTTPServer):
    """Gives one claim, keeps it once, then answers nobody until `partitioned` is over; notes what is delivered."""
    daemon_threads = True

    def __init__(self, lost=False, job=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.job = job or {"native_flow": "sha256:" + hashlib.sha256(DRIVES.encode()).hexdigest()}
        self.claim, self.run, self.given, self.lost = str(uuid.uuid4()), str(uuid.uuid4()), False, lost
        self.sent, self.partitioned, self.records = None, False, []
        self.flow = DRIVES.encode()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(200, self.server.flow)

    def do_POST(self):
        s, body = self.server, json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if s.partitioned:
            self.close_connection = True
            return
        if self.path.endswith("/claim"):
            if s.given or not any(d["free"] for d in body["devices"]):
                time.sleep(0.3)
                return self.reply(200, {"claims": [], "cancel": []})
            s.given = True
            return self.reply(200, {"cancel": [], "claims": [{
                "claim_id": s.claim, "token": 7, "expires_at": "2030-01-01T00:00:00Z", "devices": ["real"], "deployment": None,
                "flow_run": {"id": s.run, "name": "r", "parameters": {}, "run_count": 0}, "flow": {"id": str(uuid.uuid4()), "name": "drives"},
                "job": s.job}]})
        if self.path.endswith("/ack"):
            s.sent = time.monotonic()
            return self.reply(200, {"live": [s.claim], "lost": [], "lease_s": LEASE_S})
        if self.path.endswith("/heartbeat"):
            return self.reply(200, {"cancel": [], "lost": [s.claim] if s.lost and s.claim in body["claims"] else [], "return": [],
                                    "lease_s": LEASE_S})
        if self.path.endswith("/journal"):
            s.records += body["records"]
            last = body["records"][-1]["seq"] if body["records"] else 0
            return self.reply(200, {"acked": last, "refused": [], "verdicts": []})
        return self.reply(201, {})

    def reply(self, status, body):
        body = body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the agent has ended


class Port:
    """A serial port that notes when something is written to it, and never answers."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path, self.heard, self.end = os.ttyname(self.slave), [], False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not self.end:
            if select.select([self.master], [], [], 0.1)[0]:
                os.read(self.master, 4096)
                self.heard.append(time.monotonic())

    def close(self):
        self.end = True
        self.thread.join()
        os.close(self.master)
        os.close(self.slave)


class Fence(unittest.TestCase):
    def play(self, **how):
        self.meter, self.uart, self.fake = Port(), Port(), Silent(**how)
        for port in (self.meter, self.uart):
            self.addCleanup(port.close)
        self.addCleanup(self.fake.server_close)
        self.addCleanup(self.fake.shutdown)
        self.server = self.fake
        self.fake.url = f"http://127.0.0.1:{self.fake.server_address[1]}/api"
        self.agent = Agent(self, config=f"""
benches:
  - name: real
    target: f7
    board: {{backend: openocd, serial: X1, uart: {self.uart.path}}}
    meter: {{port: {self.meter.path}}}
discover: false
""")
        begun = how["job"]["env"]["BEATS"].exists if "job" in how else lambda: self.meter.heard
        self.until("the first byte to the meter", lambda: begun() and self.fake.sent, 60)

    def until(self, what, done, limit_s):
        end = time.monotonic() + limit_s
        while not done():
            self.assertLess(time.monotonic(), end, f"{what} did not happen; {(self.agent.folder / 'log').read_text()}")
            time.sleep(0.05)

    def done(self):
        return next((r["body"] for r in self.fake.records if r["kind"] == "done"), None)

    def messages(self):
        return [line["message"] for r in self.fake.records if r["kind"] == "logs" for line in r["body"]["logs"]]

    def test_an_agent_that_is_cut_off_does_not_drive_longer_than_its_lease(self):
        self.play()
        self.fake.partitioned = True
        cut = time.monotonic()
        time.sleep(LEASE_S + 6)
        self.assertTrue([t for t in self.meter.heard if t > cut], "it drives while the lease holds")
        late = [t - cut for t in self.meter.heard if t > cut + LEASE_S]
        self.assertEqual(late, [], "bytes to the meter after the lease was over")
        self.fake.partitioned = False
        self.until("the end of the run", self.done, 120)
        self.assertTrue(self.done()["lost"], self.done())  # another attempt may follow
        said = "\n".join(self.messages())
        self.assertIn("The lease of the devices may be over: the server was not heard of.", said)

    def test_a_process_deaf_to_term_is_killed_before_the_lease_is_over(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        beats = folder / "beats"
        (folder / "deaf.py").write_text(DEAF)  # 30 s from TERM to KILL, if there were time
        self.play(job={"command": f"{sys.executable} {folder}/deaf.py", "env": {"BEATS": beats}})
        self.fake.partitioned = True
        cut = time.monotonic()
        time.sleep(LEASE_S + 3)
        times = [float(t) for t in beats.read_text().split()]
        self.assertGreater(times[-1], cut + 0.5, "it goes on while the lease holds")
        self.assertLess(times[-1], cut + LEASE_S, "a sign of life after the lease was over")
        self.fake.partitioned = False
        self.until("the end of the run", self.done, 120)
        self.assertTrue(self.done()["lost"], self.done())

    def test_a_lost_claim_drives_nothing_at_all(self):
        self.play()
        self.fake.lost = True
        self.until("the loss", lambda: "claim.lost" in (self.agent.folder / "log").read_text(), 30)
        time.sleep(0.5)
        lost = time.monotonic()
        time.sleep(3)
        self.assertEqual([t - lost for t in self.meter.heard if t > lost], [])
        self.assertIsNone(self.done())  # not a word about what is another's


if __name__ == "__main__":
    unittest.main()

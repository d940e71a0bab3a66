#!/usr/bin/env python3
"""A campaign of 900 models x 6 targets, and one of a tenth: what a run costs the server (processor time of server and PostgreSQL)
must not grow with the size.  The agent is played over its protocol (42 emulated benches), the benches need no time.
Autovacuum is off, so that no query gets its plan from statistics that happen to be there.

    tests/e2e/long_campaign.py [MODELS]     9000: 5 400 and 54 000 runs, without the report"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402

TARGETS = [f"t{k}" for k in range(6)]
BENCHES = 42
# Each phase at 5 400 runs, relative to 540: the figures of one run.
GROWTH_MAX = 1.5
REPORT_ROWS_MAX = 10000  # more is exported, not reported (docs/report.md)


def ticks(pid):
    """utime, stime, and of children that ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0, 0
    return int(fields[1]), sum(int(x) for x in fields[11:15])


class Costs:
    """Processor time of the server and of PostgreSQL between two looks."""

    def __init__(self, server):
        self.roots = [server.process.pid, int(pathlib.Path(server.folder, "data/pg/postmaster.pid").read_text().split()[0])]
        self.rows = {}

    def cpu_s(self):
        total = sum(ticks(pid)[1] for pid in self.roots)
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                parent, used = ticks(entry)
                total += used if parent == self.roots[1] else 0
        return total / os.sysconf("SC_CLK_TCK")

    def measure(self, phase, size, work):
        before, begin = self.cpu_s(), time.monotonic()
        got = work()
        self.rows[phase, size] = (self.cpu_s() - before, time.monotonic() - begin)
        return got


def measurement(run, bench):
    windows = [{"start_s": k + 0.0, "end_s": k + 1.0, "inferences": 100, "energy_j": 0.07, "energy_per_inference_j": 7e-4}
               for k in range(5)]
    return {"model": run["parameters"]["model"], "target": run["parameters"]["target"], "board": bench, "meter": "played", "emulated": True,
            "volts": 3.3, "sample_rate_hz": 100000, "samples": 500000, "lost": 0, "windows": windows, "latency_s": 0.01,
            "gates": [{"name": "lost_samples", "passed": True, "value": 0, "limit": 0.001, "detail": "0"}],
            "median_energy_per_inference_j": 7e-4, "build_id": "b7", "flash_bytes": 100, "ram_bytes": 10}


class Agent:
    """An agent without benches: what it is given is done at once."""

    def __init__(self, rest, pool, prefix):
        self.rest, self.pool, self.id, self.seq, self.ids = rest, pool, str(uuid.uuid4()), 0, 0
        self.devices = [{"name": f"{prefix}-{k}", "type": "bench", "target": TARGETS[k % 6], "labels": {}, "free": True, "health": {}}
                        for k in range(BENCHES)]

    def body(self, **more):
        return {"agent": self.id, "name": "played", "epoch": 1, "pool": self.pool, "devices": self.devices, "claims": [], **more}

    def ordered_id(self):
        """As UUIDv7, of which a later one is greater."""
        self.ids += 1
        return str(uuid.UUID(int=int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62 | self.ids))

    def records(self, claim):
        run, base = claim["flow_run"], {"flow_run_id": claim["flow_run"]["id"], "token": claim["token"]}
        good, bad = measurement(run, claim["devices"][0]), measurement(run, claim["devices"][0])
        bad["gates"][0]["passed"] = False
        # each measures twice, as after a retry; both arrive at the same moment
        measured = [("artifact", {"artifact": {"type": "measurement", "key": "measurement", "flow_run_id": run["id"], "data": data},
                                  "id": self.ordered_id()}) for data in (bad, good)]
        for kind, body in (("state", {"state": {"type": "RUNNING", "name": "Running"}}), *measured, ("state", {"state": {"type": "COMPLETED", "name": "Completed"}}),
                           ("done", {"claim_id": claim["claim_id"], "message": ""})):
            self.seq += 1
            yield {"seq": self.seq, "kind": kind, "body": {**base, **body}}

    def turn(self):
        """Claims what 42 benches can take, and ends it.  How many runs that were."""
        claims = (self.rest("POST", "/switchyard/claim", self.body(slots=BENCHES, wait_s=0)) or {}).get("claims", [])
        if claims:
            self.rest("POST", "/switchyard/claims/ack", {"agent": self.id, "epoch": 1, "claims": [
                {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})
            records = [r for c in claims for r in self.records(c)]
            said = self.rest("POST", "/switchyard/journal", {"agent": self.id, "epoch": 1, "records": records})
            assert not said["refused"], said["refused"][:2]
        return len(claims)


class Campaign(unittest.TestCase):
    models = 900

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        sockets = pathlib.Path(cls.server.folder, "data/run")
        for statement in ("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"):
            subprocess.run(["psql", "-h", sockets, "-U", "switchyard", "-qc", statement], check=True, stdout=subprocess.DEVNULL)
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.costs = Costs(cls.server)

    def rest(self, method, path, body=None):
        request = urllib.request.Request(self.server.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def cli(self, *words):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=1200)
        self.assertEqual(done.returncode, 0, done.stdout[-500:] + done.stderr[-2000:])
        return done.stdout

    def status(self, name):
        return json.loads(self.cli("-o", "json", "campaign", "status", name))

    def deploy(self, pool):
        self.rest("POST", "/work_pools/", {"name": pool, "type": "switchyard"})
        flow = self.rest("POST", "/flows/", {"name": pool})
        schema = {"type": "object", "properties": {"model": {"type": "string"}, "target": {"type": "string"}}}
        self.rest("POST", "/deployments/", {"name": "default", "flow_id": flow["id"], "work_pool_name": pool,
                                            "parameter_openapi_schema": schema,
                                            "job_variables": {"bench": {"target": "{{ parameters.target }}"}}})

    def report(self, name, pool):
        """By a real agent: report.render reads all runs and measurements."""
        self.cli("deploy", live.ROOT / "deploy/demo/energy-report.yaml", "--pool", pool)
        worker = subprocess.Popen([live.BUILD / "switchyard-worker", "--server", self.server.url, "--pool", pool, "--name", pool, "--data",
                                   self.folder / pool], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.cli("campaign", "report", name, "--dir", self.folder / name)
        finally:
            worker.terminate()
            worker.wait(60)
        with open(self.folder / name / "report.csv", encoding="utf-8") as file:
            return sum(row["status"] == "result" for row in csv.DictReader(file))

    def work_off(self, name, size, agent):
        turns, done, held = [], 0, False
        while done < size:
            begin = time.monotonic()
            count = agent.turn()
            turns.append((time.monotonic() - begin, count))
            done += count
            if not held and done >= size // 3:  # nothing is handed out while it is paused
                held = True
                self.cli("campaign", "pause", name)
                self.assertEqual((self.status(name)["state"], agent.turn()), ("paused", 0))
                self.cli("campaign", "resume", name)
            self.assertLess(len(turns), size, "the campaign does not get on")
        return turns

    def one(self, models):
        size, name = models * len(TARGETS), f"c{models}"
        pool = "pool-" + name
        self.deploy(pool)
        create = ["campaign", "create", name, pool + "/default", "-m", "model=" + ",".join(f"m{k}" for k in range(models)), "-m",
                  "target=" + ",".join(TARGETS), "--cap", 5000]
        self.costs.measure("create", size, lambda: self.cli(*create))
        self.costs.measure("create again", size, lambda: self.cli(*create))
        self.assertEqual(self.status(name)["total"], size)
        agent = Agent(self.rest, pool, name)
        self.rest("POST", "/switchyard/heartbeat", agent.body())
        self.costs.measure("claims", size, lambda: self.work_off(name, size, agent))
        status = self.costs.measure("status", size, lambda: self.status(name))
        self.assertEqual((status["state"], status["completed"], status["eta_s"]), ("done", size, 0))
        tags = {"flow_runs": {"tags": {"all_": ["campaign:" + name]}}, "sort": "ID_DESC", "limit": 200}
        self.costs.measure("list 200", size, lambda: self.rest("POST", "/flow_runs/filter", tags))
        if size <= REPORT_ROWS_MAX:
            rows = self.costs.measure("report", size, lambda: self.report(name, pool))
            self.assertEqual(rows, size)
        file = self.folder / (name + ".csv")
        self.costs.measure("export", size, lambda: self.cli("measurement", "export", file, "-c", name))
        with open(file, newline="", encoding="utf-8") as rows:
            self.assertEqual(len({(row["model"], row["target"]) for row in csv.DictReader(rows)}), size)
        self.costs.measure("compare", size, lambda: self.cli("campaign", "compare", name, name, "--fail-above", "3%"))

        create[2] = f"never-{models}"
        self.cli(*create)
        said = self.costs.measure("cancel", size, lambda: self.cli("campaign", "cancel", create[2]))
        self.assertIn(f"Cancelled {size} runs", said)

    def test_costs(self):
        small, large = self.models // 10, self.models
        self.one(small)
        self.one(large)
        per_call, failed = {"status", "list 200"}, []
        for phase in dict.fromkeys(phase for phase, _ in self.costs.rows):
            figures = []
            for size in (small * 6, large * 6):
                if (phase, size) not in self.costs.rows:
                    continue
                cpu_s, took_s = self.costs.rows[phase, size]
                each = 1 if phase in per_call else size
                figures.append(cpu_s / each * 1000)
                print(f"{phase:12} {size:5} runs: {cpu_s:7.2f} s of processor, {took_s:7.2f} s; {figures[-1]:.3f} ms each")
            # a call's cost may grow with what it counts, but not beyond what a person waits for
            limit = max(60, 10 * figures[0]) if phase in per_call else GROWTH_MAX * figures[0] + 0.05
            if figures[-1] > limit:
                failed.append(f"{phase}: {figures[0]:.3f} ms at {small * 6} runs, {figures[-1]:.3f} ms at {large * 6}")
        self.assertEqual(failed, [])


if __name__ == "__main__":
    if len(sys.argv) == 2:
        Campaign.models = int(sys.argv.pop())
    unittest.main()

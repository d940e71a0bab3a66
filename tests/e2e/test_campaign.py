#!/usr/bin/env python3
"""`switchyard campaign` and `switchyard measurement` against a real server.  Runs are moved by REST: no agent is needed.
Parquet files are read back by pyarrow and DuckDB."""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import contract  # noqa: E402
import live  # noqa: E402

READ_PARQUET = """
import duckdb, json, sys
import pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1]).to_pydict()
sums = duckdb.sql("SELECT count(*), sum(samples)::BIGINT, max(median_energy_per_inference_j), count(flash_bytes), "
                  f"count(*) FILTER (WHERE valid) FROM '{sys.argv[1]}'").fetchall()[0]
print(json.dumps([table, sums]))
"""


COMPARE_PARQUET = """
import duckdb, json, sys
half = "(SELECT model, target, median(median_energy_per_inference_j) e FROM '{}' WHERE valid GROUP BY ALL)"
print(json.dumps(duckdb.sql(f"SELECT model, target, (a.e / b.e - 1) * 100 FROM {half.format(sys.argv[1])} b JOIN {half.format(sys.argv[2])} a "
                            "USING (model, target) ORDER BY 1, 2").fetchall()))
"""


def measurement(model, target, energy, passed=True):
    windows = [{"start_s": 1.0, "end_s": 2.0, "inferences": 100, "energy_j": energy * 100, "energy_per_inference_j": energy}]
    gates = [{"name": "lost_samples", "passed": passed, "value": 0, "limit": 0.001, "detail": "0 of 10"}]
    return {"model": model, "target": target, "board": "b", "meter": 'STLINK-V3PWR "7", x', "emulated": True, "volts": 3.3,
            "sample_rate_hz": 100000, "samples": 1000, "lost": 0, "windows": windows, "gates": gates, "latency_s": 0.01,
            "median_energy_per_inference_j": energy, "build_id": "b7", "firmware_commit": "9f0c", "flash_bytes": None, "ram_bytes": 20480,
            "median_dynamic_energy_per_inference_j": energy / 2, "uncertainty_rel": 0.0065, "dynamic_uncertainty_rel": 0.0123,
            "provenance": {"agent": "1.2.3"}, "trace": {"sha256": "00"}}


class Campaign(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))

    def rest(self, method, path, body=None):
        request = urllib.request.Request(self.server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"},
                                         method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
            contract.hold(method, path, reply.status, text)
        return json.loads(text) if text else None

    def cli(self, *words, status=0):
        done = subprocess.run([live.BUILD / "switchyard", "--server", self.server.url, *map(str, words)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def deployment(self):
        name = "flow-" + uuid.uuid4().hex[:8]
        self.rest("POST", "/work_pools/", {"name": name, "type": "switchyard"})
        flow = self.rest("POST", "/flows/", {"name": name})
        schema = {"type": "object", "properties": {"model": {"type": "string"}, "target": {"type": "string"}}}
        self.rest("POST", "/deployments/", {"name": "default", "flow_id": flow["id"], "work_pool_name": name,
                                            "parameter_openapi_schema": schema})
        return name

    def runs(self, campaign):
        return self.rest("POST", "/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["campaign:" + campaign]}}})

    def create(self, flow, campaign, *more):
        return self.cli("campaign", "create", campaign, flow + "/default", "-m", "model=a,b,c", "-m", "target=t1,t2", *more)

    def status(self, campaign, status=0):
        return json.loads(self.cli("-o", "json", "campaign", "status", campaign, status=status).stdout)

    def move(self, run, state):
        self.rest("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}, "force": True})

    def finish(self, campaign, energies):
        """Ends as many runs as there are energies, in the order of models and targets; None fails."""
        runs = sorted(self.runs(campaign), key=lambda run: (run["parameters"]["model"], run["parameters"]["target"]))
        for run, energy in zip(runs, energies):
            self.move(run, "RUNNING")
            if energy is not None:
                data = measurement(run["parameters"]["model"], run["parameters"]["target"], energy)
                self.rest("POST", "/artifacts/", {"type": "measurement", "flow_run_id": run["id"], "data": data})
            self.move(run, "COMPLETED" if energy is not None else "FAILED")
        return runs

    def test_create_is_idempotent_and_capped(self):
        flow, name = self.deployment(), "night-" + uuid.uuid4().hex[:6]
        self.assertIn("6 runs created", self.create(flow, name, "--cap", 2).stderr)
        self.assertIn("0 runs created, 6 there already", self.create(flow, name).stderr)
        runs = self.runs(name)
        self.assertEqual(len(runs), 6)
        self.assertEqual({run["work_queue_name"] for run in runs}, {"campaign-" + name})
        queue = self.rest("GET", f"/work_pools/{flow}/queues/campaign-{name}")
        self.assertEqual((queue["concurrency_limit"], queue["is_paused"]), (2, False))
        self.create(flow, name, "--cap", 0)
        more = self.cli("campaign", "create", name, flow + "/default", "-m", "model=z", "-m", "target=t1").stderr
        self.assertIn("1 run created", more)
        self.assertIn("6 other runs, with other parameters", more)
        self.assertIsNone(self.rest("GET", f"/work_pools/{flow}/queues/campaign-{name}")["concurrency_limit"])
        self.assertIn(name, self.cli("campaign", "ls").stdout)

    def test_what_create_refuses(self):
        flow, name = self.deployment(), "r-" + uuid.uuid4().hex[:6]
        values = self.folder / "models.txt"
        values.write_text("a\nb\n\na\n")
        target = ["-m", "target=t"]
        for words, said in ((["-m", f"model=@{values}", *target], "has the value a twice"), (["-m", "model=a,a", *target], "has the value a twice"),
                            (["-m", "model=", *target], "empty value"), (["-m", "model=a", "--order", "up", *target], "matrix or random"),
                            (["-m", "modle=a", *target], "did you mean `model`"), (["-m", "model=a", "--cap", "x", *target], "--cap")):
            self.assertIn(said, self.cli("campaign", "create", name, flow + "/default", *words, status=2).stderr)
        for bad in ("", "a/b"):
            self.assertIn("no name of a campaign", self.cli("campaign", "create", bad, flow + "/default", "-m", "model=a", status=2).stderr)
        self.assertIn("there is no campaign", self.cli("campaign", "status", name, status=3).stderr)  # nothing is left behind

    def test_order(self):
        flow = self.deployment()
        values = self.folder / "many.txt"
        values.write_text("".join(f"m{k:02d}\n" for k in range(40)))
        orders = {}
        for order in ("matrix", "random"):
            name = order + uuid.uuid4().hex[:6]
            self.cli("campaign", "create", name, flow + "/default", "-m", f"model=@{values}", "-m", "target=t", "--order", order)
            orders[order] = [run["parameters"]["model"] for run in sorted(self.runs(name), key=lambda run: run["id"])]
        self.assertEqual(orders["matrix"], sorted(orders["random"]))
        self.assertNotEqual(orders["matrix"], orders["random"])

    def test_status_tells_how_far_it_is(self):
        flow, name = self.deployment(), "s-" + uuid.uuid4().hex[:6]
        self.create(flow, name)
        before = self.status(name)
        self.assertEqual((before["total"], before["done"], before["scheduled"], before["eta_s"]), (6, 0, 6, None))
        self.finish(name, [1e-3, None, 1e-3])
        after = self.status(name, status=5)  # one has failed
        self.assertEqual((after["done"], after["completed"], after["failed"], after["scheduled"]), (3, 2, 1, 3))
        self.assertGreater(after["eta_s"], 0)
        self.assertEqual(after["state"], "running")
        self.assertIn("Left", self.cli("campaign", "status", name, status=5).stdout)
        listed = {c["name"]: c for c in json.loads(self.cli("-o", "json", "campaign", "ls").stdout)}[name]
        self.assertEqual((listed["total"], listed["done"], listed["state"], listed["counts"]),
                         (6, 3, "running", {"completed": 2, "failed": 1, "scheduled": 3}))
        self.assertIn("there is no campaign nope", self.cli("campaign", "status", "nope", status=3).stderr)

    def test_pause_resume_cancel(self):
        flow, name = self.deployment(), "p-" + uuid.uuid4().hex[:6]
        self.create(flow, name)
        self.cli("campaign", "pause", name)
        self.assertEqual(self.status(name)["state"], "paused")
        self.cli("campaign", "resume", name)
        self.assertEqual(self.status(name)["state"], "running")
        self.finish(name, [1e-3])
        self.assertIn("Cancelled 5 runs", self.cli("campaign", "cancel", name).stdout)
        status = self.status(name)
        self.assertEqual((status["completed"], status["cancelled"], status["state"]), (1, 5, "done"))
        self.assertIn("Cancelled 0 runs", self.cli("campaign", "cancel", name).stdout)

    def test_export(self):
        flow, name = self.deployment(), "e-" + uuid.uuid4().hex[:6]
        self.create(flow, name)
        energies = [1e-3, 2e-3, 1.5e-3, 1e-6, 3.25e-3, 0.123456789012345]
        runs = self.finish(name, energies)
        # a second measurement of a run takes the place of the first; what is none is left out
        again = json.dumps(measurement("a", "t1", 4e-3, passed=False))
        self.rest("POST", "/artifacts/", {"type": "measurement", "flow_run_id": runs[0]["id"], "data": again})
        self.rest("POST", "/artifacts/", {"type": "measurement", "flow_run_id": runs[1]["id"], "data": {"else": 1}})
        for kind in ("csv", "json", "parquet"):
            self.assertIn("6 measurements", self.cli("measurement", "export", self.folder / f"m.{kind}", "-c", name).stderr)
        with open(self.folder / "m.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        wanted = sorted([4e-3] + energies[1:])
        self.assertEqual(sorted(float(row["median_energy_per_inference_j"]) for row in rows), wanted)
        self.assertEqual({row["meter"] for row in rows}, {'STLINK-V3PWR "7", x'})
        self.assertEqual([row["failed_gates"] for row in rows if row["valid"] == "false"], ["lost_samples"])
        self.assertEqual(json.loads((self.folder / "m.json").read_text())[0]["samples"], 1000)
        self.assertIn("5 measurements", self.cli("measurement", "export", "-", "-c", name, "--valid", "-f", "csv").stderr)
        self.assertIn("2 measurements", self.cli("measurement", "export", "-", "-c", name, "--model", "b").stderr)
        self.assertIn("csv, json or parquet", self.cli("measurement", "export", self.folder / "m.xls", "-c", name, status=2).stderr)
        self.assertIn("lost_samples", self.cli("measurement", "ls", "-c", name).stdout)
        self.filters(name, energies)
        self.read_parquet(self.folder / "m.parquet", wanted)

    def filters(self, campaign, energies):
        """Each column by which one looks for measurements; 6 rows, the newest of each run."""
        rows = [({"model": {"any_": ["b"]}}, 2), ({"target": {"any_": ["t1"]}}, 3), ({"board": {"any_": ["b", "c"]}}, 6), ({"board": {"any_": ["c"]}}, 0),
                ({"meter": {"any_": ['STLINK-V3PWR "7", x']}}, 6), ({"firmware_commit": {"any_": ["9f0c"]}}, 6), ({"build_id": {"any_": ["b8"]}}, 0),
                ({"failed_gates": {"any_": ["lost_samples", "one_boot"]}}, 1), ({"failed_gates": {"any_": ["lost"]}}, 0),
                ({"window_count": {"ge_": 1, "le_": 1}}, 6), ({"window_count": {"ge_": 2}}, 0), ({"ram_bytes": {"le_": 20480}}, 6),
                ({"ram_bytes": {"ge_": 20481}}, 0), ({"flash_bytes": {"ge_": 0}}, 0), ({"latency_s": {"le_": 0.01}}, 6), ({"latency_s": {"ge_": 0.0100001}}, 0),
                ({"median_energy_per_inference_j": {"ge_": 0.123456789012345}}, 1), ({"median_energy_per_inference_j": {"le_": 1.5e-3}}, 2),
                ({"median_dynamic_energy_per_inference_j": {"ge_": 0}}, 6), ({"valid": {"eq_": False}}, 1)]
        for members, count in rows:
            with self.subTest(members):
                found = self.rest("POST", "/switchyard/measurements/filter",
                                  {"measurements": {"campaign": {"any_": [campaign]}, "superseded": {"eq_": False}, **members}})
                self.assertEqual(len(found), count)
        for option, count in (("--firmware-commit=9f0c", 6), ("--firmware-commit=x", 0), ("--build-id=b7", 6), ('--meter=STLINK-V3PWR "7", x', 6), ("--meter=x", 0)):
            said = self.cli("measurement", "export", "-", "-c", campaign, option, "-f", "json").stdout
            self.assertEqual(len(json.loads(said)), count, option)

    def read_parquet(self, path, wanted):
        self.assertEqual((path.read_bytes()[:4], path.read_bytes()[-4:]), (b"PAR1", b"PAR1"))
        made = subprocess.run([HERE / "install_parquet.sh"], capture_output=True, text=True, timeout=600)
        if made.returncode:
            self.skipTest("pyarrow and DuckDB cannot be installed: " + (made.stderr.strip().splitlines() or ["no reason"])[-1])
        read = subprocess.run([made.stdout.strip(), "-c", READ_PARQUET, path], capture_output=True, text=True, timeout=60)
        self.assertEqual(read.returncode, 0, read.stderr)
        table, sums = json.loads(read.stdout)
        self.assertEqual(sorted(table["median_energy_per_inference_j"]), wanted)
        self.assertEqual(sorted(table["valid"]), [False] + [True] * 5)
        self.assertEqual(table["flash_bytes"], [None] * 6)
        self.assertEqual(set(table["samples"]), {1000})
        self.assertEqual(set(table["meter"]), {'STLINK-V3PWR "7", x'})
        self.assertEqual(json.loads(table["windows"][0])[0]["inferences"], 100)
        self.assertEqual((set(table["dynamic_uncertainty_rel"]), set(table["firmware_commit"])), ({0.0123}, {"9f0c"}))
        self.assertEqual({json.loads(text)["agent"] for text in table["provenance"]}, {"1.2.3"})
        self.assertEqual(sums, [6, 6000, wanted[-1], 0, 5])

    def test_regressions(self):
        flow, old, new = self.deployment(), "old-" + uuid.uuid4().hex[:6], "new-" + uuid.uuid4().hex[:6]
        self.create(flow, old)
        self.create(flow, new)
        self.finish(old, [1e-3] * 6)
        self.finish(new, [1e-3, 1.02e-3, 0.5e-3, 1.029e-3, 1e-3, 1e-3])
        self.cli("campaign", "compare", old, new)
        self.cli("campaign", "compare", old, new, "--fail-above", "3%")
        said = self.cli("campaign", "compare", old, new, "--fail-above", "2.5", status=5)
        self.assertEqual(said.stderr, "6 compared, 0 without a result any more, 0 new; 1 grew by more than 2.5 %\n")
        self.assertIn("compared", said.stdout)
        third = "third-" + uuid.uuid4().hex[:6]
        self.create(flow, third)
        self.finish(third, [1e-3, 1e-3, None])  # models that have no result any more
        said = self.cli("campaign", "compare", old, third, "--fail-above", "3%", status=5)
        self.assertIn("2 compared, 4 without a result any more, 0 new; 0 grew by more than 3 %", said.stderr)
        self.assertEqual(sum("missing" in line for line in said.stdout.splitlines()), 4)
        self.assertIn("2 compared, 0 without a result any more, 4 new", self.cli("campaign", "compare", third, old).stderr)
        self.cli("campaign", "compare", old, new, "--fail-above", "much", status=2)
        self.assertIn("nope has no measurements", self.cli("campaign", "compare", "nope", new, status=3).stderr)
        self.assertIn("nope has no measurements", self.cli("campaign", "compare", old, "nope", status=3).stderr)
        self.compare_by_duckdb(old, new)

    def compare_by_duckdb(self, old, new):
        """The same out of exported files, by another program."""
        for name in (old, new):
            self.cli("measurement", "export", self.folder / f"{name}.parquet", "-c", name)
        made = subprocess.run([HERE / "install_parquet.sh"], capture_output=True, text=True, timeout=600)
        if made.returncode:
            self.skipTest("DuckDB cannot be installed")
        read = subprocess.run([made.stdout.strip(), "-c", COMPARE_PARQUET, *(self.folder / f"{name}.parquet" for name in (old, new))],
                              capture_output=True, text=True, timeout=60, check=True)
        ours = json.loads(self.cli("-o", "json", "campaign", "compare", old, new).stdout)
        theirs = json.loads(read.stdout)
        self.assertEqual([[line["model"], line["target"]] for line in ours], [line[:2] for line in theirs])
        for line, (*_, change) in zip(ours, theirs):
            self.assertAlmostEqual(line["change_percent"], change, 9)


if __name__ == "__main__":
    unittest.main()

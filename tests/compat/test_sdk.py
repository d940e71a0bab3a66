"""The unmodified Prefect SDK against the server; what it did is read back over REST.

python test_sdk.py: starts our server, or uses the one at TEST_API_URL."""
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
import wire  # noqa: E402

SCRIPT_S, SETTLE_S = 120, 20


def run_prefect(server, *command):
    environment = {
        **os.environ, "PREFECT_API_URL": server.url, "PREFECT_HOME": server.folder + "/prefect",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "COLUMNS": "200", "NO_COLOR": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SCRIPT_S)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout, done.stderr


def settled(read, good):
    """Task runs and logs travel on their own; gives the last value when the time is up."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        value = read()
        if good(value) or time.monotonic() > deadline:
            return value
        time.sleep(0.1)


def names(states):
    return [state["name"] for state in states]


class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.api = wire.Api(cls.server.url)
        cls.run_name = "compat-" + uuid.uuid4().hex[:8]
        out, cls.said = run_prefect(cls.server, sys.executable, str(HERE / "flows.py"), cls.run_name)
        cls.result = json.loads(out.splitlines()[-1])
        cls.flow_run = cls.api.get("/flow_runs/" + cls.result["run"])
        cls.tasks = settled(lambda: cls.task_runs(cls.result["run"]),
                            lambda rows: len(rows) == 5 and all(r["end_time"] for r in rows))

    @classmethod
    def task_runs(cls, run_id):
        return cls.api.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}, "sort": "NAME_ASC"})

    def task(self, prefix):
        found = [row for row in self.tasks if row["name"].startswith(prefix)]
        self.assertEqual(len(found), 1, prefix)
        return found[0]

    def test_flow_run(self):
        self.assertEqual(self.flow_run["name"], self.run_name)
        self.assertEqual((self.flow_run["state_type"], self.flow_run["run_count"]), ("COMPLETED", 1))
        self.assertEqual(self.flow_run["parameters"], {"models": ["ad01", "kws-small"], "board": "nucleo"})
        states = self.api.get("/flow_run_states/?flow_run_id=" + self.flow_run["id"])
        self.assertEqual(names(states), ["Pending", "Running", "Completed"])
        self.assertGreater(self.flow_run["total_run_time"], 0)
        flow = self.api.get("/flows/" + self.flow_run["flow_id"])
        self.assertEqual(flow["name"], "compat-energy")

    def test_failing_flow_run(self):
        run = self.api.get("/flow_runs/" + self.result["failing"])
        self.assertEqual(run["state_name"], "Failed")
        self.assertIn("the bench is on fire", run["state"]["message"])

    def test_task_runs(self):
        kinds = sorted(row["name"].rsplit("-", 1)[0] for row in self.tasks)
        self.assertEqual(kinds, ["broken", "flash", "measure", "measure", "summarize"])
        for row in self.tasks:
            wanted = "FAILED" if row["name"].startswith("broken") else "COMPLETED"
            self.assertEqual(row["state_type"], wanted, row["name"])
        self.assertIn("the meter is not calibrated", self.task("broken")["state"]["message"])

    def test_retries(self):
        flash = self.task("flash")
        self.assertEqual((flash["run_count"], flash["empirical_policy"]["retries"]), (2, 2))
        self.assertIn("retry_jitter_factor", flash["empirical_policy"])  # whatever the client has told
        states = settled(lambda: self.api.get("/task_run_states/?task_run_id=" + flash["id"]),
                         lambda rows: len(rows) >= 4)
        self.assertEqual(names(states), ["Pending", "Running", "Retrying", "Completed"])

    def test_subflow(self):
        parent = self.task("summarize")
        children = self.api.post("/flow_runs/filter",
                                 {"flow_runs": {"parent_task_run_id": {"any_": [parent["id"]]}}})
        self.assertEqual(len(children), 1)
        self.assertEqual(children[0]["state_type"], "COMPLETED")
        inner = settled(lambda: self.task_runs(children[0]["id"]), lambda rows: len(rows) == 1)
        self.assertEqual([row["name"] for row in inner], ["total of 2"])

    def test_graph_inputs(self):
        flash = self.task("flash")
        measures = [row for row in self.tasks if row["name"].startswith("measure")]
        for row in measures:
            inputs = row["task_inputs"]["board"]
            self.assertEqual(inputs, [{"input_type": "task_run", "id": flash["id"]}])
        graph = self.api.get("/flow_runs/" + self.flow_run["id"] + "/graph-v2")
        nodes = {key: node for key, node in graph["nodes"]}
        self.assertEqual(len(nodes), 5)
        for row in measures:
            self.assertEqual([p["id"] for p in nodes[row["id"]]["parents"]], [flash["id"]])
        kinds = sorted(node["kind"] for node in nodes.values())
        self.assertEqual(kinds, ["flow-run"] + ["task-run"] * 4)

    def test_logs(self):
        body = {"logs": {"flow_run_id": {"any_": [self.flow_run["id"]]}}, "sort": "TIMESTAMP_ASC"}
        rows = settled(lambda: self.api.post("/logs/filter", body),
                       lambda found: any("Finished in state Completed" in r["message"] for r in found[-3:]))
        messages = [row["message"] for row in rows]
        self.assertIn("board nucleo", messages)
        warned = [row for row in rows if row["message"].startswith("measuring ")]
        self.assertEqual({row["level"] for row in warned}, {30})
        self.assertEqual(len(warned), 2)
        self.assertTrue(all(row["task_run_id"] for row in warned))
        self.assertTrue(any("no answer from the bootloader" in m for m in messages))

    def test_artifacts(self):
        rows = self.api.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [self.flow_run["id"]]},
                                                                 "key": {"like_": "energy-"}}})
        kinds = {row["key"]: row["type"] for row in rows}
        self.assertEqual(kinds, {"energy-summary": "markdown", "energy-table": "table", "energy-link": "markdown"})
        latest = self.api.get("/artifacts/energy-table/latest")
        self.assertEqual([line["model"] for line in json.loads(latest["data"])], ["ad01", "kws-small"])

    def test_variable(self):
        variable = self.api.get("/variables/name/compat_last_energy")
        self.assertEqual(variable["value"], self.result["spent"])

    def test_prefect_cli(self):
        out, _ = run_prefect(self.server, str(pathlib.Path(sys.executable).parent / "prefect"), "flow-run", "ls")
        self.assertIn(self.run_name, out)
        self.assertIn("COMPLETED", out)

    def test_sdk_met_no_trouble(self):
        for word in ("Traceback", "websocket", "API error", "older version"):
            relevant = [line for line in self.said.splitlines()
                        if word.lower() in line.lower() and "Task run failed" not in line]
            self.assertFalse([line for line in relevant if word != "Traceback"], relevant[:3])


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""A flow of Prefect's SDK, unmodified, executed by our agent: states, parameters, task runs, logs, crash, cancel."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import test_agent  # noqa: E402

FLOW = '''
import time
from prefect import flow, task, get_run_logger

@task(retries=1)
def double(x):
    return 2 * x

@flow
def hello(x: int = 1, wait_s: float = 0):
    get_run_logger().info("doubled is %d", double(x))
    print("printed", flush=True)
    time.sleep(wait_s)
    if x < 0:
        raise ValueError("x is negative")
    return x
'''


class PythonFlows(test_agent.AgentTest):
    @classmethod
    def setUpClass(cls):
        made = subprocess.run([ROOT / "tests/compat/install_prefect.sh", "3.9.1"], capture_output=True, text=True)
        if made.returncode:
            if os.environ.get("CI") == "true":
                raise RuntimeError(made.stderr)
            raise unittest.SkipTest("Prefect 3.9.1 cannot be installed here")
        cls.path, os.environ["PATH"] = os.environ["PATH"], made.stdout.strip() + "/bin:" + os.environ["PATH"]
        cls.folder = tempfile.mkdtemp(prefix="switchyard-python-")
        pathlib.Path(cls.folder, "hello.py").write_text(FLOW)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        os.environ["PATH"] = cls.path
        shutil.rmtree(cls.folder)

    def begin(self, **parameters):
        agent = test_agent.Agent(self)
        self.wait("the pool", lambda: test_agent.call(self.server.url, "GET", "/work_pools/" + agent.pool)[0] == 200)
        flow = self.ok("POST", "/flows/", {"name": "hello"})
        deployment = self.ok("POST", "/deployments/", {
            "name": agent.pool, "flow_id": flow["id"], "work_pool_name": agent.pool, "entrypoint": "hello.py:hello",
            "path": self.folder, "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": self.folder}}]})
        return self.start(deployment, agent.pool, parameters=parameters)

    def test_a_flow_completes(self):
        run = self.begin(x=21)
        state = self.await_state(run, *test_agent.FINAL)
        self.assertEqual(state["type"], "COMPLETED", (state, self.messages(run)))
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"])
        tasks = self.wait("the task run", lambda: self.ok("POST", "/task_runs/filter", {
            "task_runs": {"flow_run_id": {"any_": [run]}, "state": {"type": {"any_": ["COMPLETED"]}}}}))
        self.assertTrue(tasks[0]["name"].startswith("double"))
        self.wait("the logs", lambda: {"doubled is 42", "printed"} <= set(self.messages(run)))
        self.assertEqual(self.messages(run).count("doubled is 42"), 1)

    def test_a_flow_that_raises_is_failed_not_crashed(self):
        run = self.begin(x=-1)
        self.assertEqual(self.await_state(run, *test_agent.FINAL)["type"], "FAILED")
        self.assertIn("x is negative", self.state(run)["message"])

    def test_cancel(self):
        run = self.begin(wait_s=60)
        self.await_state(run, "RUNNING")
        self.wait("its print", lambda: "printed" in self.messages(run))
        self.propose(run, type="CANCELLING")
        self.await_state(run, "CANCELLED")  # the engine itself calls it crashed, as under Prefect's own worker


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "PythonFlows"])

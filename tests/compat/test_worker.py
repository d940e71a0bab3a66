"""Prefect's own `work-pool create`, `deploy` and process worker against the server, watched by our CLI."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
from test_sdk import run_prefect  # noqa: E402

PREFECT = str(pathlib.Path(sys.executable).parent / "prefect")
RUN_S = 120
FLOW = """\
from prefect import flow, task


@task
def measure(model):
    return len(model)


@flow(log_prints=True)
def profile(model: str = "a", bad: bool = False):
    print("profiling", model)
    measure(model)
    if bad:
        raise ValueError("the probe came off")


if __name__ == "__main__":
    here = __file__.rpartition("/")[0]
    profile.from_source(source=here, entrypoint="flow.py:profile").deploy(name="default", work_pool_name="lab")
"""


class WorkerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        script = pathlib.Path(cls.server.folder, "flow.py")
        script.write_text(FLOW)
        run_prefect(cls.server, PREFECT, "work-pool", "create", "lab", "--type", "process")
        run_prefect(cls.server, sys.executable, str(script))
        environment = {**os.environ, "PREFECT_API_URL": cls.server.url, "PREFECT_HOME": cls.server.folder + "/prefect",
                       "PREFECT_WORKER_QUERY_SECONDS": "1"}
        with open(cls.server.folder + "/worker.log", "wb") as log:
            cls.worker = subprocess.Popen([PREFECT, "worker", "start", "--pool", "lab"], env=environment,
                                          stdout=log, stderr=log)

    @classmethod
    def tearDownClass(cls):
        cls.worker.send_signal(signal.SIGINT)
        try:
            cls.worker.wait(30)
        except subprocess.TimeoutExpired:
            cls.worker.kill()
            cls.worker.wait()

    def cli(self, *words):
        return subprocess.run([live.BUILD / "switchyard", "-s", self.server.url, *words], capture_output=True, text=True,
                              timeout=RUN_S + 30)

    def test_run_completes(self):
        said = self.cli("run", "profile/default", "-p", "model=m9", "-n", "good-one", "--timeout", str(RUN_S))
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
        self.assertRegex(said.stderr, r"good-one  Completed in")
        self.assertIn("profiling m9", self.cli("flow-run", "logs", "-f", "good-one").stdout)

    def test_run_fails_with_its_reason(self):
        said = self.cli("run", "profile/default", "-p", "bad=true", "--timeout", str(RUN_S))
        self.assertEqual(said.returncode, 5, said.stdout + said.stderr)
        self.assertTrue(re.search(r"Failed in .*the probe came off", said.stderr), said.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

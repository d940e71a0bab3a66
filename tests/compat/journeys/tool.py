"""What the journeys share.  A journey is one script: plain Prefect, then asserts of what its user sees.

It runs in an empty folder of its own, with PREFECT_API_URL set; exit status 77 skips it."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import prefect

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[n]) for n in (1, 2)]
import wire  # noqa: E402
from forked import Command  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PREFECT = str(pathlib.Path(sys.executable).parent / "prefect")
VERSION = tuple(int(part) for part in prefect.__version__.split(".")[:3])
TAG = uuid.uuid4().hex[:6]
CLI_S, SETTLE_S, STOP_S = 300, 60, 60  # a machine that does other things too
api = wire.Api(os.environ["PREFECT_API_URL"])
command_line = Command(CLI_S)


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def need(*version):
    if VERSION < version:
        skip("new in Prefect " + ".".join(map(str, version)))


def unique(name):
    return f"{name}-{TAG}"


def until(read, good=bool, seconds=SETTLE_S):
    """Reads until the value is good and gives it; what it was last is in the error."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s; last: {value!r:.1500}")
        time.sleep(0.2)


def cli(*words, status=0, stdin="y\n" * 3):
    """`prefect WORDS`, which must end with that status; gives what it said on both streams.  Questions get a yes."""
    words = [str(word) for word in words]
    ended, said = command_line.run(words, stdin)
    assert ended == status, f"prefect {words} ended with {ended}, expected {status}:\n{said[-3000:]}"
    return said


def has(text, *parts):
    for part in parts:
        assert str(part) in text, f"{part!r} is not in:\n{text[-3000:]}"


class Background:
    """with Background(command...) as it: a program that runs meanwhile; it ends with SIGINT, as from a keyboard."""

    def __init__(self, *command, **more):
        self.command, self.env = [str(word) for word in command], {**os.environ, **more}

    def __enter__(self):
        self.log = pathlib.Path(f"background-{uuid.uuid4().hex[:6]}.log").resolve()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, text, seconds=300):
        until(lambda: self.said() if text in self.said() or self.process.poll() is None else "ended: " + self.said(),
              lambda said: text in said or said.startswith("ended: "), seconds)
        has(self.said(), text)
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.command} did not stop within {STOP_S} s:\n{self.said()[-2000:]}")

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
            self.process.wait()
            print(f"---- {self.command}:\n{self.said()[-4000:]}")
        else:
            self.stop()


def worker(pool, *words):
    """Prefect's process worker, quick to poll."""
    return Background(PREFECT, "worker", "start", "--pool", pool, *words, PREFECT_WORKER_QUERY_SECONDS="1",
                      PREFECT_WORKER_CANCELLATION_POLL_SECONDS="2", PREFECT_RUNNER_POLL_FREQUENCY="2")


def flow_run(run_id):
    return api.get(f"/flow_runs/{run_id}")


def flow_runs(**filters):
    """flow_runs(name={"any_": [...]})"""
    return api.post("/flow_runs/filter", {"flow_runs": filters})


def task_runs(run_id, count=None):
    """The task runs of a flow run, by name; waits for that many that have ended."""
    body = {"flow_runs": {"id": {"any_": [str(run_id)]}}, "sort": "NAME_ASC"}
    rows = until(lambda: api.post("/task_runs/filter", body),
                 lambda found: count is None or (len(found) == count and all(row["end_time"] for row in found)))
    return rows


def states(run_id, kind="flow"):
    return [s["name"] for s in api.get(f"/{kind}_run_states/?{kind}_run_id={run_id}")]


def messages(run_id, last=None):
    """All messages of a flow run's log; waits until one contains `last`."""
    def read():
        found, page = [], {"logs": {"flow_run_id": {"any_": [str(run_id)]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        while len(found) % 200 == 0:
            rows = api.post("/logs/filter", {**page, "offset": len(found)})
            if not rows:
                break
            found += [row["message"] for row in rows]
        return found

    return until(read, lambda found: last is None or any(last in message for message in found))


def ends(run_id, name="Completed", seconds=300):
    """Waits for the end of a flow run, which must be in the state of that name."""
    final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    row = until(lambda: flow_run(run_id), lambda r: r["state_type"] in final, seconds)
    assert row["state_name"] == name, f"{row['state_name']}, expected {name}: {row['state']['message']}"
    return row


def gone(pid):
    """Waits until that process is no more."""
    path = pathlib.Path(f"/proc/{pid}/stat")
    until(lambda: not path.exists() or ") Z" in path.read_text())


def script(name, text):
    """Writes a Python file into the journey's folder and gives its path."""
    path = pathlib.Path(name).resolve()
    path.write_text(text)
    return path


def deploy(source, pool, **options):
    """Deploys the flow of a script in the journey's folder to a pool and gives the deployment's id."""
    from prefect import flow

    path, _, name = source.partition(":")
    found = flow.from_source(source=os.getcwd(), entrypoint=f"{path}:{name}")
    return found.deploy(work_pool_name=pool, print_next_steps=False, **options)


def started(*words):
    """`prefect deployment run`: the id of the flow run."""
    said = cli("deployment", "run", *words)
    row = next(line for line in said.splitlines() if "UUID" in line)
    return row.split()[-1]



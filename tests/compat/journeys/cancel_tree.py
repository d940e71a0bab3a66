"""`prefect flow-run cancel` of a deployed flow ends its process, its subflows and the runs of other deployments it waits for."""
from tool import *

FLOW = """
import os, time
from prefect import flow, task
from prefect.deployments import run_deployment

@task
def wait():
    for _ in range(900):
        time.sleep(0.1)

@flow(log_prints=True)
def leaf():
    print("leaf runs in", os.getpid())
    wait()

@flow
def branch():
    leaf()

@flow(log_prints=True)
def remote():
    print("remote runs in", os.getpid())
    wait()

@flow(log_prints=True)
def tree(other: str = ""):
    print("tree runs in", os.getpid())
    if other:
        run_deployment(other)
    branch()
"""


def running(run_id):
    return until(lambda: flow_run(run_id), lambda row: row["state_type"] == "RUNNING", 300)


def child_of(run_id):
    body = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}}
    return until(lambda: api.post("/flow_runs/filter", body), lambda rows: len(rows) == 1, 300)[0]["id"]


def pid_of(run_id):
    said = messages(run_id, " runs in ")
    return int(next(m for m in said if " runs in " in m).split()[-1])


if __name__ == "__main__":
    pool = unique("cancel")
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    deploy("flow.py:tree", pool, name=unique("t"))
    deploy("flow.py:remote", pool, name=unique("r"))
    with worker(pool) as it:
        it.wait_for("started!")
        local = started("tree/" + unique("t"))
        middle = child_of(local)
        inner = child_of(middle)
        running(inner)
        pid = pid_of(inner)
        has(cli("flow-run", "cancel", local), "was successfully scheduled for cancellation")
        ends(local, "Cancelled")
        gone(pid)
        for run_id in (middle, inner):
            ends(run_id, "Cancelled" if VERSION >= (3, 6) else "Crashed")  # before, a run inside a stopped process reported a crash
        for row in task_runs(inner, 1):
            assert row["state_type"] in ("CANCELLED", "CRASHED"), row["state_name"]

        far = started("tree/" + unique("t"), "-p", "other=remote/" + unique("r"))
        other = child_of(far)
        running(other)
        pid = pid_of(other)
        cli("flow-run", "cancel", far)
        ends(far, "Cancelled")
        ends(other, "Cancelled")
        gone(pid)

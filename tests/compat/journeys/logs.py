"""Logs of flows and tasks arrive complete and in order; `prefect flow-run logs` and `task-run logs` show them."""
import logging

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run as here
from tool import *


@task
def measure(n):
    get_run_logger().warning("sample %d", n)


@flow(log_prints=True)
def chatty():
    print("printed: größe ✓")
    for n in range(300):
        get_run_logger().info("line %03d", n)
    measure(1)
    get_run_logger().log(logging.ERROR, "an error on purpose")
    get_run_logger().debug("not shown at the default level")
    return str(here.id)


if __name__ == "__main__":
    run_id = chatty()
    said = messages(run_id, "Finished in state Completed")
    lines = [m for m in said if m.startswith("line ")]
    assert lines == [f"line {n:03}" for n in range(len(lines))] and len(lines) >= 190
    shown = cli("flow-run", "logs", run_id)
    has(shown, "printed: größe ✓", "line 000", "line 299", "an error on purpose", "sample 1")
    order = [line.split("line ")[1] for line in shown.splitlines() if "line " in line]
    assert order == [f"{n:03}" for n in range(300)], order[:5]
    head = cli("flow-run", "logs", run_id, "--head", "--num-logs", "5").strip().splitlines()
    tail = cli("flow-run", "logs", run_id, "--tail", "--num-logs", "3").strip().splitlines()
    back = cli("flow-run", "logs", run_id, "--reverse", "--num-logs", "4").strip().splitlines()
    assert len(head) == 5 and len(tail) == 3 and "Finished in state Completed" in tail[-1] and "Completed" in back[0]
    row = task_runs(run_id, 1)[0]
    has(cli("task-run", "logs", row["id"]), "sample 1")
    body = {"logs": {"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 40}}}
    assert [r["message"] for r in api.post("/logs/filter", body)] == ["an error on purpose"]

"""`prefect flow-run ls/inspect/cancel/delete/retry`, `prefect flow ls`, `prefect task-run ls/inspect`."""
from prefect import flow, task
from prefect.runtime import flow_run as here
from tool import *


@task
def part():
    return 1


@flow(name=unique("shown"), flow_run_name="run-{n}-" + TAG)
def shown(n: int, bad: bool = False):
    part()
    if bad:
        raise ValueError("seen")
    return str(here.id)


if __name__ == "__main__":
    good = shown(1)
    bad = str(shown(2, bad=True, return_state=True).state_details.flow_run_id)
    said = cli("flow-run", "ls", "--flow-name", unique("shown"))
    has(said, f"run-1-{TAG}", f"run-2-{TAG}", "COMPLETED", "FAILED")
    said = cli("flow-run", "ls", "--state", "Failed", "--flow-name", unique("shown"))
    assert f"run-2-{TAG}" in said and f"run-1-{TAG}" not in said, said
    said = cli("flow-run", "ls", "--state-type", "COMPLETED", "--flow-name", unique("shown"))
    assert f"run-1-{TAG}" in said and f"run-2-{TAG}" not in said, said
    has(cli("flow-run", "inspect", good), f"run-1-{TAG}", "'n': 1" if VERSION < (3, 99) else "")
    has(cli("flow", "ls"), unique("shown"))
    has(cli("flow-run", "cancel", good, status=1), "already")
    row = task_runs(good, 1)[0]
    has(cli("task-run", "ls", "--task-run-name", row["name"]), row["name"])
    has(cli("task-run", "inspect", row["id"]), row["name"], "Completed")
    cli("flow-run", "delete", bad)
    has(cli("flow-run", "inspect", bad, status=1), "not found")

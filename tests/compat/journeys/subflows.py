"""Flows that call flows: three deep, side by side, and one whose failure its parent survives."""
import asyncio

from prefect import flow, task
from prefect.runtime import flow_run as here
from tool import *


@task
def leaf(n):
    return n * 2


@flow(flow_run_name="inner-{n}")
async def inner(n: int):
    await asyncio.sleep(0.2)
    return leaf(n)


@flow(flow_run_name="middle-{n}")
async def middle(n: int):
    return sum(await asyncio.gather(inner(n * 10 + 1), inner(n * 10 + 2)))


@flow
def broken():
    raise RuntimeError("the child is ill")


@flow
async def outer():
    sums = await asyncio.gather(*(middle(n) for n in (1, 2, 3)))
    state = broken(return_state=True)
    assert state.is_failed()
    return str(here.id), sums


def children(run_id):
    body = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}}
    return {row["name"]: row for row in api.post("/flow_runs/filter", body)}


if __name__ == "__main__":
    run_id, sums = asyncio.run(outer())
    assert sums == [46, 86, 126], sums
    ends(run_id)
    first = children(run_id)
    assert len(first) == 4 and sorted(n for n in first if n.startswith("middle")) == ["middle-1", "middle-2", "middle-3"], first.keys()
    ill = next(row for name, row in first.items() if not name.startswith("middle"))
    assert (ill["state_name"], ill["state"]["message"]) == ("Failed", "Flow run encountered an exception: RuntimeError: the child is ill")
    second = children(first["middle-2"]["id"])
    assert sorted(second) == ["inner-21", "inner-22"]
    assert all(row["state_type"] == "COMPLETED" for row in second.values())
    tracking = task_runs(run_id, 4)
    assert {row["id"] for row in tracking} == {row["parent_task_run_id"] for row in first.values()}
    assert sorted(row["state_name"] for row in tracking) == ["Completed"] * 3 + ["Failed"]
    nodes = [node for _, node in api.get(f"/flow_runs/{run_id}/graph-v2")["nodes"]]
    assert [node["kind"] for node in nodes] == ["flow-run"] * 4
    tops = flow_runs(parent_task_run_id={"is_null_": True}, id={"any_": [run_id, ill["id"]]})
    assert [row["id"] for row in tops] == [run_id]

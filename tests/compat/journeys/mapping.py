"""`map` over many inputs, with constants, dependants and a few that fail."""
from prefect import flow, task, unmapped
from prefect.runtime import flow_run as here
from prefect.task_runners import ThreadPoolTaskRunner
from tool import *


@task(task_run_name="energy-{model}")
def energy(model, board):
    if model.endswith("7"):
        raise ValueError(f"{model} does not fit {board}")
    return len(model) + len(board)


@task
def total(values):
    return sum(values)


@task
def after():
    return "after all"


@flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
def campaign(models):
    futures = energy.map(models, board=unmapped("nucleo"))
    futures.wait()
    good = [f.result() for f in futures if f.state.is_completed()]
    last = after.submit(wait_for=[f for f in futures if f.state.is_completed()])
    return str(here.id), total(good), last.result()


if __name__ == "__main__":
    models = [f"m{n:02}" for n in range(30)]
    run_id, spent, last = campaign(models)
    assert (spent, last) == (27 * 9, "after all"), spent
    rows = task_runs(run_id, 32)
    named = {row["name"]: row for row in rows}
    assert len([n for n in named if n.startswith("energy-m")]) == 30
    assert sorted(n for n, row in named.items() if row["state_type"] == "FAILED") == ["energy-m07", "energy-m17", "energy-m27"]
    has(named["energy-m17"]["state"]["message"], "m17 does not fit nucleo")
    count = api.post("/task_runs/count", {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
    assert count == 29, count
    graph = api.get(f"/flow_runs/{run_id}/graph-v2")
    parents = {node["label"]: len({p["id"] for p in node["parents"]}) for _, node in graph["nodes"]}
    assert [n for label, n in parents.items() if label.startswith("after")] == [27], parents

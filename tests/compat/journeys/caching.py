"""Tasks with the same inputs run once: their second run is Cached, unless it is refreshed or has expired."""
from datetime import timedelta

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.runtime import flow_run as here
from prefect.tasks import task_input_hash
from tool import *

calls = []


@task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)
def build(target, board):
    calls.append(("build", target))
    return f"{target}.bin"


@task(cache_policy=INPUTS - "seed", persist_result=True)
def measure(target, seed):
    calls.append(("measure", target))
    return len(target)


@task(cache_key_fn=task_input_hash, cache_expiration=timedelta(seconds=1))
def short(target):
    calls.append(("short", target))
    return target


@flow(persist_result=True)
def twice():
    return str(here.id), [build("f446", "a"), build("f446", "a"), build("l476", "a"),
                          build.with_options(refresh_cache=True)("f446", "a"), measure("f446", 1), measure("f446", 2)]


@flow
def expiring():
    short("x")
    time.sleep(1.2)
    return short("x"), short("x")


if __name__ == "__main__":
    run_id, values = twice()
    assert values == ["f446.bin", "f446.bin", "l476.bin", "f446.bin", 4, 4], values
    assert calls == [("build", "f446"), ("build", "l476"), ("build", "f446"), ("measure", "f446")], calls
    rows = task_runs(run_id, 6)
    assert sorted(row["state_name"] for row in rows) == ["Cached"] * 2 + ["Completed"] * 4, rows
    _, again = twice()
    assert again == values and calls[4:] == [("build", "f446")], calls
    calls.clear()
    expiring()
    assert calls == [("short", "x")] * 2, calls

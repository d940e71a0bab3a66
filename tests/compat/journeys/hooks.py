"""State hooks, states returned by hand, asynchronous tasks, generators, transactions that roll back."""
import asyncio

from prefect import flow, task
from prefect.runtime import flow_run as here
from prefect.states import Completed, Failed
from prefect.transactions import transaction
from tool import *

seen = []


def note(kind):
    def hook(thing, run, state):
        seen.append((kind, state.name))
    return hook


@task(on_failure=[note("task")], on_completion=[note("task")])
async def part(bad):
    if bad:
        raise ValueError("bad part")
    return 1


@flow(on_failure=[note("flow")], on_completion=[note("flow")], on_running=[note("running")])
async def whole(bad):
    await asyncio.gather(part(False), part(bad))


@flow
def by_hand():
    return Completed(message="enough boards", name="Skipped")


@flow
def ill():
    return Failed(message="by hand")


@task
def samples():
    yield from range(3)


@task
def write():
    pathlib.Path("written").write_text("x")


@write.on_rollback
def unwrite(transaction):
    pathlib.Path("written").unlink()


@flow
def careful():
    with transaction():
        write()
        raise RuntimeError("halfway")


@flow
def generates():
    return list(samples())


if __name__ == "__main__":
    asyncio.run(whole(False))
    asyncio.run(whole(True, return_state=True))
    assert [s for s in seen if s[0] != "task"] == [("running", "Running"), ("flow", "Completed"), ("running", "Running"), ("flow", "Failed")], seen
    assert sorted(s[1] for s in seen if s[0] == "task") == ["Completed"] * 3 + ["Failed"]
    state = by_hand(return_state=True)
    row = flow_run(state.state_details.flow_run_id)
    assert (row["state_name"], row["state_type"], row["state"]["message"]) == ("Skipped", "COMPLETED", "enough boards")
    row = flow_run(ill(return_state=True).state_details.flow_run_id)
    assert (row["state_name"], row["state"]["message"]) == ("Failed", "by hand")
    assert generates() == [0, 1, 2]
    assert careful(return_state=True).is_failed() and not pathlib.Path("written").exists()

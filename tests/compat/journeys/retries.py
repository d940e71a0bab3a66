"""A flow and a task that fail at first are run again; one that never succeeds ends with its reason."""
from prefect import flow, task
from prefect.runtime import flow_run as here
from tool import *

seen = {"flow": 0, "task": 0}


@task(retries=3, retry_delay_seconds=[0.1, 0.2, 0.3])
def probe():
    seen["task"] += 1
    if seen["task"] % 3:
        raise RuntimeError(f"no answer, try {seen['task']}")
    return seen["task"]


@flow(retries=1, retry_delay_seconds=0.5)
def stubborn():
    answer = probe()
    seen["flow"] += 1
    if seen["flow"] == 1:
        raise ValueError("the first one is for the pan")
    return str(here.id), answer


@flow(retries=1, retry_delay_seconds=0)
def hopeless():
    raise ValueError("never")


@task(timeout_seconds=0.5)
def endless():
    for _ in range(200):
        time.sleep(0.05)


@flow
def impatient():
    return endless(return_state=True)


if __name__ == "__main__":
    run_id, answer = stubborn()
    row = ends(run_id)
    assert row["run_count"] == 2, row["run_count"]
    assert states(run_id) == ["Pending", "Running", "AwaitingRetry", "Running", "Completed"], states(run_id)
    tasks = task_runs(run_id)
    assert answer == 6 and len(tasks) == 2 or answer == 3 and len(tasks) == 1, (answer, tasks)
    first = min(tasks, key=lambda t: t["start_time"])
    assert first["run_count"] >= 3 and first["empirical_policy"]["retries"] == 3
    has(" ".join(states(first["id"], "task")), "Pending Running AwaitingRetry Retrying AwaitingRetry Retrying Completed")
    has(" ".join(messages(run_id, "Finished in state Completed")), "no answer, try 1", "the first one is for the pan")

    failed = hopeless(return_state=True)
    lost = ends(failed.state_details.flow_run_id, "Failed")
    assert lost["run_count"] == 2
    has(lost["state"]["message"], "Flow run encountered an exception: ValueError: never")
    has(cli("flow-run", "inspect", lost["id"]), "Failed", "never")

    late = impatient(return_state=True)
    run_id = late.state_details.flow_run_id
    assert [t["state_name"] for t in task_runs(run_id, 1)] == ["TimedOut"]

"""A flow pauses for input that somebody else gives; wrong input is refused; nobody's answer fails the run."""
import json
import threading

from prefect import flow, pause_flow_run, resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run as here
from tool import *


class Approval(RunInput):
    board: str
    tries: int = 1


answered = {}


def answer(run_id):
    until(lambda: flow_run(run_id), lambda row: row["state_type"] == "PAUSED")
    path, asked = f"/flow_runs/{run_id}/input/filter", {"prefix": "paused-1-schema"}
    schema = json.loads(until(lambda: api.post(path, asked))[0]["value"])  # comes after the state
    answered["schema"] = schema["properties"]["board"]["type"]
    try:
        resume_flow_run(run_id, run_input={"tries": "many"})
    except Exception as error:
        answered["refused"] = str(error)
    assert flow_run(run_id)["state_type"] == "PAUSED"
    resume_flow_run(run_id, run_input={"board": "nucleo", "tries": 3})


@flow
def careful():
    threading.Thread(target=answer, args=(str(here.id),)).start()
    given = pause_flow_run(wait_for_input=Approval.with_initial_data(description="which *board*?", tries=2), timeout=60,
                           poll_interval=1)
    return str(here.id), given.board, given.tries


def plainly(run_id):
    until(lambda: flow_run(run_id), lambda row: row["state_type"] == "PAUSED")
    answered["paused"] = cli("flow-run", "inspect", run_id)
    resume_flow_run(run_id)


@flow
def twice():
    threading.Thread(target=plainly, args=(str(here.id),)).start()
    pause_flow_run(timeout=60, poll_interval=1)
    return str(here.id)


@flow
def forgotten():
    pause_flow_run(timeout=1, poll_interval=1)


if __name__ == "__main__":
    run_id, board, tries = careful()
    assert (board, tries, answered["schema"]) == ("nucleo", 3, "string"), (board, tries, answered)
    has(answered["refused"], "'board' is a required property")
    assert states(run_id) == ["Pending", "Running", "Paused", "Running", "Completed"], states(run_id)
    has(api.get(f"/flow_runs/{run_id}/input/paused-1-description"), "which *board*?")

    run_id = twice()
    has(answered["paused"], "Paused")
    assert states(run_id) == ["Pending", "Running", "Paused", "Running", "Completed"], states(run_id)

    try:
        forgotten()
        raise AssertionError("the pause should have run out")
    except Exception as error:
        has(type(error).__name__, "FlowPauseTimeout")

"""Runs that talk: send_input and receive_input between a running flow and its operator."""
import threading

from prefect import flow
from prefect.input import receive_input, send_input
from prefect.runtime import flow_run as here
from tool import *


def talk(run_id):
    until(lambda: flow_run(run_id), lambda row: row["state_type"] == "RUNNING")
    for word in ("flash", "measure", "stop"):
        send_input(word, flow_run_id=run_id)


@flow
def console():
    threading.Thread(target=talk, args=(str(here.id),)).start()
    heard = []
    for word in receive_input(str, timeout=30, poll_interval=0.2):
        heard.append(word)
        if word == "stop":
            break
    return str(here.id), heard


if __name__ == "__main__":
    run_id, heard = console()
    assert heard == ["flash", "measure", "stop"], heard
    kept = api.post(f"/flow_runs/{run_id}/input/filter", {"prefix": "str", "limit": 10})
    assert len(kept) == 3, kept

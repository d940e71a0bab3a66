"""A script as a lab writes it: plain Prefect, nothing of Switchyard."""
import json
import sys

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run
from prefect.variables import Variable

attempts = []


@task(retries=2, retry_delay_seconds=0)
def flash(board: str) -> str:
    attempts.append(board)
    if len(attempts) == 1:
        raise RuntimeError("no answer from the bootloader")
    return board + "-flashed"


@task
def measure(board: str, model: str) -> float:
    get_run_logger().warning("measuring %s on %s", model, board)
    return len(model) * 0.5


@task(task_run_name="total of {count}")
def total(energies: list, count: int) -> float:
    return sum(energies)


@task
def broken() -> None:
    raise ValueError("the meter is not calibrated")


@flow(log_prints=True)
def summarize(energies: list[float]) -> float:
    print(f"summary of {len(energies)} measurements")
    return total(energies, len(energies))


@flow(name="compat-energy", log_prints=True)
def energy(models: list[str], board: str = "nucleo") -> dict:
    print(f"board {board}")
    ready = flash(board)
    futures = [measure.submit(ready, model) for model in models]
    energies = [future.result() for future in futures]
    spent = summarize(energies)
    state = broken(return_state=True)
    assert state.is_failed()
    create_markdown_artifact("# Energy\n\nspent", key="energy-summary", description="all models")
    create_table_artifact([{"model": m, "energy_j": e} for m, e in zip(models, energies)], key="energy-table")
    create_link_artifact("https://example.org/report", key="energy-link", link_text="report")
    Variable.set("compat_last_energy", spent, overwrite=True)
    assert Variable.get("compat_last_energy") == spent
    return {"run": str(flow_run.id), "spent": spent}


@flow(name="compat-failing")
def failing() -> None:
    flash("other")
    raise ValueError("the bench is on fire")


if __name__ == "__main__":
    result = energy.with_options(flow_run_name=sys.argv[1])(["ad01", "kws-small"])
    state = failing(return_state=True)
    print(json.dumps({**result, "failing": str(state.state_details.flow_run_id)}))

"""Background tasks: `delay` from a script, run by `serve` in another process, also those given before it started."""
from tool import *

TASKS = """
from prefect import task
from prefect.task_worker import serve

@task(log_prints=True, retries=1)
def convert(model, factor=2):
    print("converting", model)
    return len(model) * factor

@task
def broken():
    raise ValueError("no such model")

if __name__ == "__main__":
    serve(convert, broken)
"""

if __name__ == "__main__":
    script("background_tasks.py", TASKS.replace("convert", "convert_" + TAG))
    sys.path.insert(0, os.getcwd())
    import background_tasks

    convert = getattr(background_tasks, "convert_" + TAG)
    early = convert.delay("ad01")
    row = api.get(f"/task_runs/{early.task_run_id}")
    assert row["state_type"] == "SCHEDULED", row["state_name"]
    with Background(sys.executable, "background_tasks.py") as served:
        assert early.result(timeout=60) == 8
        futures = [convert.delay("kws", factor=n) for n in range(1, 5)]
        assert [f.result(timeout=60) for f in futures] == [3, 6, 9, 12]
        bad = background_tasks.broken.delay()
        bad.wait(timeout=60)
        assert bad.state.is_failed(), bad.state
        workers = api.post("/task_workers/filter", {"task_worker_filter": {"task_keys": [convert.task_key]}})
        assert len(workers) == 1, workers
    rows = api.post("/task_runs/filter", {"task_runs": {"id": {"any_": [str(f.task_run_id) for f in futures]}}})
    assert [r["state_type"] for r in rows] == ["COMPLETED"] * 4, rows
    assert all(r["flow_run_id"] is None for r in rows)

"""A process pool: `prefect work-pool create`, `deploy`, `prefect worker start`, `prefect deployment run --watch`."""
from prefect.blocks.system import Secret
from prefect.variables import Variable
from tool import *

FLOW = """
import os
from prefect import flow, task

@task(retries=1)
def measure(model):
    return len(model)

@flow(log_prints=True)
def profile(model: str = "m1", bad: bool = False, die: bool = False):
    print("profiling", model, "on", os.environ.get("BOARD"), "with", len(os.environ.get("TOKEN", "")))
    if bad:
        raise ValueError("the probe came off")
    if die:
        os._exit(3)
    return measure(model)
"""

if __name__ == "__main__":
    pool = unique("lab")
    Variable.set("board_" + TAG, "nucleo-f446", overwrite=True)
    Secret(value="hunter2").save(unique("token"))
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    variables = {"env": {"BOARD": "{{ prefect.variables.board_%s }}" % TAG, "TOKEN": "{{ prefect.blocks.secret.token-%s }}" % TAG}}
    deploy("flow.py:profile", pool, name=unique("default"), job_variables=variables, tags=["power"])
    name = "profile/" + unique("default")
    with worker(pool) as it:
        it.wait_for("started!")
        row = until(lambda: api.post(f"/work_pools/{pool}/workers/filter", {}), lambda rows: len(rows) == 1)[0]
        assert row["status"] == "ONLINE"
        assert until(lambda: api.get("/work_pools/" + pool)["status"], lambda s: s == "READY")
        said = cli("deployment", "run", name, "--watch", "-p", "model=ad01")
        has(said, "Completed")
        good = next(line.split()[-1] for line in said.splitlines() if "UUID" in line)
        has(" ".join(messages(good, "Finished in state Completed")), "profiling ad01 on nucleo-f446 with 7")
        labels = flow_run(good)["labels"]
        assert labels["prefect.work-pool.name"] == pool and labels["prefect.worker.type"] == "process", labels
        assert flow_run(good)["infrastructure_pid"]
        task_runs(good, 1)
        bad = started(name, "-p", "bad=true")
        has(ends(bad, "Failed")["state"]["message"], "the probe came off")
        dead = started(name, "-p", "die=true")
        has(ends(dead, "Crashed")["state"]["message"], "3")
    has(it.said(), "stopped!")

"""Our own agent as the worker of a process pool that Prefect's tools have made."""
from prefect.blocks.system import Secret
from prefect.variables import Variable
from tool import *

import live

FLOW = """
import os
from prefect import flow, task

@task
def measure(model):
    return len(model)

@flow(log_prints=True)
def profile(model: str = "m1", bad: bool = False):
    print("profiling", model, "on", os.environ.get("BOARD"), "with", len(os.environ.get("TOKEN", "")))
    if bad:
        raise ValueError("the probe came off")
    return measure(model)
"""

if __name__ == "__main__":
    pool = unique("bench")
    Variable.set("board_" + TAG, "nucleo-f446", overwrite=True)
    Secret(value="hunter2").save(unique("token"))
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    variables = {"env": {"BOARD": "{{ prefect.variables.board_%s }}" % TAG, "TOKEN": "{{ prefect.blocks.secret.token-%s }}" % TAG}}
    deploy("flow.py:profile", pool, name=unique("default"), job_variables=variables)
    name = "profile/" + unique("default")
    agent = Background(live.BUILD / "switchyard-worker", "--server", api.url, "--pool", pool, "--data", os.path.abspath("agent"),
                       PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
    with agent:
        until(lambda: api.get("/work_pools/" + pool)["status"], lambda status: status == "READY")
        good = started(name, "-p", "model=ad01")
        ends(good)
        has(" ".join(messages(good, "Finished in state Completed")), "profiling ad01 on nucleo-f446 with 7")
        task_runs(good, 1)
        bad = started(name, "-p", "bad=true")
        has(ends(bad, "Failed")["state"]["message"], "the probe came off")
        gone = started(name, "--job-variable", 'env={"TOKEN": "{{ prefect.blocks.secret.none }}"}')
        has(ends(gone, "Crashed")["state"]["message"], 'there is no block "none" of type "secret"')

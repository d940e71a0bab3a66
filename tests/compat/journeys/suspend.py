"""A deployed flow suspends, its process ends; resumed with input it starts again and goes on."""
from prefect import resume_flow_run
from tool import *

FLOW = """
import os
from prefect import flow, suspend_flow_run, task

@task(persist_result=True, cache_policy=None)
def step():
    return 1

@flow(log_prints=True, persist_result=True)
def patient():
    print("before in", os.getpid())
    tries = suspend_flow_run(wait_for_input=int, timeout=120, key="ask")
    print("after", tries)
"""

if __name__ == "__main__":
    pool = unique("suspend")
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    deploy("flow.py:patient", pool, name=unique("default"))
    with worker(pool) as it:
        it.wait_for("started!")
        run_id = started("patient/" + unique("default"))
        row = until(lambda: flow_run(run_id), lambda r: r["state_type"] == "PAUSED", 300)
        assert row["state_name"] == "Suspended", row["state_name"]
        gone(int(next(m for m in messages(run_id, "before in") if "before in" in m).split()[-1]))
        if VERSION < (3, 7):
            it.wait_for("exited cleanly")  # until then the next attempt may lose its folder to this one's end
        resume_flow_run(run_id, run_input={"value": 7})
        ends(run_id)
        said = messages(run_id, "Finished in state Completed")
        assert len([m for m in said if m.startswith("before in")]) == 2 and said.count("after 7") == 1, said
        named = states(run_id)
        has(" ".join(named), "Running Suspended Resuming")
        assert named[-1] == "Completed"

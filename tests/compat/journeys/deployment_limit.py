"""A deployment with a concurrency limit: one run at a time, the next waits or is cancelled, as its strategy says."""
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from tool import *

FLOW = """
import time
from prefect import flow

@flow
def one(wait_s: float = 4):
    time.sleep(wait_s)
"""

if __name__ == "__main__":
    pool = unique("one")
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    deploy("flow.py:one", pool, name=unique("queue"), concurrency_limit=1)
    deploy("flow.py:one", pool, name=unique("cancel"),
           concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy="CANCEL_NEW"))
    with worker(pool) as it:
        it.wait_for("started!")
        first, second = [started("one/" + unique("queue")) for _ in range(2)]
        ends(first, seconds=300)
        row = ends(second, seconds=300)
        assert "AwaitingConcurrencySlot" in states(second) + states(first), (states(first), states(second))
        early, late = sorted((flow_run(first), flow_run(second)), key=lambda r: r["start_time"])
        assert early["end_time"] <= late["start_time"], (early["end_time"], late["start_time"])
        keeps = started("one/" + unique("cancel"), "-p", "wait_s=20")
        until(lambda: flow_run(keeps), lambda r: r["state_type"] == "RUNNING", 300)
        refused = started("one/" + unique("cancel"))
        has(ends(refused, "Cancelled")["state"]["message"], "concurrency limit")
        ends(keeps)

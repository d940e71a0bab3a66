"""Interval, cron and RRule schedules: runs appear, start on time, and stop when paused; the CLI shows and changes them."""
from datetime import timedelta

from prefect.schedules import Cron, Interval, RRule
from tool import *

FLOW = """
from prefect import flow

@flow(log_prints=True)
def tick(model: str = "m1"):
    print("tick", model)
"""


def scheduled(deployment_id):
    body = {"deployments": {"id": {"any_": [str(deployment_id)]}}, "sort": "EXPECTED_START_TIME_ASC",
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    return api.post("/flow_runs/filter", body)


if __name__ == "__main__":
    pool = unique("schedules")
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    often = deploy("flow.py:tick", pool, name=unique("often"),
                   schedules=[Interval(timedelta(seconds=10), parameters={"model": "often"}, slug="often")])
    daily = deploy("flow.py:tick", pool, name=unique("daily"),
                   schedules=[Cron("0 3 * * *", timezone="Europe/Rome"), RRule("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0")])
    rows = until(lambda: scheduled(daily), lambda found: len(found) >= 4)
    assert all(row["auto_scheduled"] and "auto-scheduled" in row["tags"] for row in rows)
    with worker(pool, "--limit", "1") as it:  # a slow machine would drown in processes
        it.wait_for("started!")
        def of(state):
            return lambda: [r for r in api.post("/flow_runs/filter", {
                "deployments": {"id": {"any_": [str(often)]}}, "flow_runs": {"state": {"type": {"any_": [state]}}}})]
        done = until(of("COMPLETED"), lambda found: len(found) >= 2, 240)
        for row in done:
            late = row["estimated_start_time_delta"]
            assert row["parameters"] == {"model": "often"} and late >= 0, (row["parameters"], late)  # never early
        times = [row["expected_start_time"] for row in done]
        assert len(set(times)) == len(times), times
    name = "tick/" + unique("daily")
    said = cli("deployment", "schedule", "ls", name)
    has(said, "0 3 * * *", "FREQ=WEEKLY")
    ids = [s["id"] for s in api.get("/deployments/name/" + name)["schedules"]]
    cli("deployment", "schedule", "pause", name, ids[0])
    active = {s["id"]: s["active"] for s in api.get("/deployments/name/" + name)["schedules"]}
    assert list(active.values()).count(False) == 1 and active[ids[0]] is False
    cli("deployment", "schedule", "resume", name, ids[0])
    cli("deployment", "schedule", "create", name, "--interval", "3600")
    assert len(api.get("/deployments/name/" + name)["schedules"]) == 3
    cli("deployment", "schedule", "delete", name, ids[1])
    cli("deployment", "schedule", "clear", name)
    assert api.get("/deployments/name/" + name)["schedules"] == []
    until(lambda: scheduled(daily), lambda found: not found)

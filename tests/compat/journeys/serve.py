"""`flow.serve`: a deployment without a pool; its runs, a failing one, cancellation, and what stopping it does."""
from tool import *

FLOW = """
import time
from prefect import flow, task

@task
def measure(model):
    return len(model)

@flow(log_prints=True)
def profile(model: str = "m1", wait_s: float = 0, bad: bool = False):
    print("profiling", model)
    for _ in range(int(wait_s * 10)):
        time.sleep(0.1)
    if bad:
        raise ValueError("the probe came off")
    return measure(model)

if __name__ == "__main__":
    profile.serve(name="bench", parameters={"model": "kws"}, tags=["power"], cron="0 3 * * *", description="at *night*")
"""

if __name__ == "__main__":
    path = script("profile.py", FLOW.replace("profile", "profile_" + TAG))
    name = f"profile-{TAG}/bench"
    with Background(sys.executable, path, PREFECT_RUNNER_POLL_FREQUENCY="1") as served:
        served.wait_for("Your flow")
        said = cli("deployment", "inspect", name)
        has(said, "at *night*", "0 3 * * *", "'power'")
        done = started(name, "-p", "model=ad01")
        ends(done)
        has(" ".join(messages(done, "Finished in state Completed")), "profiling ad01")
        assert flow_run(done)["tags"] == ["power"]
        assert flow_run(done)["parameters"]["model"] == "ad01"
        watched = cli("deployment", "run", name, "--watch", "-p", "bad=true", status=1)
        has(watched, "Failed")
        long = started(name, "-p", "wait_s=100")
        until(lambda: flow_run(long), lambda row: row["state_type"] == "RUNNING", 300)
        has(cli("flow-run", "cancel", long), "was successfully scheduled for cancellation")
        ends(long, "Cancelled")
    deployment = api.get(f"/deployments/name/{name}")
    assert deployment["paused"] is True, deployment["paused"]
    assert [s["schedule"]["cron"] for s in deployment["schedules"]] == ["0 3 * * *"]

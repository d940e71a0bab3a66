"""`prefect work-pool` and `prefect work-queue`: every command of theirs that a process pool has."""
import json

from tool import *

if __name__ == "__main__":
    pool = unique("training")
    cli("work-pool", "create", pool, "--type", "process")
    cli("work-pool", "create", pool, "--type", "process", status=1)
    has(cli("work-pool", "ls"), pool, "process")
    has(cli("work-pool", "inspect", pool), pool, "job_configuration")
    cli("work-pool", "pause", pool)
    assert api.get("/work_pools/" + pool)["is_paused"] is True
    has(cli("work-pool", "resume", pool), "Resumed")
    cli("work-pool", "set-concurrency-limit", pool, "3")
    assert api.get("/work_pools/" + pool)["concurrency_limit"] == 3
    cli("work-pool", "clear-concurrency-limit", pool)
    assert api.get("/work_pools/" + pool)["concurrency_limit"] is None
    template = json.loads(cli("work-pool", "get-default-base-job-template", "--type", "process"))
    template["variables"]["properties"]["command"]["default"] = "nice python -m prefect.engine"
    path = script("template.json", json.dumps(template))
    cli("work-pool", "update", pool, "--base-job-template", path, "--description", "for the *servers*")
    row = api.get("/work_pools/" + pool)
    assert row["description"] == "for the *servers*" and "nice" in json.dumps(row["base_job_template"])
    for queue, priority in (("urgent", 1), ("night", 5)):
        cli("work-queue", "create", queue, "--pool", pool, "--priority", str(priority), "--limit", "2")
    has(cli("work-queue", "ls", "--pool", pool), "urgent", "night", "default")
    has(cli("work-queue", "inspect", "urgent", "--pool", pool), "urgent")
    cli("work-queue", "pause", "night", "--pool", pool)
    assert api.get(f"/work_pools/{pool}/queues/night")["is_paused"] is True
    cli("work-queue", "resume", "night", "--pool", pool)
    cli("work-queue", "set-concurrency-limit", "night", "7", "--pool", pool)
    assert api.get(f"/work_pools/{pool}/queues/night")["concurrency_limit"] == 7
    cli("work-queue", "clear-concurrency-limit", "night", "--pool", pool)
    cli("work-pool", "preview", pool)
    cli("work-queue", "read-runs", "urgent", "--pool", pool)
    cli("work-queue", "delete", "night", "--pool", pool)
    assert sorted(q["name"] for q in api.post(f"/work_pools/{pool}/queues/filter", {})) == ["default", "urgent"]
    cli("work-pool", "delete", pool)
    has(cli("work-pool", "inspect", pool, status=1), "not found")

#!/usr/bin/env python3
"""state_matrix.py URL > state_matrix.json

Asks a real Prefect server (URL ends in /api) what becomes of every state type proposed to a run in
every state type, forced and not, and prints one row per case. tests/unit/test_state_matrix.c
holds the rules to these rows. Needs nothing but Python."""
import json
import sys
import urllib.request

TYPES = ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED",
         "CANCELLING"]
KINDS = ["flow", "deployed", "task", "flow-task", "background"]
url = sys.argv[1]


def call(method, path, body=None):
    request = urllib.request.Request(url + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


flow = call("POST", "/flows/", {"name": "state-matrix"})["id"]
deployment = call("POST", "/deployments/", {"name": "state-matrix", "flow_id": flow})["id"]
parent = call("POST", "/flow_runs/", {"flow_id": flow, "state": {"type": "RUNNING"}})["id"]


def proposal(kind, state_type):
    return {"type": state_type, "state_details": {"deferred": kind == "background"}}


def create(kind, state_type, number):
    if kind in ("flow", "deployed"):
        body = {"flow_id": flow, "state": proposal(kind, state_type)}
        if kind == "deployed":
            body["deployment_id"] = deployment
        return "/flow_runs/", call("POST", "/flow_runs/", body)
    return "/task_runs/", call("POST", "/task_runs/", {
        "name": "t", "task_key": "matrix-" + kind, "dynamic_key": f"{parent}-{number}",
        "flow_run_id": parent if kind == "flow-task" else None, "state": proposal(kind, state_type)})


def ask(kind, force, before, after, number):
    path, run = create(kind, before, number)
    answer = call("POST", f"{path}{run['id']}/set_state",
                  {"state": proposal(kind, after), "force": force})
    run = call("GET", path + run["id"])
    policy = run["empirical_policy"]
    return {"kind": kind, "force": force, "from": before, "to": after, "status": answer["status"],
            "reason": answer["details"].get("reason"), "type": run["state_type"],
            "name": run["state_name"], "run_count": run["run_count"],
            "started": run["start_time"] is not None, "ended": run["end_time"] is not None,
            "due": run["next_scheduled_start_time"] is not None,
            "ran": run["total_run_time"] > 0, "resuming": policy.get("resuming", False),
            "retry_type": policy.get("retry_type")}


cases = [(kind, force, before, after) for kind in KINDS for force in (False, True)
         for before in TYPES for after in TYPES]
rows = [json.dumps(ask(*case, number), separators=(",", ":")) for number, case in enumerate(cases)]
print("[" + ",\n".join(rows) + "]")

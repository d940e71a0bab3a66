"""What goes and what stays when a run, a task run, a deployment or a flow is deleted."""
from rows import delete, get, post

LINES = [{"name": "l", "level": 20, "message": f'm, "q" of {i}\nline', "timestamp": f"2024-01-01T00:00:0{i}Z"} for i in range(3)]


def make(run, **more):
    """A run with all that can hang on one: a task run, a subflow, an input, logs, an artifact."""
    return [
        post(f"make {run}", "/flow_runs/", {"flow_id": "<ca_flow>", "name": run, "state": {"type": "RUNNING"}, **more}, **{run: "id", f"{run}_s": "state_id"}),
        post(f"make {run} task", "/task_runs/", {"name": "t", "flow_run_id": f"<{run}>", "task_key": "k", "dynamic_key": "0"}, **{f"{run}_t": "id"}),
        post(f"make {run} subflow", "/flow_runs/", {"flow_id": "<ca_flow2>", "name": f"{run}-sub", "parent_task_run_id": f"<{run}_t>"}, **{f"{run}_sub": "id"}),
        post(f"make {run} input", f"/flow_runs/<{run}>/input", {"key": "k", "value": "v"}),
        post(f"make {run} logs", "/logs/", [{**line, "flow_run_id": f"<{run}>"} for line in LINES]),
        post(f"make {run} artifact", "/artifacts/", {"key": "ca-k", "data": 1, "flow_run_id": f"<{run}>"}),
    ]


def look(run):
    return [
        get(f"{run} run", f"/flow_runs/<{run}>"),
        get(f"{run} states", f"/flow_run_states/?flow_run_id=<{run}>"),
        get(f"{run} state", f"/flow_run_states/<{run}_s>"),
        get(f"{run} task", f"/task_runs/<{run}_t>"),
        get(f"{run} task states", f"/task_run_states/?task_run_id=<{run}_t>"),
        post(f"{run} tasks", "/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [f"<{run}>"]}}}),
        get(f"{run} subflow", f"/flow_runs/<{run}_sub>"),
        get(f"{run} input", f"/flow_runs/<{run}>/input/k"),
        post(f"{run} inputs", f"/flow_runs/<{run}>/input/filter", {"prefix": ""}),
        post(f"{run} logs", "/logs/filter", {"logs": {"flow_run_id": {"any_": [f"<{run}>"]}}}, wait=True),
        get(f"{run} log file", f"/flow_runs/<{run}>/logs/download"),
        post(f"{run} artifacts", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [f"<{run}>"]}}}),
        get(f"{run} artifact by key", "/artifacts/ca-k/latest"),
        get(f"{run} graph", f"/flow_runs/<{run}>/graph-v2"),
    ]


def told(name, resource):
    return post(name, "/events/filter", {"filter": {"event": {"prefix": ["prefect.artifact-collection"]}, "resource": {"labels": {"prefect.resource.name": resource}},
                                                    "order": "ASC"}}, wait=True, vary=("occurred", "received"))


rows = [
    post("flow", "/flows/", {"name": "ca"}, ca_flow="id"),
    post("other flow", "/flows/", {"name": "ca-other"}, ca_flow2="id"),
    post("deployment", "/deployments/", {"name": "ca-d", "flow_id": "<ca_flow>", "concurrency_limit": 2}, ca_dep="id"),
    *make("ca_r"), *look("ca_r"), delete("delete the run", "/flow_runs/<ca_r>"), *look("ca_r"),
    *make("ca_b"), post("delete in bulk", "/flow_runs/bulk_delete", {"flow_runs": {"id": {"any_": ["<ca_b>"]}}}), *look("ca_b"),
    *make("ca_d", deployment_id="<ca_dep>"), delete("delete the deployment", "/deployments/<ca_dep>"), *look("ca_d"),
    *make("ca_t"), delete("delete the task run", "/task_runs/<ca_t_t>"), *look("ca_t"),
    *make("ca_f"), delete("delete the flow", "/flows/<ca_flow>"), *look("ca_f"),
    # the artifact before becomes the latest
    post("artifact", "/artifacts/", {"key": "ca-p", "data": 1}),
    post("artifact 2", "/artifacts/", {"key": "ca-p", "data": 2}, ca_latest="id"),
    delete("artifact delete", "/artifacts/<ca_latest>"),
    told("artifact promoted", "ca-p"),
]

"""Every state type from every state type, under each policy that changes a verdict; the plain cases are in
../state_matrix.json, which a unit test reads as well.  A case is three rows: the run in its first state, the proposal,
the run afterwards."""
from rows import get, post

TYPES = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING")
START, PAUSED = ("SCHEDULED", "PENDING", "RUNNING"), ("RUNNING", "PAUSED")
ENDED, TRIED = ("COMPLETED", "FAILED"), ("PENDING", "RUNNING", "FAILED", "CRASHED")
OLD = {"X-PREFECT-API-VERSION": "0.8.3"}
RESULT = {"type": "reference", "x": 1}
PAUSE = {"pause_key": "k", "pause_timeout": "<now+900>"}


def flow(name, before=None, after=None, froms=TYPES, headers=None, **run):
    """before, after: members of the first and of the proposed state; froms: the types where the policy says something."""
    return {"name": name, "path": "/flow_runs/", "run": {"flow_id": "<mx_flow>", **run}, "before": before or {}, "after": after or {}, "froms": froms,
            "headers": headers}


def task(name, before=None, after=None, froms=TYPES, **run):
    return {"name": name, "path": "/task_runs/", "run": {"task_key": "mx-" + name, "flow_run_id": "<mx_parent>", **run}, "before": before or {}, "after": after or {},
            "froms": froms, "headers": None}


def details(**members):
    return {"state_details": members}


POLICIES = [
    flow("retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 0}),
    flow("delayed retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 60}),
    flow("in-process retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 60, "retry_type": "in_process"}),
    flow("rescheduled retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 60, "retry_type": "reschedule"}, deployment_id="<mx_free>"),
    flow("resuming", froms=PAUSED, empirical_policy={"retries": 0, "resuming": True, "pause_keys": ["k"]}, after=details(**PAUSE)),
    flow("pause key used", froms=PAUSED, empirical_policy={"pause_keys": ["k"]}, after=details(**PAUSE)),
    flow("pause", froms=PAUSED, before=details(**PAUSE), after=details(pause_key="l", pause_timeout="<now+900>")),
    flow("pause over", froms=PAUSED, before=details(pause_key="k", pause_timeout="<now-900>")),
    flow("suspended", froms=PAUSED, before=details(**PAUSE, pause_reschedule=True), after=details(**PAUSE, pause_reschedule=True)),
    flow("suspended and deployed", froms=PAUSED, before=details(**PAUSE, pause_reschedule=True), after=details(**PAUSE, pause_reschedule=True), deployment_id="<mx_free>"),
    flow("suspension over", froms=PAUSED, before=details(pause_key="k", pause_timeout="<now-900>", pause_reschedule=True), deployment_id="<mx_free>"),
    flow("paused and deployed", froms=PAUSED, before=details(**PAUSE), after=details(**PAUSE), deployment_id="<mx_free>"),
    flow("paused, older client", froms=PAUSED, before=details(**PAUSE), after=details(**PAUSE), deployment_id="<mx_free>", headers=OLD),
    flow("due later", froms=START, before=details(scheduled_time="<now+900>"), after=details(scheduled_time="<now+1800>")),
    flow("due before", froms=START, before=details(scheduled_time="<now-900>"), after=details(scheduled_time="<now-900>")),
    flow("late", froms=START, before={"name": "Late", **details(scheduled_time="<now-900>")}, after={"name": "Late"}),
    flow("awaiting retry", froms=START, before={"name": "AwaitingRetry", **details(scheduled_time="<now-900>")}, after={"name": "AwaitingRetry"}, deployment_id="<mx_free>"),
    flow("result", froms=ENDED, before={"data": RESULT}, after={"data": RESULT}),
    flow("result expected", froms=ENDED, before={"data": {"type": "unpersisted"}}, after={"data": {"type": "unpersisted"}}),
    flow("same transition", froms=START, before=details(transition_id="00000000-0000-4000-8000-0000000000f1"), after=details(transition_id="00000000-0000-4000-8000-0000000000f1")),
    flow("subflow", froms=START, parent_task_run_id="<mx_subflow>"),
    flow("limit free", deployment_id="<mx_free>"),
    flow("limit full", froms=START, deployment_id="<mx_full>"),
    flow("limit full, retry", froms=TRIED, deployment_id="<mx_full>", empirical_policy={"retries": 1, "retry_delay": 0}),
    flow("limit full, cancel", froms=START, deployment_id="<mx_cancel>"),
    task("retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 0}),
    task("delayed retry", froms=TRIED, empirical_policy={"retries": 1, "retry_delay": 60}),
    task("delays", froms=TRIED, empirical_policy={"retries": 2, "retry_delay": [30, 90]}),
    task("due later", froms=START, before=details(scheduled_time="<now+900>"), after=details(scheduled_time="<now+1800>")),
    task("late", froms=START, before={"name": "Late", **details(scheduled_time="<now-900>")}, after={"name": "Late"}),
    task("result", froms=ENDED, before={"data": RESULT}, after={"data": RESULT}),
    task("result expected", froms=ENDED, before={"data": {"type": "unpersisted"}}, after={"data": {"type": "unpersisted"}}),
    task("same transition", froms=START, before=details(transition_id="00000000-0000-4000-8000-0000000000f1"), after=details(transition_id="00000000-0000-4000-8000-0000000000f1")),
    task("cached", froms=START, after=details(cache_key="mx-cached")),
    task("cache missed", froms=START, before=details(cache_key="mx-none-before"), after=details(cache_key="mx-none", cache_expiration="<now+900>")),
    task("cache over", froms=START, after=details(cache_key="mx-over")),
    task("cache refreshed", froms=START, after=details(cache_key="mx-cached", refresh_cache=True)),
    task("cached on its own", froms=START, after=details(cache_key="mx-cached"), flow_run_id=None),
    task("limit free", tags=["mx-free"]),
    task("limit full", froms=START, tags=["mx-full"]),
    task("limits free and full", froms=START, tags=["mx-free", "mx-full", "mx-unlimited"]),
    task("limit zero", froms=START, tags=["mx-zero"]),
    task("deferred", froms=START, before=details(deferred=True), after=details(deferred=True), flow_run_id=None),
    task("deferred, with a flow run", froms=START, before=details(deferred=True), after=details(deferred=True)),
    task("deferred, retry", froms=TRIED, before=details(deferred=True), after=details(deferred=True), flow_run_id=None, empirical_policy={"retries": 1, "retry_delay": 0}),
    task("awaiting retry", froms=START, before={"name": "AwaitingRetry", **details(scheduled_time="<now-900>")}, after={"name": "AwaitingRetry"}),
    *[task("parent " + kind.lower(), froms=START, flow_run_id=f"<mx_parent_{kind.lower()}>") for kind in TYPES if kind != "RUNNING"],
]
FORCED = {"delayed retry", "suspended and deployed", "limit full", "cached"}


def case(number, policy, before, after, force):
    name = f"{policy['path'][1:5]} {policy['name']}: {before} to {after}{' by force' if force else ''}"
    known = f"mx_{number}"
    run = {"name": "mx", **policy["run"], "state": {"type": before, **policy["before"]}}
    if policy["path"] == "/task_runs/":
        run["dynamic_key"] = name
    more = {"headers": policy["headers"]} if policy["headers"] else {}
    first = []
    if policy["before"].get("data"):  # a first state has no result
        first = [post(f"{name}, before", f"{policy['path']}<{known}>/set_state", {"state": run["state"], "force": True})]
        run["state"] = {"type": "PENDING"}
    return [post(f"{name}, made", policy["path"], run, **{known: "id"}), *first,
            post(name, f"{policy['path']}<{known}>/set_state", {"state": {"type": after, **policy["after"]}, "force": force}, vary=("delay_seconds",), **more),
            get(f"{name}, then", f"{policy['path']}<{known}>")]


def cases():
    chosen = [(p, b, a, force) for p in POLICIES for force in ((False, True) if p["name"] in FORCED else (False,)) for b in p["froms"] for a in TYPES]
    return [row for number, one in enumerate(chosen) for row in case(number, *one)]


def deployment(name, limit, strategy="ENQUEUE"):
    return post("deployment " + name, "/deployments/", {"name": "mx-" + name, "flow_id": "<mx_flow>", "concurrency_limit": limit,
                                                        "concurrency_options": {"collision_strategy": strategy}}, **{"mx_" + name: "id"})


def holder(name):
    return [post(f"{name} holder", "/flow_runs/", {"flow_id": "<mx_flow>", "name": "mx", "deployment_id": f"<mx_{name}>", "state": {"type": "SCHEDULED"}}, **{f"mx_{name}_holder": "id"}),
            post(f"{name} held", f"/flow_runs/<mx_{name}_holder>/set_state", {"state": {"type": "PENDING"}})]


def cached(key, **more):
    return [post(f"{key} task", "/task_runs/", {"task_key": key, "dynamic_key": "0", "flow_run_id": "<mx_parent>", "name": "mx"}, **{key.replace("-", "_"): "id"}),
            post(f"{key} runs", f"/task_runs/<{key.replace('-', '_')}>/set_state", {"state": {"type": "RUNNING"}}),
            post(f"{key} completed", f"/task_runs/<{key.replace('-', '_')}>/set_state",
                 {"state": {"type": "COMPLETED", "data": RESULT, "message": "from the cache", **details(cache_key=key, **more)}})]


rows = [
    post("flow", "/flows/", {"name": "mx"}, mx_flow="id"),
    deployment("free", 1000), deployment("full", 1), deployment("cancel", 1, "CANCEL_NEW"), deployment("zero", 0),
    *holder("full"), *holder("cancel"),
    post("parent", "/flow_runs/", {"flow_id": "<mx_flow>", "name": "mx", "state": {"type": "RUNNING"}}, mx_parent="id"),
    *[post(f"parent {kind}", "/flow_runs/", {"flow_id": "<mx_flow>", "name": "mx", "state": {"type": kind}}, **{f"mx_parent_{kind.lower()}": "id"})
      for kind in TYPES if kind != "RUNNING"],
    post("subflow task", "/task_runs/", {"task_key": "mx-sub", "dynamic_key": "0", "flow_run_id": "<mx_parent>", "name": "mx"}, mx_subflow="id"),
    *cached("mx-cached"), *cached("mx-over", cache_expiration="<now-900>"),
    *[post(f"limit {tag}", "/concurrency_limits/", {"tag": tag, "concurrency_limit": limit}) for tag, limit in (("mx-free", 1000), ("mx-full", 1), ("mx-zero", 0))],
    post("limit holder", "/task_runs/", {"task_key": "mx-holder", "dynamic_key": "0", "flow_run_id": "<mx_parent>", "name": "mx", "tags": ["mx-full"]}, mx_holder="id"),
    post("limit held", "/task_runs/<mx_holder>/set_state", {"state": {"type": "RUNNING"}}),
    *cases(),
    get("limit mx-free", "/concurrency_limits/tag/mx-free", vary=("active_slots",)), post("limits", "/v2/concurrency_limits/filter", {}),
]

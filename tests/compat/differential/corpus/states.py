"""Orchestration: the policies that change a verdict.  (Every type from every type is in ../state_matrix.json.)"""
from rows import NOBODY, get, post

WAITS = ("delay_seconds",)
SEEN = set()


def run(name, state, **more):
    return post(f"run {name}", "/flow_runs/", {"flow_id": "<st_flow>", "name": f"st-{name}", "state": state, **more}, **{f"st_{name}": "id"})


def move(which, state, force=False, **details):
    """Proposes a state to the run and looks at the run afterwards."""
    body = {"type": state, **details} if isinstance(state, str) else state
    n = len(SEEN)
    SEEN.add(n)
    return [post(f"{n} {which} to {body['type']}", f"/flow_runs/<st_{which}>/set_state", {"state": body, "force": force}, vary=WAITS),
            get(f"{n} {which} then", f"/flow_runs/<st_{which}>")]


def details(**members):
    return {"state_details": members}


DATA = {"type": "reference", "x": 1}
TYPES = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING")

rows = [
    post("flow", "/flows/", {"name": "st"}, st_flow="id"),
    post("deployment", "/deployments/", {"name": "st-d", "flow_id": "<st_flow>"}, st_dep="id"),
    # retries
    run("retry", {"type": "PENDING"}, empirical_policy={"retries": 2, "retry_delay": 0}),
    *move("retry", "RUNNING"), *move("retry", "FAILED", message="m1"), *move("retry", "RUNNING"), *move("retry", "FAILED"),
    *move("retry", "RUNNING"), *move("retry", "FAILED", message="last"), *move("retry", "RUNNING"), *move("retry", "SCHEDULED"),
    run("delay", {"type": "RUNNING"}, empirical_policy={"retries": 1, "retry_delay": 60}),
    *move("delay", "FAILED", data=DATA), *move("delay", "RUNNING"), *move("delay", "PENDING"), *move("delay", "RUNNING", force=True), *move("delay", "FAILED"),
    run("crash", {"type": "RUNNING"}, empirical_policy={"retries": 1}),
    *move("crash", "CRASHED"), *move("crash", "PENDING"), *move("crash", "RUNNING"), *move("crash", "FAILED", name="TimedOut"),
    # a run of a deployment, rescheduled
    run("again", {"type": "RUNNING"}, deployment_id="<st_dep>", empirical_policy={"retries": 0}),
    *move("again", "FAILED"), *move("again", "SCHEDULED", name="AwaitingRetry"), *move("again", "PENDING"), *move("again", "RUNNING"), *move("again", "COMPLETED"),
    # results
    run("data", {"type": "RUNNING"}), *move("data", "COMPLETED", data=DATA), *move("data", "RUNNING"), *move("data", "COMPLETED"),
    *move("data", "COMPLETED", data={"type": "unpersisted"}), *move("data", "COMPLETED", data={**DATA, "x": 2}), *move("data", "COMPLETED", force=True),
    *move("data", "SCHEDULED"), *move("data", "FAILED"),
    run("nodata", {"type": "RUNNING"}), *move("nodata", "COMPLETED", data={"type": "unpersisted"}), *move("nodata", "RUNNING"), *move("nodata", "COMPLETED"),
    # waiting
    run("wait", {"type": "SCHEDULED", **details(scheduled_time="<now+600>")}), *move("wait", "RUNNING"), *move("wait", "PENDING"), *move("wait", "RUNNING"),
    *move("wait", "PENDING", name="Submitting"), *move("wait", "PENDING", name="Submitting"), *move("wait", "PENDING", name="Pending"),
    *move("wait", "SCHEDULED", name="Late"), *move("wait", "SCHEDULED", name="AwaitingConcurrencySlot", **details(scheduled_time="<now+30>")),
    # late
    run("late", {"type": "SCHEDULED", **details(scheduled_time="<now-60>")}), *move("late", "SCHEDULED", name="Late", **details(scheduled_time="<now-60>")),
    *move("late", "SCHEDULED", name="Late"), *move("late", "PENDING"), *move("late", "SCHEDULED", name="Late"), *move("late", "RUNNING"),
    # transition ids
    run("once", {"type": "PENDING"}), *move("once", "RUNNING", **details(transition_id=NOBODY)), *move("once", "RUNNING", **details(transition_id=NOBODY)),
    *move("once", "COMPLETED", **details(transition_id=NOBODY)), *move("once", "RUNNING", force=True, **details(transition_id=NOBODY)),
    # pauses
    run("pause", {"type": "RUNNING"}), *move("pause", "PAUSED", **details(pause_key="1", pause_timeout="<now+300>")),
    *move("pause", "PAUSED", **details(pause_key="2")), *move("pause", "PENDING"), *move("pause", "RUNNING"),
    *move("pause", "PAUSED", **details(pause_key="1")), *move("pause", "PAUSED", **details(pause_key="2", pause_timeout="<now-5>")), *move("pause", "RUNNING"),
    *move("pause", "RUNNING", force=True), *move("pause", "PAUSED"), *move("pause", "CANCELLING"),
    run("pauseearly", {"type": "PENDING"}), *move("pauseearly", "PAUSED"), *move("pauseearly", "PAUSED", name="Suspended", **details(pause_reschedule=True)),
    run("suspendfree", {"type": "RUNNING"}), *move("suspendfree", "PAUSED", name="Suspended", **details(pause_reschedule=True, pause_key="a")),
    run("suspend", {"type": "RUNNING"}, deployment_id="<st_dep>"),
    *move("suspend", "PAUSED", name="Suspended", **details(pause_reschedule=True, pause_key="a", pause_timeout="<now+60>")),
    *move("suspend", "SCHEDULED", name="Resuming"), *move("suspend", "CANCELLING"),
    run("suspend2", {"type": "RUNNING"}, deployment_id="<st_dep>"),
    *move("suspend2", "PAUSED", name="Suspended", **details(pause_reschedule=True, pause_key="a", pause_timeout="<now+60>")), *move("suspend2", "CANCELLING"),
    run("resched", {"type": "RUNNING"}, deployment_id="<st_dep>"), *move("resched", "PAUSED", **details(pause_key="a", pause_timeout="<now+60>")),
    *move("resched", "SCHEDULED"), *move("resched", "PENDING"), *move("resched", "RUNNING"), *move("resched", "PAUSED", **details(pause_key="a")),
    # pause with input
    run("input", {"type": "RUNNING"}), *move("input", "PAUSED", **details(pause_key="k", pause_timeout="<now+300>", run_input_keyset={
        "schema": "in-schema", "response": "in-response", "description": "in-description"})),
    post("input resume without schema", "/flow_runs/<st_input>/resume", {"run_input": {"n": 1}}),
    post("input bad schema", "/flow_runs/<st_input>/input", {"key": "in-schema", "value": "{nope"}),
    post("input resume with bad schema", "/flow_runs/<st_input>/resume", {"run_input": {"n": 1}}),
    *[row for i, value in enumerate(('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}',)) for row in (
        post("input other run", "/flow_runs/", {"flow_id": "<st_flow>", "name": "st-in2", "state": {"type": "RUNNING"}}, st_in2="id"),
        post("input other pauses", "/flow_runs/<st_in2>/set_state", {"state": {"type": "PAUSED", **details(
            pause_key="k", pause_timeout="<now+300>", run_input_keyset={"schema": "s", "response": "r"})}}),
        post("input other schema", "/flow_runs/<st_in2>/input", {"key": "s", "value": value}))],
    post("input resume wrong", "/flow_runs/<st_in2>/resume", {"run_input": {"n": "x"}}),
    post("input resume none", "/flow_runs/<st_in2>/resume"),
    post("input resume unhydrated", "/flow_runs/<st_in2>/resume", {"run_input": {"n": {"__prefect_kind": "json", "value": "{"}}}),
    post("input resume", "/flow_runs/<st_in2>/resume", {"run_input": {"n": 5}}),
    get("input response", "/flow_runs/<st_in2>/input/r"),
    post("resume of nothing", f"/flow_runs/{NOBODY}/resume"),
    # cancelling
    run("cancel", {"type": "RUNNING"}), *move("cancel", "CANCELLING"), *move("cancel", "CANCELLING"), *move("cancel", "COMPLETED"), *move("cancel", "CANCELLED"),
    *move("cancel", "PENDING"), *move("cancel", "RUNNING"),
    run("cancelearly", {"type": "SCHEDULED"}), *move("cancelearly", "CANCELLING"),
    run("cancelpending", {"type": "PENDING"}), *move("cancelpending", "CANCELLING"),
    # a deployment's limit
    post("limited deployment", "/deployments/", {"name": "st-l", "flow_id": "<st_flow>", "concurrency_limit": 1}, st_lim="id"),
    run("l1", {"type": "SCHEDULED"}, deployment_id="<st_lim>"), run("l2", {"type": "SCHEDULED"}, deployment_id="<st_lim>"),
    *move("l1", "PENDING"), *move("l2", "PENDING"), get("limit held", "/v2/concurrency_limits/deployment:<st_lim>"), *move("l1", "RUNNING"),
    *move("l1", "COMPLETED"), get("limit free", "/v2/concurrency_limits/deployment:<st_lim>"), *move("l2", "PENDING"),
    post("cancelling deployment", "/deployments/", {"name": "st-c", "flow_id": "<st_flow>", "concurrency_limit": 1,
                                                    "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}, st_can="id"),
    run("c1", {"type": "SCHEDULED"}, deployment_id="<st_can>"), run("c2", {"type": "SCHEDULED"}, deployment_id="<st_can>"),
    *move("c1", "PENDING"), *move("c2", "PENDING"),
    # odd proposals
    run("odd", {"type": "PENDING"}), *move("odd", "RUNNING", name=""), *move("odd", "RUNNING", name="My own", message="ü"), *move("odd", "SCHEDULED"),
    *move("odd", "COMPLETED", **details(scheduled_time="<now+60>", cache_key="c", refresh_cache=True, traceparent="00-x", untrackable_result=True)),
    post("extra detail", "/flow_runs/<st_odd>/set_state", {"state": {"type": "RUNNING", **details(zz=1)}}),
    post("bad detail", "/flow_runs/<st_odd>/set_state", {"state": {"type": "RUNNING", **details(pause_timeout="x", flow_run_id="y")}}),
    post("force text", "/flow_runs/<st_odd>/set_state", {"state": {"type": "RUNNING"}, "force": "maybe"}),
    post("force null", "/flow_runs/<st_odd>/set_state", {"state": {"type": "RUNNING"}, "force": None}),
    post("lower case", "/flow_runs/<st_odd>/set_state", {"state": {"type": "running"}}),
    post("unknown run", f"/flow_runs/{NOBODY}/set_state", {"state": {"type": "RUNNING"}}),
    post("old client", "/flow_runs/<st_crash>/set_state", {"state": {"type": "RUNNING"}}, headers={"X-PREFECT-API-VERSION": "0.8.2"}),
    get("history of the retries", "/flow_run_states/?flow_run_id=<st_retry>"),
    get("seen", "/observed-states?query=aw&order_by=NAME_ASC"), get("seen limit 0", "/observed-states?limit=0"), get("seen bad order", "/observed-states?order_by=x"),
    get("seen slash", "/observed-states/"), get("seen long", "/observed-states?query=" + "x" * 101),
]

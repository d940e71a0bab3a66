"""The grammar of filters on a few named objects: each leaf of each filter, alone, negated, or-ed, and across resources."""
from rows import NOBODY, post

A, B, C = ("<fi_a>", "<fi_b>", "<fi_c>")


def run(name, **more):
    return post(f"make {name}", "/flow_runs/", {"flow_id": "<fi_flow>", "name": name, **more}, **{name.replace("-", "_"): "id"})


SET_UP = [
    post("make flow", "/flows/", {"name": "fi-flow", "tags": ["fi-x", "fi-y"]}, fi_flow="id"),
    post("make flow 2", "/flows/", {"name": "fi_flow 2"}, fi_flow2="id"),
    post("make pool", "/work_pools/", {"name": "fi-pool", "type": "fi-type"}, fi_pool="id"),
    post("make deployment", "/deployments/", {"name": "fi-dep", "flow_id": "<fi_flow>", "tags": ["fi-d"], "work_pool_name": "fi-pool"}, fi_dep="id"),
    post("make deployment 2", "/deployments/", {"name": "fi-other", "flow_id": "<fi_flow>", "paused": True}, fi_dep2="id"),
    post("make queue", "/work_pools/fi-pool/queues", {"name": "fi-q"}),
    run("fi-a", tags=["fi-x"], state={"type": "RUNNING"}, flow_version="1", idempotency_key="fi-1"),
    run("fi-b", tags=["fi-x", "fi-y"], state={"type": "SCHEDULED", "state_details": {"scheduled_time": "<now+900>"}}, deployment_id="<fi_dep>",
        work_pool_name="fi-pool"),
    run("fi-c", state={"type": "COMPLETED", "name": "Fine"}, work_pool_name="fi-pool", work_queue_name="fi-q"),
    post("make task", "/task_runs/", {"name": "fi-t1", "flow_run_id": A, "task_key": "k", "dynamic_key": "1", "tags": ["fi-t"],
                                      "state": {"type": "RUNNING"}}, fi_t1="id"),
    post("make task 2", "/task_runs/", {"name": "fi-t2", "flow_run_id": A, "task_key": "k", "dynamic_key": "2"}, fi_t2="id"),
    post("make task 3", "/task_runs/", {"name": "fi-t3", "task_key": "fi-k", "dynamic_key": "fi-3", "state": {"type": "FAILED"}}, fi_t3="id"),
    post("make subflow", "/flow_runs/", {"flow_id": "<fi_flow2>", "name": "fi-sub", "parent_task_run_id": "<fi_t2>"}, fi_sub="id"),
]

# Each list: filters on that resource; the objects above are picked out by name in every request.
FLOWS = [
    {"id": {"any_": ["<fi_flow>"]}}, {"id": {"any_": []}}, {"id": {"not_any_": ["<fi_flow>"]}}, {"id": {"not_any_": []}}, {"id": {}}, {"id": None},
    {"name": {"like_": "I-FL"}}, {"name": {"like_": "fi_flow"}}, {"name": {"like_": "w%2"}}, {"name": {"any_": ["fi-flow"]}},
    {"tags": {"all_": ["fi-x"]}}, {"tags": {"all_": ["fi-x", "no"]}}, {"tags": {"is_null_": True}}, {"tags": {"is_null_": False}}, {"tags": {"all_": []}},
    {"tags": {"operator": "or_", "all_": ["fi-x"], "is_null_": True}}, {"deployment": {"is_null_": True}}, {"deployment": {"is_null_": False}},
    {"operator": "or_", "name": {"any_": ["fi-flow"]}, "tags": {"is_null_": True}}, {"operator": "nope"}, {"id": {"any_": ["zz"]}}, {"id": {"any_": [5]}},
]
RUNS = [
    {"id": {"any_": [A, C]}}, {"id": {"not_any_": [A]}}, {"id": {"any_": [A, B], "not_any_": [A]}}, {"name": {"any_": ["fi-a", "no"]}},
    {"name": {"like_": "FI-A"}}, {"name": {"like_": "fi_a"}}, {"tags": {"all_": ["fi-x", "fi-y"]}}, {"tags": {"any_": ["fi-y", "no"]}},
    {"tags": {"is_null_": True}}, {"tags": {"is_null_": False}}, {"tags": {"operator": "or_", "all_": ["fi-y"], "is_null_": True}}, {"tags": {"any_": []}},
    {"deployment_id": {"any_": ["<fi_dep>"]}}, {"deployment_id": {"is_null_": True}}, {"deployment_id": {"is_null_": False}},
    {"deployment_id": {"operator": "or_", "any_": ["<fi_dep>"], "is_null_": True}}, {"work_queue_name": {"any_": ["fi-q", "default"]}},
    {"work_queue_name": {"is_null_": True}}, {"work_queue_name": {"is_null_": False}},
    {"state": {"type": {"any_": ["RUNNING"]}}}, {"state": {"type": {"not_any_": ["RUNNING", "SCHEDULED"]}}}, {"state": {"type": {"any_": []}}},
    {"state": {"name": {"any_": ["Fine", "Running"]}}}, {"state": {"name": {"not_any_": ["Fine"]}}}, {"state": {"type": {"any_": ["RUNNING", "COMPLETED"], "not_any_": ["RUNNING"]}}},
    {"state": {"operator": "or_", "type": {"any_": ["RUNNING"]}, "name": {"any_": ["Fine"]}}}, {"state": {"type": {"any_": ["NOPE"]}}}, {"state": {}},
    {"flow_version": {"any_": ["1"]}}, {"start_time": {"after_": "<now-3600>", "before_": "<now>"}}, {"start_time": {"is_null_": True}},
    {"start_time": {"is_null_": False}}, {"start_time": {"after_": "<now+600>"}}, {"end_time": {"is_null_": True}}, {"end_time": {"is_null_": False}},
    {"end_time": {"after_": "<now-3600>"}}, {"end_time": {"before_": "<now+60>"}}, {"expected_start_time": {"after_": "<now+600>"}},
    {"expected_start_time": {"before_": "<now+600>"}}, {"expected_start_time": {"before_": "2024-01-01"}}, {"expected_start_time": {"before_": 4102444800}},
    {"expected_start_time": {"before_": "4102444800"}}, {"expected_start_time": {"before_": "x"}}, {"expected_start_time": {"before_": True}},
    {"expected_start_time": {"before_": "2999-01-01T00:00:00+05:00"}}, {"expected_start_time": {"before_": "2999-01-01 00:00"}},
    {"expected_start_time": {"before_": 4102444800000}}, {"expected_start_time": {"before_": []}},
    {"next_scheduled_start_time": {"after_": "<now>"}}, {"next_scheduled_start_time": {"before_": "<now>"}}, {"next_scheduled_start_time": {}},
    {"parent_flow_run_id": {"any_": [A]}}, {"parent_task_run_id": {"any_": ["<fi_t2>"]}}, {"parent_task_run_id": {"is_null_": True}},
    {"parent_task_run_id": {"is_null_": False}}, {"parent_task_run_id": {"operator": "or_", "any_": ["<fi_t2>"], "is_null_": True}},
    {"idempotency_key": {"any_": ["fi-1"]}}, {"idempotency_key": {"not_any_": ["fi-1"]}}, {"idempotency_key": {"any_": []}},
    {"created_by": {"id_": [NOBODY]}}, {"created_by": {"type_": ["SCHEDULE"]}}, {"created_by": {"is_null_": True}}, {"created_by": {"is_null_": False}},
    {"operator": "or_", "name": {"any_": ["fi-a"]}, "state": {"type": {"any_": ["COMPLETED"]}}}, {"operator": "or_"}, {}, {"zz": 1}, {"state": {"zz": 1}},
    {"id": {"any_": None}}, {"id": {"any_": [None]}}, {"tags": {"all_": "x"}}, {"name": {"like_": 5}}, {"name": {"like_": ""}},
]
TASKS = [
    {"id": {"any_": ["<fi_t1>"]}}, {"name": {"any_": ["fi-t1"]}}, {"name": {"like_": "I-T2"}}, {"tags": {"all_": ["fi-t"]}}, {"tags": {"is_null_": True}},
    {"state": {"type": {"any_": ["RUNNING", "FAILED"]}}}, {"state": {"name": {"any_": ["Pending"]}}}, {"start_time": {"is_null_": True}},
    {"start_time": {"after_": "<now-3600>"}}, {"end_time": {"is_null_": False}}, {"end_time": {"before_": "<now+60>"}}, {"expected_start_time": {"after_": "<now-3600>"}},
    {"subflow_runs": {"exists_": True}}, {"subflow_runs": {"exists_": False}}, {"flow_run_id": {"any_": [A]}}, {"flow_run_id": {"is_null_": True}},
    {"flow_run_id": {"is_null_": False}}, {"flow_run_id": {}}, {"flow_run_id": {"any_": [A], "is_null_": True}}, {"flow_run_id": {"any_": [A], "is_null_": False}},
    {"flow_run_id": {"operator": "or_", "any_": [A], "is_null_": True}},
    {"operator": "or_", "name": {"any_": ["fi-t1"]}, "state": {"type": {"any_": ["FAILED"]}}}, {"zz": 1}, {"state": {"type": {"not_any_": ["RUNNING"]}}},
]
DEPLOYMENTS = [
    {"id": {"any_": ["<fi_dep>"]}}, {"id": {"not_any_": ["<fi_dep>"]}}, {"name": {"any_": ["fi-dep"]}}, {"name": {"like_": "I-OTH"}},
    {"flow_or_deployment_name": {"like_": "fi-flow"}}, {"flow_or_deployment_name": {"like_": "FI-DEP"}}, {"paused": {"eq_": True}}, {"paused": {"eq_": False}},
    {"tags": {"all_": ["fi-d"]}}, {"tags": {"any_": ["fi-d"]}}, {"tags": {"is_null_": True}}, {"work_queue_name": {"any_": ["default"]}},
    {"concurrency_limit": {"ge_": 5}}, {"concurrency_limit": {"is_null_": False}}, {"operator": "or_", "paused": {"eq_": True}, "tags": {"all_": ["fi-d"]}}, {"zz": 1},
]
ACROSS = [
    {"flows": {"name": {"any_": ["fi-flow"]}}}, {"flow_runs": {"name": {"any_": ["fi-b"]}}}, {"task_runs": {"name": {"any_": ["fi-t1"]}}},
    {"deployments": {"name": {"any_": ["fi-dep"]}}}, {"work_pools": {"name": {"any_": ["fi-pool"]}}}, {"work_pool_queues": {"name": {"any_": ["fi-q"]}}},
    {"flows": {"name": {"any_": ["no"]}}}, {"flow_runs": {"state": {"type": {"any_": ["CRASHED"]}}}, "flows": {"name": {"like_": "fi"}}},
    {"task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "deployments": None}, {"work_pools": {"type": {"any_": ["fi-type"]}}},
    {"work_pool_queues": {"name": {"startswith_": ["fi", "def"]}}, "work_pools": {"name": {"any_": ["fi-pool"]}}},
    {"flow_runs": {}}, {"task_runs": {}}, {"deployments": {}}, {"work_pools": {}}, {"flow_runs": {"operator": "or_"}},
]
NAMES = {"flows": ["fi-flow", "fi_flow 2"], "flow_runs": ["fi-a", "fi-b", "fi-c", "fi-sub"], "task_runs": ["fi-t1", "fi-t2", "fi-t3"],
         "deployments": ["fi-dep", "fi-other"]}
SORTS = {"flow_runs": ["ID_DESC", "START_TIME_ASC", "START_TIME_DESC", "EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC", "NAME_ASC", "NAME_DESC",
                       "NEXT_SCHEDULED_START_TIME_ASC", "END_TIME_DESC", "DURATION_ASC"],
         "flows": ["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"],
         "deployments": ["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"],
         "task_runs": ["NEXT_SCHEDULED_START_TIME_ASC", "DURATION_ASC", "DURATION_DESC", "START_TIME_ASC"]}


ELSEWHERE = {"flows": {"flow_runs": {"name": {"any_": NAMES["flow_runs"]}}}, "flow_runs": {"flows": {"name": {"any_": NAMES["flows"]}}},
             "task_runs": {"flow_runs": {"name": {"any_": NAMES["flow_runs"]}}}, "deployments": {"flows": {"name": {"any_": NAMES["flows"]}}}}


def narrowed(kind, extra):
    """The filter, on our own objects only: by name, or by what they belong to where it looks at names itself."""
    if "name" in extra or extra.get("operator") == "or_":
        return {kind: extra, **ELSEWHERE[kind]}
    return {kind: {"name": {"any_": NAMES[kind]}, **extra}}


def leaves(kind, filters):
    for i, extra in enumerate(filters):
        name = f"{kind} {i} {next(iter(extra), 'empty')}"
        whole = narrowed(kind, extra)
        if kind != "task_runs" and extra.get("operator") == "or_" and len(extra) == 1:
            continue
        yield post(f"{name} count", f"/{kind}/count", whole)
        yield post(name, f"/{kind}/filter", whole, any_order=True)


def across():
    for kind in ("flows", "flow_runs", "task_runs", "deployments"):
        for i, other in enumerate(ACROSS):
            if kind in other:
                continue
            own = {kind: {"name": {"any_": NAMES[kind]}}}
            yield post(f"{kind} by {i} {' '.join(other)}", f"/{kind}/filter", {**own, **other}, any_order=True)


def sorts():
    for kind, names in SORTS.items():
        for name in names:
            yield post(f"{kind} {name}", f"/{kind}/filter", {kind: {"name": {"any_": NAMES[kind]}}, "sort": name}, any_order=name == "ID_DESC" or "_TIME_" in name)


rows = [*SET_UP, *leaves("flows", FLOWS), *leaves("flow_runs", RUNS), *leaves("task_runs", TASKS), *leaves("deployments", DEPLOYMENTS), *across(), *sorts()]

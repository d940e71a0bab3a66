"""A long conversation about runs, answered as a real Prefect answered it.

python test_runs.py: starts our server (or uses TEST_API_URL) and compares with runs.json.
python test_runs.py --record URL: asks a real Prefect (URL ends in /api) and prints runs.json."""
import json
import pathlib
import re
import sys
import unittest
import urllib.error
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import contract  # noqa: E402
import live  # noqa: E402

EXPECTED = HERE / "runs.json"
NOBODY = str(uuid.UUID(int=1))
VOLATILE = {"estimated_run_time", "estimated_start_time_delta", "total_run_time", "request_body", "input", "ctx", "msg"}


class Talk:
    """Asks and notes the answers, with ids and times replaced by what they stand for."""

    def __init__(self, url):
        self.url, self.known, self.notes = url, {}, []
        self.tag = uuid.uuid4().hex[:8]

    def call(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text, status, kind = reply.read(), reply.status, reply.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            text, status, kind = error.read(), error.code, error.headers.get("Content-Type", "")
        contract.hold(method, path, status, text)
        return status, json.loads(text) if text and "json" in kind else text.decode()

    def name(self, value, meaning):
        self.known[value] = meaning
        return value

    def plain(self, value):
        if isinstance(value, dict):
            return {k: self.plain(v) for k, v in sorted(value.items()) if k not in VOLATILE}
        if isinstance(value, list):
            return [self.plain(v) for v in value]
        if not isinstance(value, str):
            return value
        for known, meaning in self.known.items():
            value = value.replace(known, f"<{meaning}>")
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", value)
        return re.sub(r"20\d\d-\d\d-\d\d[T ][0-9:.]+(Z|\+00:00)", "<time>", value)

    def ask(self, method, path, body=None, take=None, headers=None):
        """Notes status and answer; of an object only the members in `take`, if given."""
        status, answer = self.call(method, path, body, headers)
        shown = answer
        if take and isinstance(answer, dict) and status < 300:
            shown = {k: answer[k] for k in take}
        if take and isinstance(answer, list):
            shown = [[item[k] for k in take] for item in answer]
        self.notes.append([f"{method} {self.plain(path)} {json.dumps(self.plain(body))}", status, self.plain(shown)])
        return answer


STATE = ("status", "details", "state")
RUN = ("name", "state_type", "state_name", "run_count", "tags", "labels", "parameters", "empirical_policy", "idempotency_key",
       "context", "job_variables", "work_queue_name", "work_pool_name", "deployment_version", "created_by")


def runs(t, flow):
    make = lambda meaning, **more: t.name(t.ask("POST", "/flow_runs/", {"flow_id": flow, "name": meaning, **more}, RUN)["id"],  # noqa: E731
                                          meaning)
    a = make("a", tags=["x", ""], labels={"l": 1}, empirical_policy={"retries": 1, "retry_delay": 0})
    b = make("b", state={"type": "RUNNING"}, idempotency_key=t.tag)
    c = make("c", state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2040-01-01T00:00:00Z"}})
    for body in ({"flow_id": NOBODY}, {"flow_id": flow, "work_pool_name": "nope"}, {"flow_id": flow, "labels": {"x": None}},
                 {"flow_id": flow, "zz": 1}, {"flow_id": flow, "parent_task_run_id": NOBODY}, {}):
        t.ask("POST", "/flow_runs/", body)
    t.ask("POST", "/flow_runs/", {"flow_id": flow, "name": "again", "idempotency_key": t.tag}, ("id", "name"))
    for state in ("RUNNING", "FAILED", "RUNNING", "FAILED", "SCHEDULED", "CRASHED"):
        t.ask("POST", f"/flow_runs/{a}/set_state", {"state": {"type": state}}, STATE)
    t.ask("POST", f"/flow_runs/{c}/set_state", {"state": {"type": "RUNNING"}}, ("status", "state"))
    t.ask("POST", f"/flow_runs/{c}/set_state", {"state": {"type": "CANCELLING"}}, STATE)
    t.ask("POST", f"/flow_runs/{b}/set_state", {"state": {"type": "COMPLETED", "message": "m",
                                                          "data": {"type": "result", "artifact_key": "k", "v": 1}}}, STATE)
    t.ask("POST", f"/flow_runs/{b}/set_state", {"state": {"type": "RUNNING"}}, STATE)
    t.ask("POST", f"/flow_runs/{NOBODY}/set_state", {"state": {"type": "RUNNING"}})
    t.ask("GET", f"/flow_run_states/?flow_run_id={a}", take=("type", "name", "message", "data"))
    t.ask("GET", f"/flow_run_states/{NOBODY}")
    t.ask("PATCH", f"/flow_runs/{a}", {"tags": ["q"], "flow_version": "v2", "infrastructure_pid": "p", "name": "a2"})
    t.ask("PATCH", f"/flow_runs/{a}", {"job_variables": {"x": 1}})
    t.ask("PATCH", f"/flow_runs/{a}/labels", {"more": True})
    t.ask("GET", f"/flow_runs/{a}", take=RUN + ("flow_version", "infrastructure_pid", "state"))
    mine = {"flows": {"id": {"any_": [flow]}}, "sort": "NAME_ASC"}
    for narrow in ({"state": {"type": {"any_": ["FAILED", "COMPLETED"]}}}, {"tags": {"all_": ["q"]}}, {"name": {"like_": "A"}},
                   {"operator": "or_", "name": {"any_": ["b"]}, "state": {"name": {"any_": ["Failed"]}}},
                   {"id": {"not_any_": [a]}}, {"id": {"any_": []}}, {"deployment_id": {"is_null_": True}}, {"zz": 1}):
        t.ask("POST", "/flow_runs/filter", {**mine, "flow_runs": narrow}, ("name",))
        t.ask("POST", "/flow_runs/count", {**mine, "flow_runs": narrow})
    t.ask("POST", "/flow_runs/paginate", {**mine, "limit": 2, "page": 2}, ("count", "limit", "page", "pages"))
    t.ask("POST", "/flow_runs/filter", {**mine, "limit": 201})
    t.ask("POST", "/flow_runs/bulk_set_state", {"flow_runs": {"id": {"any_": [b]}}, "state": {"type": "CRASHED"}})
    t.ask("POST", "/flow_runs/bulk_delete", {"flow_runs": {"id": {"any_": [c]}}})
    for method in ("GET", "DELETE"):
        t.ask(method, f"/flow_runs/{c}")


def inputs(t, flow):
    t.ask("POST", "/flow_runs/", {"flow_id": flow, "name": "paused", "state": {"type": "RUNNING"}}, ("name",))
    run = t.name(t.call("POST", "/flow_runs/filter", {"flows": {"id": {"any_": [flow]}},
                                                      "flow_runs": {"name": {"any_": ["paused"]}}})[1][0]["id"], "paused")
    schema = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    pause = {"type": "PAUSED", "state_details": {"pause_key": "1", "run_input_keyset": {"schema": "s", "response": "r"}}}
    path = f"/flow_runs/{run}"
    t.ask("POST", path + "/resume", {})
    t.ask("POST", path + "/set_state", {"state": pause}, ("status", "state"))
    t.ask("POST", path + "/resume", {"run_input": {"n": 1}}, STATE)
    t.ask("POST", path + "/input", {"key": "s", "value": schema})
    t.ask("POST", path + "/input", {"key": "s", "value": "2"})
    t.ask("POST", f"/flow_runs/{NOBODY}/input", {"key": "s", "value": "2"})
    t.ask("POST", path + "/resume", {"run_input": {"n": "x"}}, STATE)
    t.ask("POST", path + "/resume", {"run_input": {"n": {"__prefect_kind": "json", "value": "4"}}}, ("status", "details"))
    t.ask("GET", path + "/input/r")
    t.ask("POST", path + "/input/filter", {"prefix": "", "limit": 5}, ("key", "value", "sender"))
    t.ask("POST", path + "/set_state", {"state": pause}, ("status", "details"))
    t.ask("DELETE", path + "/input/r")
    t.ask("GET", path + "/input/r")
    t.ask("GET", path + "/logs/download")


def tasks(t, flow):
    status, run = t.call("POST", "/flow_runs/", {"flow_id": flow, "name": "top", "state": {"type": "RUNNING"}})
    top, ids = t.name(run["id"], "top"), {}

    def make(meaning, **more):
        body = {"name": meaning, "task_key": "k", "dynamic_key": meaning, "flow_run_id": top, **more}
        answer = t.ask("POST", "/task_runs/", body, ("name", "labels", "tags", "task_inputs", "state_name", "empirical_policy"))
        ids[meaning] = t.name(answer["id"], meaning)

    of = lambda meaning: {"input_type": "task_run", "id": ids[meaning]}  # noqa: E731
    make("t1")
    make("t1")
    make("t2", task_inputs={"x": [of("t1")]}, empirical_policy={"retries": 1, "retry_delay": [0, 5]})
    make("t3", task_inputs={"x": [of("t2")], "__parents__": [of("t1")]}, tags=["g"])
    make("sub", task_inputs={"x": [of("t3")]})
    t.ask("POST", "/task_runs/", {"task_key": "k", "dynamic_key": "0", "flow_run_id": NOBODY})
    t.ask("POST", "/task_runs/", {"task_key": "k"})
    child = t.name(t.call("POST", "/flow_runs/", {"flow_id": flow, "name": "child", "parent_task_run_id": ids["sub"]})[1]["id"],
                   "child")
    t.ask("POST", f"/flow_runs/{child}/set_state", {"state": {"type": "RUNNING"}}, STATE)
    t.ask("GET", f"/task_runs/{ids['sub']}", take=("state_type", "state_name", "run_count", "state"))
    for state in ("RUNNING", "FAILED", "RUNNING", "FAILED", "CRASHED"):
        t.ask("POST", f"/task_runs/{ids['t2']}/set_state", {"state": {"type": state}}, STATE)
    done = {"type": "COMPLETED", "data": {"type": "result"}, "state_details": {"cache_key": t.tag}}
    t.ask("POST", f"/task_runs/{ids['t1']}/set_state", {"state": done}, ("status",))
    t.ask("POST", f"/task_runs/{ids['t3']}/set_state",
          {"state": {"type": "RUNNING", "state_details": {"cache_key": t.tag}}}, ("status", "details"))
    t.ask("POST", f"/task_runs/{NOBODY}/set_state", {"state": {"type": "RUNNING"}})
    t.ask("GET", f"/task_run_states/?task_run_id={ids['t2']}", take=("type", "name"))
    mine = {"flow_runs": {"id": {"any_": [top]}}, "sort": "NAME_ASC"}
    for narrow in ({}, {"state": {"type": {"any_": ["FAILED"]}}}, {"tags": {"all_": ["g"]}}, {"subflow_runs": {"exists_": True}}):
        t.ask("POST", "/task_runs/filter", {**mine, "task_runs": narrow}, ("name", "state_name"))
    t.ask("PATCH", f"/task_runs/{ids['t1']}", {"name": "new"})
    for method in ("GET", "DELETE"):
        t.ask(method, f"/task_runs/{NOBODY}")
    graph = t.call("GET", f"/flow_runs/{top}/graph-v2")[1]
    for _, node in graph["nodes"]:  # an edge shows once here, in Prefect once per input of its other end
        for side in ("parents", "children"):
            node[side] = sorted({edge["id"]: edge for edge in node[side]}.values(), key=lambda edge: t.plain(edge["id"]))
    t.notes.append(["graph-v2", 200, t.plain(graph)])
    graph = t.call("GET", f"/flow_runs/{top}/graph")[1]
    t.notes.append(["graph", 200, sorted([n["name"], sorted(t.plain(d["id"]) for d in n["upstream_dependencies"])] for n in graph)])
    for version in ("graph", "graph-v2"):
        t.ask("GET", f"/flow_runs/{NOBODY}/{version}")


def deployments(t, flow):
    pool = t.name("pool-" + t.tag, "pool")
    template = {"job_configuration": {"n": "{{ n }}"},
                "variables": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}
    t.call("POST", "/work_pools/", {"name": pool, "type": "process", "base_job_template": template})
    schema = {"type": "object", "properties": {"p": {"type": "integer"}}, "required": ["p"]}
    d = t.name(t.call("POST", "/deployments/", {"name": "d", "flow_id": flow, "work_pool_name": pool, "tags": ["dt"], "version": "v7",
                                                "parameters": {"p": 1}, "parameter_openapi_schema": schema,
                                                "enforce_parameter_schema": True})[1]["id"], "deployment")
    path = f"/deployments/{d}/create_flow_run"
    for body in ({}, {"job_variables": {"n": 1}}, {"job_variables": {"n": "x"}}, {"job_variables": {"n": 1}, "parameters": {"p": "x"}},
                 {"job_variables": {"n": 1}, "parameters": {"p": "x"}, "enforce_parameter_schema": False},
                 {"job_variables": {"n": 1}, "parameters": {"p": {"__prefect_kind": "workspace_variable", "variable_name": "no"}}},
                 {"job_variables": {"n": 1}, "tags": ["rt", "dt"], "state": {"type": "PENDING"}, "work_queue_name": "other"},
                 {"zz": 1}):
        t.ask("POST", path, {**body, "name": "of a deployment"}, RUN)
    t.ask("POST", path, {"job_variables": {"n": 1}, "name": "n"}, ("created_by",),
          {"Prefect-Automation-ID": NOBODY, "Prefect-Automation-Name": "YWJj"})
    t.ask("POST", path + "/bulk", [{"job_variables": {"n": 1}}, {"job_variables": {"n": "x"}},
                                   {"job_variables": {"n": 1}, "parameters": {"p": "x"}}])
    t.ask("POST", path + "/bulk", [{}] * 101)
    t.ask("POST", f"/deployments/{NOBODY}/create_flow_run", {})


def converse(url):
    t = Talk(url)
    flow = t.name(t.call("POST", "/flows/", {"name": "talk-" + t.tag, "labels": {"team": "lab"}})[1]["id"], "flow")
    t.name("talk-" + t.tag, "flow's name")
    t.name(t.tag, "tag")
    for part in (runs, inputs, tasks, deployments):
        part(t, flow)
    return t.notes


class RunsTest(unittest.TestCase):
    def test_every_answer_is_as_prefect_gave_it(self):
        expected = json.loads(EXPECTED.read_text())
        with live.Server() as server:
            notes = converse(server.url)
        self.assertEqual([n[0] for n in notes], [e[0] for e in expected])
        for note, answer in zip(notes, expected):
            with self.subTest(note[0][:150]):
                self.assertEqual(note[1:], answer[1:])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        print("[" + ",\n".join(json.dumps(n) for n in converse(sys.argv[2])) + "]")
        sys.exit()
    unittest.main()

#!/usr/bin/env python3
"""Operations around runs, pools and limits that pages and older clients call: each does what it says."""
import json
import pathlib
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402

NOBODY = "00000000-0000-0000-0000-000000000001"


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server(PREFECT_SERVER_API_DEFAULT_LIMIT="20"))

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text = reply.read()
                self.headers, status = reply.headers, reply.status
        except urllib.error.HTTPError as refused:
            text = refused.read()
            self.headers, status = refused.headers, refused.code
        contract.hold(method, path, status, text)
        return status, json.loads(text) if text else None

    def ok(self, method, path, body=None):
        status, reply = self.call(method, path, body)
        self.assertLess(status, 300, f"{method} {path}: {reply}")
        return reply

    def detail(self, method, path, body=None):
        status, reply = self.call(method, path, body)
        return status, reply.get("detail") or reply.get("exception_message")

    def make(self, name):
        """A flow with a deployment and four runs in their states."""
        flow = self.ok("POST", "/flows/", {"name": name})["id"]
        self.ok("POST", "/work_pools/", {"name": name, "type": "process", "concurrency_limit": 3})
        deployment = self.ok("POST", "/deployments/", {"name": "d", "flow_id": flow, "work_pool_name": name,
                                                       "parameter_openapi_schema": {}})
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        runs = {kind: self.ok("POST", f"/deployments/{deployment['id']}/create_flow_run", {"name": kind, "state": state})["id"]
                for kind, state in {"later": later, "now": {"type": "SCHEDULED"}, "runs": {"type": "RUNNING"},
                                    "waits": {"type": "PENDING"}}.items()}
        return flow, deployment, runs

    def test_pages_get_their_counts(self):
        flow, deployment, runs = self.make("pages")
        child = self.ok("POST", "/task_runs/", {"flow_run_id": runs["runs"], "task_key": "k", "dynamic_key": "1",
                                                "name": "t", "state": {"type": "RUNNING"}})["id"]
        self.ok("POST", f"/task_runs/{child}/set_state", {"state": {"type": "FAILED"}})
        self.assertEqual(self.ok("POST", "/ui/flow_runs/count-task-runs", {"flow_run_ids": [runs["runs"], NOBODY]}),
                         {runs["runs"]: 1, NOBODY: 0})
        self.assertEqual(self.ok("POST", "/ui/flows/count-deployments", {"flow_ids": [flow, NOBODY]}), {flow: 1, NOBODY: 0})
        coming = self.ok("POST", "/ui/flows/next-runs", {"flow_ids": [flow, NOBODY]})
        self.assertEqual((coming[flow]["id"], coming[NOBODY]), (runs["now"], None))
        history = self.ok("POST", "/ui/flow_runs/history", {"flows": {"id": {"any_": [flow]}}, "sort": "NAME_ASC"})
        self.assertEqual([row["id"] for row in history], [runs[k] for k in ("later", "now", "runs", "waits")])
        self.assertEqual(self.call("POST", "/ui/flow_runs/history", {"limit": 1001})[0], 422)
        counts = self.ok("POST", "/ui/task_runs/count", {"flows": {"id": {"any_": [flow]}}})
        self.assertEqual((counts["FAILED"], counts["RUNNING"], len(counts)), (1, 0, 9))
        window = {"start_time": {"after_": "2020-01-01T00:00:00Z"}}
        buckets = self.ok("POST", "/ui/task_runs/dashboard/counts", {"task_runs": window, "flows": {"id": {"any_": [flow]}}})
        self.assertEqual((len(buckets), buckets[-1], sum(b["failed"] for b in buckets)), (20, {"completed": 0, "failed": 1}, 1))
        self.assertEqual(self.detail("POST", "/ui/task_runs/dashboard/counts", {"task_runs": {}}),
                         (422, "task_runs.start_time.after_ is required"))
        self.assertEqual(self.ok("GET", "/ui/task_runs/" + child)["flow_run_name"], "runs")

    def test_forms_learn_all_that_is_wrong_and_where(self):
        schema = {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {
            "a": {"type": "object", "required": ["b"]}, "l": {"type": "array", "items": {"type": "integer"}}}}
        reply = self.ok("POST", "/ui/schemas/validate", {"schema": schema, "values": {
            "a": {}, "l": [1, "x", {"__prefect_kind": "json", "value": "{"}], "z": 1}})
        self.assertEqual(reply, {"valid": False, "errors": [
            "Additional properties are not allowed ('z' was unexpected)",
            {"property": "a", "errors": [{"property": "b", "errors": ["'b' is a required property"]}]},
            {"property": "l", "errors": [
                {"index": 1, "errors": ["'x' is not of type 'integer'"]},
                {"index": 2, "errors": ["Invalid JSON: Expecting property name enclosed in double quotes: "
                                        "line 1 column 2 (char 1)"]}]}]})
        self.assertEqual(self.ok("POST", "/ui/schemas/validate", {"schema": schema, "values": {"a": {"b": 1}}}),
                         {"errors": [], "valid": True})
        self.assertEqual(self.call("POST", "/ui/schemas/validate", {"schema": {"type": "no"}, "values": {}})[0], 422)

    def test_slots_of_pools_and_queues(self):
        _, deployment, runs = self.make("slots")
        status = self.ok("POST", "/work_pools/slots/concurrency_status", {"flow_run_limit": 1})
        self.assertEqual((status["active_slots"], status["concurrency_limit"], status["count"]), (2, 3, 1))
        self.assertEqual((status["queues"][0]["flow_run_count"], len(status["queues"][0]["flow_runs"])), (2, 1))
        queue = deployment["work_queue_id"]
        page = self.ok("POST", f"/work_queues/{queue}/concurrency_status", {"limit": 1, "page": 2})
        self.assertEqual((page["pages"], len(page["flow_runs"]), page["active_slots"]), (2, 1, 2))
        self.assertEqual(self.detail("POST", "/work_pools/nope/concurrency_status"), (404, "Work pool 'nope' not found."))
        self.assertFalse(self.ok("GET", f"/work_queues/{queue}/status")["healthy"])
        due = self.ok("POST", f"/work_queues/{queue}/get_runs", {"scheduled_before": "2098-01-01T00:00:00Z"})
        self.assertEqual([run["id"] for run in due], [runs["now"]])
        self.assertTrue(self.ok("GET", f"/work_queues/{queue}/status")["healthy"])
        self.ok("PATCH", "/work_queues/" + queue, {"concurrency_limit": 2})
        self.assertEqual(self.ok("POST", f"/work_queues/{queue}/get_runs", {}), [])
        check = f"/deployments/{deployment['id']}/work_queue_check"  # only queues with a filter of the old kind pick
        self.assertEqual(self.ok("GET", check), [])
        self.ok("PATCH", "/work_queues/" + queue, {"filter": {"tags": [], "deployment_ids": None}})
        self.assertEqual([q["id"] for q in self.ok("GET", check)], [queue])

    def test_queues_without_a_pool(self):
        queue = self.ok("POST", "/work_queues/", {"name": "old"})
        self.assertEqual(queue["work_pool_name"], "default-agent-pool")
        self.assertEqual(self.detail("POST", "/work_queues/", {"name": "old"}),
                         (409, "A work queue with this name already exists."))
        self.assertEqual(self.ok("GET", "/work_queues/name/old")["id"], queue["id"])
        self.ok("PATCH", "/work_queues/" + queue["id"], {"is_paused": True})
        self.assertEqual(self.ok("GET", "/work_queues/" + queue["id"])["status"], "PAUSED")
        self.assertEqual(self.call("DELETE", "/work_queues/" + queue["id"])[0], 204)
        self.assertEqual(self.detail("GET", "/work_queues/name/old"), (404, "work queue not found"))

    def test_limits_of_tags_are_limits_of_the_second_api(self):
        first = self.call("POST", "/concurrency_limits/", {"tag": "db", "concurrency_limit": 1})
        self.assertEqual(first[0], 201)
        self.assertEqual(self.call("POST", "/concurrency_limits/", {"tag": "db", "concurrency_limit": 1})[0], 200)
        self.assertEqual(self.ok("GET", "/v2/concurrency_limits/tag:db")["id"], first[1]["id"])
        take = {"names": ["db", "no-limit"], "task_run_id": NOBODY}
        self.assertEqual(self.ok("POST", "/concurrency_limits/increment", take)[0]["name"], "db")
        self.assertEqual(self.ok("GET", "/concurrency_limits/tag/db")["active_slots"], [NOBODY])
        self.assertEqual(self.detail("POST", "/concurrency_limits/increment", take),
                         (423, "Concurrency limit for the db tag has been reached"))
        self.assertEqual(self.headers["Retry-After"], "10.0")
        self.assertEqual(self.ok("POST", "/concurrency_limits/decrement", take)[0]["name"], "tag:db")
        self.assertEqual(self.ok("GET", "/v2/concurrency_limits/tag:db")["active_slots"], 0)
        self.ok("POST", "/concurrency_limits/tag/db/reset", {"slot_override": [NOBODY]})
        self.assertEqual(self.ok("POST", "/concurrency_limits/filter", {})[0]["active_slots"], [NOBODY])
        self.assertEqual(self.call("DELETE", "/concurrency_limits/tag/db"), (200, None))
        self.assertEqual(self.detail("GET", "/concurrency_limits/tag/db"), (404, "Concurrency limit not found"))

    def test_states_that_were_seen(self):
        self.make("seen")
        seen = self.ok("GET", "/observed-states?query=%20RUN%20&order_by=NAME_ASC")
        self.assertEqual([(s["state_type"], s["state_name"]) for s in seen], [("RUNNING", "Running")])
        self.assertEqual(self.call("GET", "/observed-states?limit=201")[1]["exception_detail"][0]["loc"], ["query", "limit"])
        self.assertEqual(self.ok("GET", "/observed-states?query=uns"), [])

    def test_what_matches_is_deleted(self):
        flow, deployment, runs = self.make("gone")
        self.ok("PATCH", "/deployments/" + deployment["id"], {"concurrency_limit": 1})
        wanted = {"deployments": {"id": {"any_": [deployment["id"], NOBODY]}}}
        self.assertEqual(self.ok("POST", "/deployments/bulk_delete", wanted), {"deleted": [deployment["id"]]})
        self.assertEqual(self.call("GET", "/v2/concurrency_limits/deployment:" + deployment["id"])[0], 404)
        self.assertEqual(self.ok("POST", "/flows/bulk_delete", {"flows": {"id": {"any_": [flow]}}}), {"deleted": [flow]})
        self.assertEqual(self.call("GET", "/flow_runs/" + runs["runs"])[0], 404)

    def test_types_of_workers_can_be_chosen_without_going_elsewhere(self):
        view = self.ok("GET", "/collections/views/aggregate-worker-metadata")
        types = {kind: about for package in view.values() for kind, about in package.items()}
        self.assertEqual(set(types), {"process", "docker", "kubernetes", "switchyard"})
        for kind, about in types.items():
            self.assertEqual(about["logo_url"], f"/logos/{kind}.svg")
            with urllib.request.urlopen(self.server.url[:-4] + about["logo_url"], timeout=30) as logo:
                self.assertEqual(logo.headers["Content-Type"], "image/svg+xml")
            made = self.ok("POST", "/work_pools/", {"name": "of-" + kind, "type": kind,
                                                    "base_job_template": about["default_base_job_configuration"]})
            self.assertIn("command", made["base_job_template"]["variables"]["properties"])
        self.assertEqual(self.ok("GET", "/collections/views/demo-flows"), {})
        self.assertEqual(self.detail("GET", "/collections/views/nope"), (404, "View nope not found in registry"))

    def test_logos_of_block_types_come_from_the_server_that_was_asked(self):
        types = self.ok("POST", "/block_types/filter", {})
        self.assertGreater(len(types), 10)
        schemas = self.ok("POST", "/block_schemas/filter", {})
        for logo in {t["logo_url"] for t in types} | {s["block_type"]["logo_url"] for s in schemas}:
            self.assertTrue(logo.startswith(self.server.url[:-4] + "/logos/"), logo)
            with urllib.request.urlopen(logo, timeout=30) as reply:
                self.assertEqual(reply.headers["Content-Type"], "image/svg+xml")
        behind = urllib.request.Request(self.server.url + "/block_types/slug/secret", headers={"Host": "lab.example", "X-Forwarded-Proto": "https"})
        with urllib.request.urlopen(behind, timeout=30) as reply:
            self.assertEqual(json.load(reply)["logo_url"], "https://lab.example/logos/secret.svg")

    @unittest.skipUnless(contract.contract(), "Prefect's OpenAPI document is not here")
    def test_the_contract_is_strict(self):
        flow = self.ok("POST", "/flows/", {"name": "strict"})
        for spoilt in ({**flow, "more": 1}, {k: v for k, v in flow.items() if k != "labels"}, {**flow, "id": "zz"},
                       {**flow, "created": "2024-01-01"}, {**flow, "tags": None}):
            with self.assertRaises(AssertionError):
                contract.hold("GET", "/flows/" + flow["id"], 200, json.dumps(spoilt))
        with self.assertRaises(AssertionError):
            contract.hold("GET", "/flows/" + flow["id"], 404, json.dumps({"error": "not found"}))

    def test_the_limit_of_lists_is_a_setting(self):
        self.assertEqual(self.detail("POST", "/flows/filter", {"limit": 21}),
                         (422, "Invalid limit: must be less than or equal to 20."))
        self.assertEqual(self.ok("POST", "/flows/paginate", {})["limit"], 20)


if __name__ == "__main__":
    unittest.main()

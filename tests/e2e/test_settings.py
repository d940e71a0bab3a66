#!/usr/bin/env python3
"""Prefect's variables: what each one changes that a user can see.  A setting that settings.def calls HERE has a row below
or the name of the test that has it; the last test looks for one that has neither."""
import datetime
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import live  # noqa: E402
from test_agent import call  # noqa: E402
from test_events import PING, PONG, Closed, Socket, event  # noqa: E402

LIMITS = {  # one server has them all
    "SERVER_METRICS_ENABLED": "false", "SERVER_REGISTER_BLOCKS_ON_START": "false",
    "SERVER_DEPLOYMENT_SCHEDULE_MAX_SCHEDULED_RUNS": "5", "SERVER_API_DEFAULT_LIMIT": "7",
    "SERVER_API_KEEPALIVE_TIMEOUT": "1", "SERVER_API_WEBSOCKET_PING_INTERVAL": "0.3",
    "SERVER_API_WEBSOCKET_PING_TIMEOUT": "0.4", "SERVER_API_MAX_PARAMETER_SIZE": "100",
    "SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "0.5",
    "SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "7", "SERVER_EVENTS_MAXIMUM_LABELS_PER_RESOURCE": "2",
    "SERVER_EVENTS_MAXIMUM_RELATED_RESOURCES": "1", "SERVER_EVENTS_MAXIMUM_SIZE_BYTES": "1000",
    "SERVER_EVENTS_MAXIMUM_EVENT_NAME_LENGTH": "12", "SERVER_FLOW_RUN_GRAPH_MAX_NODES": "1",
    "SERVER_FLOW_RUN_GRAPH_MAX_ARTIFACTS": "1", "SERVER_SERVICES_SCHEDULER_MIN_RUNS": "4",
    "SERVER_SERVICES_SCHEDULER_MAX_RUNS": "6", "SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "10",
    "SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME": "PT3H", "SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS": "2.5",
    "SERVER_TASKS_MAX_CACHE_KEY_LENGTH": "5", "SERVER_UI_ENABLED": "false", "SERVER_UI_API_URL": "http://lab/api",
    "SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE": "1",
    "SERVER_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS": "1",
    "SERVER_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS": "1",
    "SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS": "1", "SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1",
    "SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
}
OFF = {name: "false" for name in (
    "SERVER_SERVICES_SCHEDULER_ENABLED", "SERVER_SERVICES_LATE_RUNS_ENABLED", "SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED",
    "SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED", "SERVER_SERVICES_FOREMAN_ENABLED", "SERVER_SERVICES_TRIGGERS_ENABLED")}
OFF.update({"SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1", "SERVER_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS": "1",
            "SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE": "1"})
ELSEWHERE = {  # setting -> test that fails without it
    "SERVER_API_AUTH_STRING": "test_access.py", "SERVER_API_CSRF_PROTECTION_ENABLED": "test_access.py",
    "SERVER_API_CSRF_TOKEN_EXPIRATION": "test_access.py", "SERVER_API_CORS_ALLOWED_ORIGINS": "test_access.py",
    "SERVER_API_CORS_ALLOWED_METHODS": "test_access.py", "SERVER_API_CORS_ALLOWED_HEADERS": "test_access.py",
    "SERVER_LOGS_STREAM_OUT_ENABLED": "test_events.py", "SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "test_events.py",
    "SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "test_services.py",
}
NOT_SEEN = {  # it takes longer than a test may: read by the file, whose own tests set the value by hand
    "SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "store/transitions.c",
    "SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "store/triggers.c",
    "SERVER_EVENTS_RETENTION_PERIOD": "services/retention.c",
    "SERVER_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL": "api/events_out.c",
    "SERVER_EVENTS_WEBSOCKET_BACKFILL_PAGE_SIZE": "api/events_out.c",
    "SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "services/services.c",
    "SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "store/transitions.c",
    "SERVER_SERVICES_DB_VACUUM_ENABLED": "services/retention.c",
    "SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "services/retention.c",
    "SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS": "services/retention.c",
    "SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "services/retention.c",
    "SERVER_SERVICES_DB_VACUUM_BATCH_SIZE": "services/retention.c",
    "SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": "services/retention.c",
    "SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "services/services.c",
    "SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "services/services.c",
    "SERVER_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE": "services/scheduler.c",
    "SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "services/services.c",
    "SERVER_SERVICES_REPOSSESSOR_ENABLED": "services/services.c",
    "SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "services/liveness.c",
    "SERVER_WORKER_CHANNEL_CLEANUP_LEASE_SECONDS": "store/worker_cleanup.c",
    "SERVER_WORKER_CHANNEL_CLEANUP_MAX_DELIVERY_ATTEMPTS": "store/worker_cleanup.c",
    "UI_URL": "services/action_context.c",
}
AT_START = {"SERVER_API_HOST", "SERVER_API_PORT", "SERVER_DATABASE_CONNECTION_URL", "SERVER_DATABASE_MIGRATE_ON_START"}
WAIT_S = 30


def environment(settings):
    return {"PREFECT_" + name: value for name, value in settings.items()}


class SettingsTest(unittest.TestCase):
    SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        if not cls.SETTINGS:
            raise unittest.SkipTest("what the tests below have in common")
        cls.server = cls.enterClassContext(live.Server(**environment(cls.SETTINGS)))

    def ok(self, method, path, body=None):
        status, reply = call(self.server.url, method, path, body)
        self.assertLess(status, 300, (path, reply))
        return reply

    def refused(self, status, needle, method, path, body=None):
        got, reply = call(self.server.url, method, path, body)
        self.assertEqual(got, status, reply)
        self.assertIn(needle, str(reply))

    def until(self, what, done):
        deadline = time.monotonic() + WAIT_S
        while not (found := done()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)
        return found

    def flow(self):
        return self.ok("POST", "/flows/", {"name": "f-" + uuid.uuid4().hex})["id"]

    def deployment(self, **more):
        return self.ok("POST", "/deployments/", {"name": "d", "flow_id": self.flow(), **more})["id"]

    def run_of(self, **more):
        return self.ok("POST", "/flow_runs/", {"flow_id": self.flow(), **more})["id"]


class Limits(SettingsTest):
    SETTINGS = LIMITS

    def test_metrics_and_dashboard_can_be_switched_off(self):
        root = self.server.url[:-len("/api")]
        self.assertEqual([call(root, "GET", path)[0] for path in ("/metrics", "/", "/index.html")], [404] * 3)
        self.assertEqual(call(root, "GET", "/ui-settings")[1]["api_url"], "http://lab/api")

    def test_block_types_are_not_registered(self):
        self.assertEqual(self.ok("POST", "/block_types/filter", {}), [])

    def test_lists_are_as_long_as_the_limit(self):
        self.refused(422, "less than or equal to 7", "POST", "/flows/filter", {"limit": 8})
        for _ in range(8):
            self.flow()
        self.assertEqual(len(self.ok("POST", "/flows/filter", {})), 7)

    def test_an_idle_connection_is_closed(self):
        host = urllib.parse.urlsplit(self.server.url)
        with socket.create_connection((host.hostname, host.port), 20) as c:
            c.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(c.recv(4096).startswith(b"HTTP/1.1 200"))
            began = time.monotonic()
            self.assertEqual(c.recv(4096), b"")
            self.assertLess(time.monotonic() - began, 15)

    def test_a_silent_websocket_is_pinged_and_given_up(self):
        with Socket(self.server.url, "/events/in") as s:
            began = time.monotonic()
            self.assertEqual(s.next_frame()[0], PING)
            with self.assertRaises((Closed, ConnectionError)):
                while True:
                    s.next_frame()
            self.assertLess(time.monotonic() - began, 15)
        with Socket(self.server.url, "/events/in") as s:  # who answers stays
            for _ in range(4):
                self.assertEqual(s.next_frame()[0], PING)
                s.frame(PONG, b"")

    def test_parameters_and_cache_keys_have_their_size(self):
        self.refused(422, "must be less than 100 bytes", "POST", "/flow_runs/",
                     {"flow_id": self.flow(), "parameters": {"x": "y" * 100}})
        task = {"flow_run_id": self.run_of(), "task_key": "t", "dynamic_key": "0"}
        self.refused(422, "length of 5 characters", "POST", "/task_runs/", {**task, "cache_key": "abcdef"})
        made = self.ok("POST", "/task_runs/", {**task, "cache_key": "abcde"})
        said = self.ok("POST", f"/task_runs/{made['id']}/set_state", {"force": False, "state": {
            "type": "COMPLETED", "state_details": {"cache_key": "abcdef"}}})
        self.assertIn("length of 5 characters", said["details"].get("reason", ""))

    def test_schedules_make_as_many_runs_as_they_may(self):
        hour = {"schedule": {"interval": 3600, "anchor_date": "2020-01-01T00:00:30Z"}}
        self.refused(422, "less than or equal to 5", "POST", "/deployments/",
                     {"name": "d", "flow_id": self.flow(), "schedules": [{**hour, "max_scheduled_runs": 6}]})
        for interval_s, low, high in ((1, 6, 6), (1800, 4, 5), (3600, 2, 3)):  # MAX_RUNS; MIN_RUNS; MAX_SCHEDULED_TIME
            made = self.deployment(schedules=[{"schedule": {"interval": interval_s}}])
            asked = {"deployments": {"id": {"any_": [made]}}}
            count = self.until("runs", lambda: self.ok("POST", "/flow_runs/count", asked))
            time.sleep(0.5)
            self.assertTrue(low <= count <= high, (interval_s, count))

    def test_waiters_for_slots_are_told_the_setting(self):
        self.ok("POST", "/v2/concurrency_limits/", {"name": "slot", "limit": 1})
        take = {"names": ["slot"], "slots": 1}
        self.ok("POST", "/v2/concurrency_limits/increment", take)
        for _ in range(3):
            self.assertEqual(self.retry_after("/v2/concurrency_limits/increment", take), 0.5)
        self.ok("POST", "/concurrency_limits/", {"tag": "one", "concurrency_limit": 1})
        self.ok("POST", "/concurrency_limits/increment", {"names": ["one"], "task_run_id": str(uuid.uuid4())})
        self.assertEqual(self.retry_after("/concurrency_limits/increment",
                                          {"names": ["one"], "task_run_id": str(uuid.uuid4())}), 2.5)

    def retry_after(self, path, body):
        done = subprocess.run(["curl", "-s", "-i", self.server.url + path, "-H", "Content-Type: application/json", "-d",
                               str(body).replace("'", '"')], capture_output=True, text=True, check=True).stdout
        self.assertIn(" 423 ", done)
        return float(re.search(r"(?i)retry-after: ([0-9.]+)", done)[1])

    def test_a_run_that_finds_no_slot_waits_for_the_setting(self):
        made = self.deployment(concurrency_limit=1)
        runs = [self.ok("POST", f"/deployments/{made}/create_flow_run", {})["id"] for _ in range(2)]
        replies = [self.ok("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "PENDING"}}) for run in runs]
        self.assertEqual([r["status"] for r in replies], ["ACCEPT", "REJECT"])
        state = replies[1]["state"]
        self.assertEqual(state["name"], "AwaitingConcurrencySlot")
        at = [datetime.datetime.fromisoformat(t.replace("Z", "+00:00"))
              for t in (state["timestamp"], state["state_details"]["scheduled_time"])]
        self.assertAlmostEqual((at[1] - at[0]).total_seconds(), 7, delta=0.5)

    def test_events_have_their_limits(self):
        id_ = "lab." + uuid.uuid4().hex
        resource = {"prefect.resource.id": id_}
        related = {"prefect.resource.id": "r", "prefect.resource.role": "x"}
        good = event("good", resource={**resource, "a": "1"}, related=[related])
        self.ok("POST", "/events", [good])
        for bad in (event("labels", resource={**resource, "a": "1", "b": "2"}),
                    event("related", resource=resource, related=[related, related]),
                    event("name-longer-than-12", resource=resource)):
            self.assertEqual(call(self.server.url, "POST", "/events", [bad])[0], 422, bad)
        call(self.server.url, "POST", "/events", [event("size", resource=resource, payload={"x": "y" * 1000})])
        found = self.ok("POST", "/events/filter", {"filter": {"resource": {"id": [id_]}}})["events"]
        self.assertEqual([e["id"] for e in found], [good["id"]])

    def test_nobody_reads_events_when_that_is_off(self):
        with Socket(self.server.url, "/events/out") as s:
            s.send({"type": "filter", "filter": {"event": {"name": ["live"]}}})
            s.ping()
            time.sleep(0.5)  # what is stored is read before
            self.ok("POST", "/events", [event("live")])
            ends = time.monotonic() + 2
            while time.monotonic() < ends:
                opcode, data = s.next_frame()
                self.assertEqual(opcode, PING, data)
                s.frame(PONG, b"")

    def test_a_graph_ends_where_it_may(self):
        run = self.run_of()
        for key in ("a", "b"):
            self.ok("POST", "/artifacts/", {"key": key, "flow_run_id": run, "type": "markdown", "data": "x"})
        self.assertEqual(len(self.ok("GET", f"/flow_runs/{run}/graph-v2")["artifacts"]), 1)
        for key in ("0", "1"):
            made = self.ok("POST", "/task_runs/", {"flow_run_id": run, "task_key": "t", "dynamic_key": key})
            self.ok("POST", f"/task_runs/{made['id']}/set_state", {"state": {"type": "RUNNING"}, "force": True})
        self.refused(400, "more than 1 nodes", "GET", f"/flow_runs/{run}/graph-v2")

    def test_who_is_not_heard_of_is_given_up_soon(self):
        pool = "pool-" + uuid.uuid4().hex[:8]
        self.ok("POST", "/work_pools/", {"name": pool, "type": "process"})
        self.ok("POST", f"/work_pools/{pool}/workers/heartbeat", {"name": "w"})
        made = self.deployment(work_pool_name=pool)
        self.ok("POST", f"/work_pools/{pool}/get_scheduled_flow_runs", {})
        self.ok("POST", "/deployments/get_scheduled_flow_runs", {"deployment_ids": [made]})
        self.until("an offline worker", lambda: [w["status"] for w in self.ok(
            "POST", f"/work_pools/{pool}/workers/filter", {})] == ["OFFLINE"])
        self.until("a queue that is not ready", lambda: [q["status"] for q in self.ok(
            "POST", f"/work_pools/{pool}/queues/filter", {})] == ["NOT_READY"])
        self.until("a deployment that is not ready", lambda: self.ok("GET", f"/deployments/{made}")["status"] == "NOT_READY")


class Off(SettingsTest):
    """What a service that is off leaves as it is: the same that it changes within a second or two when it is on."""

    SETTINGS = OFF

    def test_services_that_are_off_do_nothing(self):
        past = "2020-01-01T00:00:00Z"
        scheduled = self.deployment(schedules=[{"schedule": {"interval": 60}}])
        late = self.run_of(state={"type": "SCHEDULED", "state_details": {"scheduled_time": past}})
        paused = self.run_of()
        self.ok("POST", f"/flow_runs/{paused}/set_state", {"force": True, "state": {
            "type": "PAUSED", "state_details": {"pause_timeout": past}}})
        parent = self.run_of()
        task = self.ok("POST", "/task_runs/", {"flow_run_id": parent, "task_key": "t", "dynamic_key": "0"})["id"]
        self.ok("POST", f"/flow_runs/{parent}/set_state", {"force": True, "state": {"type": "CANCELLED"}})
        pool = "pool-" + uuid.uuid4().hex[:8]
        self.ok("POST", "/work_pools/", {"name": pool, "type": "process"})
        self.ok("POST", f"/work_pools/{pool}/workers/heartbeat", {"name": "w"})
        self.ok("POST", "/automations/", {"name": "a", "trigger": {
            "type": "event", "posture": "Reactive", "expect": ["ring"], "threshold": 1, "within": 0},
            "actions": [{"type": "do-nothing"}]})
        self.ok("POST", "/events", [event("ring")])
        time.sleep(4)
        self.assertEqual(self.ok("POST", "/flow_runs/count", {"deployments": {"id": {"any_": [scheduled]}}}), 0)
        self.assertEqual(self.ok("GET", f"/flow_runs/{late}")["state_name"], "Scheduled")
        self.assertEqual(self.ok("GET", f"/flow_runs/{paused}")["state_type"], "PAUSED")
        self.assertEqual(self.ok("GET", f"/task_runs/{task}")["state_type"], "PENDING")
        self.assertEqual([w["status"] for w in self.ok("POST", f"/work_pools/{pool}/workers/filter", {})], ["ONLINE"])
        fired = {"filter": {"event": {"name": ["prefect.automation.triggered"]}}}
        self.assertEqual(self.ok("POST", "/events/filter", fired)["total"], 0)


class AtStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(__import__("tempfile").TemporaryDirectory(prefix="switchyard-test-"))
        os.chmod(cls.folder, 0o755)

    def start(self, *arguments, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "SWITCHYARD_"))}
        return subprocess.run([live.BUILD / "switchyard-server", *arguments], env={**kept, **variables},
                              capture_output=True, text=True, timeout=120)

    def test_addresses(self):
        done = self.start("check-config", PREFECT_SERVER_API_HOST="127.0.0.9", PREFECT_SERVER_API_PORT="4321",
                          PREFECT_SERVER_DATABASE_CONNECTION_URL="postgresql+asyncpg://lab@db/prefect")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("127.0.0.9:4321", done.stdout)
        self.assertIn("connection_url", done.stdout)

    def test_without_migrations_an_empty_database_is_refused(self):
        done = self.start("--dev", "--data", self.folder + "/data", "--listen", "127.0.0.1:0",
                          PREFECT_SERVER_DATABASE_MIGRATE_ON_START="false")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("PREFECT_SERVER_DATABASE_MIGRATE_ON_START is off", done.stderr)


class Complete(unittest.TestCase):
    def test_no_setting_is_honoured_by_name_only(self):
        rows = (live.ROOT / "server/settings.def").read_text()
        here = set(re.findall(r"^SETTING\((\w+),.* HERE,", rows, re.M))
        seen = set(LIMITS) | set(OFF) | set(ELSEWHERE) | set(NOT_SEEN) | AT_START
        self.assertEqual(here - seen, set(), "no test shows what it does")
        self.assertEqual(seen - here, set(), "it is not a setting of ours")
        for name, file in NOT_SEEN.items():
            self.assertIn("SETTING_" + name, (live.ROOT / "server" / file).read_text(), file)
        for name, file in ELSEWHERE.items():
            alias = re.search(rf'^SETTING\({name},.*?(?:"(PREFECT_\w+)"|NULL)\)$', rows, re.M)[1]
            text = (live.ROOT / "tests/e2e" / file).read_text()
            self.assertTrue("PREFECT_" + name in text or (alias and alias in text), (name, file))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What servers do by themselves, with two of them on one database: schedules, late runs, pauses, cancellations."""
import datetime
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import live  # noqa: E402
from test_agent import Agent, AgentTest, call  # noqa: E402

LATE_S = 1
ENVIRONMENT = {"PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": str(LATE_S)}


class Database:
    """A private PostgreSQL; `with-postgres.sh` stops it when its input ends."""

    def __init__(self):
        self.process = subprocess.Popen([live.ROOT / "tests/db/with-postgres.sh", "sh", "-c", 'echo "$DATABASE_URL"; cat'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Replica:
    def __init__(self, database):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.folder, self.database = tempfile.mkdtemp(prefix="switchyard-test-"), database
        self.start()

    def start(self):
        with open(self.folder + "/server.log", "ab") as log:
            self.process = subprocess.Popen(
                [live.BUILD / "switchyard-server", "--database", self.database.url, "--data", self.folder + "/data",
                 "--listen", self.address], stdout=subprocess.PIPE, stderr=log, env={**os.environ, **ENVIRONMENT})
        ready, _, _ = select.select([self.process.stdout], [], [], live.START_S)
        said = self.process.stdout.readline() if ready else b""
        if not said.startswith(b"ready http://"):
            raise RuntimeError("the server does not start: " + self.log()[-3000:])
        self.url = said.split()[1].decode() + "/api"

    def log(self):
        return pathlib.Path(self.folder, "server.log").read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.terminate()
        status = self.process.wait(live.STOP_S)
        self.process.stdout.close()
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        if status:
            raise RuntimeError(f"the server ended with status {status}\n{log[-6000:]}")


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class ServicesTest(AgentTest):
    @classmethod
    def setUpClass(cls):
        cls.database = Database()
        cls.addClassCleanup(cls.database.stop)
        cls.other = Replica(cls.database)
        cls.addClassCleanup(lambda: cls.other.stop())
        cls.server = Replica(cls.database)
        cls.addClassCleanup(lambda: cls.server.stop())

    @classmethod
    def tearDownClass(cls):
        pass

    def deployed(self, *schedules, pool=None, job=None):
        """A deployment with these schedules, made through the other server."""
        name = "d-" + uuid.uuid4().hex[:8]
        _, flow = call(self.other.url, "POST", "/flows/", {"name": name})
        body = {"name": name, "flow_id": flow["id"], "schedules": list(schedules), "job_variables": job or {}}
        if pool:
            self.wait("the pool", lambda: call(self.other.url, "GET", "/work_pools/" + pool)[0] == 200)
            body["work_pool_name"] = pool
        status, deployment = call(self.other.url, "POST", "/deployments/", body)
        self.assertEqual(status, 201, deployment)
        return deployment

    def runs(self, deployment, **state):
        body = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}, **({"state": state} if state else {})},
                "sort": "EXPECTED_START_TIME_ASC"}
        return self.ok("POST", "/flow_runs/filter", body)

    def claimed_at(self, run):
        states = self.ok("GET", "/flow_run_states/?flow_run_id=" + run["id"])
        return next(when(s["timestamp"]) for s in states if s["type"] == "PENDING")

    def test_every_second_once_and_on_time_whichever_server_dies(self):
        agent = Agent(self, slots=8)
        deployment = self.deployed({"schedule": {"interval": 1}}, pool=agent.pool, job={"command": "true"})

        def ended():
            return [r for r in self.runs(deployment) if r["end_time"]]
        self.wait("three runs", lambda: len(ended()) >= 3)
        self.other.kill()
        before = len(ended())
        self.wait("runs without the other server", lambda: len(ended()) >= before + 3)
        self.other.start()
        before = len(ended())
        self.wait("runs with both again", lambda: len(ended()) >= before + 3)
        times = [when(r["expected_start_time"]) for r in self.runs(deployment)]
        self.assertEqual(len(times), len(set(times)))
        gaps = [round(b - a, 3) for a, b in zip(times, times[1:])]
        self.assertEqual(gaps, [1.0] * len(gaps))
        late = sorted(self.claimed_at(r) - when(r["expected_start_time"]) for r in ended())
        print("claimed after the time: median %.0f ms, most %.0f ms" % (late[len(late) // 2] * 1e3, late[-1] * 1e3))
        self.assertGreaterEqual(late[0], 0, "a run began before its time")
        self.assertLess(late[len(late) // 2], 0.5)
        self.assertEqual(call(self.server.url, "POST", "/deployments/%s/pause_deployment" % deployment["id"])[0], 200)

    def test_a_run_made_at_one_server_wakes_an_agent_of_the_other(self):
        agent = Agent(self)
        deployment = self.deployed(pool=agent.pool, job={"command": "true"})
        self.wait("the agent", lambda: call(self.other.url, "GET", "/work_pools/" + agent.pool)[1]["status"] == "READY")
        begun = time.monotonic()
        status, run = call(self.other.url, "POST", "/deployments/%s/create_flow_run" % deployment["id"], {})
        self.assertEqual(status, 201, run)
        self.wait("the run", lambda: self.run_of(run["id"])["end_time"])
        self.assertLess(time.monotonic() - begun, 5)
        pool = self.ok("GET", "/work_pools/" + agent.pool)
        for name, resource in (("work-pool", "work-pool." + pool["id"]), ("work-queue", "work-queue." + pool["default_queue_id"]),
                               ("deployment", "deployment." + deployment["id"])):
            wanted = {"event": {"name": ["prefect.%s.ready" % name]}, "resource": {"id": ["prefect." + resource]}}
            found = self.wait(name + " ready", lambda: self.ok("POST", "/events/filter", {"filter": wanted})["events"])
            self.assertEqual(len(found), 1)

    def fired(self, automation):
        body = {"filter": {"event": {"name": ["prefect.automation.triggered"]}, "any_resource": {"id": ["prefect.automation." + automation]}}}
        return self.ok("POST", "/events/filter", body)["total"]

    def test_an_automation_is_active_at_both_at_once_and_fires_once(self):
        deployment, name = self.deployed(), "x." + uuid.uuid4().hex
        body = {"name": name, "trigger": {"type": "event", "posture": "Reactive", "expect": [name], "threshold": 1, "within": 0},
                "actions": [{"type": "run-deployment", "source": "selected", "deployment_id": deployment["id"]}]}

        def emit(server):
            event = {"id": str(uuid.uuid4()), "event": name, "resource": {"prefect.resource.id": "x"},
                     "occurred": datetime.datetime.now(datetime.timezone.utc).isoformat()}
            self.assertEqual(call(server.url, "POST", "/events", [event])[0], 204)
        status, automation = call(self.other.url, "POST", "/automations/", body)
        self.assertEqual(status, 201, automation)
        emit(self.server)  # without a pause
        self.wait("the first run", lambda: len(self.runs(deployment)) == 1)
        for n in range(40):
            emit((self.server, self.other)[n % 2])
        self.wait("a run for each event", lambda: len(self.runs(deployment)) >= 41)
        self.assertEqual(call(self.other.url, "PATCH", "/automations/" + automation["id"], {"enabled": False})[0], 204)
        emit(self.server)
        self.assertEqual(call(self.server.url, "PATCH", "/automations/" + automation["id"], {"enabled": True})[0], 204)
        emit(self.other)
        self.wait("a run more", lambda: len(self.runs(deployment)) >= 42)
        self.assertEqual((len(self.runs(deployment)), self.fired(automation["id"])), (42, 42))

    def test_a_run_that_nobody_takes_is_late(self):
        deployment = self.deployed()
        _, run = call(self.other.url, "POST", "/deployments/%s/create_flow_run" % deployment["id"], {})
        state = self.wait("Late", lambda: (s := self.state(run["id"]))["name"] == "Late" and s)
        after = when(state["timestamp"]) - when(run["expected_start_time"])
        self.assertTrue(LATE_S <= after < LATE_S + 1, after)
        self.assertEqual(state["state_details"]["scheduled_time"], run["expected_start_time"])

    def test_a_pause_ends_in_time(self):
        flow = self.ok("POST", "/flows/", {"name": "p-" + uuid.uuid4().hex[:8]})
        run = self.ok("POST", "/flow_runs/", {"flow_id": flow["id"], "state": {"type": "RUNNING"}})["id"]
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        self.propose(run, type="PAUSED", state_details={"pause_timeout": until.isoformat(), "pause_key": "k"})
        state = self.await_state(run, "FAILED")
        self.assertEqual(state["message"], "The flow was paused and never resumed.")
        self.assertTrue(0 <= when(state["timestamp"]) - until.timestamp() < 1)

    def test_children_of_a_cancelled_run_are_cancelled(self):
        flow = self.ok("POST", "/flows/", {"name": "c-" + uuid.uuid4().hex[:8]})["id"]
        parent = self.ok("POST", "/flow_runs/", {"flow_id": flow, "state": {"type": "RUNNING"}})["id"]
        task = self.ok("POST", "/task_runs/", {"name": "t", "flow_run_id": parent, "task_key": "k", "dynamic_key": "0",
                                               "state": {"type": "RUNNING"}})["id"]
        child = self.ok("POST", "/flow_runs/", {"flow_id": flow, "parent_task_run_id": task, "state": {"type": "RUNNING"}})["id"]
        self.propose(parent, type="CANCELLED")
        self.assertEqual(self.await_state(child, "CANCELLED")["message"], "The parent flow run was cancelled.")
        self.wait("the task run", lambda: self.ok("GET", "/task_runs/" + task)["state_type"] == "CANCELLED")

    def limited(self, strategy):
        """A deployment for one run at a time, and what proposes a state to a run of it as Prefect's worker does."""
        deployment = self.deployed()
        self.ok("PATCH", "/deployments/" + deployment["id"],
                {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": strategy, "grace_period_seconds": 60}})

        def propose(run, kind):
            status, answer = call(self.server.url, "POST", "/flow_runs/%s/set_state" % run, {"state": {"type": kind}},
                                  headers={"User-Agent": "prefect/3.9.1 (API 0.8.4)"})
            self.assertIn(status, (200, 201), answer)
            return answer["status"], answer["state"]["name"]

        def make():
            return self.ok("POST", "/deployments/%s/create_flow_run" % deployment["id"], {})["id"]
        return make, propose

    def test_a_slot_is_held_while_servers_come_and_go(self):
        make, propose = self.limited("ENQUEUE")
        first, second = make(), make()
        self.assertEqual(propose(first, "PENDING"), ("ACCEPT", "Pending"))
        self.assertEqual(propose(first, "RUNNING"), ("ACCEPT", "Running"))
        self.other.kill()
        self.other.start()
        self.server.kill()
        self.server.start()
        self.assertEqual(propose(second, "PENDING"), ("REJECT", "AwaitingConcurrencySlot"))
        state = self.state(second)
        wait = when(state["state_details"]["scheduled_time"]) - when(state["timestamp"])
        self.assertAlmostEqual(wait, 30, delta=2)  # the two times are not taken at once
        self.assertEqual(propose(first, "COMPLETED"), ("ACCEPT", "Completed"))
        self.assertEqual(propose(second, "PENDING"), ("ACCEPT", "Pending"))

    def test_a_late_run_that_finds_no_slot_is_cancelled(self):
        make, propose = self.limited("CANCEL_NEW")
        self.assertEqual(propose(make(), "PENDING"), ("ACCEPT", "Pending"))
        answer = ("ABORT", "Cancelled")
        while answer == ("ABORT", "Cancelled"):  # it was late before we came
            answer = propose(make(), "PENDING")
        self.assertEqual(answer, ("REJECT", "Cancelled"))
        self.assertEqual(self.await_state(make(), "CANCELLED")["message"], "Deployment concurrency limit reached.")

    def test_pausing_a_deployment_drops_its_runs(self):
        deployment = self.deployed({"schedule": {"cron": "0 3 * * *", "timezone": "Europe/Rome"}, "slug": "night"})
        self.wait("runs", lambda: len(self.runs(deployment)) == 3)
        self.ok("POST", "/deployments/%s/pause_deployment" % deployment["id"])
        self.assertEqual(self.runs(deployment), [])
        self.ok("POST", "/deployments/%s/resume_deployment" % deployment["id"])
        self.wait("runs again", lambda: len(self.runs(deployment)) == 3)
        schedule = deployment["schedules"][0]["id"]
        self.ok("PATCH", "/deployments/%s/schedules/%s" % (deployment["id"], schedule), {"active": False})
        self.assertEqual(self.runs(deployment), [])

    def test_a_misfire_policy_skips_what_nobody_took(self):
        deployment = self.deployed({"schedule": {"interval": 1}, "slug": "s", "switchyard_misfire": {"policy": "latest_only"}})
        self.assertEqual(self.ok("GET", "/deployments/" + deployment["id"])["schedules"][0]["switchyard_misfire"],
                         {"policy": "latest_only"})
        skipped = self.wait("skipped runs", lambda: len(rows := self.runs(deployment, name={"any_": ["Skipped"]})) >= 2 and rows)
        self.assertIn("latest_only", skipped[0]["state"]["message"])
        path = "/deployments/%s/schedules/%s" % (deployment["id"], deployment["schedules"][0]["id"])
        self.ok("PATCH", path, {"switchyard_misfire": None})
        self.assertNotIn("switchyard_misfire", self.ok("GET", "/deployments/%s/schedules" % deployment["id"])[0])
        status, answer = call(self.server.url, "PATCH", path, {"switchyard_misfire": {"policy": "sometimes"}})
        self.assertEqual((status, answer["exception_detail"][0]["loc"]), (422, ["body", "switchyard_misfire"]))
        self.ok("POST", "/deployments/%s/pause_deployment" % deployment["id"])


if __name__ == "__main__":
    unittest.main(verbosity=2)

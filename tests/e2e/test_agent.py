#!/usr/bin/env python3
"""The agent against a real server: claims, cancel, outages, drain, files.  docs/agent-protocol.md says what is promised."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402

WAIT_S = 120
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


def call(url, method, path, body=None, raw=None, headers=None):
    """(status, decoded answer)"""
    data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=70) as reply:
            status, text = reply.status, reply.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    contract.hold(method, path, status, text)
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text


class Agent:
    """A pool of its own and an agent for it."""

    def __init__(self, test, pool=None, slots=4, config=None, options=()):
        self.test, self.pool = test, pool or "pool-" + uuid.uuid4().hex[:8]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-agent-"))
        self.command = [live.BUILD / "switchyard-worker", "--server", test.server.url, "--pool", self.pool, "--data",
                        self.folder / "data", "--slots", str(slots), *options]
        if config:
            (self.folder / "config.yaml").write_text(config)
            self.command += ["--config", self.folder / "config.yaml"]
        self.log = None
        self.start()
        test.addCleanup(self.stop)

    def start(self):
        if self.log:
            self.log.close()
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class AgentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.Server().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def ok(self, method, path, body=None, raw=None):
        status, answer = call(self.server.url, method, path, body, raw)
        self.assertLess(status, 300, "%s %s: %s" % (method, path, answer))
        return answer

    def wait(self, what, done):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                value = done()
            except OSError:
                value = None
            if value:
                return value
            time.sleep(0.03)
        self.fail("%s did not happen within %d s" % (what, WAIT_S))

    def deploy(self, pool, job):
        self.wait("the pool", lambda: call(self.server.url, "GET", "/work_pools/" + pool)[0] == 200)
        name = "d-" + uuid.uuid4().hex[:8]
        flow = self.ok("POST", "/flows/", {"name": name})
        return self.ok("POST", "/deployments/", {"name": name, "flow_id": flow["id"], "work_pool_name": pool,
                                                 "job_variables": job})

    def deploy_native(self, pool, text, **job):
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.ok("PUT", "/switchyard/files/" + digest, raw=text.encode())
        return self.deploy(pool, {"native_flow": "sha256:" + digest, **job})

    def start(self, deployment, pool, **more):
        return self.ok("POST", "/flow_runs/", {
            "flow_id": deployment["flow_id"], "deployment_id": deployment["id"], "work_pool_name": pool,
            "state": {"type": "SCHEDULED"}, **more})["id"]

    def run_of(self, run):
        return self.ok("GET", "/flow_runs/" + run)

    def state(self, run):
        return self.run_of(run)["state"]

    def await_state(self, run, *types):
        def reached():
            state = self.state(run)
            return state if state["type"] in types else None
        return self.wait("%s of %s" % (types, run), reached)

    def states(self, run):
        return [s["type"] for s in self.ok("GET", "/flow_run_states/?flow_run_id=" + run)]

    def messages(self, run):
        return [line["message"] for line in self.ok("POST", "/logs/filter", {
            "logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})]

    def propose(self, run, **state):
        return self.ok("POST", "/flow_runs/%s/set_state" % run, {"state": state})


class Processes(AgentTest):
    def test_a_process_that_fails_is_crashed_and_its_output_is_in_the_log(self):
        agent = Agent(self)
        deployment = self.deploy(agent.pool, {"command": "sh -c 'echo $GREETING; echo $PREFECT_API_URL; echo oops >&2; exit 3'",
                                              "env": {"GREETING": "hello"}})
        run = self.start(deployment, agent.pool, job_variables={"env": {"GREETING": "good evening"}})
        state = self.await_state(run, *FINAL)
        self.assertEqual(state["type"], "CRASHED")
        self.assertIn("status code 3", state["message"])
        self.wait("the log", lambda: sorted(self.messages(run)) == sorted(["good evening", self.server.url, "oops"]))

    def test_blocks_and_variables_stand_in_job_variables(self):
        agent, tag = Agent(self), uuid.uuid4().hex[:6]
        secret = self.ok("GET", "/block_types/slug/secret")
        schema = self.ok("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [secret["id"]]}}})[0]
        self.ok("POST", "/block_documents/", {"name": "t-" + tag, "data": {"value": "hunter2"}, "block_type_id": secret["id"],
                                              "block_schema_id": schema["id"]})
        self.ok("POST", "/variables/", {"name": "board_" + tag, "value": "nucleo"})
        deployment = self.deploy(agent.pool, {"command": "sh -c 'echo $BOARD ${#TOKEN}; exit 3'", "env": {
            "BOARD": "on {{ prefect.variables.board_%s }}" % tag, "TOKEN": "{{ prefect.blocks.secret.t-%s }}" % tag}})
        run = self.start(deployment, agent.pool)
        self.await_state(run, *FINAL)
        self.wait("the log", lambda: self.messages(run) == ["on nucleo 7"])
        self.assertNotIn("hunter2", (agent.folder / "log").read_text() + self.server.log())
        gone = self.start(deployment, agent.pool, job_variables={"env": {"X": "{{ prefect.blocks.secret.none }}"}})
        state = self.await_state(gone, *FINAL)
        self.assertEqual((state["type"], state["message"]), (
            "CRASHED", 'The job cannot be started: there is no block "none" of type "secret".'))

    def test_a_final_state_that_the_process_reported_stays(self):
        agent = Agent(self)
        script = ("curl -sf -H 'Content-Type: application/json' $PREFECT_API_URL/flow_runs/$PREFECT__FLOW_RUN_ID/set_state "
                  "-d '{\"state\":{\"type\":\"%s\"}}' >/dev/null;")
        deployment = self.deploy(agent.pool, {"command": "sh -c \"%s exit 9\"" % (
            (script % "RUNNING" + script % "FAILED").replace('"', '\\\\\\"').replace("$", "\\$").replace('\\\\\\"', '\\"'))})
        run = self.start(deployment, agent.pool)
        self.await_state(run, *FINAL)
        self.wait("the end of the claim", lambda: self.states(run)[-1] == "FAILED")
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "RUNNING", "FAILED"])

    def test_a_command_that_is_not_there(self):
        agent = Agent(self)
        run = self.start(self.deploy(agent.pool, {"command": "no-such-program"}), agent.pool)
        self.assertIn("no-such-program", self.await_state(run, *FINAL)["message"])

    def test_cancel_ends_a_process_that_does_not_listen(self):
        agent = Agent(self)
        deployment = self.deploy(agent.pool, {"command": "sh -c \"trap '' TERM; echo up; while :; do sleep 0.1; done\"",
                                              "grace_s": 0.3})
        run = self.start(deployment, agent.pool)
        self.wait("its start", lambda: self.messages(run) == ["up"])
        self.propose(run, type="RUNNING")
        self.propose(run, type="CANCELLING")
        self.assertEqual(self.await_state(run, *FINAL)["type"], "CANCELLED")

    def test_runs_wait_for_slots_and_for_a_bench(self):
        agent = Agent(self, slots=1)
        first = self.deploy(agent.pool, {"command": "sleep 1"})
        bench = self.deploy(agent.pool, {"command": "sleep 1", "bench": {"target": "{{ parameters.target }}"}})
        wants_bench = self.start(bench, agent.pool, parameters={"target": "no-such-board"})
        runs = [self.start(first, agent.pool) for _ in range(2)]
        self.await_state(runs[0], "PENDING")
        self.assertEqual(self.state(runs[1])["type"], "SCHEDULED")
        for run in runs:
            self.await_state(run, "CRASHED")
        self.assertEqual(self.state(wants_bench)["type"], "SCHEDULED")


FLOW = """
name: steps
tasks:
  first: {uses: shell, with: {run: "echo one; sleep %s; echo two"}}
  second: {uses: shell, needs: first, with: {run: "echo three"}}
"""


class Outages(AgentTest):
    def test_a_run_goes_on_while_the_server_is_away(self):
        agent = Agent(self)
        run = self.start(self.deploy_native(agent.pool, FLOW % 1), agent.pool)
        self.await_state(run, "RUNNING")
        self.server.kill()
        time.sleep(6)  # the flow ends in the meantime
        self.server.start()
        self.assertEqual(self.await_state(run, *FINAL)["type"], "COMPLETED")
        self.assertLess(self.run_of(run)["total_run_time"], 5.5)  # the states keep the time at which they happened
        self.wait("the log", lambda: [m for m in self.messages(run) if m in ("one", "two", "three")] == ["one", "two", "three"])

    def test_an_agent_that_was_killed_starts_its_run_again_and_leaves_no_process(self):
        agent = Agent(self)
        mark = "31.%d" % (os.getpid() % 100000)
        run = self.start(self.deploy_native(agent.pool, FLOW % mark, lost_attempts=1), agent.pool)
        def sleepers():
            found = subprocess.run(["pgrep", "-x", "-f", "sleep " + mark], capture_output=True, text=True)
            return found.stdout.split()
        first = self.wait("the first attempt", sleepers)
        agent.kill()
        agent.start()
        second = self.wait("the second attempt", lambda: [p for p in sleepers() if p not in first])
        self.assertEqual(sleepers(), second)
        agent.kill()
        agent.start()
        self.wait("the end", lambda: self.states(run)[-1] == "CRASHED" and self.states(run).count("CRASHED") == 2)
        self.assertEqual(sleepers(), [])
        time.sleep(1)
        self.assertEqual(self.state(run)["type"], "CRASHED")  # the budget of lost attempts is used up

    def test_two_agents_cannot_share_a_data_folder(self):
        agent = Agent(self)
        self.wait("the pool", lambda: call(self.server.url, "GET", "/work_pools/" + agent.pool)[0] == 200)
        done = subprocess.run(agent.command, capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 3)
        self.assertIn("another switchyard-worker uses this folder", done.stderr)


class Drain(AgentTest):
    def test_term_waits_for_the_run(self):
        agent = Agent(self)
        deployment = self.deploy_native(agent.pool, FLOW % 1)
        run = self.start(deployment, agent.pool)
        self.await_state(run, "RUNNING")
        agent.process.send_signal(signal.SIGTERM)
        later = self.start(deployment, agent.pool)
        self.assertEqual(agent.process.wait(WAIT_S), 0)
        self.assertEqual(self.state(run)["type"], "COMPLETED")
        self.await_state(later, "SCHEDULED")  # an offer that was on its way comes back
        self.assertNotIn("RUNNING", self.states(later))

    def test_a_second_term_gives_the_run_back(self):
        agent = Agent(self)
        run = self.start(self.deploy_native(agent.pool, FLOW % 30), agent.pool)
        self.await_state(run, "RUNNING")
        agent.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(agent.process.wait(WAIT_S), 0)
        self.assertEqual(self.states(run)[-2:], ["CRASHED", "SCHEDULED"])


class Protocol(AgentTest):
    """An agent made of single requests."""

    def hello(self, **more):
        me = {"agent": str(uuid.uuid4()), "name": "script", "epoch": 1, "pool": self.pool, "slots": 2, "devices": [], "wait_s": 0,
              **more}
        self.ok("POST", "/switchyard/heartbeat", me)
        return me

    def setUp(self):
        self.pool = "pool-" + uuid.uuid4().hex[:8]
        self.ok("POST", "/work_pools/", {"name": self.pool, "type": "switchyard"})
        self.deployment = self.deploy(self.pool, {"lost_attempts": 1})

    def claim(self, me):
        return self.ok("POST", "/switchyard/claim", me)["claims"]

    def ack(self, me, claim):
        return self.ok("POST", "/switchyard/claims/ack", {"agent": me["agent"], "epoch": me["epoch"], "claims": [
            {"claim_id": claim["claim_id"], "token": claim["token"]}]})

    def deliver(self, me, *records):
        return self.ok("POST", "/switchyard/journal", {"agent": me["agent"], "epoch": me["epoch"], "records": [
            {"seq": seq, "kind": kind, "body": body} for seq, kind, body in records]})

    def test_a_claim_is_given_once_and_counts_as_a_slot(self):
        me, other = self.hello(slots=1), self.hello()
        runs = {self.start(self.deployment, self.pool) for _ in range(2)}
        mine = self.claim(me)
        self.assertEqual(len(mine), 1)
        self.assertEqual(self.claim(me), [])
        theirs = self.claim(other)
        self.assertEqual({c["flow_run"]["id"] for c in mine + theirs}, runs)
        self.assertGreater(theirs[0]["token"], mine[0]["token"])

    def test_a_long_poll_is_answered_when_a_run_comes(self):
        me = self.hello(wait_s=20)
        begin = time.monotonic()
        with subprocess.Popen([sys.executable, "-c", "import sys,urllib.request as u;print(u.urlopen(u.Request(sys.argv[1],"
                               "sys.argv[2].encode(),{'Content-Type':'application/json'})).read().decode())",
                               self.server.url + "/switchyard/claim", json.dumps(me)], stdout=subprocess.PIPE, text=True) as poll:
            time.sleep(0.7)
            run = self.start(self.deployment, self.pool)
            answer = json.loads(poll.communicate(timeout=30)[0])
        self.assertEqual(answer["claims"][0]["flow_run"]["id"], run)
        self.assertLess(time.monotonic() - begin, 5)

    def test_a_claim_without_acknowledgement_returns(self):
        me = self.hello()
        run = self.start(self.deployment, self.pool)
        claim = self.claim(me)[0]
        self.await_state(run, "SCHEDULED")
        self.assertEqual(self.ack(me, claim), {"live": [], "lost": [claim["claim_id"]], "lease_s": 360})
        self.assertEqual(self.claim(me)[0]["flow_run"]["id"], run)

    def test_a_record_takes_effect_once(self):
        me = self.hello()
        run = self.start(self.deployment, self.pool)
        claim = self.claim(me)[0]
        self.assertEqual(self.ack(me, claim)["live"], [claim["claim_id"]])
        of = {"flow_run_id": run, "token": claim["token"]}
        line = {"name": "x", "level": 20, "message": "once", "timestamp": "2026-01-01T00:00:00Z", "flow_run_id": run}
        records = [(1, "state", {**of, "state": {"type": "RUNNING"}}), (2, "logs", {**of, "logs": [line]}),
                   (3, "artifact", {**of, "id": str(uuid.uuid4()), "artifact": {"key": "a-key", "type": "markdown", "data": "# x"}}),
                   (4, "nonsense", of), (5, "logs", {**of, "logs": [{"name": 1}]}),
                   (6, "state", {**of, "state": {"type": "COMPLETED"}}), (7, "done", {**of, "claim_id": claim["claim_id"]})]
        first = self.deliver(me, *records)
        self.assertEqual(first["acked"], 7)
        self.assertEqual([r["seq"] for r in first["refused"]], [4, 5])
        self.assertEqual(first["verdicts"], [])
        again = self.deliver(me, *records)
        self.assertEqual((again["acked"], again["refused"]), (7, []))
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"])
        self.assertEqual(self.messages(run), ["once"])
        artifacts = self.ok("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
        self.assertEqual([a["data"] for a in artifacts], ["# x"])
        late = self.deliver(me, (8, "state", {**of, "state": {"type": "FAILED"}}))
        self.assertIn("the claim is over", late["refused"][0]["reason"])

    def test_a_new_epoch_ends_what_the_old_one_held(self):
        me = self.hello()
        run = self.start(self.deployment, self.pool)
        claim = self.claim(me)[0]
        self.ack(me, claim)
        newer = {**me, "epoch": 2}
        again = self.claim(newer)[0]
        self.assertEqual(again["flow_run"]["id"], run)
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "CRASHED", "SCHEDULED", "PENDING"])
        status, answer = call(self.server.url, "POST", "/switchyard/claim", me)
        self.assertEqual(status, 409)
        self.assertIn("epoch 1", answer["detail"])
        refused = self.deliver(me, (1, "state", {"flow_run_id": run, "token": claim["token"], "state": {"type": "RUNNING"}}))
        self.assertEqual(len(refused["refused"]), 1)
        self.assertEqual(self.state(run)["type"], "PENDING")

    def test_a_heartbeat_tells_of_cancellation_and_loss(self):
        me = self.hello()
        run = self.start(self.deployment, self.pool)
        claim = self.claim(me)[0]
        self.ack(me, claim)
        self.propose(run, type="RUNNING")
        self.propose(run, type="CANCELLING")
        self.assertEqual(self.ok("POST", "/switchyard/claim", me)["cancel"], [run])
        self.assertEqual(self.ok("POST", "/switchyard/claim", me)["cancel"], [])
        stranger = str(uuid.uuid4())
        answer = self.ok("POST", "/switchyard/heartbeat", {**me, "claims": [claim["claim_id"], stranger]})
        self.assertEqual(answer, {"cancel": [run], "reasons": {}, "lost": [stranger], "return": [], "held": [], "lease_s": 360})
        self.deliver(me, (1, "done", {"flow_run_id": run, "token": claim["token"], "claim_id": claim["claim_id"], "message": "stopped"}))
        self.assertEqual(self.state(run)["type"], "CANCELLED")

    def test_a_bench_is_held_by_one_run(self):
        board = {"name": "bench-1", "type": "bench", "target": "h405", "labels": {"emulated": True}, "free": True}
        me = self.hello(devices=[board])
        deployment = self.deploy(self.pool, {"bench": {"target": "{{ parameters.board }}"}})
        runs = [self.start(deployment, self.pool, parameters={"board": "h405"}) for _ in range(2)]
        claims = self.claim(me)
        self.assertEqual([c["devices"] for c in claims], [["bench-1"]])
        self.ack(me, claims[0])
        shown = [d for d in self.ok("GET", "/switchyard/devices") if d["agent"] == me["agent"]]
        self.assertEqual([(d["name"], d["status"], d["flow_run_id"]) for d in shown], [("bench-1", "BUSY", runs[0])])
        self.assertEqual(self.claim(me), [])
        self.deliver(me, (1, "done", {"flow_run_id": runs[0], "token": claims[0]["token"], "claim_id": claims[0]["claim_id"]}))
        self.assertEqual([c["flow_run"]["id"] for c in self.claim(me)], runs[1:])

    def test_limits_and_pauses_hold(self):
        me = self.hello()
        self.ok("PATCH", "/work_pools/" + self.pool, {"concurrency_limit": 1})
        runs = [self.start(self.deployment, self.pool) for _ in range(2)]
        self.assertEqual([c["flow_run"]["id"] for c in self.claim(me)], runs[:1])
        self.assertEqual(self.claim(me), [])
        self.ok("PATCH", "/work_pools/" + self.pool, {"concurrency_limit": None, "is_paused": True})
        self.assertEqual(self.claim(me), [])
        self.ok("PATCH", "/work_pools/" + self.pool, {"is_paused": False})
        self.assertEqual([c["flow_run"]["id"] for c in self.claim(me)], runs[1:])


class Files(AgentTest):
    def test_a_file_comes_back_as_it_was(self):
        content = os.urandom(1 << 20) * 40
        digest = hashlib.sha256(content).hexdigest()
        for expected in (201, 200):
            status, answer = call(self.server.url, "PUT", "/switchyard/files/" + digest, raw=content)
            self.assertEqual((status, answer), (expected, {"sha256": digest, "bytes": len(content)}))
        self.assertEqual(call(self.server.url, "GET", "/switchyard/files/" + digest), (200, content))
        self.assertEqual(self.ok("PUT", "/switchyard/files/names/model.tflite", {"sha256": digest})["bytes"], len(content))
        self.assertEqual(self.ok("GET", "/switchyard/files/names/model.tflite")["sha256"], digest)

    def test_refusals(self):
        empty, absent = hashlib.sha256(b"").hexdigest(), "0" * 64
        for method, path, raw, body, status in [
                ("PUT", "/switchyard/files/" + absent, b"other content", None, 422),
                ("GET", "/switchyard/files/" + absent, None, None, 404),
                ("GET", "/switchyard/files/ABC", None, None, 422),
                ("PUT", "/switchyard/files/" + empty, b"", None, 201),
                ("PUT", "/switchyard/files/names/x", None, {"sha256": absent}, 404),
                ("PUT", "/switchyard/files/names/x", None, {"sha256": "abc"}, 422),
                ("PUT", "/switchyard/files/names/a%2Fb", None, {"sha256": empty}, 422),
                ("GET", "/switchyard/files/names/nobody", None, None, 404)]:
            with self.subTest(path=path):
                self.assertEqual(call(self.server.url, method, path, body, raw)[0], status)


if __name__ == "__main__":
    unittest.main()

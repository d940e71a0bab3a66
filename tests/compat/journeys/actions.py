"""What automations do: every kind of action, seen by its effect."""
import http.server
import json
import threading

from prefect import flow
from prefect.automations import Automation
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events import actions, emit_event
from prefect.events.schemas.automations import EventTrigger, Posture
from tool import *

FLOW = """
from prefect import flow

@flow
def measured(model: str = "m1"):
    return model
"""
posted = []
KINDS = str(actions.ActionTypes)  # of this version


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode(), self.headers))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def when(word, *acts, **trigger):
    given = EventTrigger(expect={f"bench.{TAG}.{word}"}, posture=Posture.Reactive, threshold=1, **trigger)
    return Automation(name=unique(word), trigger=given, actions=list(acts)).create().id


def emit(word, resource=None, **payload):
    emit_event(f"bench.{TAG}.{word}", resource={"prefect.resource.id": resource or "bench." + TAG}, payload=payload)


def outcome(automation_id, event="executed"):
    body = {"filter": {"event": {"name": ["prefect.automation.action." + event]},
                       "any_resource": {"id": [f"prefect.automation.{automation_id}"]}}}
    return until(lambda: api.post("/events/filter", body)["events"], lambda rows: len(rows) >= 1)


def running(deployment):
    run = api.post(f"/deployments/{deployment}/create_flow_run", {})["id"]
    api.post(f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    return run


if __name__ == "__main__":
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % receiver.server_address[1]
    pool = unique("acted")
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    deployment = deploy("flow.py:measured", pool, name=unique("default"))
    queue = api.get(f"/work_pools/{pool}/queues/default")["id"]
    pool_id = api.get("/work_pools/" + pool)["id"]
    target = when("target", actions.DoNothing())

    # a deployment's run, with parameters from the event
    when("run", actions.RunDeployment(deployment_id=deployment, parameters={"model": "{{ event.payload.model }}"}))
    emit("run", model="ad01")
    body = {"deployments": {"id": {"any_": [str(deployment)]}}}
    run = until(lambda: api.post("/flow_runs/filter", body), lambda rows: len(rows) == 1)[0]
    assert run["parameters"] == {"model": "ad01"} and run["created_by"]["type"] == "AUTOMATION", run

    # pausing and resuming
    pairs = [
        ("deployment", actions.PauseDeployment, actions.ResumeDeployment, {"deployment_id": deployment},
         lambda: api.get(f"/deployments/{deployment}")["paused"]),
        ("queue", actions.PauseWorkQueue, actions.ResumeWorkQueue, {"work_queue_id": queue},
         lambda: api.get(f"/work_pools/{pool}/queues/default")["is_paused"]),
        ("pool", actions.PauseWorkPool, actions.ResumeWorkPool, {"work_pool_id": pool_id}, lambda: api.get("/work_pools/" + pool)["is_paused"]),
        ("automation", actions.PauseAutomation, actions.ResumeAutomation, {"automation_id": target},
         lambda: not api.get(f"/automations/{target}")["enabled"]),
    ]
    for word, pause, resume, which, paused in pairs:
        when("pause-" + word, pause(**which))
        when("resume-" + word, resume(**which))
        emit("pause-" + word)
        until(paused)
        emit("resume-" + word)
        until(paused, lambda value: not value)

    # runs: the one that the event is about
    when("cancel", actions.CancelFlowRun())
    when("fail", actions.ChangeFlowRunState(state=StateType.FAILED, name="Rejected", message="by the bench"))
    when("suspend", actions.SuspendFlowRun())
    for word, wanted in (("cancel", ("CANCELLING", "CANCELLED")), ("fail", ("FAILED",)), ("suspend", ("PAUSED",))):
        run = running(deployment)
        emit(word, f"prefect.flow-run.{run}")
        row = until(lambda: flow_run(run), lambda r: r["state_type"] in wanted)
        assert word != "fail" or (row["state_name"], row["state"]["message"]) == ("Rejected", "by the bench"), row["state"]

    if "ResumeFlowRun" in KINDS:
        when("go-on", actions.ResumeFlowRun())
        emit("go-on", f"prefect.flow-run.{run}")  # the one that was suspended
        until(lambda: flow_run(run), lambda r: r["state_type"] == "SCHEDULED")
    if "DeleteFlowRun" in KINDS:
        when("drop", actions.DeleteFlowRun())
        emit("drop", f"prefect.flow-run.{run}")
        until(lambda: flow_runs(id={"any_": [run]}), lambda rows: not rows)

    # messages
    hook = Webhook(url=url + "/hook", headers={"X-Lab": "1"}).save(unique("hook"))
    slack = SlackWebhook(url=url + "/slack").save(unique("slack"))
    when("call", actions.CallWebhook(block_document_id=hook, payload=json.dumps({"board": "{{ event.payload.board }}"})))
    when("tell", actions.SendNotification(block_document_id=slack, subject="board {{ event.payload.board }}", body="it is *{{ event.payload.how }}*"))
    emit("call", board="nucleo")
    emit("tell", board="nucleo", how="hot")
    until(lambda: len(posted), lambda count: count == 2)
    called = next((body, headers) for path, body, headers in posted if path == "/hook")
    assert json.loads(called[0]) == {"board": "nucleo"} and called[1]["X-Lab"] == "1", called[0]
    has(next(body for path, body, _ in posted if path == "/slack"), "board nucleo", "it is *hot*")

    # what cannot be done says why
    gone = when("gone", actions.RunDeployment(deployment_id="00000000-0000-7000-8000-000000000001"))
    emit("gone")
    reason = outcome(gone, "failed")[0]["payload"]["reason"]
    assert reason, reason

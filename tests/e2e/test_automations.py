#!/usr/bin/env python3
"""Automations from the event to what they do: triggers of each kind, actions, deliveries to receivers, and a killed server."""
import base64
import datetime
import email
import http.server
import json
import pathlib
import socketserver
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
from live import Server  # noqa: E402

WAIT_S = 20


class Api:
    def __init__(self, server):
        self.server = server

    def __call__(self, method, path, body=None, expect=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, text = reply.status, reply.read()
        except urllib.error.HTTPError as e:
            status, text = e.code, e.read()
        contract.hold(method, path, status, text)
        if expect is not None and status != expect:
            raise AssertionError(f"{method} {path}: {status} {text[:600]!r}")
        return json.loads(text) if text else None

    def emit(self, name, resource="thing.1", related=(), follows=None, labels=None, id=None, ago_s=0.0, payload=None):
        event = {
            "id": id or str(uuid.uuid4()), "event": name, "payload": payload or {}, "related": list(related),
            "occurred": (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)).isoformat(),
            "resource": {"prefect.resource.id": resource, **(labels or {})},
        }
        if follows:
            event["follows"] = follows
        self("POST", "/events", [event], 204)
        return event["id"]

    def automation(self, trigger, *actions, **more):
        body = {"name": "test", "trigger": trigger, "actions": list(actions) or [{"type": "do-nothing"}], **more}
        return self("POST", "/automations/", body, 201)["id"]

    def events(self, name, automation):
        found = self("POST", "/events/filter", {"filter": {
            "event": {"name": [name]}, "any_resource": {"id": [f"prefect.automation.{automation}"]},
            "order": "ASC"}, "limit": 50}, 200)
        return found["events"]

    def wait(self, name, automation, count=1, within_s=WAIT_S):
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            found = self.events(name, automation)
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name}: {len(self.events(name, automation))} of {count} events within {within_s} s")

    def settled(self):
        """Every event sent until now was evaluated: one of our own, sent last, has fired."""
        name = f"settled.{uuid.uuid4()}"
        automation = self.automation({"posture": "Reactive", "expect": [name]})
        self.emit(name)
        self.wait("prefect.automation.triggered", automation)
        self("DELETE", f"/automations/{automation}", expect=204)

    def deployment(self, **more):
        flow = self("POST", "/flows/", {"name": "flow-%s" % uuid.uuid4()})
        return self("POST", "/deployments/", {"name": "d", "flow_id": flow["id"], "enforce_parameter_schema": False, **more}, 201)["id"]

    def runs(self, deployment):
        return self("POST", "/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}}, 200)

    def block(self, slug, data):
        """A document of that type, which is made when there is none."""
        kind = self("GET", f"/block_types/slug/{slug}")
        if "id" not in kind:
            kind = self("POST", "/block_types/", {"name": slug.title(), "slug": slug}, 201)
        schema = self("POST", "/block_schemas/", {"block_type_id": kind["id"], "capabilities": ["notify"],
                      "fields": {"title": slug, "type": "object", "properties": {}, "block_type_slug": slug}})
        name = "b-%s" % uuid.uuid4()
        return self("POST", "/block_documents/", {"name": name, "data": data, "block_type_id": kind["id"], "block_schema_id": schema["id"]}, 201)["id"]


class Receiver:
    """Keeps the requests that it gets; answers with the statuses it is given, then 200."""

    def __enter__(self):
        self.requests, self.statuses, self.arrived = [], [], threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.arrived:
                    status = outer.statuses.pop(0) if outer.statuses else 200
                    outer.requests.append((self.command, self.path, dict(self.headers), body.decode()))
                    outer.arrived.notify_all()
                self.send_response(status)
                self.send_header("X-Seen", "yes")
                self.send_header("Set-Cookie", "secret=1")
                self.end_headers()
                self.wfile.write(b"thanks")

            do_POST = do_PUT = do_GET = handle_any

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_address[1]
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def take(self, count=1):
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.requests) >= count, WAIT_S):
                raise AssertionError(f"{len(self.requests)} of {count} requests within {WAIT_S} s")
            taken, self.requests = self.requests[:count], self.requests[count:]
        return taken

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


class Mailbox(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs."""

    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
        recipients, say_now = [], say("220 test")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "RCPT":
                recipients.append(line)
            if word == "DATA":
                say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                with self.server.arrived:
                    self.server.mails.append((recipients, email.message_from_bytes(b"".join(lines))))
                    self.server.arrived.notify_all()
            if word == "QUIT":
                say("221 bye")
                return
            say("250 ok")


class Automations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()
        cls.api = Api(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def fired(self, automation, count=1, **more):
        return self.api.wait("prefect.automation.triggered", automation, count, **more)

    def count_fired(self, automation):
        self.api.settled()
        return len(self.api.events("prefect.automation.triggered", automation))

    # --- triggers

    def test_an_event_runs_a_deployment(self):
        deployment = self.api.deployment()
        automation = self.api.automation(
            {"posture": "Reactive", "expect": ["run.*"], "match": {"prefect.resource.id": "thing.*", "color": ["red", "blue"]}},
            {"type": "run-deployment", "deployment_id": deployment,
             "parameters": {"typed": "{{ event.payload.list }}", "text": "from {{ event.resource.id }} as {{ event.resource.name }}"}})
        self.api.emit("run.now", labels={"color": "green"})
        self.api.emit("walk.now", labels={"color": "red"})
        self.api.emit("run.now", labels={"color": "blue", "prefect.resource.name": "Thing"}, payload={"list": [1, {"a": None}]})
        done, = self.api.wait("prefect.automation.action.executed", automation)
        run, = self.api.runs(deployment)
        self.assertEqual(run["parameters"], {"typed": [1, {"a": None}], "text": "from thing.1 as Thing"})
        self.assertEqual(run["created_by"], {"id": automation, "type": "AUTOMATION", "display_value": "test"})
        self.assertEqual(done["payload"]["status_code"], 201)
        self.assertIn({"prefect.resource.id": f"prefect.flow-run.{run['id']}", "prefect.resource.role": "flow-run",
                       "prefect.resource.name": run["name"]}, done["related"])
        evidence = self.api.events("prefect.automation.triggered", automation)[0]["payload"]["triggering_event"]
        self.assertEqual(evidence["payload"], {"list": [1, {"a": None}]})
        self.assertEqual(self.count_fired(automation), 1)

    def test_threshold_and_for_each(self):
        automation = self.api.automation({"posture": "Reactive", "expect": ["tick"], "for_each": ["prefect.resource.id"],
                                          "threshold": 3, "within": 60})
        for resource in ("a", "b", "a", "b", "a"):
            self.api.emit("tick", resource)
        event, = self.fired(automation)
        self.assertEqual(event["payload"]["triggering_labels"], {"prefect.resource.id": "a"})
        self.assertEqual(self.count_fired(automation), 1)

    def test_after_opens_the_window(self):
        automation = self.api.automation({"posture": "Reactive", "after": ["start"], "expect": ["end"], "within": 60,
                                          "match": {"prefect.resource.id": "after.*"}})
        self.api.emit("end", "after.1")
        self.assertEqual(self.count_fired(automation), 0)
        self.api.emit("start", "after.1")
        self.api.emit("end", "after.1")
        self.fired(automation)
        self.api.emit("end", "after.1")
        self.assertEqual(self.count_fired(automation), 1)

    def test_proactive_fires_when_nothing_comes(self):
        automation = self.api.automation({"posture": "Proactive", "after": ["job.started"], "expect": ["job.ended"], "within": 10,
                                          "for_each": ["prefect.resource.id"]})
        started = time.time()
        self.api.emit("job.started", "job.1")
        self.api.emit("job.started", "job.2")
        self.api.emit("job.ended", "job.2")
        event, = self.fired(automation)
        self.assertTrue(9.5 < time.time() - started < 14, time.time() - started)
        self.assertEqual(event["payload"]["triggering_labels"], {"prefect.resource.id": "job.1"})
        self.assertEqual(self.count_fired(automation), 1)

    def test_an_expected_event_before_its_start_counts(self):
        automation = self.api.automation({"posture": "Proactive", "after": ["early.started"], "expect": ["early.ended"], "within": 10,
                                          "for_each": ["prefect.resource.id"]})
        self.api.emit("early.ended", "early.1")
        self.api.emit("early.started", "early.1", ago_s=1)  # evaluated later, happened first
        self.api.emit("early.started", "early.2")
        event, = self.fired(automation)
        self.assertEqual(event["payload"]["triggering_labels"], {"prefect.resource.id": "early.2"})
        self.assertEqual(self.count_fired(automation), 1)

    def composite(self, kind, **more):
        parts = [{"posture": "Reactive", "expect": [f"{kind}.{i}"]} for i in "abc"]
        return self.api.automation({"type": kind, "triggers": parts, "within": None, **more})

    def test_compound(self):
        automation = self.composite("compound", require=2)
        self.api.emit("compound.a")
        self.api.emit("compound.a")
        self.assertEqual(self.count_fired(automation), 0)
        self.api.emit("compound.c")
        event, = self.fired(automation)
        self.assertEqual([f["triggering_event"]["event"] for f in event["payload"]["firings"]], ["compound.a", "compound.c"])
        self.assertEqual(self.count_fired(automation), 1)

    def test_sequence(self):
        automation = self.composite("sequence")
        for part in "acb":
            self.api.emit(f"sequence.{part}")
        self.assertEqual(self.count_fired(automation), 0)
        for part in "abc":
            self.api.emit(f"sequence.{part}")
        self.fired(automation)
        self.assertEqual(self.count_fired(automation), 1)

    def test_an_event_waits_for_the_one_it_follows(self):
        automation = self.composite("sequence", triggers=[{"posture": "Reactive", "expect": ["leads"]},
                                                           {"posture": "Reactive", "expect": ["follows"]}])
        leader = str(uuid.uuid4())
        self.api.emit("follows", follows=leader)
        self.assertEqual(self.count_fired(automation), 0)
        self.api.emit("leads", id=leader)
        self.fired(automation)

    def test_disabled_and_deleted_ones_are_quiet(self):
        automation = self.api.automation({"posture": "Reactive", "expect": ["quiet"]}, enabled=False)
        self.api.emit("quiet")
        self.assertEqual(self.count_fired(automation), 0)
        self.api("PATCH", f"/automations/{automation}", {"enabled": True}, 204)
        self.api.emit("quiet")
        self.fired(automation)
        self.api("DELETE", f"/automations/{automation}", expect=204)
        self.api.emit("quiet")
        self.assertEqual(self.count_fired(automation), 1)

    def test_watchers_of_everything_are_not_woken_by_their_own_work(self):
        everything = [self.api.automation({"posture": "Reactive"}) for _ in range(2)]
        meta = self.api.automation({"posture": "Reactive", "expect": ["prefect.automation.triggered"]})
        try:
            self.api.emit("any")
            for automation in (*everything, meta):
                self.fired(automation)
            self.api.settled()
            for automation in everything:
                causes = {event["payload"]["triggering_event"]["event"] for event in self.fired(automation)}
                self.assertFalse({name for name in causes if name.startswith(("prefect.automation.triggered", "prefect.automation.action"))})
            told = {event["payload"]["triggering_event"]["resource"]["prefect.resource.id"] for event in self.fired(meta, 2)}
            self.assertLessEqual({f"prefect.automation.{automation}" for automation in everything}, told)
            self.assertNotIn(f"prefect.automation.{meta}", told)
        finally:
            for automation in (*everything, meta):
                self.api("DELETE", f"/automations/{automation}", expect=204)

    # --- actions

    def act(self, action, related=(), resource="thing.1"):
        name = f"act.{uuid.uuid4()}"
        automation = self.api.automation({"posture": "Reactive", "expect": [name]}, action)
        self.api.emit(name, resource, related)
        self.api.wait("prefect.automation.action.triggered", automation)
        ended = self.api.events("prefect.automation.action.executed", automation) + \
            self.api.events("prefect.automation.action.failed", automation)
        return ended[0]

    def test_deployments_pools_queues_automations(self):
        deployment, other = self.api.deployment(), self.api.automation({"posture": "Reactive", "expect": ["never"]})
        pool = self.api("POST", "/work_pools/", {"name": "pool-%s" % uuid.uuid4(), "type": "process"}, 201)
        queue = self.api("GET", f"/work_pools/{pool['name']}/queues/default", expect=200)
        subjects = [
            ("deployment", deployment, lambda: self.api("GET", f"/deployments/{deployment}")["paused"], 200),
            ("work-pool", pool["id"], lambda: self.api("GET", f"/work_pools/{pool['name']}")["is_paused"], 204),
            ("work-queue", queue["id"], lambda: self.api("GET", f"/work_queues/{queue['id']}")["is_paused"], 204),
            ("automation", other, lambda: not self.api("GET", f"/automations/{other}")["enabled"], 204),
        ]
        for kind, id, is_paused, status in subjects:
            with self.subTest(kind):
                member = kind.replace("-", "_") + "_id"
                ended = self.act({"type": f"pause-{kind}", member: id})
                self.assertEqual((ended["payload"]["status_code"], is_paused()), (status, True))
                ended = self.act({"type": f"resume-{kind}", "source": "inferred"},
                                 [{"prefect.resource.id": f"prefect.{kind}.{id}", "prefect.resource.role": "x"}])
                self.assertEqual((ended["payload"]["status_code"], is_paused()), (status, False))
                ended = self.act({"type": f"pause-{kind}", "source": "inferred"})
                self.assertEqual(ended["payload"]["reason"], f"No {kind.replace('-', ' ')} could be inferred")

    def test_flow_runs(self):
        deployment = self.api.deployment()

        def run(*states):
            made = self.api("POST", f"/deployments/{deployment}/create_flow_run", {}, 201)
            for state in states:
                self.api("POST", f"/flow_runs/{made['id']}/set_state", {"state": {"type": state}}, 201)
            return made["id"]

        state = lambda id: self.api("GET", f"/flow_runs/{id}")["state"]["name"]
        on = lambda id, action: self.act(action, resource=f"prefect.flow-run.{id}")
        running = run("PENDING", "RUNNING")
        self.assertEqual(on(running, {"type": "suspend-flow-run"})["payload"]["status_code"], 201)
        self.assertEqual(state(running), "Suspended")
        on(running, {"type": "resume-flow-run"})
        self.assertEqual(state(running), "Resuming")
        running = run("PENDING", "RUNNING")
        on(running, {"type": "cancel-flow-run"})
        self.assertEqual(state(running), "Cancelling")
        on(running, {"type": "change-flow-run-state", "state": "FAILED", "name": "Odd", "message": "because", "force": True})
        self.assertEqual(state(running), "Odd")
        failed = on(running, {"type": "cancel-flow-run"})
        self.assertEqual(failed["payload"]["reason"], "Failed to set state: Run is already in terminal state FAILED.")
        on(running, {"type": "delete-flow-run"})
        self.assertEqual(on(running, {"type": "delete-flow-run"})["payload"]["reason"],
                         "Unexpected status from 'delete-flow-run' action: 404")
        self.assertEqual(self.act({"type": "cancel-flow-run"})["payload"]["reason"], "No flow run could be inferred")

    def test_a_failed_run_is_told(self):
        run = self.api("POST", f"/deployments/{self.api.deployment()}/create_flow_run", {"name": "alpha"}, 201)
        with Receiver() as receiver:
            block = self.api.block("webhook", {"url": receiver.url + "/hook", "headers": {"X-Token": "t"}})
            self.api.automation(
                {"posture": "Reactive", "expect": ["prefect.flow-run.Failed"], "match": {"prefect.resource.id": f"prefect.flow-run.{run['id']}"}},
                {"type": "call-webhook", "block_document_id": block,
                 "payload": {"text": "{{ flow_run.name }} is {{ flow_run.state.name }}: {{ flow_run.state.message }}"}})
            self.api("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "FAILED", "message": "no power"}, "force": True}, 201)
            (method, path, headers, body), = receiver.take()
            self.assertEqual((method, path, headers["X-Token"]), ("POST", "/hook", "t"))
            self.assertEqual(json.loads(body), {"text": "alpha is Failed: no power"})

    # --- deliveries

    def notify(self, slug, data, **more):
        return self.act({"type": "send-notification", "block_document_id": self.api.block(slug, data),
                         "subject": "About {{ event.resource.id }}", "body": "Line 1\n<2> \u00fc", **more})

    def test_webhook_replies_and_retries(self):
        with Receiver() as receiver:
            block = self.api.block("webhook", {"url": receiver.url, "method": "PUT"})
            receiver.statuses = [503, 418]
            ended = self.act({"type": "call-webhook", "block_document_id": block, "payload": "x"})
            self.assertEqual(len(receiver.take(2)), 2)
            told = ended["payload"]
            self.assertEqual((told["status_code"], told["response_body"], told["response_headers"]["X-Seen"]), (418, "thanks", "yes"))
            self.assertNotIn("Set-Cookie", told["response_headers"])
        ended = self.act({"type": "call-webhook", "block_document_id": block})
        self.assertIn("Webhook call failed: 127.0.0.1", ended["payload"]["reason"])

    def test_private_addresses_are_refused_when_told(self):
        with Receiver() as receiver:
            block = self.api.block("webhook", {"url": receiver.url, "allow_private_urls": False})
            ended = self.act({"type": "call-webhook", "block_document_id": block})
            self.assertIn("is a private address", ended["payload"]["reason"])
            block = self.api.block("webhook", {"url": receiver.url.replace("127.0.0.1", "localhost"), "allow_private_urls": False})
            ended = self.act({"type": "call-webhook", "block_document_id": block})
            self.assertIn("is a private address", ended["payload"]["reason"])
            self.assertEqual(receiver.requests, [])

    def test_chats(self):
        with Receiver() as receiver:
            self.notify("slack-webhook", {"url": receiver.url + "/services/T/B/X"})
            (_, path, headers, body), = receiver.take()
            self.assertEqual((path, headers["User-Agent"]), ("/services/T/B/X", "Prefect Notifications"))
            self.assertEqual(json.loads(body)["attachments"][0], {"title": "About thing.1", "text": "Line 1\n<2> \u00fc", "color": "#3AA3E3"})
            self.notify("ms-teams-webhook", {"url": receiver.url + "/workflows/x?sig=1"})
            (_, path, _, body), = receiver.take()
            card = json.loads(body)["attachments"][0]["content"]
            self.assertEqual((path, card["type"]), ("/workflows/x?sig=1", "AdaptiveCard"))
            self.assertEqual([part["text"] for part in card["body"] if "text" in part], ["About thing.1", "Line 1\n<2> \u00fc"])
            self.notify("mattermost-webhook", {"hostname": "127.0.0.1", "port": receiver.port, "secure": False, "token": "tok",
                                               "channels": ["one", "two"], "botname": "bot"})
            posts = receiver.take(2)
            self.assertEqual([p[1] for p in posts], ["/hooks/tok"] * 2)
            self.assertEqual(json.loads(posts[1][3]), {"text": "About thing.1\r\nLine 1\n<2> \u00fc", "username": "bot", "channel": "two"})

    def test_custom_webhook(self):
        with Receiver() as receiver:
            self.notify("custom-webhook", {
                "name": "mine", "url": receiver.url + "/{{ path }}", "method": "PUT", "params": {"q": "{{name}} & co"},
                "json_data": {"a": ["{{subject}}", {"b": "{{ body }}"}], "n": 1}, "headers": {"X-Secret": "s={{token}}"},
                "cookies": {"c": "{{token}}"}, "secrets": {"token": "s3cr3t", "path": "deep"}})
            (method, path, headers, body), = receiver.take()
            self.assertEqual((method, path), ("PUT", "/deep?q=mine%20%26%20co"))
            self.assertEqual((headers["X-Secret"], headers["Cookie"]), ("s=s3cr3t", "c=s3cr3t"))
            self.assertEqual(json.loads(body), {"a": ["About thing.1", {"b": "Line 1\n<2> \u00fc"}], "n": 1})
            self.notify("custom-webhook", {"name": "mine", "url": receiver.url, "form_data": {"text": "{{subject}}"}})
            (_, _, headers, body), = receiver.take()
            self.assertEqual((headers["Content-Type"], body), ("application/x-www-form-urlencoded", "text=About%20thing.1"))
            ended = self.notify("custom-webhook", {"name": "mine", "url": receiver.url, "json_data": {"a": "{{ nothing }}"}})
            self.assertEqual(ended["payload"]["reason"], "The notification block was invalid: unknown placeholder {{ nothing }}")
            receiver.statuses = [400]
            ended = self.notify("custom-webhook", {"name": "mine", "url": receiver.url + "/s3cr3t", "json_data": {}})
            self.assertEqual(ended["payload"]["reason"], "Notification failed")
            self.assertIn("answered 400", ended["payload"]["notification_log"])
            self.assertNotIn("s3cr3t", json.dumps(ended))

    def test_email(self):
        class Mails(socketserver.ThreadingTCPServer):
            daemon_threads, mails, arrived = True, [], threading.Condition()

        with Mails(("127.0.0.1", 0), Mailbox) as mails:
            threading.Thread(target=mails.serve_forever, daemon=True).start()
            ended = self.notify("email", {"smtp_server": "127.0.0.1", "smtp_port": mails.server_address[1], "smtp_type": "INSECURE",
                                          "email_from": "Lab <lab@example.org>", "email_to": ["a@example.org", "b@example.org"]},
                                subject="\u00dcber {{ event.resource.id }} " + "lang " * 20)
            self.assertEqual(ended["event"], "prefect.automation.action.executed", ended["payload"])
            recipients, mail = mails.mails[0]
            self.assertEqual([r.split("<")[1] for r in recipients], ["a@example.org>", "b@example.org>"])
            subject = "".join(part.decode(charset) for part, charset in email.header.decode_header(mail["Subject"]))
            self.assertEqual(subject, "\u00dcber thing.1 " + "lang " * 20)
            self.assertEqual((mail["From"], mail.get_payload(decode=True).decode()), ("Lab <lab@example.org>", "Line 1\n<2> \u00fc"))
            mails.shutdown()

    def test_templates_that_fail_are_told(self):
        with Receiver() as receiver:
            block = self.api.block("webhook", {"url": receiver.url})
            ended = self.act({"type": "call-webhook", "block_document_id": block, "payload": "{{ 1 / 0 }}"})
            self.assertEqual(ended["payload"]["reason"], "Template rendering failed: ZeroDivisionError('division by zero')")
            self.assertEqual(ended["payload"]["template_source"], "{{ 1 / 0 }}")


class Killed(unittest.TestCase):
    """Each firing is acted on, and makes one run, whenever the server is killed."""

    def test_runs_are_made_once(self):
        with Server() as server:
            api = Api(server)
            deployment = api.deployment()
            automation = api.automation({"posture": "Reactive", "expect": ["burst"]},
                                        {"type": "run-deployment", "deployment_id": deployment, "parameters": {"n": "{{ event.payload.n }}"}})
            for n in range(30):
                api.emit("burst", payload={"n": n})
                if n in (5, 15, 29):
                    server.kill()
                    server.start()
            deadline = time.monotonic() + 120  # what was claimed when the server was killed has a term of 15 s
            while time.monotonic() < deadline and len(api.runs(deployment)) < 30:
                time.sleep(0.5)
            numbers = sorted(run["parameters"]["n"] for run in api.runs(deployment))
            failed = [event["payload"] for event in api.events("prefect.automation.action.failed", automation)]
            self.assertEqual((numbers, failed), (list(range(30)), []), server.log()[-3000:])
            self.assertEqual(len(api.events("prefect.automation.triggered", automation)), 30)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""automation.py API [COUNT]: from an event that a client sends to the action it causes (a webhook's request), in milliseconds.
Works against any server that speaks Prefect's API; one event at a time, then COUNT at once."""
import datetime
import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

api, count = sys.argv[1].rstrip("/"), int(sys.argv[2]) if len(sys.argv) > 2 else 100
arrived, seen = {}, threading.Condition()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        id = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with seen:
            arrived[id] = time.monotonic()
            seen.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None):
    request = urllib.request.Request(api + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    for tries in range(5, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text = reply.read()
            return json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            if e.code != 503 or not tries:
                raise
            time.sleep(1)


def emit(ids):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    call("POST", "/events", [{"id": id, "event": "bench.event", "occurred": now, "resource": {"prefect.resource.id": "bench"}} for id in ids])


def wait(ids, within_s=60):
    with seen:
        if not seen.wait_for(lambda: all(id in arrived for id in ids), within_s):
            sys.exit(f"only {sum(id in arrived for id in ids)} of {len(ids)} actions within {within_s} s")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
kind = call("GET", "/block_types/slug/webhook")
schema = call("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}})[0]
block = call("POST", "/block_documents/", {"name": "bench-" + uuid.uuid4().hex[:8], "block_type_id": kind["id"], "block_schema_id": schema["id"],
                                           "data": {"url": "http://127.0.0.1:%d" % server.server_address[1]}})
automation = call("POST", "/automations/", {
    "name": "bench", "trigger": {"type": "event", "posture": "Reactive", "expect": ["bench.event"]},
    "actions": [{"type": "call-webhook", "block_document_id": block["id"], "payload": "{{ event.id }}"}]})
try:
    time.sleep(1)  # others take a moment until they know it
    took = []
    for _ in range(count):
        id, started = str(uuid.uuid4()), time.monotonic()
        emit([id])
        wait([id])
        took.append((arrived[id] - started) * 1000)
    took.sort()
    ids, started = [str(uuid.uuid4()) for _ in range(count)], time.monotonic()
    emit(ids)
    wait(ids)
    print("event to action: p50 %.1f ms, p99 %.1f ms of %d; %d at once: %.0f/s" % (
        took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)], count, count, count / (time.monotonic() - started)))
finally:
    call("DELETE", "/automations/" + automation["id"])
    call("DELETE", "/block_documents/" + block["id"])

#!/usr/bin/env python3
"""Kills the server, the agent and PostgreSQL (kill -9, at random moments) while the demo's campaign runs.

Asks in the end: did the campaign complete and give a report of all results?  Has every run exactly one completed
attempt, and no more attempts than were lost?  Are its task runs, its measurement and its log lines there, each once?

    tests/chaos/demo.py [--kills N] [--seed N] [--port N]
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASKS = {"firmware", "model_from_store", "model_from_s3", "header", "build", "flash", "measure", "supply_off", "clean"}
CAMPAIGN = "chaos"
TIMEOUT_S = 900
UP = "the server stays up"


class Demo:
    """deploy/demo/demo.sh, followed line by line."""

    def __init__(self, folder, port):
        self.folder, self.lines, self.url = folder, [], None
        env = dict(os.environ, DEMO_DIR=str(folder), DEMO_PORT=str(port), DEMO_CAMPAIGN=CAMPAIGN)
        self.process = subprocess.Popen([ROOT / "deploy/demo/demo.sh"], env=env, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            print("  |", line, end="", flush=True)
            self.lines.append(line)
            found = re.match(r"demo: dashboard: (http://\S+)", line)
            self.url = found[1] if found else self.url

    def said(self, text):
        return any(text in line for line in self.lines)

    def await_line(self, text):
        end = time.monotonic() + TIMEOUT_S
        while not self.said(text):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("not ok - the demo ended or stood still before it said %r" % text)
            time.sleep(0.1)

    def pid(self, name):
        path = {"server": "server.pid", "agent": "agent.pid", "postgres": "server/pg/postmaster.pid"}[name]
        return int((self.folder / path).read_text().split()[0])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def trouble(demo, kills, rng):
    """Each of the three is killed equally often, in random order, at random moments."""
    plan = (["server", "agent", "postgres"] * kills)[:kills]
    rng.shuffle(plan)
    done = []
    for name in plan:
        time.sleep(rng.uniform(2, 14))
        if demo.said(UP):
            break
        try:
            os.kill(demo.pid(name), signal.SIGKILL)
            done.append(name)
            print("  killed: " + name, flush=True)
        except (OSError, ValueError):
            print("  was down already: " + name, flush=True)
    return done


def call(demo, method, path, body=None):
    request = urllib.request.Request(demo.url + "/api" + path, json.dumps(body).encode() if body is not None else None,
                                     {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read())


def everything(demo, path, body):
    """All pages of a filter."""
    found = []
    while True:
        page = call(demo, "POST", path, dict(body, limit=200, offset=len(found)))
        found += page
        if len(page) < 200:
            return found


def check_run(demo, run, starts):
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    states = [s["type"] for s in call(demo, "GET", "/flow_run_states/?flow_run_id=" + run["id"])]
    lost = states.count("CRASHED")
    if states.count("COMPLETED") != 1 or states[-1] != "COMPLETED":
        yield "states %s" % states
    if states.count("RUNNING") > lost + 1 or starts > lost + 1:
        yield "%d starts, %d times RUNNING, %d lost attempts" % (starts, states.count("RUNNING"), lost)
    tasks = everything(demo, "/task_runs/filter", of_run)
    done = {re.sub(r"-\w+$", "", t["name"]) for t in tasks if t["state_type"] == "COMPLETED"}
    if not TASKS <= done:
        yield "no completed task run of %s; there are %s" % (sorted(TASKS - done), sorted(t["name"] for t in tasks))
    logs = everything(demo, "/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    twice = [k for k, n in collections.Counter(l["id"] for l in logs).items() if n > 1]
    if twice or not any("SY-BOOT build=" in l["message"] for l in logs):
        yield "%d log lines, %d of them twice" % (len(logs), len(twice))
    artifacts = everything(demo, "/artifacts/filter", of_run)
    measured = [a for a in artifacts if a["type"] == "measurement"]
    if not 1 <= len(measured) <= lost + 1:
        yield "%d measurements in %d attempts" % (len(measured), lost + 1)


def check(demo):
    problems = []
    with open(demo.folder / ("report-" + CAMPAIGN) / "report.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    good = {r["flow_run_name"] for r in rows if r["status"] == "result"}
    started = collections.Counter(re.findall(r"event=run\.start run=(\S+)", (demo.folder / "agent.log").read_text()))
    runs = everything(demo, "/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["campaign:" + CAMPAIGN]}}})
    runs = [r for r in runs if not r["name"].startswith("report-")]
    if len(runs) != 8:
        problems.append("%d runs in the campaign, expected 8" % len(runs))
    for run in runs:
        problems += ["%s: %s" % (run["name"], p) for p in check_run(demo, run, started[run["id"]])]
        if run["name"] not in good:
            problems.append("%s: no result in the report" % run["name"])
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--port", type=int, default=4260)
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-demo-"))
    os.chmod(folder, 0o755)  # PostgreSQL's account looks into it when this is root
    print("seed %d, folder %s" % (args.seed, folder), flush=True)
    demo = Demo(folder, args.port)
    problems = ["it did not get so far"]
    try:
        demo.await_line("demo: campaign ")
        killed = trouble(demo, args.kills, random.Random(args.seed))
        demo.await_line(UP)
        problems = check(demo)
    finally:
        demo.stop()
        for problem in problems:
            print("  problem:", problem)
        if not problems:
            shutil.rmtree(folder, ignore_errors=True)
    print("%s - the demo's campaign survives kill -9 of %s" % ("not ok" if problems else "ok", ", ".join(killed)))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

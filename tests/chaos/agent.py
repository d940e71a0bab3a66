#!/usr/bin/env python3
"""Kills the server, the agent and PostgreSQL (kill -9, at random moments) while runs are executed.

Asks in the end: is every run COMPLETED, exactly once?  Did two attempts of a run ever work at the same time?  Are the
log lines of the attempt that completed there, each once?

    tests/chaos/agent.py [--build DIR] [--runs N] [--kills N] [--seed N]
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOW = """
name: chaos
parameters:
  folder: {type: string}
tasks:
  work:
    uses: shell
    with:
      run: |
        exec 9> "{{ parameters.folder }}/{{ run.id }}.lock"
        flock -n 9 || echo "{{ run.id }}" >> "{{ parameters.folder }}/overlaps"
        echo "{{ run.id }}" >> "{{ parameters.folder }}/starts"
        sleep 0.7
        echo "{{ run.id }}" >> "{{ parameters.folder }}/ends"
  lines:
    uses: shell
    needs: work
    with: {run: "for i in 1 2 3 4 5; do echo line $i; done"}
"""
LINES = ["line %d" % i for i in range(1, 6)]


class Stack:
    """A server with its own PostgreSQL, and an agent."""

    def __init__(self, build, folder, port, slots):
        self.build, self.folder, self.port, self.slots = build, folder, port, slots
        self.api = "http://127.0.0.1:%d/api" % port
        self.server = self.agent = None
        self.out = open(folder / "programs.log", "ab")

    def start_server(self):
        self.server = subprocess.Popen(
            [self.build / "switchyard-server", "--dev", "--data", self.folder / "server", "--listen",
             "127.0.0.1:%d" % self.port], stdout=self.out, stderr=self.out)

    def start_agent(self):
        self.agent = subprocess.Popen(
            [self.build / "switchyard-worker", "--server", self.api, "--pool", "chaos", "--data", self.folder / "agent",
             "--slots", str(self.slots), "--name", "chaos"], stdout=self.out, stderr=self.out)

    def postmaster(self):
        """The process id of PostgreSQL's first process."""
        return int((self.folder / "server/pg/postmaster.pid").read_text().split()[0])

    def call(self, method, path, body=None, raw=None, timeout_s=90):
        """Tries until it was answered: the server may be down for a while."""
        end = time.monotonic() + timeout_s
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        while True:
            try:
                request = urllib.request.Request(self.api + path, data, {"Content-Type": "application/json"}, method=method)
                with urllib.request.urlopen(request, timeout=10) as reply:
                    text = reply.read()
                    return json.loads(text) if text else None
            except urllib.error.HTTPError as e:
                if e.code != 503 or time.monotonic() > end:
                    raise SystemExit("%s %s: %d %s" % (method, path, e.code, e.read()[:500]))
            except OSError as e:
                if time.monotonic() > end:
                    raise SystemExit("%s %s: %s" % (method, path, e))
            time.sleep(0.1)

    def stop(self):
        for process in (self.agent, self.server):
            if process and process.poll() is None:
                process.terminate()
        for process in (self.agent, self.server):
            try:
                process and process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()

    # What is killed, and what its supervisor would do then.

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()
        self.start_agent()

    def kill_server(self):
        self.server.kill()
        self.server.wait()
        self.start_server()

    def kill_database(self):
        os.kill(self.postmaster(), signal.SIGKILL)


def deploy(stack, folder):
    text = FLOW.encode()
    digest = hashlib.sha256(text).hexdigest()
    stack.call("PUT", "/switchyard/files/" + digest, raw=text)
    flow = stack.call("POST", "/flows/", {"name": "chaos"})
    return stack.call("POST", "/deployments/", {
        "name": "chaos", "flow_id": flow["id"], "work_pool_name": "chaos", "parameters": {"folder": str(folder)},
        "job_variables": {"native_flow": "sha256:" + digest, "lost_attempts": 50}})


def create_run(stack, deployment, folder, number):
    return stack.call("POST", "/flow_runs/", {
        "flow_id": deployment["flow_id"], "deployment_id": deployment["id"], "work_pool_name": "chaos",
        "parameters": {"folder": str(folder)}, "state": {"type": "SCHEDULED"}, "idempotency_key": "chaos-%d" % number})["id"]


def wait_for_pool(stack):
    end = time.monotonic() + 30
    while "chaos" not in [p["name"] for p in stack.call("POST", "/work_pools/filter", {})]:
        if time.monotonic() > end:
            raise SystemExit("the agent did not make its pool within 30 s")
        time.sleep(0.1)


def read_lines(path):
    return path.read_text().split() if path.exists() else []


def runs_by_state(stack):
    states = {}
    for run in stack.call("POST", "/flow_runs/filter", {"limit": 200}):
        states.setdefault(run["state_type"], []).append(run["id"])
    return states


def wait_for_work(folder, begun, timeout_s=20):
    """Until a run has started since `begun` were counted: a kill should hit something."""
    end = time.monotonic() + timeout_s
    while len(read_lines(folder / "starts")) <= begun and time.monotonic() < end:
        time.sleep(0.02)


def make_trouble(stack, rng, kills, count, timeout_s):
    """Kills something every now and then, until all kills are spent and all runs are over."""
    actions = [stack.kill_agent, stack.kill_server, stack.kill_database]
    end = time.monotonic() + timeout_s
    plan = [actions[i % 3] for i in range(kills)]
    rng.shuffle(plan)
    while time.monotonic() < end:
        if plan:
            wait_for_work(stack.folder, len(read_lines(stack.folder / "starts")))
            time.sleep(rng.uniform(0, 1.5))
            action = plan.pop()
            try:
                action()
                print("  killed:", action.__name__[5:], flush=True)
            except (OSError, ValueError):
                plan.append(action)  # it was down already
            continue
        states = runs_by_state(stack)
        if len(states.get("COMPLETED", [])) == count:
            return states
        time.sleep(0.3)
    return runs_by_state(stack)


def check(stack, folder, ids):
    problems = []
    starts, ends = read_lines(folder / "starts"), read_lines(folder / "ends")
    for run in read_lines(folder / "overlaps"):
        problems.append("%s: two attempts at the same time" % run)
    for run in ids:
        states = [s["type"] for s in stack.call("GET", "/flow_run_states/?flow_run_id=" + run)]
        if states.count("COMPLETED") != 1 or states[-1] != "COMPLETED":
            problems.append("%s: states %s" % (run, states))
        if run not in ends or starts.count(run) > states.count("CRASHED") + 1:
            problems.append("%s: %d starts, %d ends, states %s" % (run, starts.count(run), ends.count(run), states))
        logs = stack.call("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200})
        by_task = {}
        for line in logs:
            if line["message"].startswith("line "):
                by_task.setdefault(line["task_run_id"], []).append(line["message"])
        complete = [lines for lines in by_task.values() if lines == LINES]
        broken = [lines for lines in by_task.values() if len(set(lines)) != len(lines)]
        if not complete or broken:
            problems.append("%s: log lines %s" % (run, by_task))
    return problems, len(starts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("SWITCHYARD_BUILD", ROOT / "build/debug"), type=pathlib.Path)
    parser.add_argument("--runs", default=24, type=int)
    parser.add_argument("--kills", default=9, type=int)
    parser.add_argument("--seed", default=None, type=int)
    parser.add_argument("--timeout", default=240, type=float)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-chaos-"))
    folder.chmod(0o755)
    print("chaos: %d runs, %d kills, seed %d, %s" % (options.runs, options.kills, seed, folder), flush=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stack = Stack(options.build.resolve(), folder, port, slots=3)
    failed = True
    try:
        stack.start_server()
        stack.start_agent()
        wait_for_pool(stack)
        deployment = deploy(stack, folder)
        ids = [create_run(stack, deployment, folder, i)
               for i in range(options.runs)]
        begin = time.monotonic()
        states = make_trouble(stack, random.Random(seed), options.kills, options.runs, options.timeout)
        problems, starts = check(stack, folder, ids)
        print("chaos: %s in %.0f s, %d attempts" % ({k: len(v) for k, v in states.items()}, time.monotonic() - begin, starts))
        for problem in problems:
            print("  " + problem)
        failed = bool(problems)
    finally:
        stack.stop()
        if failed:
            print("chaos: FAILED, see %s" % folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

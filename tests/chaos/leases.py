#!/usr/bin/env python3
"""Leases of devices under trouble: two servers on one PostgreSQL, played agents that die, fall silent, have a clock that is years off, rename
and lose devices; people who hold and kick; servers and PostgreSQL killed (kill -9), all at random moments.

Asks all the time: is a device, or a bench and its part, under two leases?  Is what `why` says true?  And in the end: has every run one outcome, is
a lease left, were runs that ask for the same placed in their order?

    tests/chaos/leases.py [--build DIR] [--seconds N] [--runs N] [--seed N]
"""
import argparse
import collections
import datetime
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from agent import ROOT, Stack

AGENTS = 4
OUTAGE_S = 1  # and the grace of a minute
NEEDS = [[{"target": "f7"}], [{"type": "board"}], [{"type": "board", "count": 2}], [{"type": "meter"}], [{"type": "builder"}],
         [{"target": "f7"}, {"type": "builder"}], [{"name": "b1-0"}], [{"name": "b2-1", "type": "board"}], []]


class Two(Stack):
    """Two servers; each call goes to either."""

    def __init__(self, build, folder, ports):
        super().__init__(build, folder, ports[0], 0)
        self.ports, self.apis = ports, ["http://127.0.0.1:%d/api" % p for p in ports]
        self.second = None

    def start_server(self):
        self.server = subprocess.Popen([self.build / "switchyard-server", "--dev", "--data", self.folder / "server", "--outage", str(OUTAGE_S),
                                        "--listen", "127.0.0.1:%d" % self.ports[0]], stdout=self.out, stderr=self.out)

    def start_second(self):
        first, own = self.folder / "server", self.folder / "server2"
        if not own.exists():
            own.mkdir()
            shutil.copy(first / "secrets.key", own)
        uri = "postgresql://switchyard@/switchyard?host=" + urllib.parse.quote(str(first / "run"), safe="")
        self.second = subprocess.Popen([self.build / "switchyard-server", "--database", uri, "--data", own, "--outage", str(OUTAGE_S), "--listen",
                                        "127.0.0.1:%d" % self.ports[1]], stdout=self.out, stderr=self.out)

    def kill_second(self):
        self.second.kill()
        self.second.wait()
        self.start_second()

    def ask(self, method, path, body=None, tries=400):
        """Of either server, until one answers."""
        for _ in range(tries):
            try:
                request = urllib.request.Request(random.choice(self.apis) + path, None if body is None else json.dumps(body).encode(),
                                                 {"Content-Type": "application/json"}, method=method)
                with urllib.request.urlopen(request, timeout=40) as reply:
                    text = reply.read()
                    return json.loads(text) if text else None
            except urllib.error.HTTPError as e:
                if e.code not in (500, 503):
                    e.detail = e.read()[:300]
                    raise
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise RuntimeError("nobody answers %s %s" % (method, path))

    def stop(self):
        if self.second and self.second.poll() is None:
            self.second.terminate()
            self.second.wait(20)
        super().stop()


class Lease:
    def __init__(self, claim, devices, until):
        self.claim, self.devices, self.until = claim, devices, until
        self.id, self.token, self.run = claim["claim_id"], claim["token"], claim["flow_run"]
        self.ends = time.monotonic() + random.choice([0.05, 0.2, 0.5, 1.5])


class Agent(threading.Thread):
    """Does what the protocol says, and dies at times."""

    def __init__(self, world, number):
        super().__init__(daemon=True)
        self.world, self.stack, self.rng = world, world.stack, random.Random(world.seed + number)
        self.number, self.id, self.epoch, self.seq = number, str(uuid.uuid4()), 1, 0
        self.leases, self.beaten, self.missing, self.silent_until = [], 0, None, 0
        self.skew = datetime.timedelta(days=[0, 3650, -3650, 1][number % 4])

    def devices(self):
        n = self.number
        one = {"labels": {}, "health": {}, "free": True}
        bench = [one | {"name": f"bench{n}", "type": "bench", "target": "f7"},
                 one | {"name": f"bench{n}.board", "type": "board", "target": "f7", "bench": f"bench{n}"},
                 one | {"name": f"bench{n}.meter", "type": "meter", "bench": f"bench{n}"}]
        boards = [one | {"name": f"b{n}-{k}", "type": "board", "target": "g4"} for k in range(2)]
        return [d for d in bench + boards + [one | {"name": f"build{n}", "type": "builder", "capacity": 2}] if d["name"] != self.missing]

    def call(self, **more):
        return {"agent": self.id, "name": f"lab-{self.number}", "epoch": self.epoch, "pool": "bench", "devices": self.devices(), "claims": []} | more

    def conflict(self, names):
        """A device that a new lease would drive besides another one."""
        used = collections.Counter(d for lease in self.leases if time.monotonic() < lease.until for name in lease.devices for d in self.parts(name))
        for d in (d for name in names for d in self.parts(name)):
            used[d] += 1
            if used[d] > (2 if d.startswith("build") else 1):
                return d
        return None

    @staticmethod
    def parts(name):
        """What is driven: a bench is its board and its meter."""
        return [f"{name}.board", f"{name}.meter"] if re.fullmatch(r"bench\d+", name) else [name]

    def beat(self):
        sent = time.monotonic()
        answer = self.stack.ask("POST", "/switchyard/heartbeat", self.call(claims=[lease.id for lease in self.leases]))
        self.beaten = sent
        for lease in list(self.leases):
            if lease.id in answer["lost"]:
                self.leases.remove(lease)
                self.world.lost.add(lease.run["id"])
            else:
                lease.until = sent + answer["lease_s"] - 1
                if lease.run["id"] in answer["cancel"]:
                    lease.ends = 0

    def take(self):
        answer = self.stack.ask("POST", "/switchyard/claim", self.call(slots=4, wait_s=0.3))
        for lease in self.leases:
            if lease.run["id"] in answer["cancel"]:
                lease.ends = 0
        claims = answer["claims"]
        if not claims:
            return
        sent = time.monotonic()
        acked = self.stack.ask("POST", "/switchyard/claims/ack", {"agent": self.id, "epoch": self.epoch, "claims": [
            {"claim_id": c["claim_id"], "token": c["token"]} for c in claims]})
        for claim in claims:
            if claim["claim_id"] not in acked["live"]:
                self.world.lost.add(claim["flow_run"]["id"])
                continue
            clash = self.conflict(claim["devices"])
            if clash:
                self.world.problem(f"{clash} is under two leases: {claim['flow_run']['name']} and {[lease.run['name'] for lease in self.leases]}")
            self.leases.append(Lease(claim, claim["devices"], sent + acked["lease_s"] - 1))
            with self.world.lock:
                self.world.tokens.setdefault(claim["flow_run"]["id"], claim["token"])

    def finish(self, lease):
        at = (datetime.datetime.now(datetime.timezone.utc) + self.skew).isoformat()
        about = {"flow_run_id": lease.run["id"], "token": lease.token}
        records = [("state", {"state": {"type": "COMPLETED"}, "force": True, "timestamp": at})] if lease.ends else []
        records.append(("done", {"claim_id": lease.id, "message": "", "cancelled": not lease.ends}))
        body = {"agent": self.id, "epoch": self.epoch, "records": [{"seq": self.seq + i + 1, "kind": kind, "body": about | more}
                                                                   for i, (kind, more) in enumerate(records)]}
        self.seq += len(records)
        answer = self.stack.ask("POST", "/switchyard/journal", body)
        if answer["refused"]:
            self.world.lost.add(lease.run["id"])
        self.leases.remove(lease)

    def trouble(self):
        what = self.rng.random()
        if what < 0.01:  # killed; its supervisor starts it anew
            for lease in self.leases:
                self.world.lost.add(lease.run["id"])
            self.leases, self.epoch = [], self.epoch + 1
            self.world.count["agents killed"] += 1
            time.sleep(self.rng.uniform(0, 2))
            self.beaten = 0
        elif what < 0.03:
            self.missing = self.rng.choice([None, f"b{self.number}-0", f"bench{self.number}", f"bench{self.number}.meter"])
            self.world.count["devices removed or back"] += 1
        elif what < 0.032 and self.number == 0 and not self.world.count["agents silent"]:
            self.world.count["agents silent"] += 1
            for lease in self.leases:
                self.world.lost.add(lease.run["id"])
                self.world.expired.add(lease.run["id"])
            time.sleep(OUTAGE_S + 65)  # its leases expire; it drives nothing meanwhile
            self.leases = [lease for lease in self.leases if time.monotonic() < lease.until]
            self.beaten = 0

    def run(self):
        try:
            while not self.world.over.is_set():
                if time.monotonic() - self.beaten > 2:
                    self.beat()
                    self.leases = [lease for lease in self.leases if time.monotonic() < lease.until]
                self.take()
                for lease in [lease for lease in self.leases if time.monotonic() >= lease.ends]:
                    self.finish(lease)
                if self.world.troubled.is_set():
                    self.trouble()
        except Exception as e:  # noqa: BLE001
            self.world.problem(f"agent {self.number}: {e!r} {getattr(e, 'detail', '')}")


class World:
    def __init__(self, stack, seed):
        self.stack, self.seed, self.lock = stack, seed, threading.Lock()
        self.over, self.troubled = threading.Event(), threading.Event()
        self.problems, self.lost, self.expired, self.tokens, self.count = [], set(), set(), {}, collections.Counter()
        self.runs, self.needs = {}, {}

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def make_runs(self, count, rng):
        self.stack.ask("POST", "/work_pools/", {"name": "bench", "type": "switchyard"})
        flow = self.stack.ask("POST", "/flows/", {"name": "leases"})
        deployment = self.stack.ask("POST", "/deployments/", {"name": "d", "flow_id": flow["id"], "work_pool_name": "bench",
                                                              "job_variables": {"lost_attempts": 1000}})
        for i in range(count):
            need = rng.randrange(len(NEEDS))
            run = self.stack.ask("POST", f"/deployments/{deployment['id']}/create_flow_run",
                                 {"name": f"run-{i}", "job_variables": {"devices": NEEDS[need]}, "state": {"type": "SCHEDULED"}})
            self.runs[run["id"]], self.needs[run["id"]] = i, need

    def people(self):
        rng = random.Random(self.seed + 99)
        while not self.over.is_set():
            time.sleep(rng.uniform(0.2, 1))
            if not self.troubled.is_set():
                continue
            n = rng.randrange(AGENTS)
            name = rng.choice([f"bench{n}", f"bench{n}.meter", f"b{n}-0", f"b{n}-1"])
            what = rng.choice(["hold", "hold", "kick", "release", "maintenance"])
            body = {"by": "anna"} | {"hold": {"minutes": rng.choice([0.01, 0.05])}, "maintenance": {"on": rng.random() < 0.4}}.get(what, {})
            try:
                self.stack.ask("POST", f"/switchyard/devices/{name}/{what}", body)
                self.count[what] += 1
            except urllib.error.HTTPError as e:
                if e.code not in (404, 409):
                    self.problem(f"{what} {name}: {e.code} {e.detail}")

    def doubt(self):
        """What `why` says of runs that wait, held against what was so around that moment."""
        rng = random.Random(self.seed + 98)
        while not self.over.is_set():
            time.sleep(rng.uniform(0.05, 0.3))
            run = rng.choice(list(self.runs))
            said = self.stack.ask("GET", f"/switchyard/flow_runs/{run}/why")
            asked = datetime.datetime.now(datetime.timezone.utc)
            state = self.stack.ask("GET", f"/flow_runs/{run}")["state"]
            self.count["why"] += 1
            if said["waits"] and state["type"] in ("COMPLETED", "CANCELLED") and not state["timestamp"].startswith(("2016", "2036")):
                ended = datetime.datetime.fromisoformat(state["timestamp"])
                if ended < asked - datetime.timedelta(seconds=5) and ended > asked - datetime.timedelta(days=1):
                    self.problem(f"run {self.runs[run]} is over since {ended}, and why says at {asked}: {said}")
            for reason in said["reasons"]:
                self.count["why: " + reason["kind"]] += 1
                self.hold(self.needs[run], asked, reason["text"])

    def hold(self, need, asked, text):
        for until in re.findall(r"(?:leased by|held by) [^;]*? until (\S+?Z)", text):
            if datetime.datetime.fromisoformat(until) < asked - datetime.timedelta(seconds=30):
                self.problem(f"why says at {asked}: {text}")
        named = re.findall(r"(?:^|free: |; )(\S+) (?:is|goes|waits)", text)
        kinds = {s.get("type") or ("bench" if "target" in s else None) for s in NEEDS[need]}
        for name in named:
            kind = "bench" if re.fullmatch(r"bench\d+", name) else name.split(".")[1] if "." in name else "builder" if name.startswith("build") else "board"
            if name[0] == "b" and name[-1].isdigit() and None not in kinds and kind not in kinds and "nothing" not in text:
                self.problem(f"why names {name} to a run that wants {NEEDS[need]}: {text}")

    def make_trouble(self, seconds, rng):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(rng.uniform(4, 12))
            what = rng.choice(["kill_server", "kill_second", "kill_second", "kill_database"])
            self.count[what] += 1
            try:
                getattr(self.stack, what)()
            except (OSError, ValueError):
                pass  # it is being started just now

    def settle(self, limit_s):
        """People go home; what is left is done."""
        self.troubled.clear()
        for n in range(AGENTS):
            for name in (f"bench{n}", f"bench{n}.meter", f"b{n}-0", f"b{n}-1"):
                for what, body in (("release", {}), ("maintenance", {"on": False, "by": "anna"})):
                    try:
                        self.stack.ask("POST", f"/switchyard/devices/{name}/{what}", body)
                    except urllib.error.HTTPError:
                        pass
        for agent in self.agents:
            agent.missing = None
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            states = collections.Counter(r["state_type"] for r in self.states())
            if not set(states) - {"COMPLETED", "CANCELLED"}:
                return states
            time.sleep(1)
        waiting = [r for r in self.states() if r["state_type"] not in ("COMPLETED", "CANCELLED")]
        self.problem(f"not over: {[(r['name'], r['state_type'], self.stack.ask('GET', '/switchyard/flow_runs/%s/why' % r['id'])) for r in waiting[:5]]}")
        return states

    def states(self):
        ids, found = list(self.runs), []
        for k in range(0, len(ids), 200):
            found += self.stack.ask("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": ids[k:k + 200]}}, "limit": 200})
        return found

    def was_returned(self, run):
        """It was offered in an answer that nobody got."""
        states = self.stack.ask("GET", f"/flow_run_states/?flow_run_id={run}")
        return [state["type"] for state in states].count("PENDING") > 1

    def check(self):
        used = {d["name"]: d["used"] for d in self.stack.ask("GET", "/switchyard/devices") if d["used"]}
        if used:
            self.problem(f"leases are left: {used}")
        for need in range(len(NEEDS)):
            of_need = sorted((i, self.tokens[run]) for run, i in self.runs.items()
                             if self.needs[run] == need and run in self.tokens and run not in self.lost)
            ids = {i: run for run, i in self.runs.items()}
            for at, (i, token) in enumerate(of_need):
                # one may go by in the very moment in which a run is marked as late: it is locked then
                before = [k for k, other in of_need[at + 1:] if other < token]
                if len(before) > 1 and not self.was_returned(ids[i]):
                    self.problem(f"runs {before} overtook run-{i}, which asks for the same: {NEEDS[need]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/debug")
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    o = parser.parse_args()
    print(f"leases: seed {o.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-leases-"))
    folder.chmod(0o755)
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    random.seed(o.seed)
    stack, rng, failed = Two(o.build.resolve(), folder, ports), random.Random(o.seed), True
    try:
        stack.start_server()
        stack.call("GET", "/health")
        stack.start_second()
        world = World(stack, o.seed)
        world.make_runs(o.runs, rng)
        world.agents = [Agent(world, n) for n in range(AGENTS)]
        threads = world.agents + [threading.Thread(target=t, daemon=True) for t in (world.people, world.doubt)]
        world.troubled.set()
        for thread in threads:
            thread.start()
        world.make_trouble(o.seconds, rng)
        states = world.settle(240)
        world.over.set()
        for thread in world.agents:
            thread.join(60)
        world.check()
        print(f"leases: {dict(states)}, {len(world.lost)} attempts lost, {len(world.expired)} of them expired; {dict(world.count)}")
        for problem in world.problems[:20]:
            print("  " + problem)
        failed = bool(world.problems)
    finally:
        stack.stop()
        if failed:
            print("leases: FAILED, see %s" % folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

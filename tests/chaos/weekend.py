#!/usr/bin/env python3
"""A weekend of forty boards: 48 h of virtual bench time, faults from the list, agents and servers killed at random moments.

Two servers of one PostgreSQL and the agents are the real programs.  The boards are virtual: a run's work is `virtual_bench.py`,
whose clock runs `speed` times as fast, and most of it a real `power record` on an emulated meter with a drawn fault.  What each run
must end as is known beforehand (`plan`); the benches keep a diary.
Beside them each agent has emulated benches, whose runs go through the real `board.flash` and `power.measure`, with boards that
boot another build, do not boot, are deaf, reboot, or refuse their model.

Asks in the end: has every run exactly one outcome, and is it the honest one?  Was a bench ever driven by two at once?  Are all
devices free?  Does the campaign's report have one row for every run, with the figure that the bench's diary has?  Was everything
killed that was to be killed, and were the benches at work all the time?

    tests/chaos/weekend.py [--hours H] [--minutes M] [--runs N] [--real-runs N] [--kills N] [--seed N]

A long one: --minutes 24 --runs 960 --real-runs 480 --kills 40.
"""
import argparse
import collections
import csv
import datetime
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import agent as chaos  # noqa: E402  a server with its own PostgreSQL, calls that wait for it
import virtual_bench  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = ["nucleo-l476rg", "nucleo-l4r5zi", "nucleo-f767zi", "nucleo-l452re-p", "nucleo-u575zi-q", "nucleo-u5a5zj-q"]
CAMPAIGN = "weekend"
FLOW = """
name: weekend
parameters:
  model: {type: string}
  target: {type: string}
devices:
  bench: {target: "{{ parameters.target }}"}
tasks:
  measure:
    uses: shell
    retries: 1
    timeout: %(timeout_s)d
    with:
      run: exec python3 %(bench)s %(folder)s {{ run.id }} {{ devices.bench.name }} {{ parameters.model }} {{ parameters.target }}
  store:
    uses: http
    needs: measure
    retries: 100
    retry_delay: 1
    with:
      method: POST
      url: %(api)s/artifacts/
      body: "{{ tasks.measure.outputs.stdout }}"
"""


REAL = "weekend-real"
REAL_FLOW = """
name: weekend-real
parameters:
  model: {type: string}
  target: {type: string}
devices:
  bench: {target: "{{ parameters.target }}"}
tasks:
  image:
    uses: shell
    with:
      run: |
        python3 %(bench)s %(folder)s image {{ run.id }} {{ devices.bench.name }} {{ parameters.model }} {{ parameters.target }} > image.elf
        python3 -c 'import sys; sys.path.insert(0, "%(code)s"); import virtual_bench as v; print(v.build_id("{{ parameters.model }}", "{{ parameters.target }}"))'
  flash:
    uses: board.flash
    needs: image
    retries: 1
    with: {image: image.elf, build_id: "{{ tasks.image.outputs.stdout }}", boot_timeout: 6}
  measure:
    uses: power.measure
    needs: flash
    retries: 2
    with:
      model: "{{ parameters.model }}"
      build_id: "{{ tasks.image.outputs.stdout }}"
      rate: 20k
      windows: 2
      window: 0.2
      baseline: 0.15
  supply_off: {uses: board.off, always: true, retries: 1}
"""
FREE_S = 90
LATE_MAX = 0.02  # of the runs
SPREAD_MAX = 0.005  # of energies
CAMPAIGNS = {CAMPAIGN: ("weekend/default", TARGETS), REAL: ("weekend-real/default", virtual_bench.EMULATED)}


class Lab(chaos.Stack):
    """Two servers and several agents, each with its share of the boards."""

    def __init__(self, build, folder, ports, boards, agents):
        super().__init__(build, folder, ports[0], 0)
        self.apis = ["http://127.0.0.1:%d/api" % port for port in ports]
        self.second, self.second_port = None, ports[1]
        self.agents = [None] * agents
        self.benches = [f"bench-{k:02d}" for k in range(boards)]
        self.emulated = [f"emulated-{k}" for k in range(2 * agents)]
        (folder / "bin").mkdir()
        qemu = folder / "bin/qemu-system-arm"
        qemu.write_text("#!/bin/sh\n# -M MACHINE -kernel IMAGE: what stands behind the mark\nsed 1d \"$4\" >\"$4.sh\"\nexec /bin/sh \"$4.sh\"\n")
        qemu.chmod(0o755)
        shutil.copy(build / "switchyard-worker", folder / "bin")  # it takes the simulator that stands beside it
        simulator = folder / "bin/switchyard-benchsim"
        simulator.write_text(f'#!/bin/sh\nexec python3 {ROOT}/tests/chaos/virtual_bench.py {folder} simulate "$@"\n')
        simulator.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        for k in range(agents):
            lines = [f"  - {{name: {name}, target: {TARGETS[i % len(TARGETS)]}, board: {{backend: msd, serial: S{i}, uart: /dev/null}}, "
                     f"meter: {{port: /dev/null}}}}" for i, name in enumerate(self.benches) if i % agents == k]
            lines += [f"  - {{name: {name}, target: {virtual_bench.EMULATED[i // agents]}, emulated: true}}"
                      for i, name in enumerate(self.emulated) if i % agents == k]
            (folder / f"agent{k}.yaml").write_text("benches:\n" + "\n".join(lines) + "\n")

    def start_second(self):
        """On the first one's PostgreSQL, and with its files, as on a shared disk."""
        first, own = self.folder / "server", self.folder / "server2"
        if not own.exists():
            own.mkdir()
            (own / "files").symlink_to(first / "files")
            shutil.copy(first / "secrets.key", own)
        uri = "postgresql://switchyard@/switchyard?host=" + urllib.parse.quote(str(first / "run"), safe="")
        self.second = subprocess.Popen([self.build / "switchyard-server", "--database", uri, "--data", own, "--listen",
                                        "127.0.0.1:%d" % self.second_port], stdout=self.out, stderr=self.out)

    def kill_second(self):
        self.second.kill()
        self.second.wait()
        self.start_second()

    def start_one(self, k):
        share = (len(self.benches) + len(self.emulated)) // len(self.agents) + 1
        self.agents[k] = subprocess.Popen(
            [self.folder / "bin/switchyard-worker", "--server", self.apis[k % 2], "--pool", CAMPAIGN, "--data", self.folder / f"agent{k}",
             "--slots", str(share), "--name", f"lab-{k}", "--config", self.folder / f"agent{k}.yaml"], stdout=self.out, stderr=self.out,
            env=self.environment)

    def kill_one(self, rng):
        k = rng.randrange(len(self.agents))
        self.agents[k].kill()
        self.agents[k].wait()
        time.sleep(rng.uniform(0, 3))
        self.start_one(k)

    def stop(self):
        for process in self.agents + [self.second]:
            if process and process.poll() is None:
                process.terminate()
        for process in self.agents + [self.second]:
            try:
                process and process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        super().stop()

    def cli(self, *words):
        return subprocess.run([self.build / "switchyard", "--server", self.api, *map(str, words)], capture_output=True, text=True,
                              timeout=900, check=False)


def wait_until(what, ready, timeout_s):
    end = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {timeout_s} s")
        time.sleep(0.5)


def deploy(lab, options, speed):
    flows = lab.folder / "flows"
    flows.mkdir()
    names = {"bench": ROOT / "tests/chaos/virtual_bench.py", "code": ROOT / "tests/chaos", "folder": lab.folder, "api": lab.api,
             "timeout_s": max(20, 3 * options.run_hours * 3600 / speed)}
    (flows / "weekend.yaml").write_text(FLOW % names)
    (flows / "weekend-real.yaml").write_text(REAL_FLOW % names)
    shutil.copy(ROOT / "deploy/demo/energy-report.yaml", flows)
    done = lab.cli("deploy", flows / "weekend.yaml", flows / "weekend-real.yaml", flows / "energy-report.yaml", "--pool", CAMPAIGN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def create(lab, campaign, models):
    """Again after a kill: it is idempotent."""
    deployment, targets = CAMPAIGNS[campaign]
    for _ in range(60):
        done = lab.cli("campaign", "create", campaign, deployment, "-m", "model=" + ",".join(models), "-m",
                       "target=" + ",".join(targets))
        if done.returncode == 0:
            return
        time.sleep(1)
    raise SystemExit("campaign create: " + done.stdout + done.stderr)


def status(lab):
    """Done and total of both campaigns, or None."""
    said = [lab.cli("-o", "json", "campaign", "status", campaign).stdout for campaign in CAMPAIGNS]
    if not all(said):
        return None
    return {key: sum(json.loads(text)[key] for text in said) for key in ("done", "total")}


def trouble(lab, rng, kills, count, wall_s, limit_s):
    """Kills evenly spread over the time that the runs need, then waits for the rest."""
    plan = [kind for kind, n in kills.items() for _ in range(n)]
    rng.shuffle(plan)
    begin, done_kills = time.monotonic(), collections.Counter()
    times = sorted(rng.uniform(0.03, 0.9) * wall_s for _ in plan)
    again, told = begin, None
    while time.monotonic() - begin < limit_s:
        now = time.monotonic()
        if times and now - begin >= times[0]:
            times.pop(0)
            kind = plan.pop()
            try:
                {"agent": lambda: lab.kill_one(rng), "server": lab.kill_server, "second server": lab.kill_second, "database": lab.kill_database}[kind]()
                done_kills[kind] += 1
            except (OSError, ValueError):
                pass  # it was down already
        elif now >= again:
            again = now + 15
            seen = status(lab)
            if seen and seen["done"] != told:
                told = seen["done"]
                print("  %d of %d done" % (seen["done"], seen["total"]), flush=True)
            if seen and seen["total"] >= count and seen["done"] == seen["total"] and not plan:
                break
        time.sleep(0.2)
    return done_kills, time.monotonic() - begin


def all_runs(lab, campaign):
    runs, offset = [], 0
    while True:
        page = lab.call("POST", "/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["campaign:" + campaign]}}, "sort": "ID_DESC",
                                                      "limit": 200, "offset": offset})
        runs += page
        if len(page) < 200:
            return [run for run in runs if "model" in run["parameters"]]
        offset += len(page)


def check_run(lab, run, seed, diary):
    """What is wrong with its outcome, or None."""
    plan = virtual_bench.plan(seed, run["parameters"]["model"], run["parameters"]["target"])
    states = [s["type"] for s in lab.call("GET", "/flow_run_states/?flow_run_id=" + run["id"])]
    over = [s for s in states if s in ("COMPLETED", "FAILED", "CANCELLED")]
    message = run["state"]["message"] or ""
    if len(over) != 1 or states[-1] != over[0] or run["state_type"] != over[0]:
        return f"states {states}"
    outcome = plan.outcome or ("FAILED" if diary.last[run["id"]]["status"] else "COMPLETED")
    if over[0] == "FAILED" and plan.kind == "real" and message and diary.was_in_trouble(run):
        return None  # whatever the simulator's fault was, there is no figure, and a reason
    if over[0] != outcome:
        return f"{plan}: ended as {over[0]}, {message}"
    if outcome == "FAILED" and not (message and re.search(plan.says, message, re.I)):
        return f"{plan}: the reason is {message!r}"
    return None


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Diary:
    """Of all benches: {"at", "bench", "run", "what"} per line, what = begin, end, overlap."""

    def __init__(self, folder):
        self.problems, self.worked_s, self.attempts, self.last = [], collections.Counter(), collections.Counter(), {}
        self.benches = collections.defaultdict(set)
        self.simulators = {path.name[5:]: read_lines(path) for path in folder.glob("sims-*")}
        for path in folder.glob("diary-*"):
            for entry in read_lines(path):
                self.take(entry)

    def was_in_trouble(self, run):
        """Had the simulator of one of its benches a fault, or did it end, while the run was there?"""
        begin, end = (datetime.datetime.fromisoformat(run[key]).timestamp() for key in ("created", "end_time"))
        for life in (self.simulators[bench] for bench in self.benches[run["id"]]):
            for this, after in zip(life, life[1:] + [{"at": math.inf}]):
                if this["at"] < end and after["at"] > begin and (this["fault"] or after["at"] < end):
                    return True
        return False

    def take(self, entry):
        if entry["what"] == "overlap":
            self.problems.append(f"{entry['bench']} was driven by two at once: {entry}")
        elif entry["what"] == "begin":
            self.attempts[entry["run"]] += 1
            self.benches[entry["run"]].add(entry["bench"])
        elif entry["at"] >= self.last.get(entry["run"], entry)["at"]:
            self.last[entry["run"]] = entry
        if entry["what"] == "end":
            self.worked_s[entry["bench"]] += entry["virtual_s"]

    def check(self, runs):
        return self.problems + [f"{run['id']} is {run['state_type']} and no bench knows it" for run in runs
                                if run["id"] not in self.attempts]


def check_row(row, run, last):
    """A report's row against its run and what the bench wrote down last."""
    noted = run and run["state_type"] == "FAILED" and "its run is Failed: " in row["reason"]  # it had measured before
    if not run or (run["state_type"] == "COMPLETED") != (row["status"] == "result") and not noted:
        return f"is {row['status']}, its run {run and run['state_type']}"
    if row["flow_run_id"] != run["id"] or not (row["status"] == "result" or row["reason"]):
        return f"belongs to {row['flow_run_id']}, the reason is {row['reason']!r}"
    if row["status"] == "result" and row["origin"] != "emulated":
        return f"is said to be {row['origin']}"
    energy_j = last and last.get("energy_j")
    if row["status"] == "result" and last and not math.isclose(float(row["median_energy_per_inference_j"]), energy_j or -1, rel_tol=1e-8):
        return f"says {row['median_energy_per_inference_j']} J, the bench {energy_j}"
    return None


def far_from(rows, column):
    """How far each row's figure is from the median, and the farthest of all."""
    middle = statistics.median(float(row[column]) for row in rows)
    return middle, [abs(float(row[column]) / middle - 1) for row in rows]


def check_energies(rows, target):
    """All boards of a target do the same: a figure that stands apart is a wrong one.  An idle level that moved (`idle-step`) is really
    drawn: it is in the total energy only, and the report must say so."""
    found = [row for row in rows if row["status"] == "result" and row["target"] == target]
    if not found:
        return [f"report: no result on {target}"]
    (middle, total), (_, dynamic) = (far_from(found, f"median_{kind}energy_per_inference_j") for kind in ("", "dynamic_"))
    noted = ["its idle current is" in row["reason"] for row in found]
    print("weekend: %d results on %s, median %.6g J per inference, the farthest %.3f %% away, of dynamic energy %.3f %%; %d moved idle levels, noted" % (
        len(found), target, middle, 100 * max([t for t, n in zip(total, noted) if not n]), 100 * max(dynamic), sum(noted)))
    return [f"report: {row['model']} on {target} says {row['median_energy_per_inference_j']} J, the others {middle:.5g}"
            for row, t, d, n in zip(found, total, dynamic, noted) if d > SPREAD_MAX or t > SPREAD_MAX and not n]


def check_report(lab, campaign, runs, diary):
    folder = lab.folder / ("report-" + campaign)
    done = lab.cli("campaign", "report", campaign, "--dir", folder)
    if done.returncode or not (folder / "report.csv").exists():
        return ["no report: " + done.stdout[-300:] + done.stderr[-300:]]
    with open(folder / "report.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = collections.Counter((row["model"], row["target"]) for row in rows)
    wanted = {(run["parameters"]["model"], run["parameters"]["target"]): run for run in runs}
    problems = [f"report: {pair} stands {n} times" for pair, n in pairs.items() if n != 1]
    problems += [f"report: no row for {pair} ({run['state_type']})" for pair, run in wanted.items() if pair not in pairs]
    for row in rows:
        run = wanted.get((row["model"], row["target"]))
        wrong = check_row(row, run, run and diary.last.get(run["id"]))
        if wrong:
            problems.append(f"report: {row['model']} on {row['target']} {wrong}")
    for target in virtual_bench.EMULATED if campaign == REAL else []:
        problems += check_energies(rows, target)
    print("weekend: the report of %s has %d rows for %d runs, %d results" % (
        campaign, len(rows), len(runs), sum(row["status"] == "result" for row in rows)))
    return problems


def check_devices(lab):
    """Each must be seen free; a simulator that is being started again is offline for a moment."""
    leaked = dict.fromkeys(lab.benches + lab.emulated, "gone")
    end = time.monotonic() + FREE_S
    seen = set()
    while leaked and time.monotonic() < end:
        devices = lab.call("GET", "/switchyard/devices")
        seen |= {d["name"] for d in devices if d["status"] == "FREE" and not d["used"]}
        leaked = {name: "gone" for name in set(lab.benches + lab.emulated) - seen} | {d["name"]: d for d in devices if d["name"] not in seen}
        time.sleep(0.5)
    return [f"{name} is leaked: {device}" for name, device in leaked.items()]


def check_trouble(kills, done_kills, virtual_hours, options):
    problems = [f"{n} kills of kind {kind}, {done_kills[kind]} were made" for kind, n in kills.items() if done_kills[kind] != n]
    return problems + ([] if virtual_hours >= 0.9 * options.hours else [f"{virtual_hours:.1f} virtual hours only"])


def print_figures(runs, diary, options, seed):
    plans = [virtual_bench.plan(seed, r["parameters"]["model"], r["parameters"]["target"]) for r in runs]
    kinds = collections.Counter(p.kind for p in plans)
    print("weekend: runs %d: %s; by kind %s" % (len(runs), dict(collections.Counter(r["state_type"] for r in runs)), dict(kinds)))
    drawn = {kind: collections.Counter(p.fault or "none" for p in plans if p.kind == kind) for kind in kinds if kind not in ("fine", "hang")}
    for kind, faults in drawn.items():
        print("weekend: %s: %d kinds of fault: %s" % (kind, len(faults) - ("none" in faults), dict(faults.most_common())))
    lives = [entry for life in diary.simulators.values() for entry in life]
    faults = collections.Counter(entry["fault"] or "none" for entry in lives)
    print("weekend: emulated benches: %d lives of simulators, %d kinds of fault: %s; %d came while one measured" % (
        len(lives), len(faults) - ("none" in faults), dict(faults.most_common()), sum(entry["came_before"] for entry in lives)))
    print("weekend: %d attempts for %d runs, %.0f virtual hours of measuring on %d benches" % (
        sum(diary.attempts.values()), len(runs), sum(diary.worked_s.values()) / 3600, len(diary.worked_s)))


def is_late(problem):
    """The machine was too busy for an emulated meter that keeps time: nothing is proven, nothing is wrong."""
    return "the emulator was late" in problem


def check(lab, options, seed):
    by_campaign = {campaign: all_runs(lab, campaign) for campaign in CAMPAIGNS}
    runs = [run for some in by_campaign.values() for run in some]
    wanted, diary = options.runs + options.real_runs, Diary(lab.folder)
    problems = [] if len(runs) == wanted == len({run["id"] for run in runs}) else [f"{len(runs)} runs, {wanted} were asked for"]
    checked = [(run, check_run(lab, run, seed, diary)) for run in runs]
    outcomes = [run["id"] + ": " + wrong for run, wrong in checked if wrong]
    late = [problem for problem in outcomes if is_late(problem)]
    problems += [problem for problem in outcomes if not is_late(problem)] if len(late) <= LATE_MAX * wanted else outcomes
    problems += diary.check(runs)
    leaked = check_devices(lab)
    for campaign, some in by_campaign.items():
        problems += check_report(lab, campaign, some, diary)
    print_figures(runs, diary, options, seed)
    print("weekend: %d doubled, missing or dishonest outcomes, %d leaked devices, %d emulators were late" % (
        len(outcomes) - len(late), len(leaked), len(late)))
    return problems + leaked


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("SWITCHYARD_BUILD", ROOT / "build/debug"), type=pathlib.Path)
    parser.add_argument("--hours", default=48, type=float, help="of the benches' clock")
    parser.add_argument("--minutes", default=8, type=float, help="of ours, about")
    parser.add_argument("--boards", default=40, type=int)
    parser.add_argument("--agents", default=4, type=int)
    parser.add_argument("--runs", default=480, type=int, help="a multiple of 6")
    parser.add_argument("--real-runs", default=160, type=int, help="through board.flash and power.measure; even")
    parser.add_argument("--kills", default=20, type=int)
    parser.add_argument("--seed", default=None, type=int)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-weekend-"))
    folder.chmod(0o755)
    speed = options.hours * 60 / options.minutes
    # the scarcest boards decide: 40 boards of 6 targets are 6 of some and 7 of others
    options.run_hours = options.hours * (options.boards // len(TARGETS)) / (options.runs / len(TARGETS))
    (folder / "plan.json").write_text(json.dumps({"seed": seed, "speed": speed, "run_s": options.run_hours * 3600,
                                                  "build": str(options.build.resolve())}))
    print("weekend: %d runs of %.2f h on %d boards, %d agents, %d kills, %.0f times as fast, seed %d, %s" % (
        options.runs, options.run_hours, options.boards, options.agents, options.kills, speed, seed, folder), flush=True)
    lab, rng, problems = Lab(options.build.resolve(), folder, free_ports(2), options.boards, options.agents), random.Random(seed), ["?"]
    kills = {"server": options.kills // 6, "second server": options.kills // 6, "database": options.kills // 8}
    kills["agent"] = options.kills - sum(kills.values())
    try:
        lab.start_server()
        lab.call("GET", "/health")
        lab.start_second()
        for k in range(options.agents):
            lab.start_one(k)
        wait_until("the benches", lambda: sum(d["status"] == "FREE" and d["type"] == "bench" for d in lab.call("GET", "/switchyard/devices")) ==
                   options.boards + len(lab.emulated), 60)
        deploy(lab, options, speed)
        create(lab, CAMPAIGN, [f"m{k:03d}" for k in range(options.runs // len(TARGETS))])
        create(lab, REAL, [f"m{k:03d}" for k in range(options.real_runs // len(virtual_bench.EMULATED))])
        done, took_s = trouble(lab, rng, kills, options.runs + options.real_runs, options.minutes * 60, options.minutes * 60 * 6 + 300)
        print("weekend: killed %s; %.0f s, %.1f virtual hours" % (dict(done), took_s, took_s * speed / 3600))
        problems = check_trouble(kills, done, took_s * speed / 3600, options) + check(lab, options, seed)
        for problem in problems[:40]:
            print("  " + problem)
    finally:
        lab.stop()
        if problems:
            print("weekend: FAILED, see %s" % folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return bool(problems)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())

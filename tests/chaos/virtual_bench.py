#!/usr/bin/env python3
"""One measurement on a virtual bench, for weekend.py: virtual_bench.py FOLDER RUN BENCH MODEL TARGET; FOLDER image RUN BENCH MODEL
TARGET prints what an emulated board shall run; FOLDER simulate --dir DIR ... is the simulator of an emulated bench, with a drawn fault
and a short life.

Prints the artifact of the measurement, or ends with a reason on stderr.  What will happen is drawn from seed, model and target
alone (`plan`), so that weekend.py knows it too.  Most runs are measured by the real `switchyard-worker power record` on an emulated
meter of a drawn dialect (reference 2.4) with a drawn fault of the whole list (7.3): the figures must be the meter's own, to the last
digit, or refused with a reason that names the fault."""
import collections
import fcntl
import hashlib
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from strange_dialects import FAULTS as METER_FAULTS, Dialect  # noqa: E402

# outcome None: both are honest, the bench's diary knows which it was.  says: a regular expression for the reason.
Plan = collections.namedtuple("Plan", "fault kind outcome says")

# What a bench sees besides its meter (reference 4.4); here only a program that ends with that reason.
PERMANENT = ["board does not boot", "flash not verified", "no acknowledgement", "target locked", "target voltage low", "hub gone"]
TRANSIENT = ["probe busy", "port renumbered", "console silent", "cannot connect"]
DISK_FULL = "disk_full"  # of the agent, while the trace is written
KINDS = {"fine": 12, "transient": 8, "permanent": 4, "hang": 1, "metered": 75}
HEALTHY = 0.25  # of the meters


EMULATED = ["netduinoplus2", "netduino2"]  # the targets of benches that the real steps drive
_BOOT = "printf 'SY-BOOT build=%s target=t model=m\\r\\n'\n"
_RUN = "printf 'SY-START n=%s\\r\\nSY-END n=%s us=%s check=0\\r\\n' $n $n $((n * 2000))\n"
# What the board runs: a script that stands in for QEMU and firmware; and the reason that the run must give.
BOARDS = {"none": (_BOOT + "while read -r word n; do\n" + _RUN + "done\n", ""),
          "boots another build": (_BOOT.replace("%s", "other") + "exec sleep 100\n", "runs build other"),
          "does not boot": ("exec sleep 100\n", "did not boot"),
          "refuses the model": (_BOOT + "read -r l\nprintf 'SY-ERR no TFL3 id\\r\\n'\nexec sleep 100\n", "no TFL3 id"),
          "is deaf": (_BOOT + "exec sleep 100\n", "did not answer `run 1`"),
          "two boot banners": (_BOOT + "read -r w n\n" + _BOOT + "exec sleep 100\n", "rebooted")}


# Of an emulated bench: its simulator's faults, and when they come ({s}: in the first acquisition that lasts so long).
SIM_FAULTS = {name: "{s}" for name in ("drop-byte", "dup-byte", "flip-byte", "odd-start", "no-stamp", "short-block", "long-block", "f0f0f3",
                                       "stamp-f0f3", "overcurrent", "overcurrent-4", "overcurrent-8", "unknown-tag", "error-text", "early-end",
                                       "brown-out", "stuck", "zero", "idle-step", "stall", "stale", "buffer-99", "overflow", "replug")}
SIM_FAULTS |= {name: "" for name in ("wrap", "bias", "drift", "skew", "residual-prompt", "reply-shift", "err-word", "bin-hex")}
SIM_FAULTS |= {"ack-never": "@start", "refuse": "@volt"}
SIM_HEALTHY, SIM_LIFE_S = 0.3, (15, 60)


def fired(truth):
    """Did the fault of the life before come?"""
    try:
        return any(fault["fired"] for fault in json.loads(truth.read_text(encoding="utf-8"))["faults"])
    except (OSError, ValueError):
        return False


def simulate(folder, *words):
    """Draws a fault, writes it down, and becomes the simulator; it ends after a while and is started again by its agent."""
    settings = json.loads((pathlib.Path(folder) / "plan.json").read_text(encoding="utf-8"))
    place = pathlib.Path(words[words.index("--dir") + 1])
    rng = random.Random()
    fault, life_s = None if rng.random() < SIM_HEALTHY else rng.choice(sorted(SIM_FAULTS)), rng.uniform(*SIM_LIFE_S)
    when = SIM_FAULTS.get(fault, "").format(s="@%.2f" % rng.uniform(0.02, 0.6))
    with open(pathlib.Path(folder) / ("sims-" + place.name), "a", encoding="utf-8") as file:
        file.write(json.dumps({"at": time.time(), "fault": fault, "came_before": fired(place / "truth.json")}) + "\n")
    more = ["--fault", fault + when] if fault else []
    os.execvp("timeout", ["timeout", "%.1f" % life_s, settings["build"] + "/switchyard-benchsim", *words, *more])


def build_id(model, target):
    return "b" + hashlib.sha256(f"{model}/{target}".encode()).hexdigest()[:7]


def image(seed, model, target):
    return "\x7fELF\n" + BOARDS[plan(seed, model, target).fault or "none"][0].replace("build=%s", "build=" + build_id(model, target))


def plan(seed, model, target):
    rng = random.Random(f"{seed}/{model}/{target}")
    if target in EMULATED:
        fault = rng.choices(list(BOARDS), [70, 6, 6, 6, 6, 6])[0]
        return Plan(None if fault == "none" else fault, "real", "FAILED" if BOARDS[fault][1] else "COMPLETED", BOARDS[fault][1])
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "fine":
        return Plan(None, kind, "COMPLETED", "")
    if kind == "transient":
        return Plan(rng.choice(TRANSIENT), kind, "COMPLETED", "")
    if kind == "permanent":
        fault = rng.choice(PERMANENT)
        return Plan(fault, kind, "FAILED", "virtual bench: " + fault)
    if kind == "hang":
        return Plan("hangs", kind, "FAILED", "longer than its timeout")
    return metered(rng)


def metered(rng):
    """A fault that fits the dialect, or none."""
    if rng.random() < HEALTHY:
        return Plan(None, "metered", "COMPLETED", "")
    fault = rng.choice(sorted(METER_FAULTS) + [DISK_FULL])
    if fault == DISK_FULL:
        return Plan(fault, "metered", "FAILED", "No space left")
    expected, _, says = METER_FAULTS[fault].partition(":")
    outcome = {"exact": "COMPLETED", "refuse": "FAILED"}.get(expected)
    return Plan(fault, "metered", outcome, says if outcome != "COMPLETED" else "")


class Diary:
    """What a bench notes; one at a time may drive it."""

    def __init__(self, folder, bench, run):
        self.bench, self.run = bench, run
        self.file = open(folder / f"diary-{bench}", "a", encoding="utf-8")
        self.lock = open(folder / f"lock-{bench}", "a", encoding="utf-8")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.note("overlap")
            raise SystemExit(f"{bench} is driven by another run")

    def note(self, what, **more):
        entry = {"at": time.time(), "bench": self.bench, "run": self.run, "what": what, **more}
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()


def again(folder, run):
    """How often this run was tried before."""
    path = folder / f"tries-{run}"
    with open(path, "ab") as file:
        file.write(b".")
    return path.stat().st_size - 1


def meter_case(settings, fault, seed):
    """With a dialect that can have the fault."""
    import meter_cases
    rng = random.Random(seed)
    while True:
        dialect = Dialect.drawn(rng)
        if fault is None or fault == DISK_FULL or meter_cases.fits(fault, dialect):
            case = meter_cases.case("none" if fault in (None, DISK_FULL) else fault, dialect, rate_hz=10000, seconds=0.2, seed=rng.randrange(1 << 20))
            return case._replace(extra=["--trace", "/dev/full"] if fault == DISK_FULL else [])


def record(settings, what, seed):
    """The mean current by the real driver on an emulated meter; its refusal ends this program."""
    os.environ["SWITCHYARD_BUILD"] = settings["build"]
    import meter_cases
    case = meter_case(settings, what.fault, seed)
    for _ in range(6):  # on a busy machine the emulator itself comes too late
        got, late_s = meter_cases.attempt(case)
        good = got.verdict == "ok" or what.fault == DISK_FULL and got.status and not got.figures.strip()
        if good or late_s < 0.2 and got.verdict in ("WRONG", "WRONG, warned", "FIGURES", "CRASH"):
            break
    if not good:
        late = late_s >= 0.2 and got.verdict in ("NOISY", "REFUSED", "UNNAMED", "UNSEEN")
        print(f"virtual bench: {'the emulator was late' if late else got.verdict}: {got.why} [{case}]", file=sys.stderr)
        raise SystemExit(9)
    if got.status:
        print(got.said.strip(), file=sys.stderr)
        raise SystemExit(got.status)
    return json.loads(got.figures)["mean_a"]


ENERGY_PER_A = 3.3 * 0.01  # J per inference


def artifact(run, bench, model, target, mean_a):
    energy_j = mean_a * ENERGY_PER_A
    windows = [{"start_s": k + 0.0, "end_s": k + 1.0, "inferences": 100, "energy_j": energy_j * 100, "energy_per_inference_j": energy_j}
               for k in range(5)]
    gates = [{"name": "lost_samples", "passed": True, "value": 0, "limit": 0.001, "detail": "0 of 500000"}]
    data = {"model": model, "target": target, "board": bench, "meter": "virtual", "emulated": True, "volts": 3.3,
            "sample_rate_hz": 100000, "samples": 500000, "lost": 0, "windows": windows, "gates": gates, "latency_s": 0.01,
            "median_energy_per_inference_j": energy_j, "build_id": "v" + hashlib.sha256(model.encode()).hexdigest()[:7],
            "flash_bytes": 100000, "ram_bytes": 20000}
    return {"type": "measurement", "key": "measurement", "flow_run_id": run, "data": data}


def main(folder, run, bench, model, target):
    folder = pathlib.Path(folder)
    settings = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    what = plan(settings["seed"], model, target)
    diary = Diary(folder, bench, run)
    diary.note("begin", fault=what.fault)
    tries = again(folder, run)
    rng = random.Random(f"{run}/{tries}")
    virtual_s = settings["run_s"] * rng.uniform(0.7, 1.2)
    if what.kind == "hang":
        time.sleep(100000)
    time.sleep(virtual_s / settings["speed"])
    try:
        mean_a = record(settings, what, f"{model}/{target}") if what.kind == "metered" else 0.02 * rng.uniform(0.99, 1.01)
    except SystemExit as refused:
        diary.note("end", virtual_s=virtual_s, status=refused.code)
        raise
    diary.note("end", virtual_s=virtual_s, status=0, energy_j=mean_a * ENERGY_PER_A)
    if what.kind == "permanent" or what.kind == "transient" and tries == 0:
        print("virtual bench: " + what.fault, file=sys.stderr)
        return 3
    print(json.dumps(artifact(run, bench, model, target, mean_a)))
    return 0


def print_image(folder, _, run, bench, model, target):
    settings = json.loads((pathlib.Path(folder) / "plan.json").read_text(encoding="utf-8"))
    Diary(pathlib.Path(folder), bench, run).note("begin")
    print(image(settings["seed"], model, target), end="")


if __name__ == "__main__":
    sys.exit({"image": print_image, "simulate": lambda folder, _, *words: simulate(folder, *words)}.get(sys.argv[2], main)(*sys.argv[1:]))

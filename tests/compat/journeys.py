#!/usr/bin/env python3
"""journeys.py [--quick] [--python PYTHON] VERSION [JOURNEY...]: the journeys below with that version of Prefect's SDK and CLI.

Starts our server, or uses the one at TEST_API_URL.  A line per journey; the end of the output of what failed."""
import argparse
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402

JOURNEY_S, RSS_LIMIT_MB, AT_ONCE = 1800, 80, 2
# name, part of the short form
JOURNEYS = [
    ("retries", True),
    ("caching", True),
    ("mapping", True),
    ("subflows", True),
    ("hooks", True),
    ("pause", False),
    ("inputs", True),
    ("suspend", False),
    ("serve", False),
    ("worker", True),
    ("agent", True),
    ("cancel_tree", False),
    ("schedules", False),
    ("limits", True),
    ("deployment_limit", False),
    ("background", True),
    ("artifacts", False),
    ("variables", False),
    ("blocks", True),
    ("events", True),
    ("automations", False),
    ("actions", True),
    ("logs", True),
    ("flow_run_cli", False),
    ("work_pools", False),
    ("project", False),
    ("command", False),
    ("programs", False),
]


def environment(url, folder):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return {
        **kept, "PREFECT_API_URL": url, "PREFECT_HOME": folder + "/prefect", "HOME": folder, "COLUMNS": "250",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "NO_COLOR": "1", "TERM": "dumb",
        "PYTHONUNBUFFERED": "1", "PREFECT_CLI_PROMPT": "true", "PREFECT_CLI_COLORS": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": folder + "/results", "GIT_CONFIG_GLOBAL": "/dev/null",
    }


def heed_keyboard():
    """A shell starts background jobs with SIGINT ignored, which children inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def travel(python, url, name):
    """Gives (exit status, output, seconds)."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"journey-{name}-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen([python, str(HERE / "journeys" / (name + ".py"))], cwd=folder, text=True,
                                   env=environment(url, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=heed_keyboard)
        try:
            said, status = process.communicate(timeout=JOURNEY_S)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, status = process.communicate()[0] + f"\nnot done after {JOURNEY_S} s", 1
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
        except ProcessLookupError:
            pass
    return status, said, time.monotonic() - began


def interpreter(version):
    venv = subprocess.run([HERE / "install_prefect.sh", version], check=True, stdout=subprocess.PIPE, text=True)
    return venv.stdout.strip() + "/bin/python"


def memory_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--python")
    parser.add_argument("version")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or [name for name, quick in JOURNEYS if quick or not options.quick]
    python = options.python or interpreter(options.version)
    count = {"passed": 0, "failed": 0, "skipped": 0}

    def tell(kind, name, seconds, said):
        count[kind] += 1
        line = f"{name} ({options.version}, {seconds:.1f} s)"
        print({"passed": f"ok {line}", "failed": f"not ok {line}", "skipped": f"ok {line} # SKIP"}[kind], flush=True)
        if kind == "failed":
            print("\n".join("  | " + row for row in said.splitlines()[-120:]), flush=True)

    with live.Server() as server, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        going = {pool.submit(travel, python, server.url, name): name for name in names}
        for done in concurrent.futures.as_completed(going):
            status, said, seconds = done.result()
            tell({0: "passed", 77: "skipped"}.get(status, "failed"), going[done], seconds, said)
        if not server.foreign:
            peak = memory_mb(server.process.pid)
            kind = "passed" if peak <= RSS_LIMIT_MB else "failed"
            tell(kind, f"server's memory: {peak:.0f} MB at most, limit {RSS_LIMIT_MB} MB", 0, server.log()[-2000:])
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

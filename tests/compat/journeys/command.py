"""The whole tree of `prefect`: every sub-command that talks to a server, and what it says.

With TRANSCRIPT set, all that was said goes into that file without ids and times: made with a real Prefect as well
(TEST_API_URL), two of them can be compared."""
import json
import re
import traceback

from prefect.artifacts import create_markdown_artifact
from tool import *

NORMAL = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"), (TAG, "TAG"), (r"http://127.0.0.1:\d+", "URL"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?( UTC)?( \([^)]*\))?", "TIME"), (r"DateTime\(.*?\)\)?|datetime\.datetime\(.*?\)\)?", "TIME"),
    (r"\b(\d+|an?|few) ?(second|minute|hour)s? ago|just now|now|in \d+ \w+|\d+ \w+ from now", "AGO"), (re.escape(os.getcwd()), "HERE"),
    (r"[│┃║|╭╮╰╯─━┏┓┗┛┡┩┳┻╇└┘┴┬┌┐├┤┼█\s]+", " "),
]
FLOW = """
from prefect import flow, task

@task
def part(n):
    return n

@flow(log_prints=True)
def shown(n: int = 1):
    print("shown", n)
    return part(n)
"""
STATES = [{"type": "RUNNING"}, {"type": "FAILED", "message": "on purpose"}]
faults = []


def said(*words, status=0, **more):
    ended, text = command_line.run([str(word) for word in words], more.get("stdin", "y\n" * 3))
    if ended != status:
        faults.append(f"prefect {words} ended with {ended}, expected {status}:\n{text[-1500:]}")
    normal = text
    for pattern, name in NORMAL:
        normal = re.sub(pattern, name, normal)
    asked = " ".join(map(str, words))
    for pattern, name in NORMAL:
        asked = re.sub(pattern, name, asked)
    with open(os.environ.get("TRANSCRIPT", "transcript"), "a") as file:
        file.write(f"$ prefect {asked}\n{normal.strip()}\n\n")
    return text


def run_of(flow_id, name, *states, **more):
    run = api.post("/flow_runs/", {"flow_id": flow_id, "name": name, "state": {"type": "PENDING"}, **more})["id"]
    for state in states:
        api.post(f"/flow_runs/{run}/set_state", {"state": state, "force": True})
    return run


def about_the_server():
    has(said("version"), "3.")
    assert json.loads(said("api", "GET", "/hello", stdin="")) == "👋"
    made = json.loads(said("api", "POST", "/variables/", "--data", json.dumps({"name": "api_" + TAG, "value": 1}), stdin=""))
    assert made["value"] == 1, made
    said("api", "GET", "/variables/name/none_" + TAG, status=4, stdin="")
    said("config", "view", "--hide-sources")
    said("profile", "inspect")
    said("server", "services", "ls")
    has(said("experimental", "plugins", "diagnose"), "lugin")
    said("experimental", "result-storage", "inspect")
    from prefect.filesystems import LocalFileSystem

    LocalFileSystem(basepath="/tmp").save(unique("results"))
    said("experimental", "result-storage", "set", "local-file-system/" + unique("results"))
    has(said("experimental", "result-storage", "inspect"), unique("results"))
    said("experimental", "result-storage", "clear")
    has(said("experimental", "result-storage", "inspect"), "No default result storage is configured")


def variables_and_blocks():
    said("variable", "set", "v_" + TAG, '{"a": [1]}', "--tag", "lab")
    has(said("variable", "inspect", "v_" + TAG, "--output", "json"), '"a"')
    has(said("variable", "get", "v_" + TAG), "a")
    said("variable", "set", "v_" + TAG, "two", status=1)
    said("variable", "set", "v_" + TAG, "two", "--overwrite")
    said("variable", "delete", "v_" + TAG)
    said("variable", "get", "v_" + TAG, status=1)
    has(said("block", "inspect", "local-file-system/" + unique("results")), "basepath")
    said("block", "inspect", "local-file-system/none-" + TAG, status=1)
    has(said("block", "create", "secret"), "create")
    said("block", "create", "none-" + TAG, status=1)
    has(said("block", "type", "inspect", "secret"), "Secret")
    said("block", "type", "inspect", "none-" + TAG, status=1)
    said("block", "type", "delete", "secret", status=1)  # a protected one
    said("block", "delete", "local-file-system/" + unique("results"))
    said("block", "delete", "local-file-system/" + unique("results"), status=1)


def pools_and_queues():
    pool = unique("tree")
    said("work-pool", "create", pool, "--type", "process", "--paused")
    said("work-pool", "create", pool, "--type", "process", status=1)
    said("work-pool", "create", pool, "--type", "process", "--overwrite")
    said("work-pool", "create", unique("odd"), "--type", "no-such-type", status=1)
    said("work-pool", "inspect", pool, "--output", "json")
    said("work-pool", "resume", pool)
    said("work-pool", "set-concurrency-limit", pool, "3")
    said("work-pool", "slots", pool)
    said("work-pool", "storage", "inspect", pool)
    said("work-pool", "preview", pool)
    said("work-pool", "inspect", "none-" + TAG, status=1)
    said("work-pool", "pause", "none-" + TAG, status=1)
    said("work-queue", "create", "urgent", "--pool", pool, "--priority", "1", "--limit", "2")
    said("work-queue", "create", "urgent", "--pool", pool, status=1)
    said("work-queue", "slots", "urgent", "--pool", pool)
    said("work-queue", "inspect", "urgent", "--pool", pool, "--output", "json")
    said("work-queue", "inspect", "none", "--pool", pool, status=1)
    said("work-queue", "ls", "--pool", pool)
    said("work-queue", "pause", "urgent", "--pool", pool)
    said("work-queue", "resume", "urgent", "--pool", pool)
    said("work-queue", "preview", "urgent", "--pool", pool)
    said("work-queue", "read-runs", "urgent", "--pool", pool)
    said("work-queue", "delete", "urgent", "--pool", pool)
    said("work-queue", "delete", "urgent", "--pool", pool, status=1)
    return pool


def limits():
    name = unique("limit")
    said("concurrency-limit", "create", name, "2")
    said("concurrency-limit", "inspect", name)
    said("concurrency-limit", "reset", name)
    said("concurrency-limit", "delete", name)
    said("concurrency-limit", "inspect", name, status=1)
    said("global-concurrency-limit", "create", name, "--limit", "2", "--slot-decay-per-second", "1.5")
    said("global-concurrency-limit", "create", name, "--limit", "2", status=1)
    said("global-concurrency-limit", "update", name, "--limit", "3")
    said("global-concurrency-limit", "disable", name)
    said("global-concurrency-limit", "disable", name, status=1)
    said("global-concurrency-limit", "enable", name)
    has(said("global-concurrency-limit", "inspect", name, "--output", "json"), '"limit": 3')
    said("global-concurrency-limit", "delete", name)
    said("global-concurrency-limit", "inspect", name, status=1)


def runs(flow_id):
    bad, scheduled = run_of(flow_id, unique("bad"), *STATES), run_of(flow_id, unique("later"), {"type": "SCHEDULED", "name": "Scheduled"})
    has(said("flow-run", "inspect", bad, "--output", "json"), "on purpose")
    has(said("flow-run", "ls", "--flow-name", unique("shown"), "--state", "Failed"), unique("bad"))
    said("flow-run", "logs", bad)
    said("flow-run", "cancel", scheduled)
    assert flow_run(scheduled)["state_type"] == "CANCELLED"
    said("flow-run", "cancel", scheduled, status=1)
    said("flow-run", "watch", bad, status=1)
    said("flow-run", "retry", bad, status=1)  # it has no deployment and no entrypoint is given
    said("flow-run", "delete", bad)
    said("flow-run", "delete", bad, status=1)
    said("flow-run", "inspect", bad, status=1)
    said("task-run", "inspect", bad, status=1)
    said("flow", "ls", "--limit", "1")


def deployments(pool):
    script("flow.py", FLOW.replace("def shown", f"def shown_{TAG}"))
    name = f"shown-{TAG}/" + unique("d")
    has(said("--no-prompt", "deploy", f"flow.py:shown_{TAG}", "-n", unique("d"), "--pool", pool, "--cron", "0 3 * * *"), "successfully created")
    has(said("deployment", "inspect", name, "--output", "json"), '"cron": "0 3 * * *"')
    said("deployment", "inspect", "none/none-" + TAG, status=1)
    said("deployment", "schedule", "create", name, "--rrule", '{"rrule": "FREQ=WEEKLY;BYDAY=MO", "timezone": "Europe/Rome"}')
    said("deployment", "schedule", "create", name, "--cron", "no cron", status=1)
    said("deployment", "schedule", "ls", name)
    said("deployment", "schedule", "clear", name)
    run = started(name, "-p", "n=7", "--flow-run-name", unique("once"))
    has(said("flow-run", "execute", run), "shown 7")
    ends(run)
    said("flow-run", "retry", run)  # scheduled again: its deployment has a pool
    assert flow_run(run)["state"]["message"] == "Retried via CLI", flow_run(run)["state"]
    said("flow-run", "cancel", run)
    rows = task_runs(run, 1)
    has(said("task-run", "ls", "--task-run-name", rows[0]["name"]), rows[0]["name"])
    has(said("sdk", "generate", "--output", "made_sdk.py", "--deployment", name), "made_sdk.py")
    has(pathlib.Path("made_sdk.py").read_text(), "shown-" + TAG)
    said("deployment", "run", name, "-p", 'n="many"', status=1)
    said("deployment", "delete", name)
    said("deployment", "delete", name, status=1)


def events_and_automations():
    has(said("event", "emit", f"bench.{TAG}.done", "--resource-id", "bench." + TAG, "--payload", '{"energy_j": 0.5}'), "emitted")
    body = {"filter": {"event": {"name": [f"bench.{TAG}.done"]}}}
    until(lambda: api.post("/events/filter", body)["events"], lambda rows: len(rows) == 1 and rows[0]["payload"] == {"energy_j": 0.5})
    given = {"name": unique("auto"), "trigger": {"type": "event", "posture": "Reactive", "expect": ["bench.none"], "threshold": 1, "within": 0},
             "actions": [{"type": "do-nothing"}]}
    said("automation", "create", "--from-json", json.dumps(given))
    has(said("automation", "inspect", unique("auto"), "--json"), "bench.none")
    said("automation", "update", "--id", next(a["id"] for a in api.post("/automations/filter", {"automations": {"name": {"any_": [unique("auto")]}}})),
         "--from-json", json.dumps({**given, "description": "again"}))
    said("automation", "disable", unique("auto"))
    said("automation", "enable", unique("auto"))
    said("automation", "delete", unique("auto"))
    said("automation", "inspect", unique("auto"), status=1)
    first = str(create_markdown_artifact("# one", key=unique("art")))
    has(said("artifact", "inspect", unique("art"), "--output", "json"), "# one")
    said("artifact", "delete", "--id", first)
    said("artifact", "inspect", unique("art"), status=1)


def shell():
    has(said("shell", "watch", "echo measured; exit 0", "--flow-name", unique("sh"), "--flow-run-name", unique("sh")), "measured")
    rows = until(lambda: api.post("/flow_runs/filter", {"flow_runs": {"name": {"any_": [unique("sh")]}}}))
    ends(rows[0]["id"])


if __name__ == "__main__":
    need(3, 9)
    flow_id = api.post("/flows/", {"name": unique("shown")})["id"]
    pool = pools_and_queues()
    for part in (about_the_server, variables_and_blocks, limits, lambda: runs(flow_id), lambda: deployments(pool), events_and_automations, shell):
        try:
            part()
        except Exception:
            faults.append(traceback.format_exc())
    assert not faults, "\n".join(faults)

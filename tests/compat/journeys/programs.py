"""Small programs as users write them; what each one sees is what programs.json says, which a real Prefect 3.9.1 gave.

With RECORD set, what was seen goes into that file: with TEST_API_URL at a real Prefect, that is the new programs.json."""
import asyncio
import datetime
import json
import re
import uuid

from prefect import allow_failure, flow, get_client, get_run_logger, tags, task, unmapped
from prefect.artifacts import (Artifact, create_image_artifact, create_link_artifact, create_markdown_artifact,
                               create_progress_artifact, create_table_artifact, update_progress_artifact)
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.filters import FlowFilter
from prefect.concurrency.asyncio import concurrency as async_concurrency
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.deployments import run_deployment
from prefect.futures import as_completed, wait
from prefect.runtime import deployment as this_deployment
from prefect.runtime import flow_run as this_run
from prefect.runtime import task_run as this_task
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.transactions import transaction
from prefect.variables import Variable
from pydantic import SecretStr
from tool import *

RECORDED = HERE / "programs.json"
NORMAL = [(TAG, "TAG"), (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"), (r"http://[\w.:]+", "URL"),
          (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*\S*", "TIME")]
programs, kept = {}, []


def program(function):
    programs[function.__name__] = function
    return function


def refusal(call, *given, **named):
    """What the user is told; None: it worked."""
    try:
        call(*given, **named)
    except BaseException as error:
        return [type(error).__name__, str(error)[:300]]


def ask(what, *given, **named):
    """One call of the client; the answer, or the kind of error."""
    async def once():
        async with get_client() as client:
            return await getattr(client, what)(*given, **named)
    return asyncio.run(once())


def run_of(state, tasks=0):
    """What the server knows about the run that ended in this state."""
    run_id = str(state.state_details.flow_run_id)
    row = flow_run(run_id)
    found = [row["state_name"], row["state"]["message"], row["run_count"], sorted(row["tags"]), row["parameters"], states(run_id)]
    body = {"flow_runs": {"id": {"any_": [run_id]}}}
    seen = until(lambda: api.post("/task_runs/filter", body),
                 lambda found: len(found) == tasks and all(r["state_name"] not in ("Pending", "Running") for r in found)) if tasks else []
    rows = [[r["task_key"].rsplit("-", 1)[0].rsplit(".", 1)[-1], r["state_name"], r["run_count"], r["state"]["message"], sorted(r["tags"]),
             sorted(set(r["task_inputs"]) - {"__parents__"}), bool(r["cache_key"])] for r in seen]
    return found + sorted(rows, key=str)


@task
def add(a, b=1):
    return a + b


@task
def fails():
    raise ValueError("broken part")


@task(timeout_seconds=0.5)
def slow():
    time.sleep(3)


@task
async def later(n, seconds=0.05):
    await asyncio.sleep(seconds)
    return n


@program
def futures():
    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def many():
        given = [add.submit(n) for n in range(4)]
        done, left = wait(given)
        return [len(done), len(left), sorted(f.result() for f in as_completed(given)), given[0].state.name]
    state = many(return_state=True)
    return [state.result(), run_of(state, 4)]


@program
def mapping():
    @flow
    def mapped():
        first = add.map([1, 2, 3], b=unmapped(10))
        return add.map(first, first).result()
    state = mapped(return_state=True)
    return [state.result(), run_of(state, 6)]


@program
def what_waits_for_a_failure():
    @flow
    def chain():
        bad = fails.submit()
        given, waits, allowed = add.submit(bad), add.submit(1, wait_for=[bad]), add.submit(1, wait_for=[allow_failure(bad)])
        return [given.wait() or given.state.name, waits.wait() or waits.state.name, allowed.result()]
    state = chain(return_state=True)
    return [state.result(), run_of(state, 4)]


@program
def timeouts():
    @flow
    def task_is_late():
        return slow(return_state=True).name

    @flow(timeout_seconds=0.5)
    def late():
        time.sleep(3)

    @flow(timeout_seconds=0.5)
    async def late_async():
        await asyncio.sleep(3)
    first = task_is_late(return_state=True)
    return [first.result(), run_of(first, 1), run_of(late(return_state=True)), run_of(asyncio.run(late_async(return_state=True)))]


@program
def interrupted():
    @flow(name=unique("interrupted"))
    def stopped():
        raise KeyboardInterrupt("by the user")
    told = refusal(stopped)
    row = ask("read_flow_runs", flow_filter=FlowFilter(name={"any_": [unique("interrupted")]}))[0]
    return [told, row.state.name, row.state.message, states(str(row.id))]


@program
def states_by_hand():
    @flow
    def skipped():
        return Completed(message="enough", name="Skipped")

    @flow
    def mixed():
        return [Completed(), Failed(message="one")]

    @flow
    def dropped():
        return Cancelled(message="no")
    return [run_of(skipped(return_state=True)), run_of(mixed(return_state=True)), refusal(dropped)]


@program
def parameters_are_checked():
    @flow
    def typed(n: int, day: datetime.date = None):
        return [n, str(day)]
    state = typed("3", "2026-01-02", return_state=True)
    return [refusal(typed, "x")[0], state.result(), run_of(state)]


@program
def what_a_run_knows_of_itself():
    @task
    def inner():
        return [this_task.name[:5], this_task.run_count, sorted(this_task.tags), this_task.parameters]

    @flow(name=unique("knows"), flow_run_name="knows-{n}")
    def knows(n):
        with tags("inner"):
            return [inner(), this_run.name, this_run.flow_name, this_run.parameters, this_run.run_count, sorted(this_run.tags),
                    this_run.parent_flow_run_id, this_run.root_flow_run_id == this_run.id, this_deployment.id,
                    this_run.scheduled_start_time is not None, this_run.job_variables]
    with tags("outer"):
        state = knows(3, return_state=True)
    return [state.result(), run_of(state, 1)]


@program
def caches():
    ran = []

    @task(cache_policy=INPUTS, persist_result=True)
    def by_inputs(x):
        ran.append(x)
        return x * 2

    @task(cache_key_fn=lambda context, given: unique(f"key-{given['x']}"), cache_expiration=datetime.timedelta(seconds=60), persist_result=True)
    def by_key(x):
        ran.append(x)
        return x

    @task(cache_policy=NO_CACHE)
    def never(x):
        ran.append(x)
        return x

    @flow
    def twice():
        return [by_inputs(TAG), by_inputs(TAG), by_key(1), by_key(1), never(2), never(2)]
    first, second = twice(return_state=True), twice(return_state=True)
    return [first.result(), ran, run_of(first, 6), run_of(second, 6)]


@program
def transactions():
    seen = []

    @task
    def write():
        return "written"

    @write.on_rollback
    def undo(transaction):
        seen.append("undone")

    @write.on_commit
    def done(transaction):
        seen.append("done")

    @flow
    def careful(bad):
        with transaction(key=unique(f"bad-{bad}")) as one:
            one.set("a", 1)
            write()
            if bad:
                raise RuntimeError("no")
            return one.get("a")
    return [run_of(careful(bad, return_state=True), 1) for bad in (False, True)] + [seen]


@program
def subflows():
    @flow
    def inner(n):
        if n == 3:
            raise ValueError("three")
        return add(n)

    @flow
    def outer():
        return [inner(n) for n in range(2)] + [inner(3, return_state=True).name]
    return run_of(outer(return_state=True), 3)


@program
def asynchronous():
    @flow
    async def inner(n):
        return await later(n)

    @flow
    async def outer():
        three, two = await asyncio.gather(*(later(n) for n in range(3))), await asyncio.gather(*(inner(n) for n in range(2)))
        return [three, two, later.submit(5).result()]
    return run_of(asyncio.run(outer(return_state=True)), 6)


@program
def limits():
    for name, limit, decay in (("meter", 2, 0), ("calls", 1, 5)):
        ask("create_global_concurrency_limit", GlobalConcurrencyLimitCreate(name=unique(name), limit=limit, slot_decay_per_second=decay))

    def taken():
        return api.get("/v2/concurrency_limits/" + unique("meter"))["active_slots"]

    def enter(name, **how):
        with concurrency(unique(name), **how):
            return taken()

    async def enter_async():
        async with async_concurrency([unique("meter")], occupy=1):
            return taken()
    found = [enter("meter", occupy=2), taken(), asyncio.run(enter_async()), taken(), enter("none"), refusal(enter, "none", strict=True)]
    found += [refusal(enter, "meter", occupy=n, timeout_seconds=1) for n in (3, 0, -1)] + [refusal(rate_limit, unique("meter"))]
    began = time.monotonic()
    for _ in range(4):
        rate_limit(unique("calls"))
    return found + [time.monotonic() - began > 0.3]


@program
def variables():
    name = "program_" + TAG
    found = [Variable.get(name, default="none"), Variable.set(name, {"a": [1, None, 2.5]}, tags=["x"]).tags, Variable.get(name)]
    found += [refusal(Variable.set, name, 2), Variable.set(name, 2, overwrite=True).value, Variable.unset(name), Variable.unset(name)]
    return found + [refusal(Variable.set, bad, 1) for bad in ("Big Name", "a" * 300)]


@program
def artifacts():
    @flow
    def reports():
        made = [create_markdown_artifact("# x", key=unique("m"), description="d"), create_table_artifact([{"a": 1}, {"a": 2}], key=unique("t")),
                create_table_artifact({"c": [1, 2]}), create_link_artifact("https://a.b", link_text="x", key=unique("l")),
                create_image_artifact("https://a.b/c.png", key=unique("i")), create_progress_artifact(10.0, key=unique("p"))]
        update_progress_artifact(made[-1], 55.5)
        return [str(one) for one in made]
    rows = [api.get("/artifacts/" + one) for one in reports()]
    found = [[row[key] for key in ("type", "key", "data", "description", "metadata_")] for row in rows]
    again, made = Artifact.get_or_create(key=unique("m"), type="markdown", data="y")
    return found + [again.data, made, Artifact.get(unique("none"))] + [refusal(create_markdown_artifact, "x", key=bad) for bad in ("Big Key", "")]


@program
def blocks():
    class Meter(Block):
        _block_type_slug, _block_type_name = unique("meter"), "Meter " + TAG
        port: str
        token: SecretStr = SecretStr("a")
    kept.append(Meter)
    name = unique("m")
    Meter(port="x", token="secret").save(name)
    loaded = Meter.load(name)
    found = [loaded.port, loaded.token.get_secret_value(), str(loaded.token), refusal(Meter(port="y").save, name)]
    Meter(port="y").save(name, overwrite=True)
    found += [Meter.load(name).port, refusal(Meter.load, "none"), refusal(Meter(port="y").save, "Bad Name"), refusal(Meter.delete, name), refusal(Meter.delete, name)]
    Secret(value={"a": 1}).save(unique("s"))
    return found + [Secret.load(unique("s")).get()]


@program
def runs_of_deployments():
    flow_id = ask("create_flow_from_name", unique("deployed"))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    ask("create_deployment", flow_id=flow_id, name="d", enforce_parameter_schema=True, parameter_openapi_schema=schema, parameters={})
    name = unique("deployed") + "/d"
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    found = [refusal(run_deployment, "none/" + unique("none"), timeout=0)[0]]
    found += [refusal(run_deployment, name, timeout=0, parameters=given)[0] for given in ({}, {"n": "x"})]
    for how in ({"tags": ["t"], "idempotency_key": unique("k"), "flow_run_name": "named"}, {"idempotency_key": unique("k")}, {"scheduled_time": tomorrow}):
        run = run_deployment(name, timeout=0, parameters={"n": 1}, **how)
        found.append([run.state.name, run.parameters, sorted(run.tags), run.name == "named", sorted(run.labels)])

    @flow
    def parent():
        return run_deployment(name, timeout=0, parameters={"n": 5}).parent_task_run_id is not None
    state = parent(return_state=True)
    return found + [state.result(), run_of(state)]


@program
def loggers():
    @task
    def part():
        get_run_logger().warning("from a task")

    @flow(log_prints=True)
    def speaks():
        get_run_logger().info("hello %s", "x")
        part()
        print("printed")
    run_id = str(speaks(return_state=True).state_details.flow_run_id)
    messages(run_id, "Finished in state")
    rows = api.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id]}}})
    return sorted([row["name"], row["level"], row["task_run_id"] is not None] for row in rows)


@program
def what_is_not_there():
    nobody = uuid.UUID("00000000-0000-4000-8000-00000000dead")
    by_id = ("read_flow_run", "read_task_run", "read_deployment", "read_flow", "read_block_document", "delete_flow_run", "delete_deployment")
    by_name = ("read_work_pool", "read_variable_by_name", "read_concurrency_limit_by_tag", "read_global_concurrency_limit_by_name")
    found = [(refusal(ask, what, nobody) or ["answered"])[0] for what in by_id]
    return found + [(refusal(ask, what, unique("none")) or ["answered"])[0] for what in by_name] + [ask("api_healthcheck")]


def plain(value):
    text = json.dumps(value, default=str)
    for pattern, name in NORMAL:
        text = re.sub(pattern, name, text)
    return json.loads(text)


if __name__ == "__main__":
    need(3, 9)
    seen = {name: plain(function()) for name, function in programs.items()}
    if os.environ.get("RECORD"):
        pathlib.Path(os.environ["RECORD"]).write_text(json.dumps(seen, indent=1) + "\n")
    expected = json.loads(RECORDED.read_text())
    different = [name for name in programs if seen[name] != expected[name]]
    for name in different:
        print(f"{name}\n  Prefect: {json.dumps(expected[name])}\n  ours:    {json.dumps(seen[name])}")
    assert not different and set(seen) == set(expected), different

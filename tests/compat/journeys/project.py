"""A prefect.yaml: `prefect deploy --all`, its deployments, definitions with variables, triggers, and changes to it."""
from tool import *

YAML = """
name: bench
prefect-version: 3.0.0
pull:
- prefect.deployments.steps.set_working_directory:
    directory: %(folder)s
definitions:
  pool: &pool
    name: %(pool)s
    work_queue_name: urgent
deployments:
- name: one-%(tag)s
  entrypoint: flow.py:build
  description: builds
  version: "%(version)s"
  tags: [a, b]
  parameters: {target: "{{ prefect.variables.target_%(tag)s }}"}
  work_pool: *pool
  schedules:
  - cron: "0 4 * * *"
    timezone: Europe/Rome
- name: two-%(tag)s
  entrypoint: flow.py:build
  enforce_parameter_schema: true
  work_pool:
    name: %(pool)s
  concurrency_limit: 2
"""
FLOW = """
from prefect import flow

@flow(log_prints=True)
def build(target: str = "f446", optimise: int = 2):
    '''Builds a firmware.'''
    print("built", target, optimise)
"""

if __name__ == "__main__":
    from prefect.variables import Variable

    pool = unique("project")
    Variable.set("target_" + TAG, "l475", overwrite=True)
    script("flow.py", FLOW)
    cli("work-pool", "create", pool, "--type", "process")
    cli("work-queue", "create", "urgent", "--pool", pool)
    given = {"folder": os.getcwd(), "pool": pool, "tag": TAG, "version": "v1"}
    script("prefect.yaml", YAML % given)
    has(cli("--no-prompt", "deploy", "--all"), f"build/one-{TAG}", f"build/two-{TAG}")
    one = api.get(f"/deployments/name/build/one-{TAG}")
    assert (one["description"], one["version"], one["tags"]) == ("builds", "v1", ["a", "b"]), one
    assert one["parameters"] == {"target": "l475"} and one["work_queue_name"] == "urgent"
    assert one["schedules"][0]["schedule"]["timezone"] == "Europe/Rome"
    assert one["pull_steps"][0]["prefect.deployments.steps.set_working_directory"]["directory"] == os.getcwd()
    two = api.get(f"/deployments/name/build/two-{TAG}")
    assert two["global_concurrency_limit"]["limit"] == 2 and two["enforce_parameter_schema"] is True
    has(cli("deployment", "ls"), f"build/one-{TAG}", f"build/two-{TAG}")
    has(cli("deployment", "inspect", f"build/one-{TAG}"), "builds")
    has(cli("deployment", "run", f"build/two-{TAG}", "-p", "optimise=\"much\"", status=1), "much")
    with worker(pool) as it:
        it.wait_for("started!")
        run_id = started(f"build/one-{TAG}")
        ends(run_id)
        has(" ".join(messages(run_id, "Finished in state")), "built l475 2")
    script("prefect.yaml", YAML % {**given, "version": "v2"})
    cli("--no-prompt", "deploy", "-n", f"one-{TAG}")
    again = api.get(f"/deployments/name/build/one-{TAG}")
    assert (again["id"], again["version"]) == (one["id"], "v2")
    cli("deployment", "delete", f"build/two-{TAG}")
    has(cli("deployment", "inspect", f"build/two-{TAG}", status=1), "not found")

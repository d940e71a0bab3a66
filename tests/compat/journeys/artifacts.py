"""Artifacts of every kind, their versions under a key, progress that is updated, and the CLI's view."""
from prefect import flow, task
from prefect.artifacts import (Artifact, create_image_artifact, create_link_artifact, create_markdown_artifact,
                               create_progress_artifact, create_table_artifact, update_progress_artifact)
from prefect.runtime import flow_run as here
from tool import *

KEY = unique("energy")


@task
def measure():
    create_table_artifact([{"model": "ad01", "energy_j": 0.5}], key=KEY + "-table", description="per model")
    create_link_artifact("https://example.org/report", key=KEY + "-link", link_text="report")
    create_image_artifact("https://example.org/trace.png", key=KEY + "-image")


@flow
def report():
    bar = create_progress_artifact(progress=10.0, key=KEY + "-bar")
    measure()
    for part in (50.0, 100.0):
        update_progress_artifact(artifact_id=bar, progress=part)
    first = create_markdown_artifact("# one", key=KEY)
    create_markdown_artifact("# two", key=KEY, description="the *second*")
    return str(here.id), str(first), str(bar)


if __name__ == "__main__":
    run_id, first, bar = report()
    latest = Artifact.get(KEY)
    assert (latest.data, latest.description) == ("# two", "the *second*")
    assert api.get("/artifacts/" + bar)["data"] == 100.0
    rows = api.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}, "key": {"like_": KEY}}})
    kinds = sorted((row["key"][len(KEY):], row["type"]) for row in rows)
    assert kinds == [("", "markdown"), ("", "markdown"), ("-bar", "progress"), ("-image", "image"), ("-link", "markdown"),
                     ("-table", "table")], kinds
    assert all(row["task_run_id"] for row in rows if row["type"] in ("table", "image"))
    said = cli("artifact", "ls", "--limit", "50")
    has(said, KEY, KEY + "-table")
    has(cli("artifact", "inspect", KEY), "# one", "# two")
    cli("artifact", "delete", "--id", first)
    assert "# one" not in cli("artifact", "inspect", KEY)
    cli("artifact", "delete", KEY + "-link")
    assert Artifact.get(KEY + "-link") is None
    made, again = [Artifact.get_or_create(key=KEY + "-new", data="x", type="markdown") for _ in range(2)]
    assert (made[1], again[1]) == (True, False) and made[0].id == again[0].id, (made, again)

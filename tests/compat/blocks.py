"""Blocks, variables and artifacts with the unmodified Prefect SDK; prints what it got back as one JSON object."""
import json
import sys
from typing import Optional

import prefect
from prefect.artifacts import Artifact, create_markdown_artifact, create_table_artifact
from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret
from prefect.blocks.webhook import Webhook
from prefect.filesystems import LocalFileSystem
from prefect.variables import Variable
from pydantic import Field, SecretStr

NAME = sys.argv[1]


class CompatInner(Block):
    token: SecretStr
    number: int = 1


class CompatOuter(Block):
    inner: CompatInner
    other: Optional[CompatInner] = None
    anything: dict = Field(default_factory=dict)


def blocks():
    Secret(value="first").save(NAME, overwrite=True)
    Secret(value="hunter2").save(NAME, overwrite=True)
    CompatInner(token="tok", number=5).save(NAME)
    outer = CompatOuter(inner=CompatInner.load(NAME), other=CompatInner(token="anon"), anything={"k": [1, {"z": None}]})
    outer.save(NAME)
    loaded = CompatOuter.load(NAME)
    loaded.anything = {"changed": True}
    loaded.save(NAME, overwrite=True)
    again = CompatOuter.load(NAME)
    LocalFileSystem(basepath="/tmp/somewhere").save(NAME)
    Webhook(url="http://example.invalid/x", headers={"A": "b"}).save(NAME)
    hook = Webhook.load(NAME)
    if prefect.__version__ == "3.9.1":  # 3.4 does not work with the apprise of today
        SlackWebhook(url="https://hooks.slack.com/services/a/b").save(NAME + "-slack")
    return {
        "secret": Secret.load(NAME).get(),
        "loaded": [loaded.inner.token.get_secret_value(), loaded.inner.number, loaded.other.token.get_secret_value()],
        "changed": again.anything,
        "kept": again.inner.token.get_secret_value(),
        "basepath": LocalFileSystem.load(NAME).basepath,
        "webhook": [hook.url.get_secret_value(), hook.headers.get_secret_value()],
        "id": str(Secret.load(NAME)._block_document_id),
    }


def variables():
    Variable.set("compat_v", {"a": [1]}, tags=["t"], overwrite=True)
    first = Variable.get("compat_v")
    Variable.set("compat_v", "two", overwrite=True)
    values = [first, Variable.get("compat_v"), Variable.get("compat_none", "default")]
    Variable.unset("compat_v")
    return values


def artifacts():
    create_markdown_artifact("# one", key=NAME, description="a description")
    create_table_artifact([{"a": 1}], key=NAME)
    latest = Artifact.get(NAME)
    return [latest.type, latest.data]


def gone():
    Secret.delete(NAME + "-gone")
    try:
        Secret.load(NAME + "-gone")
    except ValueError as error:
        return str(error)


Secret(value="x").save(NAME + "-gone")
print(json.dumps({"blocks": blocks(), "variables": variables(), "artifacts": artifacts(), "gone": gone()}))

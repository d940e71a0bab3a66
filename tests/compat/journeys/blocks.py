"""Blocks: secrets, a class of one's own with a nested block, registration from a file, and the CLI's view."""
from typing import Optional

from prefect import flow
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from pydantic import SecretStr
from tool import *

PROBE = """
from prefect.blocks.core import Block
from pydantic import SecretStr

class Probe%s(Block):
    \"\"\"A probe on the bench.\"\"\"
    serial: str
    key: SecretStr

class Bench%s(Block):
    probe: Probe%s
    name: str = "bench"
""" % (TAG, TAG, TAG)


class Access(Block):
    user: str
    token: SecretStr


class Repository(Block):
    url: str
    access: Optional[Access] = None
    mirrors: list[str] = []


@flow
def clones(name):
    found = Repository.load(name)
    return found.access.token.get_secret_value(), found.mirrors, Secret.load(name).get()


if __name__ == "__main__":
    name = unique("firmware")
    Secret(value={"deep": ["s3cret"]}).save(name)
    Access(user="lab", token="tok").save(name)
    Repository(url="https://example.org/fw.git", access=Access.load(name), mirrors=["a"]).save(name)
    assert clones(name) == ("tok", ["a"], {"deep": ["s3cret"]})
    Access(user="lab", token="new").save(name, overwrite=True)
    assert clones(name)[0] == "new"
    try:
        Access(user="x", token="y").save(name)
        raise AssertionError("overwritten")
    except ValueError as error:
        has(str(error), "already in use")
    said = cli("block", "ls")
    has(said, "access/" + name, "repository/" + name, "secret/" + name)
    shown = cli("block", "inspect", "access/" + name)
    has(shown, "lab")
    assert "new" not in shown.replace("/" + name, ""), shown
    has(cli("block", "register", "--file", script("probe.py", PROBE)), f"Probe{TAG}", f"Bench{TAG}", "Successfully registered")
    has(cli("block", "type", "ls"), f"bench{TAG}", "secret", "webhook")
    cli("block", "delete", "repository/" + name)
    try:
        Repository.load(name)
        raise AssertionError("it is still there")
    except ValueError as error:
        has(str(error), "Unable to find block document")
    cli("block", "type", "delete", f"bench{TAG}")
    assert f"bench{TAG}" not in cli("block", "type", "ls")

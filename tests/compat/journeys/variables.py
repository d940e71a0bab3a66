"""Variables from the SDK and the CLI: text and JSON, tags, overwriting, what is not there."""
from prefect import flow
from prefect.variables import Variable
from tool import *

NAME = "target_list_" + TAG
TARGETS = {"boards": ["NUCLEO_F446RE", "DISCO_L475VG"], "models": 4}


@flow
def reads():
    return Variable.get(NAME)


if __name__ == "__main__":
    Variable.set(NAME, TARGETS, tags=["lab"])
    assert Variable.get(NAME) == TARGETS == reads()
    try:
        Variable.set(NAME, "other")
        raise AssertionError("overwritten")
    except ValueError as error:
        has(str(error), "already exists")
    has(cli("variable", "inspect", NAME), "NUCLEO_F446RE", "lab")
    has(cli("variable", "get", NAME), "DISCO_L475VG")
    has(cli("variable", "ls"), NAME)
    cli("variable", "set", NAME, "[1, 2]", "--overwrite")
    assert Variable.get(NAME) == [1, 2]
    cli("variable", "set", NAME, "again", status=1)
    cli("variable", "unset", NAME)
    assert Variable.get(NAME, default="none") == "none"
    has(cli("variable", "get", NAME, status=1), "not found")

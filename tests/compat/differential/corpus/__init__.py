"""The rows that people wrote, by group; each file of this folder is a group with its `rows`.  A group asks for what
it made itself only, so that groups can be recorded one by one."""
import dataclasses
import importlib

GROUPS = ("root", "flows", "flow_runs", "task_runs", "deployments", "work_pools", "small", "limits", "blocks", "filters", "states", "events", "cascades", "forms", "odd", "matrix")
NEWEST_ONLY = ("odd", "matrix")  # how runs are orchestrated and what is refused differs between versions


def rows(group):
    """The rows of a group; a name that comes twice is numbered."""
    seen, found = {}, []
    for row in importlib.import_module(f"corpus.{group}").rows:
        seen[row.name] = seen.get(row.name, 0) + 1
        number = f" ({seen[row.name]})" if seen[row.name] > 1 else ""
        found.append(dataclasses.replace(row, name=row.name + number))
    return found

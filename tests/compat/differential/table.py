"""docs/compatibility.md: operations, how many requests were compared, and the known differences with their reasons."""
import collections
import json
import re

import allowed
import servers

OLDER = servers.HERE / "recorded/older.json"
PAGE = servers.HERE.parents[2] / "docs/compatibility.md"
OPERATION = re.compile(r"generated/([A-Z]+) (/\S*?)(?:[.?]\w| |$)")
HEAD = """# Compatibility with Prefect {version}

Made by `make compat-table`: every request of `tests/compat/differential` is sent to our server, and its reply (status, headers, members,
types and values) held against what a real Prefect {version} answered.

{total} requests over {operations} operations: {equal} answered alike, {known} with known differences, {differing} with differences that
nobody has explained yet.  {held} of our replies were held against Prefect's OpenAPI document as well: none lacked a member or had one too many.

Beside the replies: what automations tell of their work (`prefect.automation.triggered`, `prefect.automation.action.*`) never fires the one that tells,
and others only if they ask for it by event or resource. In Prefect an automation that matches every event fires on its own events without end.

Held against running servers of older versions, for the operations that they have:

| Prefect | requests | alike | known differences | unexplained |
|---|---:|---:|---:|---:|
{older}

## Differences

| where | why |
|---|---|
{reasons}

## Operations

Requests that follow from the OpenAPI document; the scenarios beside them are in `corpus/`.

| operation | requests | alike |
|---|---:|---:|
{rows}
"""


def counts(results, differing):
    equal = sum(not faults for _, faults in results)
    return len(results), equal, len(results) - equal - differing, differing


def remember(results, version, differing):
    """The figures of an older version, for the next page."""
    known = {**json.loads(OLDER.read_text()), version: counts(results, differing)}
    OLDER.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def write(results, uses, version, differing, held):
    asked, alike = collections.Counter(), collections.Counter()
    total, equal, known, _ = counts(results, differing)
    for row, faults in results:
        if (found := OPERATION.match(row.name)):
            operation = " ".join(found.groups())
            asked[operation] += 1
            alike[operation] += not faults
    reasons = [f"| `{rows}` | {reason} |" for rows, _, reason in
               ((r.replace("|", " or "), w, why) for r, w, v, why in allowed.DIFFERENCES if allowed.concerns(v, version))]
    reasons.insert(0, f"| anywhere | {allowed.BETTER} |")
    PAGE.write_text(HEAD.format(
        version=version, held=held, total=total, operations=len(asked), equal=equal, known=known, differing=differing,
        older="\n".join(f"| {' | '.join(map(str, (name, *row)))} |" for name, row in sorted(json.loads(OLDER.read_text()).items(), reverse=True)),
        reasons="\n".join(reasons),
        rows="\n".join(f"| {name} | {asked[name]} | {alike[name]} |" for name in sorted(asked, key=lambda n: n.split()[::-1]))))

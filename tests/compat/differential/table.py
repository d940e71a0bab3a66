"""docs/compatibility.md: operations, how many requests were compared, and the known differences with their reasons."""
import collections
import re

import allowed
import servers

PAGE = servers.HERE.parents[2] / "docs/compatibility.md"
OPERATION = re.compile(r"generated/([A-Z]+) (/\S*?)(?:[.?]\w| |$)")
HEAD = """# Compatibility with Prefect {version}

Made by `make compat-table`: every request of `tests/compat/differential` is sent to our server, and its reply (status, headers, members,
types and values) held against what a real Prefect {version} answered.

{total} requests over {operations} operations: {equal} answered alike, {known} with known differences, {differing} with differences that
nobody has explained yet.

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


def write(results, uses, version, differing):
    asked, alike = collections.Counter(), collections.Counter()
    equal = sum(not faults for _, faults in results)
    for row, faults in results:
        if (found := OPERATION.match(row.name)):
            operation = " ".join(found.groups())
            asked[operation] += 1
            alike[operation] += not faults
    reasons = [f"| `{rows}` | {reason} |" for rows, _, reason in
               ((r.replace("|", " or "), w, why) for r, w, v, why in allowed.DIFFERENCES if version.startswith(v))]
    reasons.insert(0, f"| anywhere | {allowed.BETTER} |")
    PAGE.write_text(HEAD.format(
        version=version, total=len(results), operations=len(asked), equal=equal, known=len(results) - equal - differing, differing=differing,
        reasons="\n".join(reasons),
        rows="\n".join(f"| {name} | {asked[name]} | {alike[name]} |" for name in sorted(asked, key=lambda n: n.split()[::-1]))))

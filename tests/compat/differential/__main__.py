#!/usr/bin/env python3
"""python3 tests/compat/differential [GROUP...]            our server against the recorded replies of Prefect 3.9.1
python3 tests/compat/differential --live VERSION [GROUP...]  against a running one of that version
python3 tests/compat/differential --record [GROUP...]        writes recorded/GROUP.jsonl.gz
--table writes docs/compatibility.md, with --live of an older version its figures for the next page; --strict allows nothing"""
import argparse
import datetime
import gzip
import http.client
import json
import sys
import time

import allowed
import corpus
import servers  # which puts tests/ on the path
import contract
import table
from compare import HEADERS, Comparer, Recorder
from generate import generate
from rows import NOTHING, Row

NEWEST = "3.9.1"
RECORDED = servers.HERE / "recorded"
GROUPS = ("generated", *corpus.GROUPS)
WAIT_TRIES = 30


class Side:
    """One server and what it gave so far."""

    def __init__(self, server):
        self.connection, self.known = servers.Connection(server.root), {}

    def ask(self, row):
        """(moment, reply), or None when the row builds on something this server did not give."""
        try:
            request = row.request(self.known)
        except KeyError:
            return None
        now = datetime.datetime.now(datetime.timezone.utc)
        reply = self.connection.call(*request)
        self.known.update(row.capture(reply.body))
        return now, reply


def noted(reply):
    headers = {k: reply.headers[k] for k in HEADERS if k in reply.headers}
    if "location" in headers:
        headers["location"] = "/" + headers["location"].split("/", 3)[-1]
    if "retry-after" in headers:
        headers["retry-after"] = "given"
    return {"status": reply.status, "headers": headers, "body": reply.body}


def settle(side, row, heard):
    """Some things reach the database in the background: asks until two answers are the same."""
    for _ in range(WAIT_TRIES):
        time.sleep(0.5)
        again = side.ask(row)
        if again[1].body == heard[1].body:
            return again
        heard = again
    return heard


def is_later(peer, reply):
    """An operation that this older version does not have."""
    return peer.version != NEWEST and reply.status == 404 and reply.body == {"detail": "Not Found"}


def record(peer, group, rows):
    """Every row's reply, plain; rows that the server could not be asked, and operations that it does not have, are None."""
    recorder, notes, side = Recorder(), [], Side(peer)
    for row in rows:
        heard = side.ask(row)
        if heard and row.options.get("wait"):
            heard = settle(side, row, heard)
        later = heard and is_later(peer, heard[1])
        notes.append(heard and not later and recorder.plain(noted(heard[1]), heard[0]) or None)
        if heard is None:
            print(f"{group}/{row.name}: the real server lacks what this row builds on", file=sys.stderr)
    return notes


def load(group):
    """(rows, notes) of a recording: the generated rows are in it, the others in the corpus."""
    written = {} if group == "generated" else {row.name: row for row in corpus.rows(group)}
    rows, notes = [], []
    with gzip.open(RECORDED / f"{group}.jsonl.gz", "rt") as lines:
        for line in lines:
            note = json.loads(line)
            name, request = note.pop("row"), note.pop("request", None)
            rows.append(Row(name, *request) if request else written.pop(name, None))
            notes.append(note)
    if written or None in rows:
        sys.exit(f"recorded/{group}.jsonl.gz is not of this corpus ({next(iter(written), '')} ...): record it again")
    return rows, notes


def save(group, rows, notes):
    RECORDED.mkdir(exist_ok=True)
    with open(RECORDED / f"{group}.jsonl.gz", "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for row, note in zip(rows, notes):
            request = [row.method, row.path] + ([] if row.body is NOTHING else [row.body])
            more = {"request": request} if group == "generated" else {}
            line = {"row": row.name, **more, **(note or {"status": None})}
            packed.write(json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n")


def record_all(groups):
    with servers.Prefect(NEWEST) as peer:
        for group in groups:
            if group == "generated":
                rows = generate(json.loads(contract.find_document().read_text()))
            else:
                rows = corpus.rows(group)
            started = time.monotonic()
            save(group, rows, record(peer, group, rows))
            print(f"{group}: {len(rows)} rows in {time.monotonic() - started:.0f} s", flush=True)


def check(server, rows, notes, any_order):
    """[(row, faults)]: what our server answers otherwise, before anything is allowed."""
    comparer, results, side = Comparer(any_order), [], Side(server)
    for row, note in zip(rows, notes):
        if note is None or note["status"] is None:
            continue
        try:
            heard = side.ask(row)
        except (ConnectionError, http.client.HTTPException) as trouble:
            results.append((row, [("$", f"status {note['status']}", f"(the server is gone: {trouble})")]))
            server.restart()
            continue
        if heard is None:
            results.append((row, [("$", f"status {note['status']}", "(not asked: it builds on an earlier row)")]))
            continue
        found = comparer.faults(note, noted(heard[1]), heard[0], row.options)
        for _ in range(WAIT_TRIES if found and row.options.get("wait") else 0):
            time.sleep(0.2)
            heard = side.ask(row)
            found = comparer.faults(note, noted(heard[1]), heard[0], row.options)
        if note["status"] >= 500 and 400 <= heard[1].status < 500:
            found = []  # allowed.BETTER
        results.append((row, found + outside(row, heard[1])))
    return results


def outside(row, reply):
    """Faults of a reply that does not keep to the OpenAPI document."""
    document = contract.contract()
    path = row.path if row.path.startswith("/") else "/" + row.path
    if document is None or path.startswith("//"):
        return []
    return [("document", "", fault) for fault in document.faults(row.method, path, reply.status, reply.body)]


def uncovered(results):
    """Operations of the document that no row asks for by a path of its own."""
    document = contract.contract()
    if document is None:
        return []
    asked = {id(document.operation(row.method, row.path.split("?")[0])) for row, _ in results}
    return [f"{method} {operation['operationId']}" for _, method, _, operation in document.operations if id(operation) not in asked]


def shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + " ..."


def report(results, uses):
    differing = 0
    for row, faults in results:
        faults = [f for f in faults if not uses.allows(row, f)]
        if not faults:
            continue
        differing += 1
        print(f"\nnot ok {row.name}: {row.method} {row.path} {shown(row.body) if isinstance(row.body, (dict, list)) else ''}")
        for where, theirs, ours in faults[:6]:
            print(f"    {where}\n        Prefect: {shown(theirs)}\n        ours:    {shown(ours)}")
    return differing


def check_all(groups, live):
    results = []
    with servers.Ours() as ours:
        for group in groups:
            rows, notes = load(group)
            if live:
                notes = record(live, group, rows)
            for row, faults in check(ours, rows, notes, group == "generated"):
                row.name = f"{group}/{row.name}"
                results.append((row, faults))
    return results


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--live", metavar="VERSION")
    options.add_argument("--record", action="store_true")
    options.add_argument("--table", action="store_true")
    options.add_argument("--strict", action="store_true")
    options.add_argument("groups", nargs="*")
    options = options.parse_args()
    older = options.live not in (None, NEWEST)
    groups = options.groups or [g for g in GROUPS if not (older and g in corpus.NEWEST_ONLY)]
    if options.record:
        return record_all(groups)
    if options.live:
        with servers.Prefect(options.live) as peer:
            results = check_all(groups, peer)
    else:
        results = check_all(groups, None)
    uses = allowed.Uses(options.live or NEWEST, [] if options.strict else allowed.DIFFERENCES)
    differing = report(results, uses)
    stale = [] if options.groups else uses.unused()
    missing = [] if options.groups or older else uncovered(results)
    for operation in missing:
        print(f"not ok {operation}: no row asks for it")
    for rule in stale:
        print(f"allowed.py: nothing differs (any more) by {rule}")
    print(f"\n{uses.count} differences known")
    if options.table and options.live not in (None, NEWEST):
        table.remember(results, options.live, differing)
    elif options.table:
        table.write(results, uses, options.live or NEWEST, differing, contract.contract().held if contract.contract() else 0)
    bad = differing + len(missing)
    print(f"Ran {len(results)} tests in 0s\n" + (f"FAILED (failures={bad})" if bad else "OK"))
    sys.exit(1 if bad else 0)


main()

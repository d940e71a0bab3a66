#!/usr/bin/env python3
"""agents.py API SERVER_PID N: N agents in ten pools wait for work, each on a connection of its own; then as many
runs come as there are agents.  Prints the server's memory and CPU while they wait, and how long the claims took."""

import asyncio
import json
import os
import sys
import time
import urllib.parse
import urllib.request
import uuid

POOLS = 10
IDLE_S = 5


def call(api, path, body):
    request = urllib.request.Request(api + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read() or "null")


class Agent:
    def __init__(self, url, number):
        self.url, self.claimed_at = url, None
        self.body = {"agent": str(uuid.uuid4()), "name": f"agent-{number}", "epoch": 1, "pool": f"fleet-{number % POOLS}",
                     "slots": 1, "wait_s": 60, "devices": []}

    async def call(self, path, **more):
        body = json.dumps({**self.body, **more}).encode()
        self.writer.write(b"POST /api/switchyard/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n%s" % (path, len(body), body))
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        reply = await self.reader.readexactly(int(head.split("content-length:")[1].split()[0]))
        if not head.startswith("http/1.1 200"):
            sys.exit(f"{head}\n{reply}")
        return json.loads(reply)

    async def wait(self):
        self.reader, self.writer = await asyncio.open_connection(self.url.hostname, self.url.port)
        claims = []
        while not claims:
            claims = (await self.call(b"claim"))["claims"]
        self.claimed_at = time.monotonic()
        await self.call(b"claims/ack", claims=[{"claim_id": c["claim_id"], "token": c["token"]} for c in claims])
        self.writer.close()


def used(pid):
    """Resident MB and seconds of CPU."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(api, pid, count):
    for i in range(POOLS):
        call(api, "/work_pools/", {"name": f"fleet-{i}", "type": "process"})
    flow = call(api, "/flows/", {"name": "fleet"})["id"]
    agents = [Agent(urllib.parse.urlsplit(api), i) for i in range(count)]
    tasks = []
    for agent in agents:
        tasks.append(asyncio.create_task(agent.wait()))
        await asyncio.sleep(0.002)
    await asyncio.sleep(1)
    _, before = used(pid)
    await asyncio.sleep(IDLE_S)
    rss, after = used(pid)
    print(f"{count} agents wait: server {rss:.1f} MB, {100 * (after - before) / IDLE_S:.1f} % of a core")
    begun = time.monotonic()
    bodies = [{"flow_id": flow, "work_pool_name": f"fleet-{i % POOLS}", "state": {"type": "SCHEDULED"}} for i in range(count)]
    loop = asyncio.get_running_loop()
    for body in bodies:
        await loop.run_in_executor(None, call, api, "/flow_runs/", body)
    created = time.monotonic() - begun
    await asyncio.wait_for(asyncio.gather(*tasks), 120)
    took = sorted(agent.claimed_at - begun for agent in agents)
    print(f"as many runs: made in {created:.2f} s, the last was claimed after {took[-1]:.2f} s; server {used(pid)[0]:.1f} MB")


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

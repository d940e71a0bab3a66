"""The channel of workers, /work_pools/{name}/workers/connect: frames as the protocol has them, and clean-up that is redelivered.

python test_channel.py: starts our server."""
import asyncio
import json
import pathlib
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
import wire  # noqa: E402

WAIT_S = 60
CLEANUP = "cancelling_timeout_teardown.v1"


def hello(**more):
    return {"consumer_id": str(uuid.uuid4()), "worker_name": "w", "worker_type": "process", "heartbeat_interval_seconds": 30,
            "supported_channel_versions": ["work_pool_worker_channel.v1"],
            "requested_capabilities": ["worker_heartbeat.v1", "work_pool_snapshot.v1"], "work_queue_names": [],
            "handled_cleanup_kinds": [], "max_cleanup_concurrency": 0, "create_pool_if_not_found": True,
            "default_base_job_template": {}, **more}


CLEANS = {"requested_capabilities": ["worker_heartbeat.v1", "work_pool_snapshot.v1", "cleanup_delivery.v1"],
          "handled_cleanup_kinds": [CLEANUP], "max_cleanup_concurrency": 1}


class Channel:
    def __init__(self, server, pool):
        self.url = server.url.replace("http", "ws") + f"/work_pools/{pool}/workers/connect"

    async def __aenter__(self):
        from websockets.asyncio.client import connect

        self.socket = await connect(self.url, subprotocols=["prefect"])
        await self.socket.send(json.dumps({"type": "auth", "token": None}))
        assert json.loads(await self.socket.recv()) == {"type": "auth_success"}
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def send(self, kind, payload):
        frame = {"type": kind, "id": str(uuid.uuid4()), "sent_at": "2026-01-01T00:00:00Z", "payload": payload}
        await self.socket.send(json.dumps(frame))
        return frame["id"]

    async def get(self, kind):
        frame = json.loads(await asyncio.wait_for(self.socket.recv(), WAIT_S))
        assert frame["type"] == kind, frame
        assert set(frame) == {"type", "id", "sent_at", "payload"}
        return frame["payload"]

    async def end(self):
        await asyncio.wait_for(self.socket.wait_closed(), WAIT_S)
        return self.socket.close_code, self.socket.close_reason


class ChannelTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server(
            PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS="1",
            PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_LEASE_SECONDS="60"))
        cls.api = wire.Api(cls.server.url)

    async def rest(self, method, path, body=None):
        return await asyncio.to_thread(self.api.call, method, path, body)

    async def test_a_worker_is_greeted_heard_and_told_of_changes(self):
        async with Channel(self.server, "told") as channel:
            mine = hello()
            await channel.send("worker.hello.v1", mine)
            ready = await channel.get("worker.ready.v1")
            self.assertEqual(ready["accepted_capabilities"], mine["requested_capabilities"])
            self.assertEqual([q["name"] for q in ready["resolved_work_queues"]], ["default"])
            self.assertEqual(ready["initial_snapshot"]["work_pool"]["status"], "READY")
            self.assertEqual(ready["initial_snapshot"]["snapshot_sequence"], 1)
            worker, = await self.rest("POST", "/work_pools/told/workers/filter", {})
            self.assertEqual((worker["name"], worker["status"]), ("w", "ONLINE"))
            await channel.send("worker.heartbeat.v1", {"consumer_id": mine["consumer_id"], "worker_name": "w",
                                                       "heartbeat_interval_seconds": 30})
            deadline = time.monotonic() + WAIT_S
            while (await self.rest("POST", "/work_pools/told/workers/filter", {}))[0] == worker:
                self.assertLess(time.monotonic(), deadline)
            await self.rest("PATCH", "/work_pools/told", {"description": "nobody needs to know"})
            await self.rest("PATCH", "/work_pools/told", {"is_paused": True})
            snapshot = await channel.get("work_pool.snapshot.v1")
            self.assertEqual((snapshot["snapshot_sequence"], snapshot["reason"], snapshot["work_pool"]["is_paused"]),
                             (2, "work_pool_updated", True))
            await self.rest("DELETE", "/work_pools/told")
            self.assertEqual(await channel.end(), (1008, "authorization_failed"))

    async def test_what_breaks_the_protocol_ends_the_channel(self):
        for frames, end in (
                ([("worker.hello.v1", hello(create_pool_if_not_found=False))], (1008, "authorization_failed")),
                ([("worker.hello.v1", hello(work_queue_names=["nope"]))], (1008, "authorization_failed")),
                ([("worker.hello.v1", hello(supported_channel_versions=["v9"]))], (1008, "unsupported_version")),
                ([("worker.hello.v1", hello(requested_capabilities=["worker_heartbeat.v1"]))], (1002, "protocol_error")),
                ([("worker.hello.v1", hello(heartbeat_interval_seconds=0))], (1002, "protocol_error")),
                ([("worker.hello.v1", hello(extra=1))], (1002, "protocol_error")),
                ([("worker.hello.v1", hello(**{**CLEANS, "handled_cleanup_kinds": ["x"]}))], (1002, "protocol_error")),
                ([("worker.heartbeat.v1", {})], (1002, "protocol_error")),
                ([("worker.hello.v1", hello()), ("worker.hello.v1", hello())], (1002, "protocol_error"))):
            async with Channel(self.server, "strict-" + uuid.uuid4().hex[:6]) as channel:
                for kind, payload in frames:
                    await channel.send(kind, payload)
                self.assertEqual(await channel.end(), end, frames)

    async def test_without_the_subprotocol_there_is_no_channel(self):
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus

        with self.assertRaises(InvalidStatus) as refused:
            await connect(Channel(self.server, "p").url)
        self.assertEqual(refused.exception.response.status_code, 403)

    async def give_up_a_run(self, pool):
        flow = await self.rest("POST", "/flows/", {"name": pool})
        run = await self.rest("POST", "/flow_runs/", {"flow_id": flow["id"], "work_pool_name": pool, "state": {"type": "RUNNING"}})
        await self.rest("PATCH", "/flow_runs/" + run["id"], {"infrastructure_pid": "host:1"})
        await self.rest("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
        return run["id"]

    async def test_what_a_cancelled_run_left_is_torn_down_once(self):
        async with Channel(self.server, "clean") as channel:
            await channel.send("worker.hello.v1", hello(**CLEANS))
            self.assertEqual((await channel.get("worker.ready.v1"))["effective_max_cleanup_concurrency"], 1)
            run = await self.give_up_a_run("clean")
            first = await channel.get("cleanup.message.v1")
            self.assertEqual((first["kind"], first["target"], first["delivery_count"]),
                             (CLEANUP, {"flow_run_id": run, "infrastructure_pid": "host:1", "claim_id": None}, 1))
            of = {"message_id": first["message_id"], "reservation_token": first["reservation_token"]}
            asked = await channel.send("cleanup.renew.v1", of)
            renewed = await channel.get("cleanup.operation_result.v1")
            self.assertEqual((renewed["request_frame_id"], renewed["status"]), (asked, "accepted"))
            self.assertGreater(renewed["lease_expires_at"], first["lease_expires_at"])
            await channel.send("cleanup.release.v1", {**of, "reason": "busy"})
            self.assertEqual((await channel.get("cleanup.operation_result.v1"))["status"], "accepted")
            second = await channel.get("cleanup.message.v1")
            self.assertEqual((second["message_id"], second["delivery_count"]), (first["message_id"], 2))
            await channel.send("cleanup.ack.v1", of)
            stale = await channel.get("cleanup.operation_result.v1")
            self.assertEqual((stale["status"], stale["operation"]), ("invalid_token", "ack"))
            await channel.send("cleanup.ack.v1", {**of, "reservation_token": second["reservation_token"]})
            self.assertEqual((await channel.get("cleanup.operation_result.v1"))["status"], "accepted")
            await channel.send("cleanup.ack.v1", {**of, "reservation_token": second["reservation_token"]})
            self.assertEqual((await channel.get("cleanup.operation_result.v1"))["status"], "not_current")
        self.assertEqual((await self.rest("GET", "/flow_runs/" + run))["state_name"], "Cancelled")

    async def test_no_more_is_handed_out_than_the_worker_takes(self):
        async with Channel(self.server, "modest") as channel:
            await channel.send("worker.hello.v1", hello())
            await channel.get("worker.ready.v1")
            runs = [await self.give_up_a_run("modest") for _ in range(5)]
            deadline = time.monotonic() + WAIT_S
            while not all([(await self.rest("GET", "/flow_runs/" + run))["state_name"] == "Cancelled" for run in runs]):
                self.assertLess(time.monotonic(), deadline)
        async with Channel(self.server, "modest") as channel:
            mine = hello(**{**CLEANS, "max_cleanup_concurrency": 2})
            await channel.send("worker.hello.v1", mine)
            for _ in range(50):
                await channel.send("worker.heartbeat.v1", {"consumer_id": mine["consumer_id"], "worker_name": "w",
                                                           "heartbeat_interval_seconds": 30})
            await channel.get("worker.ready.v1")
            first, second = [await channel.get("cleanup.message.v1") for _ in range(2)]
            of = {"message_id": first["message_id"], "reservation_token": first["reservation_token"]}
            for _ in range(50):  # each of them waits behind what was asked before
                await channel.send("cleanup.renew.v1", of)
                await channel.get("cleanup.operation_result.v1")  # another message fails here
            await channel.send("cleanup.ack.v1", of)
            await channel.get("cleanup.operation_result.v1")
            third = await channel.get("cleanup.message.v1")
            self.assertEqual(len({message["message_id"] for message in (first, second, third)}), 3)


if __name__ == "__main__":
    unittest.main()

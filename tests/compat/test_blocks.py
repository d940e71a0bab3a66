"""What the SDK saves as blocks, variables and artifacts, and what others then see over REST.

python test_blocks.py: starts our server, or uses the one at TEST_API_URL."""
import importlib.metadata
import json
import pathlib
import sys
import unittest
import urllib.error
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
import wire  # noqa: E402
from test_sdk import run_prefect  # noqa: E402


class BlocksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.api = wire.Api(cls.server.url)
        cls.name = "compat-" + uuid.uuid4().hex[:8]
        out, _ = run_prefect(cls.server, sys.executable, str(HERE / "blocks.py"), cls.name)
        cls.result = json.loads(out.splitlines()[-1])

    def test_the_sdk_reads_what_it_wrote(self):
        blocks = self.result["blocks"]
        self.assertEqual(blocks["secret"], "hunter2")
        self.assertEqual(blocks["loaded"], ["tok", 5, "anon"])
        self.assertEqual([blocks["changed"], blocks["kept"]], [{"changed": True}, "tok"])
        self.assertEqual(blocks["basepath"], "/tmp/somewhere")
        self.assertEqual(blocks["webhook"], ["http://example.invalid/x", {"A": "b"}])
        self.assertEqual(self.result["variables"], [{"a": [1]}, "two", "default"])
        self.assertEqual(self.result["artifacts"], ["table", '[{"a": 1}]'])
        self.assertIn("Unable to find block document", self.result["gone"])

    def test_secrets_are_shown_only_on_request(self):
        path = "/block_documents/" + self.result["blocks"]["id"]
        self.assertEqual(self.api.get(path)["data"]["value"], "********")
        self.assertEqual(self.api.get(path + "?include_secrets=true")["data"]["value"], "hunter2")
        listed = self.api.post("/block_documents/filter", {"block_documents": {"name": {"any_": [self.name]}}})
        self.assertEqual(len(listed), 5)
        for secret in ("hunter2", "example.invalid", '"tok"', '"anon"'):
            self.assertNotIn(secret, json.dumps(listed))
        self.assertNotIn("hunter2", self.server.log() if not self.server.foreign else "")

    def test_nested_blocks_are_named(self):
        found = self.api.get(f"/block_types/slug/compatouter/block_documents/name/{self.name}")
        nested = found["block_document_references"]["inner"]["block_document"]
        self.assertEqual([nested["name"], nested["block_type"]["slug"]], [self.name, "compatinner"])
        references = found["block_schema"]["fields"]["block_schema_references"]
        self.assertEqual(references["inner"]["block_type_slug"], "compatinner")
        self.assertIn("CompatInner", found["block_schema"]["fields"]["definitions"])

    def test_the_types_of_the_sdk_are_there_once(self):
        types = {t["slug"]: t for t in self.api.post("/block_types/filter", {"limit": 200})}
        self.assertLessEqual({"slack-webhook", "smb", "aws-credentials", "dbt-cli-profile"}, set(types))
        if importlib.metadata.version("prefect") == "3.9.1":  # others bring schemas of their version
            found = self.api.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {
                "any_": [types["slack-webhook"]["id"]]}}})
            self.assertEqual([s["version"] for s in found], ["3.9.1"])

    def test_lists_and_counts(self):
        types = self.api.post("/block_types/filter", {"block_types": {"name": {"like_": "compat"}}})
        self.assertEqual([t["slug"] for t in types], ["compatinner", "compatouter"])
        schemas = self.api.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [types[0]["id"]]}}})
        self.assertEqual(len(schemas), 1)
        same = self.api.get("/block_schemas/checksum/" + schemas[0]["checksum"])
        self.assertEqual(same["id"], schemas[0]["id"])
        self.assertIn("read-path", self.api.get("/block_capabilities/"))
        artifacts = {"artifacts": {"key": {"any_": [self.name]}}}
        self.assertEqual(self.api.post("/artifacts/count", artifacts), 2)
        latest = self.api.post("/artifacts/latest/filter", artifacts)
        self.assertEqual([a["type"] for a in latest], ["table"])
        self.assertEqual(self.api.get(f"/artifacts/{self.name}/latest")["data"], '[{"a": 1}]')

    def test_a_block_that_can_write_is_the_default_storage(self):
        self.assertIsNone(self.api.get("/admin/storage")["default_result_storage_block_id"])
        found = self.api.get(f"/block_types/slug/local-file-system/block_documents/name/{self.name}")
        chosen = {"default_result_storage_block_id": found["id"]}
        self.assertEqual(self.api.call("PUT", "/admin/storage", chosen), chosen)
        self.assertEqual(self.api.get("/admin/storage"), chosen)
        with self.assertRaises(urllib.error.HTTPError) as refused:  # a secret cannot hold files
            self.api.call("PUT", "/admin/storage", {"default_result_storage_block_id": self.result["blocks"]["id"]})
        self.assertEqual(refused.exception.code, 422)
        self.api.call("DELETE", "/admin/storage")
        self.assertIsNone(self.api.get("/admin/storage")["default_result_storage_block_id"])


if __name__ == "__main__":
    unittest.main()

"""A lab's whole set-up: blocks of the collections, pools with queues, a prefect.yaml whose deployments trigger each other, and a
notification of failures.  lab.sh starts the S3 server, the Docker registry and Git."""
import hashlib
import http.server
import json
import threading
import urllib.request

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.variables import Variable
from tool import *

if "LAB_S3_URL" not in os.environ:
    skip("lab.sh starts what this needs")

from prefect_aws import AwsClientParameters, AwsCredentials
from prefect_docker import DockerHost, DockerRegistryCredentials
from prefect_github import GitHubCredentials, GitHubRepository

LAB = HERE.parent / "lab"
POOLS = {"Training servers": "firmware", "Jetson development": "boards", "Jetson production": "meters"}
notified = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        notified.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def make_repository():
    where = os.environ["LAB_GIT_FOLDER"] + "/firmware.git"
    pathlib.Path("firmware").mkdir()
    pathlib.Path("firmware/main.cpp").write_text('#include "model.h"\nint main() { return model[0]; }\n')
    git = ["git", "-C", "firmware", "-c", "user.name=lab", "-c", "user.email=lab@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "firmware"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", "firmware", where], check=True)


def fill_registry():
    """Pushes the image `profiler:1` as a Docker client does."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    url = os.environ["LAB_REGISTRY_URL"]
    passwords.add_password(None, url, os.environ["LAB_REGISTRY_USER"], os.environ["LAB_REGISTRY_PASSWORD"])
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))

    def call(method, where, data=b"", kind="application/octet-stream"):
        request = urllib.request.Request(where, data, {"Content-Type": kind}, method=method)
        return opener.open(request, timeout=20)

    def blob(data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        where = call("POST", url + "/v2/profiler/blobs/uploads/").headers["Location"]
        call("PUT", where + "&digest=" + digest, data)
        return {"digest": digest, "size": len(data)}

    config = {"mediaType": "application/vnd.docker.container.image.v1+json", **blob(b'{"architecture": "arm64", "os": "linux"}')}
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **blob(b"a layer")}
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
    call("PUT", url + "/v2/profiler/manifests/1", json.dumps(manifest).encode(), kind)


def make_blocks(hook):
    access = AwsCredentials(aws_access_key_id=os.environ["LAB_S3_KEY"], aws_secret_access_key=os.environ["LAB_S3_SECRET"],
                            region_name="us-east-1", aws_client_parameters=AwsClientParameters(endpoint_url=os.environ["LAB_S3_URL"]))
    access.save("minio")
    token = GitHubCredentials(token=os.environ["LAB_GIT_TOKEN"])
    token.save("firmware-access-token")
    GitHubRepository(repository_url=os.environ["LAB_GIT_URL"] + "/firmware.git", reference="main",
                     credentials=GitHubCredentials.load("firmware-access-token")).save("firmware-repository")
    DockerHost(base_url="unix:///var/run/docker.sock").save("docker-host")
    DockerRegistryCredentials(username=os.environ["LAB_REGISTRY_USER"], password=os.environ["LAB_REGISTRY_PASSWORD"],
                              registry_url=os.environ["LAB_REGISTRY_URL"]).save("docker-registry")
    block = CustomWebhookNotificationBlock(name="chat", url=hook, json_data={"title": "{{subject}}", "text": "{{body}}"})
    return AwsCredentials.load("minio").get_s3_client(), block.save("chat")


def await_run(flow_name, count=1):
    """The runs of a flow, newest first, once there are that many."""
    body = {"flows": {"name": {"any_": [flow_name]}}, "sort": "START_TIME_DESC"}
    return until(lambda: api.post("/flow_runs/filter", body), lambda rows: len(rows) >= count, 300)


if __name__ == "__main__":
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    make_repository()
    fill_registry()
    s3, chat = make_blocks("http://127.0.0.1:%d/hook" % receiver.server_address[1])
    s3.create_bucket(Bucket="lab")
    s3.put_object(Bucket="lab", Key="models/ad01.tflite", Body=b"TFL3 model")
    Variable.set("target_list", ["NUCLEO_F446RE", "NUCLEO_L4R5ZI"])
    Automation(name="failures", trigger=EventTrigger(
        expect={"prefect.flow-run.Failed"}, match={"prefect.resource.id": "prefect.flow-run.*"}, posture=Posture.Reactive, threshold=1,
    ), actions=[SendNotification(block_document_id=chat, subject="{{ flow_run.name }} failed", body="{{ flow.name }}: {{ flow_run.state.message }}")]).create()

    for pool, queue in POOLS.items():
        cli("work-pool", "create", pool, "--type", "process")
        cli("work-queue", "create", queue, "--pool", pool)
    for name in ("flows.py", "prefect.yaml"):
        pathlib.Path(name).write_text((LAB / name).read_text().replace("{{ $LAB_FOLDER }}", os.getcwd()))
    said = cli("--no-prompt", "deploy", "--all")
    has(said, "firmware-build/training", "flash/development", "power-profile/production")
    path = {"PATH": f"{LAB}:{os.environ['PATH']}", "PREFECT_WORKER_QUERY_SECONDS": "1"}
    workers = [Background(PREFECT, "worker", "start", "--pool", pool, "-q", queue, **path) for pool, queue in POOLS.items()]
    with workers[0] as first, workers[1] as second, workers[2] as third:
        for it in (first, second, third):
            it.wait_for("started!")
        built = started("firmware-build/training", "-p", "target=NUCLEO_L4R5ZI")
        ends(built)
        task_runs(built, 8)
        flashed = await_run("flash")[0]
        ends(flashed["id"])
        assert flashed["parameters"] == {"key": "firmware/NUCLEO_L4R5ZI/ad01.bin", "target": "NUCLEO_L4R5ZI"}
        assert flashed["created_by"]["type"] == "AUTOMATION", flashed["created_by"]
        has(" ".join(messages(flashed["id"], "Finished in state")), "bytes on NUCLEO_L4R5ZI")
        profiled = await_run("power-profile")[0]
        ends(profiled["id"])
        has(" ".join(messages(profiled["id"], "Finished in state")), "profiling firmware/NUCLEO_L4R5ZI/ad01.bin", "profiler 1")
        table = json.loads(api.get("/artifacts/power-profile/latest")["data"])
        assert table[0]["target"] == "NUCLEO_L4R5ZI"
        firmware = s3.get_object(Bucket="lab", Key="firmware/NUCLEO_L4R5ZI/ad01.bin")["Body"].read()
        has(firmware.decode(), "firmware for NUCLEO_L4R5ZI", "{84,70,76,51")

        bad = started("firmware-build/training", "-p", "target=NO_SUCH_BOARD")
        row = ends(bad, "Failed")
        until(lambda: notified, seconds=300)
        assert notified[0]["title"] == row["name"] + " failed", notified
        has(notified[0]["text"], "firmware-build", "NO_SUCH_BOARD is not in the target list")
        time.sleep(2)  # nothing more may come
        assert len(notified) == 1 and len(await_run("flash")) == 1, notified
    text = json.dumps(api.post("/block_documents/filter", {})) + json.dumps(api.post("/events/filter", {}))
    for secret in ("LAB_S3_SECRET", "LAB_GIT_TOKEN", "LAB_REGISTRY_PASSWORD"):
        assert os.environ[secret] not in text

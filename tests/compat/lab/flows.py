"""A lab's flows as they are with Prefect today: build a firmware, flash it, profile its power."""
import hashlib
import json
import pathlib
import subprocess
import tempfile
import urllib.request

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.events import emit_event
from prefect.variables import Variable
from prefect_aws import AwsCredentials
from prefect_docker import DockerHost, DockerRegistryCredentials
from prefect_github import GitHubRepository

BUCKET = "lab"


def s3():
    return AwsCredentials.load("minio").get_s3_client()


@task(retries=1)
def clone_repository(folder):
    GitHubRepository.load("firmware-repository").get_directory(local_path=folder)


@task
def mbed(folder, *words):
    done = subprocess.run(["mbed", *words], cwd=folder, capture_output=True, text=True)
    get_run_logger().info("mbed %s: %s", " ".join(words), done.stdout + done.stderr)
    done.check_returncode()


@task
def get_model(model):
    return s3().get_object(Bucket=BUCKET, Key=f"models/{model}.tflite")["Body"].read()


@task
def prepare_model(folder, content):
    pathlib.Path(folder, "model.h").write_text("const unsigned char model[] = {%s};\n" % ",".join(map(str, content)))


@task
def save(folder, key):
    s3().upload_file(str(pathlib.Path(folder, "BUILD/firmware.bin")), BUCKET, key)
    return hashlib.sha256(pathlib.Path(folder, "BUILD/firmware.bin").read_bytes()).hexdigest()


@task
def clean_up(folder):
    subprocess.run(["rm", "-rf", folder], check=True)


@flow(log_prints=True)
def firmware_build(target: str = "NUCLEO_F446RE", model: str = "ad01"):
    targets = Variable.get("target_list")
    if target not in targets:
        raise ValueError(f"{target} is not in the target list {targets}")
    folder = tempfile.mkdtemp()
    try:
        clone_repository(folder)
        mbed(folder, "config", "root", ".")
        mbed(folder, "deploy")
        prepare_model(folder, get_model(model))
        mbed(folder, "compile", "-m", target, "-t", "GCC_ARM")
        key = f"firmware/{target}/{model}.bin"
        digest = save(folder, key)
    finally:
        clean_up(folder)
    emit_event("firmware.built", resource={"prefect.resource.id": f"firmware.{target}.{model}"},
               payload={"key": key, "target": target, "sha256": digest})
    return digest


@task
def write_flash(content):
    return len(content)


@flow(log_prints=True)
def flash(key: str, target: str):
    content = s3().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert content.startswith(f"firmware for {target}".encode())
    print("flashed", write_flash(content), "bytes on", target)
    emit_event("firmware.flashed", resource={"prefect.resource.id": f"board.{target}"}, payload={"key": key, "target": target})


@task
def tool_image():
    """The profiler's image, from the registry, with the credentials of the block."""
    host, access = DockerHost.load("docker-host"), DockerRegistryCredentials.load("docker-registry")
    assert host.base_url.startswith("unix://")
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, access.registry_url, access.username, access.password.get_secret_value())
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    with opener.open(access.registry_url + "/v2/profiler/tags/list", timeout=20) as reply:
        return json.load(reply)["tags"]


@flow(log_prints=True)
def power_profile(key: str, target: str):
    tags = tool_image()
    print("profiling", key, "on", target, "with profiler", tags[0])
    create_table_artifact([{"target": target, "firmware": key, "energy_j": 0.5}], key="power-profile")

"""A running server for tests: ours on a free port of the loopback, or the one at TEST_API_URL."""
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("SWITCHYARD_BUILD", ROOT / "build/debug")).resolve()
START_S, STOP_S = 60, 30


class Server:
    """with Server() as server: server.url is the API's.  The data folder goes away at the end.
    Options as on the command line, environment variables by name: Server("--queue", "10", PREFECT_UI_ENABLED="0")."""

    def __init__(self, *options, **environment):
        self.options, self.environment = options, {**os.environ, **environment}

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="switchyard-test-")
        os.chmod(self.folder, 0o755)  # started by root, PostgreSQL runs as another user
        self.process = None
        self.url = os.environ.get("TEST_API_URL")
        self.foreign = self.url is not None
        if not self.foreign:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.address = "127.0.0.1:%d" % probe.getsockname()[1]
            try:
                self.start()
            except BaseException:
                self.__exit__()
                raise
        return self

    def start(self):
        command = [BUILD / "switchyard-server", "--dev", "--data", self.folder + "/data", "--listen", self.address,
                   *self.options]
        with open(self.folder + "/server.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        deadline, said = time.monotonic() + START_S, b""
        while b"\n" not in said and time.monotonic() < deadline:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                piece = os.read(self.process.stdout.fileno(), 4096)
                if not piece:
                    break
                said += piece
        if not said.startswith(b"ready http://"):
            raise RuntimeError(f"the server does not start: {said!r}\n{self.log()[-3000:]}")
        self.url = said.split()[1].decode() + "/api"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def log(self):
        return pathlib.Path(self.folder, "server.log").read_text(errors="replace")

    def __exit__(self, *_):
        """A server that does not stop by itself, or not well (a leak, a crash), is an error."""
        trouble = None
        if self.process:
            self.process.terminate()
            try:
                status = self.process.wait(STOP_S)
                trouble = f"the server ended with status {status}" if status else None
            except subprocess.TimeoutExpired:
                trouble = f"the server did not stop within {STOP_S} s"
                self.kill()
            self.process.stdout.close()
        log = self.log()[-6000:] if trouble else ""
        shutil.rmtree(self.folder, ignore_errors=True)
        if trouble:
            raise RuntimeError(trouble + "\n" + log)

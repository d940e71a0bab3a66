"""The two servers under comparison.  Services that would change rows between two requests are off in both."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
import live  # noqa: E402

START_S = 600
QUIET = ["SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "REPOSSESSOR", "CANCELLATION_CLEANUP", "DB_VACUUM",
         "TRIGGERS"]
ENVIRONMENT = {
    **{f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in QUIET},
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.05",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A private cluster on a unix socket, stopped and removed at the end."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-peer-"))
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-N", "-A", "trust", "-U", "switchyard", "-E", "UTF8", "--locale=C.UTF-8")
        self.run("pg_ctl", "-l", self.folder / "log", "-w", "-o", f"-h '' -k {self.folder} -c fsync=off", "start")
        return self

    def run(self, program, *words):
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        subprocess.run([*drop, self.bin / program, "-D", self.folder / "data", *words], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


class Prefect:
    """A real `prefect server` of one version.  `with Prefect("3.9.1") as peer: peer.url`"""

    def __init__(self, version):
        self.version, self.stack = version, contextlib.ExitStack()

    def __enter__(self):
        with self.stack:
            found = subprocess.run([HERE.parent / "install_prefect.sh", self.version], stdout=subprocess.PIPE, text=True)
            if found.returncode:
                raise OSError(f"Prefect {self.version} cannot be installed here")
            database = self.stack.enter_context(Postgres())
            self.home = pathlib.Path(tempfile.mkdtemp(prefix="switchyard-peer-"))
            self.stack.callback(shutil.rmtree, self.home, ignore_errors=True)
            self.launch(found.stdout.strip(), database)
            self.stack = self.stack.pop_all()
        return self

    def launch(self, venv, database):
        port = free_port()
        self.root = f"http://127.0.0.1:{port}"
        self.url = self.root + "/api"
        environment = {**os.environ, **ENVIRONMENT, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url,
                       "PREFECT_API_DATABASE_CONNECTION_URL":
                           f"postgresql+asyncpg://switchyard@/postgres?host={database.folder}"}
        log = open(self.home / "server.log", "wb")
        self.process = subprocess.Popen(
            [venv + "/bin/prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()
        self.stack.callback(self.stop)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if Connection(self.root).call("GET", "/api/ready").status == 200:
                    return
            time.sleep(0.2)
        raise OSError(f"Prefect {self.version} does not start:\n" + (self.home / "server.log").read_text()[-3000:])

    def stop(self):
        with contextlib.suppress(ProcessLookupError):  # it did not start
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_):
        self.stack.close()


class Ours:
    """`switchyard-server --dev`, with the same settings."""

    version = "ours"

    def __enter__(self):
        os.environ.update(ENVIRONMENT)
        self.server = live.Server().__enter__()
        self.root = self.server.url.removesuffix("/api")
        return self

    def restart(self):
        """After a crash, which is a finding; the rows after it still have something to say."""
        self.server.kill()
        self.server.start()

    def __exit__(self, *_):
        self.server.__exit__()


class Reply:
    def __init__(self, status, headers, text):
        self.status, self.headers = status, headers
        kind = headers.get("content-type", "")
        self.body = text.decode(errors="replace")
        if kind.startswith("application/json") and text:
            self.body = json.loads(text)
        elif not text:
            self.body = None


class Connection:
    """One kept-alive connection; no redirects are followed."""

    def __init__(self, root):
        self.address = urllib.parse.urlsplit(root).netloc
        self.http = None

    def call(self, method, path, data=None, headers=None):
        for last in (False, True):
            if self.http is None:
                self.http = http.client.HTTPConnection(self.address, timeout=60)
            try:
                self.http.request(method, path, data, headers or {})
                reply = self.http.getresponse()
                return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
            except (http.client.HTTPException, ConnectionError):
                self.http.close()
                self.http = None
                if last:
                    raise

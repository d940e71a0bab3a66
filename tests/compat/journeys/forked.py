"""Prefect's command line without its start-up: a process that has Prefect loaded forks for every command."""
import importlib
import os
import pickle
import pkgutil
import signal
import sys
import tempfile
import threading
import time

import prefect.cli

LATER = ["prefect.main", "prefect.client.orchestration", "prefect.events.clients", "prefect.deployments.runner", "prefect.workers.process",
         "prefect.runner.runner", "prefect.blocks.core", "prefect.flow_engine"]


def become(words, stdin, log):
    """In the forked process: what the script `prefect` does."""
    for source, target in ((os.memfd_create("stdin"), 0), (log, 1), (log, 2)):
        if target == 0:
            os.write(source, stdin.encode())
            os.lseek(source, 0, os.SEEK_SET)
        os.dup2(source, target)
    sys.argv = ["prefect", *words]
    from prefect.cli import app

    return app()


def load():
    """The newer ones load what a command needs when it is given: seconds of every command on a busy machine."""
    for name in [found.name for found in pkgutil.iter_modules(prefect.cli.__path__, "prefect.cli.")] + LATER:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # for developers of Prefect, or not in this version


def serve(asked, answers, limit_s):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    while True:
        try:
            words, stdin = pickle.load(asked)
        except EOFError:
            os._exit(0)
        with tempfile.TemporaryFile() as log:
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                sys.exit(become(words, stdin, log.fileno()))
            deadline, ended = time.monotonic() + limit_s, 0
            while not ended and time.monotonic() < deadline:
                ended, status = os.waitpid(child, os.WNOHANG)
                if not ended:
                    time.sleep(0.05)
            if not ended:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
            log.seek(0)
            pickle.dump((os.waitstatus_to_exitcode(status), log.read().decode(errors="replace")), answers)
            answers.flush()


class Command:
    """Made before the journey does anything, so that the forks inherit no threads of it."""

    def __init__(self, limit_s):
        ask, asked = os.pipe()[::-1]
        answer, answers = os.pipe()
        self.lock = threading.Lock()
        if os.fork() == 0:
            os.close(ask)
            os.close(answer)
            serve(os.fdopen(asked, "rb"), os.fdopen(answers, "wb"), limit_s)
        os.close(asked)
        os.close(answers)
        self.asks, self.answers = os.fdopen(ask, "wb"), os.fdopen(answer, "rb")

    def run(self, words, stdin):
        with self.lock:
            pickle.dump((words, stdin), self.asks)
            self.asks.flush()
            return pickle.load(self.answers)

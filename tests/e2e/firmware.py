#!/usr/bin/env python3
"""The demo's firmware on both emulated boards: every model gives, bit for bit, what fc_reference.py computes;
unknown commands, bursts and bad models are answered; a new model recompiles one file."""
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading

from fc_reference import reference

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIRMWARE = os.path.join(ROOT, "deploy", "demo", "firmware")
MODELS = os.path.join(ROOT, "deploy", "demo", "models")
TIMEOUT_S = 60


class Board:
    """QEMU with the UART on its standard input and output."""

    def __init__(self, machine, image):
        self.qemu = subprocess.Popen(
            ["qemu-system-arm", "-M", machine, "-kernel", image, "-display", "none", "-monitor", "none",
             "-serial", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.qemu.stdout:
            assert line.endswith(b"\r\n"), line
            self.lines.put(line[:-2].decode())

    def ask(self, text, count=1):
        self.qemu.stdin.write(text.encode())
        self.qemu.stdin.flush()
        return [self.lines.get(timeout=TIMEOUT_S) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qemu.kill()
        self.qemu.wait()


def header(folder, name, data):
    path = os.path.join(folder, name + ".h")
    with open(path, "w") as f:
        f.write('#define MODEL_NAME "%s"\n' % name)
        f.write("static const unsigned char g_model[%d] __attribute__((aligned(16))) = {%s};\n"
                % (len(data), ",".join(map(str, data))))
    return path


def build(folder, machine, model_header, build_id):
    out = os.path.join(folder, "out")
    made = subprocess.run(["make", "-C", FIRMWARE, "TARGET=" + machine, "MODEL_HEADER=" + model_header,
                           "BUILD_ID=" + build_id, "OUT=" + out], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert made.returncode == 0, made.stdout + made.stderr
    return os.path.join(out, "firmware.elf"), re.findall(r"^  CC +(\w+\.c)$", made.stdout, re.M)


def check(what, got, expected):
    assert got == expected, "%s: got %r, expected %r" % (what, got, expected)


def check_model(folder, machine, name, data, first):
    image, compiled = build(folder, machine, header(folder, name, data), "id-" + name)
    if not first:
        check("files compiled for a new model", compiled, ["model.c"])
    banner = "SY-BOOT build=id-%s target=%s model=%s" % (name, machine, name)
    with Board(machine, image) as board:
        check("banner", board.ask(""), [banner])
        check("id", board.ask("id\n"), [banner])
        for count in (1, 3, 20):
            start, end = board.ask("run %d\n" % count, 2)
            check("start", start, "SY-START n=%d" % count)
            match = re.fullmatch(r"SY-END n=(\d+) us=(\d+) check=([0-9a-f]{8})", end)
            assert match, end
            check("count", int(match[1]), count)
            assert 0 < int(match[2]) < TIMEOUT_S * 1000000, end
            expected = reference(os.path.join(MODELS, name + ".tflite"), count)
            check("%s on %s, run %d" % (name, machine, count), match[3], expected)


def check_talk(folder, machine):
    image, _ = build(folder, machine, header(folder, "broken", b"\x1c\0\0\0TFL3" + bytes(64)), "b")
    with Board(machine, image) as board:
        board.ask("")
        check("refused model", board.ask("run 1\n"), ["SY-ERR the model has not one subgraph"])
        check("unknown", board.ask("jump\r\n"), ["SY-ERR unknown command, known are: run N, id"])
        for text in ("run 0\n", "run\x20\n", "run 1x\n", "run 1000001\n", "run -1\n"):
            check(text, board.ask(text), ["SY-ERR run takes a number from 1 to 1000000"])
        check("long line", board.ask("x" * 80 + "\n"), ["SY-ERR the line is too long"])
        check("burst", len(set(board.ask("id\n" * 40, 40))), 1)


def main():
    names = sorted(f[:-7] for f in os.listdir(MODELS) if f.endswith(".tflite"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, os.path.join(ROOT, "tools", "make_models.py"), folder], check=True)
        for name in names:
            with open(os.path.join(MODELS, name + ".tflite"), "rb") as f:
                data = f.read()
            again = os.path.join(folder, name + ".tflite")
            if os.path.exists(again):
                with open(again, "rb") as f:
                    check("tools/make_models.py: " + name, f.read() == data, True)
            for machine in ("netduinoplus2", "netduino2"):
                check_model(folder, machine, name, data, name == names[0])
        check_talk(folder, "netduinoplus2")
    print("firmware: %d models on 2 boards equal the reference bit for bit" % len(names))


if __name__ == "__main__":
    main()

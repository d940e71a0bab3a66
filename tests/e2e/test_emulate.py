#!/usr/bin/env python3
"""`switchyard-worker flow run --emulate`: as many benches as the flow asks for; and several steps at one console, where what a board
says between two of them is heard by the next and stands in the log once."""
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER = ROOT / os.environ.get("SWITCHYARD_BUILD", "build/debug") / "switchyard-worker"

QEMU = """#!/bin/sh
printf 'SY-BOOT build=b7 target=t model=m\\nready 1\\nready 2\\nready 3\\n'
while read -r x; do sleep 0.3; printf 'heard %s\\nvalue 41\\nvalue 42\\nprompt> ' "$x"; sleep 0.7; printf 'late\\n'; done
"""
FLOW = """
name: console
devices: {bench: {target: netduinoplus2}}
tasks:
  flash: {uses: board.flash, with: {image: IMAGE, build_id: b7}}
  first: {uses: serial.expect, needs: flash, with: {pattern: ready 1}}
  third: {uses: serial.expect, needs: first, with: {pattern: ready 3}}
  ask: {uses: serial.expect, needs: third, with: {send: id, pattern: heard (.*)}}
  nap: {uses: sleep, needs: ask, with: {for: 0.5}}
  value: {uses: serial.expect, needs: nap, with: {pattern: value (42)}}
  prompt: {uses: serial.expect, needs: value, with: {pattern: "prompt>", timeout: 5}}
  end: {uses: sleep, needs: prompt, with: {for: 1}}
"""


DEVICES = """
name: devices
devices:
  left: {target: netduinoplus2}
  right: {type: bench, target: netduino2, count: 2}
  board: {type: board, target: netduinoplus2}
  meter: {type: METER}
  oven: {type: chamber}
tasks:
  off-left: {uses: board.off, with: {device: left}}
  off-right: {uses: board.off, with: {device: right}}
  off-parts: {uses: board.off, with: {device: board}}
result: "{{ devices.left.name }} {{ devices.right[1].name }} {{ devices.board.name }} {{ devices.meter.name }} {{ devices.oven.name }}"
"""


class Benches(unittest.TestCase):
    def run_flow(self, text):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "devices.yaml").write_text(text)
            return subprocess.run([WORKER, "flow", "run", folder / "devices.yaml", "--emulate", "--data", folder / "data"], timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def test_all_that_the_flow_asks_for(self):
        run = self.run_flow(DEVICES.replace("METER", "meter"))
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertIn("left right-2 board.board board.meter oven", run.stdout)

    def test_what_cannot_be_emulated_is_named(self):
        for text, says in ((DEVICES.replace("METER", "meter").replace("target: netduino2, ", ""), "the device `right` of the flow needs a `target`"),
                           (DEVICES.replace("METER", "meter").replace("count: 2", "count: 99"), "`right` has a `count` of 1 to 16"),
                           (DEVICES.replace("METER", "meter").replace("type: board", "type: bench"), "the meter `meter` has no board")):
            run = self.run_flow(text)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("FAILED: --emulate: ", run.stdout)
            self.assertIn(says, run.stdout)


class Console(unittest.TestCase):
    def test_nothing_is_lost_between_steps(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "qemu-system-arm").write_text(QEMU)
            (folder / "qemu-system-arm").chmod(0o755)
            (folder / "image.elf").write_bytes(b"\177ELF\n")
            (folder / "console.yaml").write_text(FLOW.replace("IMAGE", str(folder / "image.elf")))
            run = subprocess.run([WORKER, "flow", "run", folder / "console.yaml", "--emulate", "--data", folder / "data", "--work",
                                  folder / "work"], env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}, timeout=60,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)
        heard = [line for line in run.stdout.splitlines() if "] " in line and "| [" in line]
        self.assertEqual([line.partition("] ")[2] for line in heard],
                         ["SY-BOOT build=b7 target=t model=m", "ready 1", "ready 2", "ready 3", "heard id", "value 41", "value 42",
                          "prompt> ", "late"], run.stdout)
        tasks = [line.split()[2] for line in heard]
        self.assertEqual(tasks, ["flash", "first", "third", "third", "ask", "value", "value", "prompt", "console"])


if __name__ == "__main__":
    unittest.main()

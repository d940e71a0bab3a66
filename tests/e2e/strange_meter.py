"""A power meter on a pty, written from the reference's text alone (sections 1, 2 and 7.3).

It shares no code with the worker nor with the simulator in tools/benchsim, so that three readings of one
text meet in the tests.  `Dialect` is what instruments disagree about (2.4), `fault` one row of FAULTS.  What really flowed stands in
`acquisitions`: the figures of the worker are scored against it.  Here: the wire and the commands; the samples come from strange_stream.
"""
import heapq
import math
import os
import random
import select
import threading
import time
import tty

from strange_dialects import FAULTS, Dialect
from strange_stream import BLOCK, Acquisition, Stream, signal


class Meter(Stream, threading.Thread):
    def __init__(self, dialect=None, fault="none", directory="/tmp", seed=1, kind="l4", at=1, where=1500, name="meter"):
        """`at` = which acquisition has the fault (None: each); `where` = at which sample of it."""
        super().__init__(daemon=True)
        assert fault in FAULTS, fault
        self.d, self.fault, self.at = dialect or Dialect(), fault, at
        self.where = 2 * BLOCK - 1 if fault == "drop_block_and_stamp" else 300 if fault == "overcurrent_at_30ms" else where
        self.rng, self.kind, self.seed = random.Random(seed), kind, seed
        self.path = os.path.join(directory, name)
        self.directory = directory
        self.acquisitions, self.commands = [], []
        self.controlled = self.d.control == "free"
        self.quiet = False
        self.volts, self.rate_hz, self.format, self.power = 3.0, 100.0, "ascii_dec", "off"
        self.trigger, self.acqtime = "sw", 10.0
        self.status_text = "ok"
        self.replies, self.order = [], 0      # heap of (when, order, bytes)
        self.out = bytearray()
        self.line = bytearray()
        self.acq = None
        self.master = self.slave = -1
        self.ending = threading.Event()
        self.unplugged = False
        self.problem = None
        self._open()

    # -- the wire --

    def _open(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        if os.path.islink(self.path):
            os.unlink(self.path)
        os.symlink(os.ttyname(self.slave), self.path)

    def _close(self):
        for fd in (self.slave, self.master):
            if fd >= 0:
                os.close(fd)
        self.slave = self.master = -1

    def unplug(self):
        self._flush()
        time.sleep(0.01)
        self._close()
        if os.path.islink(self.path):
            os.unlink(self.path)
        self.unplugged = True

    def end(self):
        self.ending.set()
        self.join(10)

    def run(self):
        try:
            if self.fault == "was_streaming":
                self.acq = Acquisition(self.rate_hz)
                self.source, self.waiting, self.acqtime = signal(self.kind, 5), False, math.inf
                self.format = self.d.binary if self.d.binary != "none" else "ascii_dec"
            if self.fault == "garbage_before":
                self.out += bytes(self.rng.randrange(256) for _ in range(137))
            if self.fault == "residual_prompt":
                self.out += b"\r\nack volt 3300m\r\n\r\nPowerShield > stlp > "
            while not self.ending.is_set():
                if self.unplugged:
                    time.sleep(0.01)
                    continue
                self._turn()
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem
        finally:
            self._close()

    def _turn(self):
        now = time.monotonic()
        self.late_s = max(self.late_s, now - self.turned)
        self.turned = now
        readable, _, _ = select.select([self.master], [self.master] if self.out and self.d.pieces == "huge" else [], [], 0.004)
        if readable:
            try:
                got = os.read(self.master, 4096)
            except (OSError, BlockingIOError):
                got = b""
            for byte in got:
                if byte in b"\r\n":
                    if self.line:
                        self._command(self.line.decode("latin-1").strip())
                    self.line = bytearray()
                else:
                    self.line.append(byte)
        now = time.monotonic()
        while not self.unplugged and self.replies and self.replies[0][0] <= now:
            what = heapq.heappop(self.replies)[2]
            if callable(what):
                what()
            else:
                self.out += what
        if self.acq and not self.unplugged:
            self._stream(now)
        if not self.unplugged:
            self._flush()

    def _flush(self):
        if self.d.pieces == "huge" and len(self.out) < 8192 and self.acq and not self.acq.stopping and not self.acq.over \
                and self.acq.true_a and time.monotonic() - self.held < 0.06:
            return
        self.held = time.monotonic()
        while self.out:
            size = 1 if self.d.pieces == "byte" and len(self.out) < 4000 else len(self.out)
            try:
                sent = os.write(self.master, self.out[:size])
            except BlockingIOError:
                return
            except OSError:
                self.out.clear()
                return
            del self.out[:sent]

    held = 0.0
    born = math.inf  # when the first command came
    refusing = False  # until `status` is read
    late_s, turned = 0.0, math.inf  # the longest time in which this emulator did not come to its work

    def _later(self, what, delay_s=None):
        if delay_s is None:
            delay_s = self.rng.uniform(0.001, 0.012)
        when = time.monotonic() + delay_s
        if self.replies:
            when = max(when, max(r[0] for r in self.replies))
        self.order += 1
        heapq.heappush(self.replies, (when, self.order, what))

    # -- commands --

    def _prompt(self):
        return "PowerShield > " if self.d.identity == "lpm01a" else "stlp > "

    def _reply(self, text, delay_s=None):
        prompt = self._prompt() if not self.quiet else ""
        end = "\r\n\r\n" if self.d.line == "crlfcrlf" or self.quiet else "\r\n"
        if self.d.reply_nul:
            text = "\0" + text
        if self.fault == "answers_twice":
            text = text + end + text
        if self.d.prompt == "before":
            text = prompt + text + end
        elif self.d.prompt == "after":
            text = text + end + prompt
        else:
            text = text + end
        self._later(text.encode(), delay_s)

    def _error(self, name, detail):
        self.refusing = self.d.after_error == "status"
        self._reply(f"err {name}" if self.d.error == "err" else f"error {name}\r\nError detail: {detail}")

    def _command(self, text):
        self.commands.append(text)
        self.born = min(self.born, time.monotonic())
        if self.fault == "deaf_at_first" and time.monotonic() - self.born < 1:
            return
        if self.d.echo and (self.acq is None or self.fault == "echo_in_stream"):
            self._later((text + "\r\n").encode(), 0)
        words = text.split()
        name, rest = words[0].lower(), words[1:]
        if self.fault == "says_nothing":
            return
        if self.fault == "another_device":
            self._later(b"Unknown command. Type help.\r\n> ")
            return
        if self.fault == "unplug_in_setup" and name == "freq":
            self._later(self.unplug, 0.005)
            return
        if self.fault == f"ack_never_{name}" and not (name == "volt" and rest[-1:] == ["get"]):
            return
        if self.fault == f"refuses_{name}" and not (name in ("volt", "pwr") and rest[-1:] in (["get"], ["off"])):
            self._error(text, "not possible")
            return
        if self.fault == "unknown_command_first" and len(self.commands) == 1:
            self._later(b"Command unknown\r\n")
            return
        if self.fault == "service_lines" and self.rng.random() < 0.5 and self.acq is None:
            self._later(b"calibration request handled\r\n")
        if self.refusing and name not in ("status", "stop", "powershield", "version"):
            self._error(name, "error pending")
            return
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
            self.refusing = self.d.after_error == "status"
            self._error(name, "Command unknown") if self.rng.random() < 0.5 else self._reply("Command unknown")
            return
        if name in ("volt", "freq", "format", "acqtime", "trigsrc", "start") and not self.controlled:
            self._error(name, "host has no control")
            return
        handler(name, rest, text)

    def _do_help(self, *_):
        self._reply("help: see the manual")

    def _do_powershield(self, *_):
        if self.fault == "replies_shifted":
            self._later(b"ack status ok\r\n", 0.001)
        self._reply({"v3pwr": "ack STLINK-V3PWR 003A00343137510439383538",
                     "v3pwr_long": "ack powershield STLINK-V3PWR 003A00343137510439383538",
                     "lpm01a": "ack powershield 540619864-1110659081-4784204"}[self.d.identity])

    def _do_version(self, *_):
        self._reply(f"ack version: {self.d.version}")

    def _do_apiver(self, *_):
        if self.d.identity == "lpm01a":
            self._reply("Command unknown")
        else:
            self._reply("ack apiver: 1.1")

    def _do_status(self, *_):
        self.refusing = False
        self._reply("ack status ok" if self.status_text == "ok" else f"ack status error: {self.status_text}")
        self.status_text = "ok"

    def _do_echo(self, _, rest, text):
        self._reply("ack " + text)

    def _do_htc(self, *_):
        if self.acq and not self.acq.stopping:  # as the manual: not while it streams
            return self._error("htc", "acquisition running")
        self.controlled = True
        self._reply("ack htc")

    def _do_hrc(self, *_):
        self.controlled = self.d.control == "free"
        self._reply("ack hrc")

    def _do_power_monitor(self, *_):
        if self.d.monitor == "unknown":
            self._error("power_monitor", "Command unknown")
        else:
            self.quiet = True
            self._reply("ack power_monitor")

    def _do_lcd(self, _, rest, text):
        if self.d.identity == "lpm01a":
            self._reply("ack " + text)
        else:
            self._reply("Command unknown")

    @staticmethod
    def _number(text):
        units = {"u": 1e-6, "m": 1e-3, "k": 1e3}
        if text in ("inf", "0"):
            return math.inf
        if text and text[-1] in units and text[:-1].isdigit():
            return int(text[:-1]) * units[text[-1]]
        for sign in "+-":
            if sign in text[1:]:
                left, right = text.split(sign, 1)
                if left.isdigit() and right.isdigit():
                    return int(left) * 10.0 ** int(sign + right)
        return float(text) if text.isdigit() else None

    def _quantity(self, rest):
        """A number as this dialect writes it."""
        plain = rest and rest[0][-1].isdigit()
        if not rest or self.d.numbers == "suffix" and plain and self._number(rest[0]) not in (100, 200, 500, 50, 20, 10, 5, 2, 1):
            return None
        return None if self.d.numbers == "plain" and not plain else self._number(rest[0])

    def _do_volt(self, name, rest, text):
        if rest and rest[0] in ("vout", "vaux"):
            if self.d.identity == "lpm01a":
                return self._error(text, "bad argument")
            rest = rest[1:]
        if rest and rest[0] == "get":
            volts = self.volts - (0.4 if self.fault == "voltage_wrong" else 0)
            return self._reply(f"ack volt get {round(volts * 1000)}-03")
        value = self._quantity(rest)
        low, high = (1.8, 3.3) if self.d.identity == "lpm01a" else (1.6, 3.6)
        if value is None or not low - 1e-9 <= value <= high + 1e-9:
            return self._error(text, "out of range")
        if self.fault == "clamps_volt":
            self.volts = 3.0
            return self._reply("ack volt 3000m")
        self.volts = value
        self._reply(f"ack {text}" if self.d.volt_reply == "plain" else f"ack volt {round(value * 1000)}m",
                    {"ack_late": 1.26, "volt_takes_4s": 4}.get(self.fault, 0.02))
        return None

    def _do_freq(self, name, rest, text):
        value = self._quantity(rest)
        if value not in (100e3, 50e3, 20e3, 10e3, 5e3, 2e3, 1e3, 500, 200, 100, 50, 20, 10, 5, 2, 1) or (
                self.format == "ascii_dec" and value > self.d.ascii_limit_hz):
            return self._error(text, "bad frequency")
        self.rate_hz = value
        if self.fault.startswith("clamps_freq"):
            self.rate_hz = value / 2
        return self._reply(f"ack freq {round(self.rate_hz)}" if self.fault == "clamps_freq" else f"ack {text}")

    def _do_acqtime(self, name, rest, text):
        value = self._number(rest[0]) if rest else None
        if value == math.inf and rest[0] != self.d.endless and self.d.endless != "inf":
            value = None
        if value is None or (value != math.inf and value > self.d.acqtime_limit_s):
            return self._error(text, "out of range")
        self.acqtime = value
        return self._reply(f"ack {text}")

    def _do_acqmode(self, name, rest, text):
        if self.d.identity == "lpm01a" and rest == ["dyn"]:
            return self._reply(f"ack {text}")
        return self._error(text, "unknown")

    def _plain(self, name, rest, text):
        self._reply(f"ack {text}")

    def _do_output(self, name, rest, text):
        self._reply("ack output energy" if self.fault == "says_energy" else f"ack {text}")

    _do_funcmode = _do_trigdelay = _do_pwrend = _do_targrst = _do_eventsrc = _do_calib = _plain

    def _do_currthres(self, name, rest, text):
        if self.d.threshold == name:
            self._reply(f"ack {text}")
        else:
            self._reply("Command unknown")

    _do_currthre = _do_currthres

    def _do_format(self, name, rest, text):
        if rest and rest[0] == "ascii_dec" or rest and rest[0] == self.d.binary:
            self.format = rest[0]
            return self._reply(f"ack {text}")
        return self._error(text, "bad format")

    def _do_trigsrc(self, name, rest, text):
        if rest and rest[0] in (("sw", "d7") if self.d.identity == "lpm01a" else ("sw", "hw")):
            self.trigger = rest[0]
            return self._reply(f"ack {text}")
        return self._error(text, "bad source")

    def _do_pwr(self, name, rest, text):
        if rest and rest[0] in ("vout", "vaux"):
            if self.d.identity == "lpm01a":
                return self._error(text, "bad argument")
            rest = rest[1:]
        if rest[:1] == ["get"]:
            return self._reply(f"ack pwr get {self.power}")
        if rest[:1] not in (["on"], ["off"], ["auto"]):
            return self._error(text, "bad argument")
        self.power = rest[0]
        return self._reply(f"ack pwr {rest[0]}" if self.d.volt_reply == "get" else f"ack {text}")

    def _do_temp(self, name, rest, text):
        if self.d.temperature == "silent":
            return None
        if self.d.temperature == "unknown":
            return self._error(name, "Command unknown")
        ok = rest == ["refresh", "pcb"] if self.d.threshold == "currthres" else rest == ["degc", "refresh"]
        return self._reply(f"ack {text}\r\ntemp 31 degC") if ok else self._error(text, "bad argument")

    def _do_psrst(self, *_):
        self._later(self.unplug, 0.01)

    def _do_start(self, name, rest, text):
        if self.acq:
            return self._error("start", "already running")
        self._reply("ack start")
        tail = {"nothing": b"", "line": b"\r\n", "zeros": b"\0\0", "prompt": b"\r\n" + self._prompt().encode()}[self.d.after_start]
        self._later(tail, 0)
        return self._later(self._begin, 0.02)

    def _do_stop(self, name, rest, text):
        if self.armed:
            self.armed = False
            return self._reply("ack stop")
        if self.fault == "stop_ignored" and self.acq and self._faulty():
            return None
        if not self.acq:
            return self._error("stop", "no acquisition")
        if not self.acq.stopping:
            self.acq.stopping = True
            self._later(lambda: self._finish("stop"), 0.6 if self.fault == "drains_slowly" else 0.02)
        return None

"""A power meter on a pty, written from the reference's text alone (sections 1, 2 and 7.3).

It shares no code with the worker nor with the simulator in tools/benchsim, so that three readings of one
text meet in the tests.  `Dialect` is what instruments disagree about (2.4), `fault` one row of FAULTS.  What really flowed stands in
`acquisitions`: the figures of the worker are scored against it.
"""
import heapq
import itertools
import math
import os
import random
import select
import struct
import threading
import time
import tty

from strange_dialects import FAULTS, Dialect

BLOCK = 1000

# ---- numbers on the wire ----

def word_of(current_a):
    """The 16-bit sample of a current, normalised as the manual's examples are."""
    if current_a <= 0:
        return 0xE000
    for n in range(15):
        m = round(current_a * 16.0 ** n)
        if 0x100 <= m <= 0xFFF:
            return n << 12 | m
    return 0xE000 | min(round(current_a * 16.0 ** 14), 0xFFF)


def value_of(word):
    return math.ldexp(word & 0xFFF, -4 * (word >> 12))


def text_of(current_a):
    """DDDD-EE of a current, and its value."""
    if current_a <= 0:
        return "0000-09", 0.0
    e = math.floor(math.log10(current_a)) - 3
    m = round(current_a * 10.0 ** -e)
    return f"{m:04d}-{-e:02d}", m * 10.0 ** e


def signal(kind, seed):
    """Currents in ampere, one per sample, without an end."""
    rng = random.Random(seed)
    base = {"l4": 0.0221, "micro": 0.00012, "f7": 0.081, "wide": None}.get(kind, 0.0221)
    for k in itertools.count():
        if kind == "wide":  # every range of the instrument in one trace
            yield 10 ** (-6.5 + 5.8 * (0.5 + 0.5 * math.sin(k / 211))) * rng.uniform(0.95, 1.05)
        elif kind == "low_f0":  # many low bytes 0xF0
            yield value_of(0x5300 | rng.choice([0xF0, 0xF0, 0xF3, 0xFF, rng.randrange(256)]))
        else:
            yield base * (1 + 0.15 * (k // 137 % 2)) * rng.gauss(1, 0.01)


# ---- the instrument ----

class Acquisition:
    """One stream: what flowed (`true_a`, by the meter's own clock) and what was done to it."""

    def __init__(self, rate_hz):
        self.rate_hz = rate_hz
        self.true_a = []
        self.began = time.monotonic()
        self.stopping = False
        self.over = False
        self.ms = 0


class Meter(threading.Thread):
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
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
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
        return self._reply(f"ack {text}")

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

    _do_output = _do_funcmode = _do_trigdelay = _do_pwrend = _do_targrst = _do_eventsrc = _do_calib = _plain

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

    # -- the stream --

    def _faulty(self):
        return self.acq is not None and (self.at is None or self.number == self.at)

    number = -1

    edge_s = 0.7  # from `start` to the edge, when it is told to wait for one
    armed = False

    def _begin(self):
        if self.unplugged:
            return
        if self.trigger != "sw" and not self.armed:
            self.armed = True
            return self._later(self._edge, self.edge_s)
        self.armed = False
        self.number += 1
        self.acq = Acquisition(self.rate_hz)
        self.acquisitions.append(self.acq)
        self.source = signal(self.kind, self.seed + self.number)
        self.waiting = False
        faulty = self._faulty()
        if faulty and self.fault == "ends_at_once":
            return self._finish("end")
        if faulty and self.fault == "odd_chunk_at_start":
            self.out += b"\x52"
        self.acq.ms = {"stamp_holds_f0f3": 0x00F0F300 - 1000 * 1000 // round(self.rate_hz),
                       "stamp_wraps": 0x7FFFFFFF - 1500 * 1000 // round(self.rate_hz),
                       "stamp_at_odd_time": 12345}.get(self.fault, 0) if faulty or self.fault in (
                           "stamp_holds_f0f3", "stamp_wraps", "stamp_at_odd_time") else 0
        if self.d.first_stamp:
            self.out += self._stamp(0)
        return None

    def _edge(self):
        if self.armed:
            self._begin()

    def _binary(self):
        return self.format != "ascii_dec"

    def _stamp(self, count):
        a = self.acq
        ms = a.ms + count * 1000 / a.rate_hz
        faulty = self._faulty()
        if faulty and self.fault == "stamps_skewed":
            ms = a.ms + count * 1030 / a.rate_hz
        elif faulty and self.fault == "stamps_skewed_little":
            ms = a.ms + count * 1004 / a.rate_hz
        load = 3
        if faulty and count >= self.where:
            load = {"buffer_60": 60, "buffer_99": 99, "buffer_49": 49, "buffer_50": 50}.get(self.fault, 3)
        if faulty and self.fault == "stamp_back" and count == 2 * BLOCK:
            ms -= 3000 * 1000 / a.rate_hz
        ms = round(ms) if ms >= 0 else 0
        if self._binary():
            wrapped = 0x80000000 if ms > 0x7FFFFFFF else 0
            frame = b"\xF0\xF3" + struct.pack(">IB", (ms & 0x7FFFFFFF) | wrapped, load) + b"\xFF\xFF"
            if faulty and count == 2 * BLOCK:
                if self.fault == "flip_in_stamp":
                    frame = frame[:2] + struct.pack(">I", ms ^ 0x00100000) + frame[6:]
                elif self.fault == "flip_stamp_end":
                    frame = frame[:-1] + b"\xF7"
            return frame
        sign = self.d.stamp_sign
        text = f"{self.d.stamp_word}:{sign}{ms // 1000:03d}s {ms % 1000:03d}ms, buff {load:02d}%"
        return f"\r\n{text}\r\n".encode() + (b"\0" if self.d.stamp_nul else b"")

    def _current(self, k):
        """What flows at sample k of this acquisition."""
        current = next(self.source)
        if self.d.supply == "pwr on" and self.power == "off":
            return 0.0
        faulty = self._faulty()
        if self.number == 0 and self.fault == "first_bias":
            current += 0.008
        if not faulty:
            return current
        if self.fault == "stuck":
            return 0.0221
        if self.fault == "zero":
            return 0.0
        if self.fault == "step" and k >= self.where:
            return current + 0.010
        if self.fault == "drift":
            return current * (1 + 0.3 * k / 3000)
        if self.fault == "dim_brown_out" and self.where <= k < self.where + 200:
            return 3e-8
        if self.fault == "brown_out" and self.where <= k < self.where + 200:
            return 0.0
        return current

    def _encode(self, k, current):
        """The bytes of sample k; notes what it is worth."""
        faulty = self._faulty()
        if self._binary():
            word = word_of(current)
            if faulty and self.fault == "f0_before_stamp" and k % BLOCK == BLOCK - 1:
                word = word & 0xFF00 | 0xF0
            if faulty and self.fault == "unnormalised" and k % 3 == 0 and 0x100 <= word & 0xFFF and word >> 12 > 1:
                word = ((word >> 12) - 1) << 12 | (word & 0xFFF) >> 4
            self.acq.true_a.append(value_of(word))
            return struct.pack(">H", word)
        text, value = text_of(current)
        if faulty and self.fault == "five_digits":
            m = round(current * 1e6)
            text, value = f"{m:05d}-06", m * 1e-6
        self.acq.true_a.append(value)
        if faulty and k == self.where:
            if self.fault == "nan":
                text = "NaN"
            if self.fault == "negative":
                text = "-" + text
        return (text + "\r\n").encode()

    def _stream(self, now):
        a = self.acq
        if a.over or self.waiting:
            return
        pace = {"skew_1_percent": 1.01, "skew_slow_1_percent": 0.99, "skew_100_ppm": 1.0001}.get(self.fault, 1.0)
        due = int((now - a.began) * a.rate_hz * pace)
        if self.acqtime != math.inf:
            due = min(due, round(self.acqtime * a.rate_hz))
        while len(a.true_a) < due and not self.unplugged and not a.over and not self.waiting:
            self._sample(len(a.true_a))
        if self.acqtime != math.inf and len(a.true_a) >= round(self.acqtime * a.rate_hz) and not a.stopping:
            a.stopping = True
            self._finish("time")

    def _sample(self, k):
        a = self.acq
        here = self._faulty() and k == self.where
        if here and self._before(k):
            return
        before = len(self.out)
        self.out += self._encode(k, self._current(k))
        if here:
            self._damage(before)
        if self._faulty() and k + 1 == BLOCK and self.fault == "drop_byte_late":
            del self.out[-2:-1]
        if len(a.true_a) % BLOCK == 0 and not a.over:
            self._end_of_block(len(a.true_a))

    def _end_of_block(self, count):
        faulty, fault = self._faulty(), self.fault
        second = faulty and count == 2 * BLOCK
        if second and fault == "stamp_missing" or faulty and fault == "stamps_missing_all" or \
                faulty and fault == "stamps_missing_two" and count in (2 * BLOCK, 3 * BLOCK):
            return
        if second and fault == "unplug_mid_frame":
            self.out += self._stamp(count)[:4]
            return self.unplug()
        self.out += self._stamp(count)
        if second and fault == "stamp_doubled":
            self.out += self._stamp(count)
        if second and fault == "double_block":
            self.out += self.block_copy + self._stamp(count)
        if second and fault == "double_block_and_stamp":
            self.out += self.block_copy + self._stamp(count + BLOCK)
        return None

    block_copy = b""

    def _frame(self, tag, payload=b""):
        self.out += b"\xF0" + bytes([tag]) + payload + b"\xFF\xFF"

    def _text(self, line):
        self.out += f"\r\n{line}\r\n".encode()

    def _before(self, k):
        """What happens between two samples, right before the sample `where`.  True: no sample comes now."""
        fault, a = self.fault, self.acq
        if fault in ("overcurrent", "overcurrent_at_30ms"):
            self._overcurrent()
        elif fault == "error_text":
            self._trouble("calibration lost")
        elif fault == "error_overcurrent_text":
            self._trouble("Overcurrent >59mA, dynamic acquisition stopped")
        elif fault == "buffer_overflow":
            self._trouble("buffer overflow, acquisition stopped", summary="Measurement interrupted")
        elif fault == "interrupted_summary":
            self._finish("interrupted")
        elif fault == "overcurrent_then_silence":
            self._overcurrent(silent=True)
        elif fault == "overcurrent_in_status":
            self.status_text = "Overcurrent >59mA, dynamic acquisition stopped"
            self._finish("overcurrent")
        elif fault == "stops_early":
            self._finish("end")
        elif fault == "stops_early_silent":
            self.waiting = True
        elif fault == "stream_pauses":
            self.waiting = True
            a.began += 1.0
            self._later(self._go_on, 1.0)
        elif fault == "brown_out":
            self._frame(0xF6)
            return False
        elif fault == "supply_off":
            self._frame(0xF9, b"\0") if self._binary() else self._text("pwr off")
            return False
        elif fault in ("unplug_mid_sample", "reenumerate"):
            self.out += self._encode(k, self._current(k))[:1]
            self.unplug()
            if fault == "reenumerate":
                self.path += "-again"
                self._open()
                self.unplugged = False
                a.over, self.acq = True, None
                self.out.clear()
        else:
            return False
        return True

    def _go_on(self):
        self.waiting = False

    def _overcurrent(self, silent=False):
        if self._binary():
            size = self.d.overcurrent_bytes
            self._frame(self.d.overcurrent_tag, b"\0\0\x02\x26"[:size - 4])
        else:
            self._text("error Overcurrent >59mA, dynamic acquisition stopped")
        self.waiting = silent
        return None if silent else self._finish("overcurrent")

    def _trouble(self, text, summary=None):
        self.status_text = text
        if self._binary():
            self._frame(0xF1, text.encode() + b"\r\n")
        else:
            self._text("error: " + text)
        self._finish("error", summary)

    def _damage(self, before):
        """What happens to the bytes of the sample `where`, which start at `before`."""
        out, fault = self.out, self.fault
        size = len(out) - before
        some = before + (size - 1) // 2
        if fault == "drop_byte":
            del out[some]
        elif fault == "double_byte":
            out.insert(some, out[some])
        elif fault == "drop_digit":
            del out[before + 1]
        elif fault == "drop_exponent_digit":
            del out[-3]
        elif fault == "drop_sample":
            del out[before:]
        elif fault in ("count_999", "count_1001"):
            if fault == "count_999":
                del out[before:]
            else:
                out += out[before:]
        elif fault == "double_sample":
            out += out[before:]
        elif fault == "drop_first_byte":
            del out[before:before + 1]
        elif fault == "flip_mantissa":
            out[before] ^= 0x02
        elif fault == "flip_digit":
            out[before + 1] ^= 0x04
        elif fault == "drop_digit_of_many":
            del out[before]
        elif fault == "service_in_stream":
            self._text("calibration request handled")
        elif fault == "voltage_wrong_in_stream":
            self._frame(0xF7, struct.pack(">H", 2100))
        elif fault == "unknown_tag_fc":
            self._frame(0xFC, b"\x01\x02\x03\x04\x05")
        elif fault == "swap_bytes":
            out[before], out[before + 1] = out[before + 1], out[before]
        elif fault == "flip_top_bit":
            out[before] ^= 0x20
        elif fault == "flip_to_tag":
            out[before:] = b"\xF0\xF7"
        elif fault == "glued":
            del out[-2:]
        elif fault == "text_junk":
            out[before:before + 4] = b"#?x\x7f"
        elif fault == "long_line":
            out[before:] = b"7" * 20000 + b"\r\n"
        elif fault == "unknown_tag_fa":
            self._frame(0xFA)
        elif fault == "unknown_tag_fb":
            self._frame(0xFB)
        elif fault == "unknown_tag_fe":
            self._frame(0xFE, b"\x01\x02")
        elif fault == "information":
            self._frame(0xF2, b"temperature changed by 6 degC\r\n")
        elif fault == "temperature":
            self._frame(0xF8, struct.pack(">h", -7)) if self._binary() else self._text("PowerShield > ack temp 31 degC")
        elif fault == "power_status":
            self._frame(0xF9, b"\1") if self._binary() else self._text("pwr on")
        elif fault == "voltage_ack":
            if self._binary():
                self._frame(0xF7, struct.pack(">H", round(self.volts * 1000)))
            else:
                self._text(f"ack volt get {round(self.volts * 1000)}-03")
        elif fault == "voltage_wrong":
            self._frame(0xF7, struct.pack(">H", 2100))
        elif fault == "event_lines" and not self._binary():
            self._text("event 01 ris")
        elif fault == "drop_block":
            self._drop(4 * BLOCK // 4, with_stamp=False)
        elif fault == "drop_block_and_stamp":
            self._drop(BLOCK, with_stamp=True)
        elif fault in ("double_block", "double_block_and_stamp"):
            source = signal(self.kind, 99)
            values = [next(source) for _ in range(BLOCK)]
            self.block_copy = b"".join(struct.pack(">H", word_of(v)) if self._binary() else
                                       (text_of(v)[0] + "\r\n").encode() for v in values)

    def _drop(self, count, with_stamp):
        """Samples that flowed and that nobody sees."""
        a = self.acq
        for _ in range(count):
            a.true_a.append(self._current(len(a.true_a)))
            if not with_stamp and len(a.true_a) % BLOCK == 0:
                self.out += self._stamp(len(a.true_a))

    def _finish(self, why, summary=None):
        a = self.acq
        if a is None or self.unplugged or a.over:
            return
        fault, faulty = self.fault, self._faulty()
        if fault == "unplug_before_stop" and faulty:
            self.unplug()
            return
        if fault == "half_block_at_end" and faulty and self._binary():
            self.out += b"\x52"
        a.over = True
        text = summary or {"interrupted": "Measurement interrupted"}.get(why, "")
        lines = ["summary beg", *([text] if text else ["current min 0023-10", "current max 8111-05"]), "summary end"]
        body = "\r\n".join(lines) + "\r\n"
        pieces = []
        if fault != "no_end_mark" or not faulty:
            pieces.append(b"\xF0\xF4\xFF\xFF" if self._binary() else b"\r\nend\r\n")
        if self.d.summary == "frame" and self._binary():
            pieces.append(b"\xF0\xF2" + body.encode() + b"\xFF\xFF")
        elif self.d.summary == "text" or text:
            pieces.append(b"\r\n" + body.encode())
        if self.d.stop_ack == "completed":
            pieces.append(f"{self._prompt()}Acquisition completed\r\n".encode())
        elif self.d.stop_ack == "ack" and why == "stop":
            pieces.append(b"ack stop\r\n" + (b"" if not self.quiet else b"\r\n"))
        if fault == "summary_in_pieces":
            for piece in pieces:
                for i in range(0, len(piece), 3):
                    self._later(piece[i:i + 3], 0.001)
            pieces = []
        if fault == "stale_after_stop" and self.number == 0:
            self._later(self._stale(333), 0.004)
        if fault == "stale_long_after_stop" and self.number == 0:
            self._later(self._stale(200), 0.1)
        self.out += b"".join(pieces)
        self.acq = None

    def _stale(self, count):
        return b"".join(struct.pack(">H", word_of(0.4)) for _ in range(count)) if self._binary() else b"4000-04\r\n" * count

"""A power monitor on a pty, written from the reference alone: it shares neither code nor author's habits with
tools/benchsim, so that the driver and that simulator cannot agree on the same mistake.

    with Meter(model="lpm01a", wrong=("bin_hexa",)) as meter:
        ... meter.port, then meter.exact_sum_a(first N samples of the last acquisition)

Everything that meters and their documents disagree on is a keyword.  `damage(run, block, data)` may change what is sent:
run 1 is the first acquisition, block k its k-th 1000 samples with the time stamp that closes them.
Source: power-and-boards, sections 1.1, 1.3, 2.1 to 2.4, 7.3."""
import errno
import fractions
import os
import pty
import random
import select
import struct
import threading
import time
import tty

BLOCK = 1000
RATES = {"100k": 100000, "50k": 50000, "20k": 20000, "10k": 10000, "5k": 5000, "2k": 2000, "1k": 1000, "500": 500,
         "200": 200, "100": 100, "50": 50, "20": 20, "10": 10, "5": 5, "2": 2, "1": 1}
F4 = b"\xF0\xF4\xFF\xFF"
SUMMARY = b"\r\nsummary beg\r\n0712-05\r\n2210-05\r\nsummary end\r\n"
DONE = b"\r\nPowerShield > Acquisition completed\r\n"


def code(amperes):
    """m * 16^-n with the largest m below 4096."""
    n = 0
    while n < 14 and round(amperes * 16 ** (n + 1)) < 4096:
        n += 1
    return n << 12 | round(amperes * 16 ** n)


def value(raw):
    return fractions.Fraction(raw & 0xFFF, 16 ** (raw >> 12))


def waves(count, idle=0.0071, busy=0.0222, noise=0.004):
    """Blocks of codes: idle, ramps and busy stretches, with noise; none like its neighbour."""
    dice = random.Random(20)
    blocks = []
    for k in range(count):
        level = [idle, busy, busy * 0.8, idle * 1.5][k % 4]
        blocks.append([code(level * (1 + dice.gauss(0, noise))) for _ in range(BLOCK)])
    return blocks


class Meter:
    def __init__(self, model="v3pwr", *, wrong=(), mute=(), damage=None, after_start=b"", before_stamp0=b"", stamp0=True,
                 prompt=None, end="\r\n", ack_gap=b"", err="error", detail=True, echo=False, late_s=0.005, slow=None, junk=b"",
                 shift=False, base_ms=0, buffer=lambda block: 2, ascii_stamp="\r\nTimeStamp: {:03}s {:03}ms, buff {:02}%\r\n\0",
                 digits=4, volts=None, pending_error="", stop_tail=None, stop_ack=False, ignore_stops=0,
                 version="1.2.3 release", busy_at_open=None, blocks=None, hang_up=None, pace=1.0, identity=None, stuck_after=0, edge_s=0.7):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.model, self.wrong, self.mute, self.damage = model, wrong, mute, damage
        self.after_start, self.before_stamp0, self.stamp0 = after_start, before_stamp0, stamp0
        self.prompt = ("stlp > " if model == "v3pwr" else "PowerShield > ") if prompt is None else prompt
        self.end, self.ack_gap, self.err, self.detail, self.echo = end, ack_gap, err, detail, echo
        self.late_s, self.slow, self.junk, self.shift = late_s, slow or {}, junk, shift
        self.base_ms, self.buffer, self.ascii_stamp, self.digits = base_ms, buffer, ascii_stamp, digits
        self.volts, self.pending_error = volts, pending_error
        self.stop_tail, self.stop_ack, self.ignore_stops = stop_tail, stop_ack, ignore_stops
        self.version, self.hang_up, self.pace, self.identity = version, hang_up, pace, identity
        self.blocks, self.stuck_after, self.edge_s = blocks or waves(8), stuck_after, edge_s
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.slave, self.port = slave, os.ttyname(slave)
        self.rate, self.ascii, self.set_volts, self.powered, self.acq_s = 100000, True, 3.3, model != "v3pwr", 10
        self.host = model == "v3pwr"
        self.acquisition, self.log, self.held, self.input = 0, [], "", b""
        self.running = bool(busy_at_open)
        self.feed = busy_at_open
        self.over = self.armed = False

    # ---- life ----

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.close()

    def close(self):
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)
        self.master = self.slave = None

    def send(self, data):
        while data and self.master is not None:
            try:
                data = data[os.write(self.master, data[:700]):]
            except OSError as e:
                if e.errno not in (errno.EAGAIN, errno.EIO):
                    raise
                return

    # ---- the truth ----

    def exact_sum_a(self, count):
        total = fractions.Fraction(0)
        for k in range(count):
            total += self.sent(self.blocks[k // BLOCK % len(self.blocks)][k % BLOCK])
        return total

    def sent(self, raw):
        if not self.ascii:
            return value(raw)
        mantissa, exponent = self.decimal(raw)
        return fractions.Fraction(mantissa, 10 ** exponent)

    def decimal(self, raw):
        amperes, exponent = value(raw), 0
        while exponent < 12 and amperes * 10 ** (exponent + 1) < 10 ** self.digits:
            exponent += 1
        return round(amperes * 10 ** exponent), exponent

    # ---- commands ----

    def answer(self, text, delay_s=None):
        if self.shift:
            text, self.held = self.held, text
            if not text:
                return
        time.sleep(self.late_s if delay_s is None else delay_s)
        self.send(self.junk + (self.prompt + text + self.end).encode("latin-1"))

    def refuse(self, word):
        self.answer(f"{self.err} {word}" + (f"{self.end}Error detail: wrong argument" if self.detail else ""))

    def command(self, line):
        self.log.append(line)
        word, _, rest = line.partition(" ")
        if self.running and not self.acquisition and word != "stop":  # that of an earlier program
            return
        if self.echo:
            self.send(line.encode() + b"\r\n")
        if word in self.mute or line in self.mute:
            return
        if line in self.wrong or word in self.wrong or any(line.endswith(" " + w) for w in self.wrong):
            self.refuse(word)
            return
        delay = self.slow.get(word)
        known = getattr(self, "do_" + word, None)
        free = word in ("powershield", "version", "status", "htc", "hrc", "help", "echo")
        if known is None:
            self.answer("Command unknown" if self.model == "lpm01a" else f"{self.err} {word}")
        elif not self.host and not free:
            self.refuse(word)
        else:
            said = known(rest)
            if said is not None:
                self.answer(said, delay)

    def do_powershield(self, _):
        lpm = "ack powershield 540619864-1110659081-4784204"
        return self.identity or ("ack STLINK-V3PWR 0038003A3234510836303532" if self.model == "v3pwr" else lpm)

    def do_version(self, _):
        return f"ack version: {self.version}"

    def do_status(self, _):
        error, self.pending_error = self.pending_error, ""
        return f"error: {error}" if error else "ack status ok"

    def do_htc(self, _):
        self.host = True
        return "ack htc"

    def do_hrc(self, _):
        self.host = self.model == "v3pwr"
        return "ack hrc"

    def do_power_monitor(self, _):
        if self.model != "v3pwr":
            return self.refuse("power_monitor")
        self.prompt = ""
        self.end = "\r\n\r\n"
        return "ack power_monitor"

    def do_acqmode(self, rest):
        return "ack acqmode dyn" if self.model == "lpm01a" else self.refuse("acqmode")

    def do_funcmode(self, rest):
        return "ack funcmode " + rest

    def do_output(self, rest):
        return "ack output " + rest

    def do_trigsrc(self, rest):
        if rest not in ("sw", "hw" if self.model == "v3pwr" else "d7"):
            return self.refuse("trigsrc")
        self.armed = rest != "sw"
        return "ack trigsrc " + rest

    def do_trigdelay(self, rest):
        return "ack trigdelay " + rest

    def do_freq(self, rest):
        plain = next((name for name, hz in RATES.items() if rest in (name, str(hz), f"{hz // 1000}+3")), None)
        if plain is None:
            return self.refuse("freq")
        self.rate = RATES[plain]
        return "ack freq " + rest

    def do_format(self, rest):
        if rest not in ("ascii_dec", "bin_hexa", "bin_hex"):
            return self.refuse("format")
        self.ascii = rest == "ascii_dec"
        return "ack format " + rest

    def do_acqtime(self, rest):
        self.acq_s = 0 if rest in ("inf", "0") else float(rest)
        return "ack acqtime " + rest

    def do_volt(self, rest):
        if rest.endswith("get"):
            if self.volts is not None:
                return f"ack volt get {self.volts}"
            return f"ack volt get {round(self.set_volts * 1000):04}-03"
        digits = rest.split()[-1]
        if digits.endswith("m"):
            self.set_volts = int(digits[:-1]) / 1000
        elif digits.endswith("-3"):
            self.set_volts = int(digits[:-2]) / 1000
        else:
            return self.refuse("volt")
        return "ack volt " + rest

    def do_pwr(self, rest):
        self.powered = rest.split()[-1] != "off"
        return "ack pwr " + rest.split()[-1]

    def do_stop(self, _):
        if self.ignore_stops:
            self.ignore_stops -= 1
        elif self.running:
            self.running = False
        return "ack stop" if self.stop_ack else None

    def do_start(self, _):
        self.acquisition += 1
        if self.stuck_after and self.acquisition > self.stuck_after:
            self.blocks = [self.blocks[0][:1] * BLOCK]
        self.running, self.feed = True, self.stream()
        text = ("ack start" + self.end).encode()
        time.sleep(self.late_s)
        self.send(self.prompt.encode() + text + self.after_start)
        return None

    # ---- the stream ----

    def stamp(self, block):
        ms = self.base_ms + block * BLOCK * 1000 // self.rate
        pct = self.buffer(block)
        if self.ascii:
            return self.ascii_stamp.format(ms // 1000, ms % 1000, pct).encode("latin-1")
        wrapped = 0x80000000 if ms > 0x7FFFFFFF else 0
        return b"\xF0\xF3" + struct.pack(">IB", ms & 0x7FFFFFFF | wrapped, pct) + b"\xFF\xFF"

    def text(self, codes):
        if not self.ascii:
            return b"".join(struct.pack(">H", raw) for raw in codes)
        return b"".join(b"%0*d-%02d\r\n" % (self.digits, *self.decimal(raw)) for raw in codes)

    def stream(self):
        """Bytes, and how long they take;"""
        if self.armed:
            yield b"", self.edge_s
        yield self.before_stamp0 + (self.stamp(0) if self.stamp0 else b""), 0
        block = 0
        cache = {}
        while True:
            block += 1
            k = (block - 1) % len(self.blocks)
            if k not in cache:
                cache[k] = self.text(self.blocks[k])
            data = cache[k] + self.stamp(block)
            if self.damage:
                data = self.damage(self.acquisition, block, data)
            yield data, BLOCK / self.rate
            if self.acq_s and block * BLOCK / self.rate >= self.acq_s:
                yield F4, 0
                return

    def pieces(self):
        """Splits what is due into odd pieces."""
        started, due = time.monotonic(), 0.0
        for data, lasts_s in self.feed:
            parts = max(1, min(len(data) // 389 + 1, int(lasts_s / 0.002) + 1))
            size = len(data) // parts + 1
            for at in range(0, max(len(data), 1), size):
                piece = data[at:at + size]
                due += lasts_s * len(piece) / len(data) if data else lasts_s
                yield piece, started + due / self.pace

    # ---- the loop ----

    def listen(self, until):
        """Takes commands until then, or until the acquisition is over."""
        was = self.running
        while not self.over and self.running == was:
            if b"\n" in self.input or b"\r" in self.input:  # what follows a start or stop is for the next call
                at = min(i for i in (self.input.find(b"\n"), self.input.find(b"\r")) if i >= 0)
                line, self.input = self.input[:at].decode("latin-1").strip(), self.input[at + 1:]
                if line:
                    self.command(line)
                continue
            left = until - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0, min(left, 0.05)))
            if ready:
                try:
                    self.input += os.read(self.master, 4096)
                except OSError:
                    return
            elif left <= 0:
                return

    def acquire(self):
        for piece, due in self.pieces():
            self.listen(due)
            if self.over or not self.running:
                break
            if piece is not None and b"HANGUP" in piece:
                self.send(piece[:piece.index(b"HANGUP")])
                time.sleep(0.01)
                self.close()
                self.over = True
                return
            self.send(piece)
        if not self.over:
            self.running = False
            end = b"\r\nend\r\n" if self.ascii else F4
            self.send(end + SUMMARY + DONE if self.stop_tail is None else self.stop_tail)

    def serve(self):
        while not self.over:
            if self.running:
                self.acquire()
            else:
                self.listen(time.monotonic() + 0.05)


"""The sample stream of strange_meter, and what can happen to it: reference sections 2.1 to 2.3 and 7.3.

`Stream` is the half of the instrument that sends samples; the half that reads commands is strange_meter's Meter, whose
members it uses."""
import itertools
import math
import random
import struct
import time

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


# ---- the stream ----

class Acquisition:
    """One stream: what flowed (`true_a`, by the meter's own clock) and what was done to it."""

    def __init__(self, rate_hz):
        self.rate_hz = rate_hz
        self.true_a = []
        self.began = time.monotonic()
        self.stopping = False
        self.over = False
        self.ms = 0


class Stream:
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
            if faulty and count == {"flip_in_first_stamp": 0, "flip_in_second_stamp": BLOCK}.get(self.fault):
                frame = frame[:2] + struct.pack(">I", ms ^ 0x00100000) + frame[6:]
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
        pace = {"skew_1_percent": 1.01, "skew_slow_1_percent": 0.99, "skew_100_ppm": 1.0001,
                "tenth_of_the_pace": 0.1, "twice_the_pace": 2}.get(self.fault, 1.0)
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
                faulty and fault == "stamps_end" and count >= 2 * BLOCK or \
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

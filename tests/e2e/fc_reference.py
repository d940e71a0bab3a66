"""A second, independent evaluation of int8 fully connected .tflite models, in plain Python.

Written from the documents (TensorFlow Lite quantisation specification, schema.fbs), not from the firmware's code.
reference(path, n) gives the checksum that the board must report for `run n`.
"""
import math
import struct
import zlib
from fractions import Fraction


class Flat:
    """A table of a FlatBuffer; slots give (decoded) values."""

    def __init__(self, data, at=None):
        self.data = data
        self.at = struct.unpack_from("<I", data, 0)[0] if at is None else at

    def get(self, slot, code, default=0):
        where = self._slot(slot)
        return struct.unpack_from("<" + code, self.data, where)[0] if where else default

    def table(self, slot):
        where = self._slot(slot)
        return Flat(self.data, where + struct.unpack_from("<I", self.data, where)[0]) if where else None

    def vector(self, slot, code):
        child = self.table(slot)
        if child is None:
            return ()
        count = struct.unpack_from("<I", self.data, child.at)[0]
        return struct.unpack_from("<%d%s" % (count, code), self.data, child.at + 4)

    def tables(self, slot):
        child = self.table(slot)
        base = child.at + 4
        return [Flat(self.data, base + 4 * i + o) for i, o in enumerate(self.vector(slot, "I"))]

    def _slot(self, slot):
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * slot)[0] if size > 4 + 2 * slot else 0
        return self.at + offset if offset else 0


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def half_away(x):
    """Rounds an exact number, ties away from zero."""
    return math.floor(x + Fraction(1, 2)) if x >= 0 else -math.floor(-x + Fraction(1, 2))


def multiplier(scale):
    mantissa, exponent = math.frexp(scale)
    q = half_away(Fraction(mantissa) * 2**31)
    return (q // 2, exponent + 1) if q == 2**31 else (q, exponent)


def requantise(acc, q, exponent):
    # gemmlowp rounds the high half of the product to nearest, ties upwards, then shifts with ties away from zero
    product = acc * q
    high = math.floor(Fraction(product, 2**31) + Fraction(1, 2)) if product >= 0 else \
        -math.ceil(Fraction(-product, 2**31) - Fraction(1, 2))
    return half_away(Fraction(high, 2 ** -exponent))


def load(path):
    with open(path, "rb") as f:
        data = f.read()
    model = Flat(data)
    buffers, graph = model.tables(4), model.tables(2)[0]
    tensors = graph.tables(0)

    def numbers(index, code):
        raw = bytes(buffers[tensors[index].get(2, "I")].vector(0, "B"))
        return struct.unpack("<%d%s" % (len(raw) // struct.calcsize(code), code), raw)

    def quant(index):
        q = tensors[index].table(4)
        return q.vector(2, "f"), q.vector(3, "q")

    layers = []
    for op in graph.tables(3):
        x, w, *rest = op.vector(1, "i")
        y, = op.vector(2, "i")
        outputs, inputs = tensors[w].vector(0, "i")
        (sx,), (zx,) = quant(x)
        (sy,), (zy,) = quant(y)
        sw = quant(w)[0]
        if len(sw) == 1:
            scales = [multiplier(single(sx * sw[0]) / sy)] * outputs
        else:
            scales = [multiplier(sx * s / sy) for s in sw]
        bias = numbers(rest[0], "i") if rest and rest[0] >= 0 else (0,) * outputs
        weights = numbers(w, "b")
        rows = [weights[o * inputs:(o + 1) * inputs] for o in range(outputs)]
        relu = op.table(4) is not None and op.table(4).get(0, "b") == 1
        layers.append((rows, bias, scales, zx, zy, zy if relu else -128))
    return layers


def evaluate(layers, x):
    for rows, bias, scales, zx, zy, lowest in layers:
        x = [v - zx for v in x]
        x = [max(lowest, min(127, zy + requantise(sum(a * b for a, b in zip(x, row)) + c, *scale)))
             for row, c, scale in zip(rows, bias, scales)]
    return x


def reference(path, count):
    layers, crc = load(path), 0
    for k in range(count):
        x, seed = [], k
        for _ in range(len(layers[0][0][0])):
            seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
            x.append((seed >> 24) - 256 if seed >> 31 else seed >> 24)
        y = evaluate(layers, x)
        crc = zlib.crc32(struct.pack("<%db" % len(y), *y), crc)
    return "%08x" % crc


if __name__ == "__main__":
    import sys
    print(reference(sys.argv[1], int(sys.argv[2])))

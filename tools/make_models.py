#!/usr/bin/env python3
"""Writes the demo's own models: int8 fully connected networks as .tflite files, the same bytes on every machine.

    tools/make_models.py [DIR]        default: deploy/demo/models

The weights are pseudo-random: these models measure, they do not predict.  The layout follows the FlatBuffers binary
format and the TensorFlow Lite schema (version 3); only what the schema marks as needed is written.
"""
import math
import os
import struct
import sys

INT8, INT32 = 9, 2
FULLY_CONNECTED, OPTIONS_FULLY_CONNECTED, RELU = 9, 8, 1

# name, widths from input to output, one scale per output channel?, biases?
MODELS = [
    ("fc-tiny", [16, 16, 4], False, True),
    ("fc-small", [64, 64, 32, 10], False, True),
    ("fc-medium", [256, 128, 64, 12], True, True),
    ("fc-large", [490, 256, 128, 12], True, True),
    ("fc-wide", [128, 640, 32], False, False),
]


class Random:
    """xorshift32: small, and the same everywhere."""

    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        self.x ^= (self.x << 13) & 0xFFFFFFFF
        self.x ^= self.x >> 17
        self.x ^= (self.x << 5) & 0xFFFFFFFF
        return self.x % n


# A FlatBuffer is described by values and written front to back, each object before those it refers to.
class Table:
    def __init__(self, *slots):  # (code of struct, value), an object below, or None
        self.slots = slots


class Vector:
    def __init__(self, code, values):
        self.code, self.values = code, values


class Bytes:  # aligned to 16 as the schema demands of buffers
    def __init__(self, data):
        self.data = data


class Objects:
    def __init__(self, items):
        self.items = items


class Writer:
    def __init__(self):
        self.out = bytearray()
        self.waiting = []  # (where the offset stands, object)

    def pad(self, align, ahead=0):
        while (len(self.out) + ahead) % align:
            self.out.append(0)

    def refer(self, thing):
        self.waiting.append((len(self.out), thing))
        self.out += bytes(4)

    def finish(self, root, file_id):
        self.refer(root)
        self.out += file_id
        while self.waiting:
            at, thing = self.waiting.pop(0)
            start = getattr(self, "put_" + type(thing).__name__.lower())(thing)
            struct.pack_into("<I", self.out, at, start - at)
        return bytes(self.out)

    def put_table(self, table):
        offset, offsets = 4, []
        for slot in table.slots:
            size = 0 if slot is None else struct.calcsize(slot[0]) if isinstance(slot, tuple) else 4
            if size:
                offset += -offset % size
            offsets.append(offset if size else 0)
            offset += size
        vtable = struct.pack("<%dH" % (2 + len(offsets)), 4 + 2 * len(offsets), offset, *offsets)
        self.pad(4, len(vtable))
        self.out += vtable
        start = len(self.out)
        self.out += struct.pack("<i", len(vtable))
        for slot, where in zip(table.slots, offsets):
            if where:
                self.out += bytes(start + where - len(self.out))
                if isinstance(slot, tuple):
                    self.out += struct.pack("<" + slot[0], slot[1])
                else:
                    self.refer(slot)
        return start

    def put_vector(self, vector):
        self.pad(max(4, struct.calcsize(vector.code)), 4)
        start = len(self.out)
        self.out += struct.pack("<I", len(vector.values))
        self.out += struct.pack("<%d%s" % (len(vector.values), vector.code), *vector.values)
        return start

    def put_bytes(self, item):
        self.pad(16, 4)
        start = len(self.out)
        self.out += struct.pack("<I", len(item.data)) + item.data
        return start

    def put_str(self, text):
        start = self.put_bytes(Bytes(text.encode()))
        self.out.append(0)
        return start

    def put_objects(self, objects):
        self.pad(4)
        start = len(self.out)
        self.out += struct.pack("<I", len(objects.items))
        for item in objects.items:
            self.refer(item)
        return start


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class Model:
    """Collects tensors, buffers and operators of a chain of layers."""

    def __init__(self, name, random):
        self.name, self.random = name, random
        self.tensors, self.buffers, self.operators = [], [Table(None)], []

    def tensor(self, name, shape, kind, scales, zero, data=None):
        buffer = 0
        if data is not None:
            buffer = len(self.buffers)
            self.buffers.append(Table(Bytes(data)))
        quant = Table(None, None, Vector("f", scales), Vector("q", [zero] * len(scales)), None, None, ("i", 0))
        self.tensors.append(Table(Vector("i", shape), ("b", kind), ("I", buffer), name, quant))
        return len(self.tensors) - 1

    def layer(self, index, source, inputs, outputs, per_channel, bias, last):
        r = self.random
        weights = bytes((r.below(255) - 127) & 0xFF for _ in range(inputs * outputs))
        w_scales = [f32((3 + r.below(5)) / 1024) for _ in range(outputs if per_channel else 1)]
        in_scale, out_scale = source[1], f32(source[1] * w_scales[0] * 74 * math.sqrt(inputs) / 2)
        biases = [r.below(20001) - 10000 for _ in range(outputs)]
        w = self.tensor("w%d" % index, [outputs, inputs], INT8, w_scales, 0, weights)
        b = -1
        if bias:
            b = self.tensor("b%d" % index, [outputs], INT32, [f32(in_scale * s) for s in w_scales], 0,
                            struct.pack("<%di" % outputs, *biases))
        out = self.tensor("y%d" % index, [1, outputs], INT8, [out_scale], 7 if last else -128)
        options = Table(("b", 0 if last else RELU))
        self.operators.append(Table(("I", 0), Vector("i", [source[0], w, b]), Vector("i", [out]),
                                    ("B", OPTIONS_FULLY_CONNECTED), options))
        return out, out_scale

    def file(self, source, target):
        code = Table(("b", FULLY_CONNECTED), None, ("i", 4), ("i", FULLY_CONNECTED))
        graph = Table(Objects(self.tensors), Vector("i", [source]), Vector("i", [target]),
                      Objects(self.operators), self.name)
        model = Table(("I", 3), Objects([code]), Objects([graph]), self.name, Objects(self.buffers))
        return Writer().finish(model, b"TFL3")


def make(number, name, widths, per_channel, bias):
    model = Model(name, Random(1000003 * (number + 1)))
    here = first = (model.tensor("x", [1, widths[0]], INT8, [f32(1 / 64)], 3), f32(1 / 64))
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        here = model.layer(i, here, inputs, outputs, per_channel, bias, i + 2 == len(widths))
    return model.file(first[0], here[0])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "deploy", "demo", "models")
    for number, row in enumerate(MODELS):
        with open(os.path.join(folder, row[0] + ".tflite"), "wb") as f:
            f.write(make(number, *row))


if __name__ == "__main__":
    main()

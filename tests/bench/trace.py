#!/usr/bin/env python3
"""trace.py API: stores ten minutes at 100 kS/s (60 000 000 samples) and draws 300 windows of any length at 1000 and 2000
pixels.  Prints the time of storing, and what a picture takes from request to last byte."""
import hashlib
import http.client
import json
import os
import random
import struct
import sys
import time
import urllib.parse

SAMPLES, RATE, PICTURES, TARGET_MS = 60_000_000, 100_000, 300, 20


def part(name, body):
    head = name + struct.pack("<Q", len(body))
    return head + body + hashlib.sha256(head + body).digest()


def trace():
    """Noise around a few levels: low bytes are random, exponents are what a board in its ranges has."""
    block = bytearray(os.urandom(2_000_000))
    block[1::2] = bytes(0x10 + (b & 0x2F) for b in block[1::2])
    suspects = [{"first": i * 600_000, "count": 1000, "verdict": 2} for i in range(100)]
    head = {"format": 1, "code": "hex16", "rate_hz": RATE, "volts_v": 3.3, "samples": SAMPLES, "lost": 100_000, "marks": [], "windows": [],
            "suspects": suspects, "provenance": {}}
    return b"SYTRACE1" + part(b"HEAD", json.dumps(head).encode()) + part(b"SAMP", bytes(block) * (SAMPLES * 2 // len(block))) + part(b"END ", b"")


def call(link, method, path, body=None):
    began = time.perf_counter()
    link.request(method, path, body)
    reply = link.getresponse()
    text = reply.read()
    assert reply.status in (200, 201), (reply.status, text[:300])
    return text, (time.perf_counter() - began) * 1000


def main(api):
    url = urllib.parse.urlsplit(api)
    link = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    body = trace()
    sha256 = hashlib.sha256(body).hexdigest()
    _, stored_ms = call(link, "PUT", f"{url.path}/switchyard/files/{sha256}", body)
    _, first_ms = call(link, "GET", f"{url.path}/switchyard/traces/{sha256}?pixels=1000")
    print(f"\na trace of {SAMPLES:,} samples: stored with its pyramid in {stored_ms:.0f} ms, first picture {first_ms:.1f} ms")
    choose, length_s = random.Random(1), SAMPLES / RATE
    print(f"{'pixels':>8} {'p50_ms':>8} {'p99_ms':>8}   target {TARGET_MS} ms")
    for pixels in (1000, 2000):
        took = []
        for _ in range(PICTURES):
            span = length_s * 10 ** choose.uniform(-6, 0)
            start = choose.uniform(0, length_s - span)
            text, ms = call(link, "GET", f"{url.path}/switchyard/traces/{sha256}?from={start}&to={start + span}&pixels={pixels}")
            assert len(json.loads(text)["mean_a"]) <= pixels
            took.append(ms)
        took.sort()
        p99 = took[len(took) * 99 // 100]
        print(f"{pixels:8d} {took[len(took) // 2]:8.2f} {p99:8.2f}   {'kept' if p99 <= TARGET_MS else 'MISSED'}")


main(sys.argv[1])

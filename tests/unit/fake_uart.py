#!/usr/bin/env python3
"""A board's serial port at PATH that talks as SCENARIO says, once somebody listens."""
import os
import random
import select
import sys
import time
import tty

path, scenario = sys.argv[1:]
master = None


def plug():
    global master
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.symlink(name, path + ".new")
    os.rename(path + ".new", path)
    os.close(slave)
    poll = select.poll()
    poll.register(master, select.POLLHUP)
    while any(events & select.POLLHUP for _, events in poll.poll(0)):
        time.sleep(0.01)
    time.sleep(0.05)


def unplug():
    os.unlink(path)
    os.close(master)


def say(text):
    data = text if isinstance(text, bytes) else text.encode()
    while data:
        data = data[os.write(master, data[:4096]):]


plug()
if scenario == "pieces":
    for piece in ("tem", "p 3", "1 C\n"):
        say(piece)
        time.sleep(0.3)
elif scenario == "prompt":
    say("login: ")
elif scenario == "garbage":
    say(bytes(random.Random(7).randrange(256) for _ in range(20000)) + b"\n\0\0ready\r\n")
elif scenario == "utf8":
    say("temp 31 °".encode()[:-1])
    time.sleep(0.3)
    say("°".encode()[-1:] + b"C\n")
elif scenario == "cut-utf8":
    say(b"temp \xc2\nready \xff\xfe\n")
elif scenario == "burst":
    for i in range(16384):
        say("%063d\n" % i)
    say("end of burst\n")
elif scenario == "endless":
    say("x" * 5000 + "ready\n")
elif scenario == "back":
    say("one\n")
    time.sleep(0.3)
    unplug()
    time.sleep(0.5)
    plug()
    say("two\n")
elif scenario == "gone":
    say("one\n")
    time.sleep(0.3)
    unplug()
elif scenario == "costly":
    say("a" * 60 + "b\n")
time.sleep(3)

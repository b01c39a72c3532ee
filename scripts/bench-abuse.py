#!/usr/bin/env python3
"""What a well-behaved program feels while others abuse the doors. Called by `scripts/bench abuse`.

    bench-abuse.py AIRGATE_SOCKET AIRGATE_MQTT_SOCKET

The well-behaved one publishes a hundred times a second at each door and waits for each answer. It is measured alone, beside as
many processes that only compute, and at once afterwards beside each kind of abuser. Both are processes of their own at the
lowest priority. What the computing ones cost it is who gets the core; what abusers cost it more than that is the daemon.
"""

import json
import multiprocessing
import os
import socket
import sys
import time

from doors import Json, Mqtt, packet, text

JSON, MQTT = sys.argv[1:]
COUNT, RATE, PAYLOAD = 400, 100, "x" * 150


def unix(where):
    door = socket.socket(socket.AF_UNIX)
    door.connect(where)
    return door


def never_reads(_):
    """Subscribes to what it floods, at both doors, and reads nothing."""
    door, mqtt = unix(JSON), unix(MQTT)
    door.sendall(b'{"id":1,"op":"subscribe","filter":"local/#"}\n')
    mqtt.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text(f"deaf-{os.getpid()}")))
    mqtt.sendall(packet(0x82, b"\0\1" + text("local/#") + b"\1"))
    line = json.dumps({"id": 1, "op": "publish", "topic": "local/flood", "payload": PAYLOAD}).encode() + b"\n"
    # It is not read from any more once it has enough unread: who wants to go on flooding comes again.
    flood = unix(JSON)
    flood.settimeout(0.05)
    while True:
        try:
            flood.sendall(line)
        except OSError:
            flood.close()
            flood = unix(JSON)
            flood.settimeout(0.05)


def byte_a_second(_):
    """Fifty connections at each door, a byte a second on each."""
    doors = [(unix(where), byte) for where, byte in [(JSON, b"{"), (MQTT, b"\x10")] * 50]
    while True:
        for door, byte in doors:
            try:
                door.sendall(byte)
            except OSError:
                pass
        time.sleep(1)


def without_an_end(_):
    """A line that never ends, as fast as it is taken."""
    door, chunk = unix(JSON), b"x" * 65536
    while True:
        try:
            door.sendall(chunk)
        except OSError:
            door = unix(JSON)


def comes_and_goes(number):
    """Connects, publishes, leaves, over and over, at one door or the other."""
    while True:
        if number % 2:
            program = Json(JSON)
            program.publish("local/storm", PAYLOAD)
            program.lines.close()
        else:
            program = Mqtt(MQTT, f"storm-{os.getpid()}")
            program.publish("local/storm", PAYLOAD)
        program.socket.close()


def computes(_):
    """Has nothing to do with the daemon."""
    while True:
        pass


def quietly(abuse, number):
    os.nice(19)
    abuse(number)


def well_behaved(make, topic):
    """The latency of an answer that no other program should change, in ms: p50 and p99."""
    program, took, began = make(), [], time.monotonic()
    for number in range(COUNT):
        left = began + number / RATE - time.monotonic()
        if left > 0:
            time.sleep(left)
        sent = time.monotonic()
        program.publish(topic, PAYLOAD)
        took.append(1000 * (time.monotonic() - sent))
    took.sort()
    return took[COUNT // 2], took[COUNT * 99 // 100]


WELL = [
    ("JSON, to the cloud", lambda: Json(JSON), "user/well"),
    ("MQTT, to the cloud", lambda: Mqtt(MQTT, "well"), "user/well"),
    ("JSON, local", lambda: Json(JSON), "local/well"),
    ("MQTT, local", lambda: Mqtt(MQTT, "well"), "local/well"),
]


class Beside:
    """So many processes that do this meanwhile."""

    def __init__(self, abuse, processes):
        self.others = [multiprocessing.Process(target=quietly, args=(abuse, n), daemon=True) for n in range(processes)]

    def __enter__(self):
        for other in self.others:
            other.start()
        time.sleep(1)

    def __exit__(self, *_):
        for other in self.others:
            other.terminate()
            other.join()
        time.sleep(0.5)


for label, abuse, processes in [
    ("never reads", never_reads, 1),
    ("a byte a second", byte_a_second, 1),
    ("a line without an end", without_an_end, 1),
    ("comes and goes", comes_and_goes, 2),
]:
    alone = [well_behaved(make, topic) for _, make, topic in WELL]
    with Beside(computes, processes):
        core = [well_behaved(make, topic) for _, make, topic in WELL]
    with Beside(abuse, processes):
        abused = [well_behaved(make, topic) for _, make, topic in WELL]
    for (name, _, _), (p50, p99), (core50, core99), (beside50, beside99) in zip(WELL, alone, core, abused):
        print(
            f"abuse  {label:<21} {name:<18} alone p50 {p50:5.2f} p99 {p99:6.2f} ms; beside computing {core50:5.2f} {core99:6.2f};"
            f" beside abuse {beside50:5.2f} {beside99:6.2f}: p99 {beside99 / p99:4.1f} times alone, {beside99 / core99:4.1f} times computing",
            flush=True,
        )

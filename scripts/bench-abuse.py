#!/usr/bin/env python3
"""What a well-behaved program feels while others abuse the doors. Called by `scripts/bench abuse`.

    bench-abuse.py AIRGATE_SOCKET AIRGATE_MQTT_SOCKET

The well-behaved one publishes a hundred times a second at each door and waits for each answer. It is measured alone and at once
afterwards beside each kind of abuser. Those are processes of their own at the lowest priority, and it goes before all others where
that is allowed (to root): what is measured is the daemon, not who gets the core.
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


def quietly(abuse, number):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
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


try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    print("abuse  the well-behaved one waits for a core like all others: run it as root to measure the daemon alone")

for label, abuse, processes in [
    ("never reads", never_reads, 1),
    ("a byte a second", byte_a_second, 1),
    ("a line without an end", without_an_end, 1),
    ("comes and goes", comes_and_goes, 2),
]:
    alone = [well_behaved(make, topic) for _, make, topic in WELL]
    abusers = [multiprocessing.Process(target=quietly, args=(abuse, n), daemon=True) for n in range(processes)]
    for abuser in abusers:
        abuser.start()
    time.sleep(1)
    for (name, make, topic), (p50, p99) in zip(WELL, alone):
        beside50, beside99 = well_behaved(make, topic)
        print(
            f"abuse  {label:<21} {name:<18} p50 {p50:6.2f} -> {beside50:6.2f} ms, "
            f"p99 {p99:6.2f} -> {beside99:6.2f} ms: {beside99 / p99:4.1f} times",
            flush=True,
        )
    for abuser in abusers:
        abuser.terminate()
        abuser.join()
    time.sleep(0.5)

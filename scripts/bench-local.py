#!/usr/bin/env python3
"""Both doors beside Debian's mosquitto on its Unix listener, in one run. Called by `scripts/bench local`.

    bench-local.py BROKER_PORT AIRGATE_SOCKET AIRGATE_MQTT_SOCKET AIRGATE_PID \
        MOSQUITTO_SOCKET MOSQUITTO_PID SAVING_SOCKET SAVING_PID

The broker at BROKER_PORT is the far end for all: airgate reaches it through the simulated module, mosquitto by its bridge.
There are two of these bridges, because they promise different things: one keeps messages in memory, as airgate does at QoS 0;
the other saves them at each change, the nearest that mosquitto has to what airgate promises at QoS 1 (but it answers before it
saves). What airgate cannot go below at QoS 1 is measured too: a record of the same size brought to the same disk, and nothing else.
"""

import glob
import os
import select
import sys
import threading
import time

from doors import Json, Mqtt

PORT, JSON, MQTT, AIRGATE, RIVAL_SOCKET, RIVAL, SAVING_SOCKET, SAVING = sys.argv[1:]
PAYLOAD = "x" * 150
# Messages a second, and how many of them.
RATES = [(1, 10), (10, 100), (100, 500)]


def cpu(pid):
    """Seconds on a core so far, of all threads."""
    spent = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as stat:
            spent += int(stat.read().split()[0])
    return spent / 1e9


def share(values, part):
    values = sorted(values)
    return 1000 * values[min(len(values) - 1, int(len(values) * part))]


def tell(name, qos, line):
    print(f"local  {name:<17} QoS {qos} {line}", flush=True)


class FarEnd(threading.Thread):
    """Notes when what arrives at the broker arrives, whatever the program does meanwhile."""

    def __init__(self, topic, count):
        super().__init__(daemon=True)
        self.mqtt, self.count, self.arrived = Mqtt(int(PORT), "far-end"), count, {}
        self.mqtt.subscribe(topic)
        self.start()

    def run(self):
        while len(self.arrived) < self.count:
            first, body = self.mqtt.read()
            if first >> 4 == 3:
                topic = int.from_bytes(body[:2], "big")
                self.arrived[int(body[2 + topic :].split(b" ")[0])] = time.monotonic()


def latency(name, pid, program, topic, qos, rate, count):
    far, sent, accepted = FarEnd(topic, count), [], []
    used = cpu(pid)
    began = time.monotonic()
    for number in range(count):
        left = began + number / rate - time.monotonic()
        if left > 0:
            time.sleep(left)
        sent.append(time.monotonic())
        program.publish(topic, f"{number} {PAYLOAD}", qos)
        accepted.append(time.monotonic() - sent[-1])
    far.join(60)
    took = [moment - sent[number] for number, moment in far.arrived.items()]
    each = 1e6 * (cpu(pid) - used) / count
    tell(
        name,
        qos,
        f"{rate:3}/s: accepted p50 {share(accepted, .5):6.2f} p99 {share(accepted, .99):6.2f} ms; "
        f"at the broker p50 {share(took, .5):6.2f} p99 {share(took, .99):6.2f} ms; "
        f"{len(took)}/{count} arrived; CPU {each:4.0f} us a message",
    )


def disk_alone(rate, count):
    """Before it accepts a message at QoS 1, airgate has it on the disk."""
    record, took, used = b"x" * 206, [], 0
    path = os.path.join(os.path.dirname(JSON), "disk-alone")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.monotonic()
    for number in range(count):
        left = began + number / rate - time.monotonic()
        if left > 0:
            time.sleep(left)
        before, spent = time.monotonic(), time.thread_time()
        os.write(file, record)
        os.fdatasync(file)
        used += time.thread_time() - spent
        took.append(time.monotonic() - before)
    os.close(file)
    os.unlink(path)
    spread = f"p50 {share(took, .5):6.2f} p99 {share(took, .99):6.2f} ms"
    tell("the disk alone", 1, f"{rate:3}/s: on it       {spread}; CPU {1e6 * used / count:4.0f} us a record")


def throughput(name, program, topic, count=500):
    far, began = FarEnd(topic, count), time.monotonic()
    for number in range(count):
        program.send(topic, f"{number} {PAYLOAD}")
    far.join(120)
    took = time.monotonic() - began
    tell(name, 1, f"burst of {count}: {len(far.arrived) / took:6.0f} messages/s at the broker")


def fan_out(name, where, pid, subscribers, at_once):
    """So many messages at once; the next ones when all have read them: nobody is to fall behind."""
    count = 200 + 2000 // subscribers
    readers = [Mqtt(where, f"fan-{number}") for number in range(subscribers)]
    for reader in readers:
        reader.subscribe("local/fan")
    writer = Mqtt(where, "fan-writer")
    left, used, began = {reader: count for reader in readers}, cpu(pid), time.monotonic()
    for number in range(count):
        writer.send("local/fan", PAYLOAD, qos=0)
        if (number + 1) % at_once == 0 or number == count - 1:
            while any(value > count - 1 - number for value in left.values()):
                for reader in select.select(list(readers), [], [], 30)[0]:
                    reader.fill()
                    left[reader] -= sum(1 for first, _ in reader.packets() if first >> 4 == 3)
    took, used = time.monotonic() - began, cpu(pid) - used
    each = 1e6 * used / (count * subscribers)
    deliveries = count * subscribers / took
    tell(name, 0, f"fan-out to {subscribers:3}, {at_once:2} at once: {deliveries:7.0f} deliveries/s, CPU {each:5.1f} us each")


doors = [
    ("airgate, JSON", AIRGATE, lambda: Json(JSON), "bench/json"),
    ("airgate, MQTT", AIRGATE, lambda: Mqtt(MQTT, "bench"), "bench/mqtt"),
    ("mosquitto", RIVAL, lambda: Mqtt(RIVAL_SOCKET, "bench"), "bench/rival"),
    ("mosquitto, saving", SAVING, lambda: Mqtt(SAVING_SOCKET, "bench"), "bench/saving"),
]
for rate, count in RATES:
    for qos in (0, 1):
        for name, pid, make, topic in doors[: 3 + qos]:
            latency(name, pid, make(), topic, qos, rate, count)
    disk_alone(rate, count)
for name, pid, make, topic in doors:
    throughput(name, make(), topic)
for at_once in (1, 50):
    for subscribers in (1, 10, 100):
        fan_out("airgate, MQTT", MQTT, AIRGATE, subscribers, at_once)
        fan_out("mosquitto", RIVAL_SOCKET, RIVAL, subscribers, at_once)

#!/usr/bin/env python3
"""Both doors beside Debian's mosquitto on its Unix listener, in one run. Called by `scripts/bench local`.

    bench-local.py BROKER_PORT AIRGATE_SOCKET AIRGATE_MQTT_SOCKET AIRGATE_PID MOSQUITTO_SOCKET MOSQUITTO_PID

The broker at BROKER_PORT is the far end for both: airgate reaches it through the simulated module, mosquitto by its bridge.
"""

import glob
import json
import select
import socket
import sys
import threading
import time

PORT, JSON, MQTT, AIRGATE, RIVAL_SOCKET, RIVAL = sys.argv[1:]
PAYLOAD = "x" * 150
# Messages, a hundred a second.
COUNT = 500


def cpu(pid):
    """Seconds on a core so far, of all threads."""
    spent = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as stat:
            spent += int(stat.read().split()[0])
    return spent / 1e9


def text(value):
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(first, body):
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([first]) + length + body


class Mqtt:
    """As much of MQTT as is measured."""

    def __init__(self, where, name):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        self.buffer, self.number = b"", 0
        self.socket.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text(name)))
        assert self.read()[0] == 0x20

    def fileno(self):
        return self.socket.fileno()

    def fill(self):
        data = self.socket.recv(262144)
        assert data, "the connection ended"
        self.buffer += data

    def packets(self):
        """What is complete."""
        while len(self.buffer) > 1:
            length, shift, at = 0, 0, 1
            while at < len(self.buffer):
                digit = self.buffer[at]
                at += 1
                length |= (digit & 127) << shift
                shift += 7
                if digit < 128:
                    break
            else:
                return
            if len(self.buffer) < at + length:
                return
            first, body = self.buffer[0], self.buffer[at : at + length]
            self.buffer = self.buffer[at + length :]
            yield first, body

    def read(self):
        while True:
            for one in self.packets():
                return one
            self.fill()

    def subscribe(self, filter, qos=0):
        self.socket.sendall(packet(0x82, b"\0\1" + text(filter) + bytes([qos])))
        while self.read()[0] != 0x90:
            pass

    def send(self, topic, payload, qos=1):
        self.number = self.number % 65535 + 1
        number = self.number.to_bytes(2, "big") if qos else b""
        self.socket.sendall(packet(0x30 | qos << 1, text(topic) + number + payload.encode()))

    def publish(self, topic, payload):
        self.send(topic, payload)
        while self.read()[0] != 0x40:
            pass


class Json:
    def __init__(self, where):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(where)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()

    def send(self, topic, payload):
        request = {"id": 1, "op": "publish", "topic": topic, "payload": payload}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def acknowledged(self):
        while b'"ok":true' not in self.lines.readline():
            pass

    def publish(self, topic, payload):
        self.send(topic, payload)
        self.acknowledged()


def share(values, part):
    values = sorted(values)
    return 1000 * values[min(len(values) - 1, int(len(values) * part))]


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


def latency(name, pid, program, topic, count=COUNT, pause=0.01):
    far, sent, accepted = FarEnd(topic, count), [], []
    used = cpu(pid)
    began = time.monotonic()
    for number in range(count):
        left = began + number * pause - time.monotonic()
        if left > 0:
            time.sleep(left)
        sent.append(time.monotonic())
        program.publish(topic, f"{number} {PAYLOAD}")
        accepted.append(time.monotonic() - sent[-1])
    far.join(60)
    took = [moment - sent[number] for number, moment in far.arrived.items()]
    each = 1e6 * (cpu(pid) - used) / count
    print(
        f"local  {name:<22} accepted p50 {share(accepted, .5):6.2f} p99 {share(accepted, .99):6.2f} ms; "
        f"at the broker p50 {share(took, .5):6.2f} p99 {share(took, .99):6.2f} ms; "
        f"{len(took)}/{count} arrived; CPU {each:4.0f} us a message"
    )


def throughput(name, program, topic, count=500):
    far, began = FarEnd(topic, count), time.monotonic()
    for number in range(count):
        program.send(topic, f"{number} {PAYLOAD}")
    far.join(120)
    took = time.monotonic() - began
    print(f"local  {name:<22} burst of {count}: {len(far.arrived) / took:6.0f} messages/s at the broker")


def fan_out(name, where, pid, subscribers, count=200):
    readers = [Mqtt(where, f"fan-{number}") for number in range(subscribers)]
    for reader in readers:
        reader.subscribe("local/fan")
    writer = Mqtt(where, "fan-writer")
    left, used, began = {reader: count for reader in readers}, cpu(pid), time.monotonic()
    for number in range(count):
        writer.send("local/fan", PAYLOAD, qos=0)
        # Nobody is to fall behind: what is measured is handing over, not dropping.
        if number % 50 == 49 or number == count - 1:
            while any(value > count - 1 - number for value in left.values()):
                for reader in select.select(list(readers), [], [], 30)[0]:
                    reader.fill()
                    left[reader] -= sum(1 for first, _ in reader.packets() if first >> 4 == 3)
    took, used = time.monotonic() - began, cpu(pid) - used
    each = 1e6 * used / (count * subscribers)
    print(f"local  {name:<22} fan-out to {subscribers:3}: {count * subscribers / took:7.0f} deliveries/s, CPU {each:4.1f} us each")


for name, pid, make, topic in [
    ("airgate, JSON", AIRGATE, lambda: Json(JSON), "bench/json"),
    ("airgate, MQTT", AIRGATE, lambda: Mqtt(MQTT, "bench"), "bench/mqtt"),
    ("mosquitto bridge", RIVAL, lambda: Mqtt(RIVAL_SOCKET, "bench"), "bench/rival"),
]:
    latency(name, pid, make(), topic)
    throughput(name, make(), topic)
for subscribers in (1, 10, 100):
    fan_out("airgate, MQTT", MQTT, AIRGATE, subscribers)
    fan_out("mosquitto", RIVAL_SOCKET, RIVAL, subscribers)

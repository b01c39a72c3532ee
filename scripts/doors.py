"""As much of both doors' protocols as the benches need."""

import json
import socket


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

    def publish(self, topic, payload, qos=1):
        self.send(topic, payload, qos)
        while qos and self.read()[0] != 0x40:
            pass


class Json:
    """The door of JSON lines."""

    def __init__(self, where):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(where)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()

    def send(self, topic, payload, qos=1):
        request = {"id": 1, "op": "publish", "topic": topic, "payload": payload, "qos": qos}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def acknowledged(self):
        while b'"ok":true' not in self.lines.readline():
            pass

    def publish(self, topic, payload, qos=1):
        self.send(topic, payload, qos)
        self.acknowledged()

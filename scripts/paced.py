# paced.py airgate|mosquitto ADDRESS RATE SECONDS: messages of 150 bytes at a rate; prints p50 and p99 of acceptance in ms.
import json, socket, sys, time


def airgate(path):
    door = socket.socket(socket.AF_UNIX)
    door.connect(path)
    lines = door.makefile("rb")
    lines.readline()

    def publish(number):
        message = {"id": number, "op": "publish", "topic": "user/update", "payload": f"{number:0150}"}
        door.sendall(json.dumps(message).encode() + b"\n")
        answer = json.loads(lines.readline())
        assert answer.get("ok"), answer

    return publish


def mosquitto(port):
    def text(data):
        return len(data).to_bytes(2, "big") + data

    def packet(first, body):
        length, left = b"", len(body)
        while True:
            left, byte = left >> 7, left & 127
            length += bytes([byte | (128 if left else 0)])
            if not left:
                return bytes([first]) + length + body

    broker = socket.create_connection(("127.0.0.1", int(port)))
    broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    broker.sendall(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(b"paced")))
    assert broker.recv(4)[3] == 0

    def publish(number):
        identifier = (number % 65535 + 1).to_bytes(2, "big")
        broker.sendall(packet(0x32, text(b"user/update") + identifier + f"{number:0150}".encode()))
        assert broker.recv(4)[2:] == identifier

    return publish


rival, address, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
publish = {"airgate": airgate, "mosquitto": mosquitto}[rival](address)
taken, begin = [], time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0, begin + number / rate - time.monotonic()))
    before = time.monotonic()
    publish(number)
    taken.append((time.monotonic() - before) * 1000)
taken.sort()
print(f"{taken[len(taken) // 2]:.1f} {taken[len(taken) * 99 // 100]:.1f} {len(taken)}")

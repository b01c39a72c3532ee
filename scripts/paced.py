# paced.py airgate|mosquitto|append ADDRESS RATE SECONDS: messages of 150 bytes at a rate, whether or not the earlier ones are
# answered; prints p50 and p99 of acceptance in ms, and how many were sent. `append` is a file that grows by a record as long as
# the daemon's and has one fdatasync for each.
import json, os, queue, socket, sys, threading, time


def airgate(path):
    door = socket.socket(socket.AF_UNIX)
    door.connect(path)
    lines = door.makefile("rb")
    lines.readline()

    def publish(number):
        message = {"id": number, "op": "publish", "topic": "user/update", "payload": f"{number:0150}"}
        door.sendall(json.dumps(message).encode() + b"\n")

    def accepted():
        answer = json.loads(lines.readline())
        assert answer.get("ok"), answer
        return answer["id"]

    return publish, accepted


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
    answers = broker.makefile("rb")
    broker.sendall(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(b"paced")))
    assert answers.read(4)[3] == 0

    def publish(number):
        identifier = (number + 1).to_bytes(2, "big")
        broker.sendall(packet(0x32, text(b"user/update") + identifier + f"{number:0150}".encode()))

    def accepted():
        return int.from_bytes(answers.read(4)[2:], "big") - 1

    return publish, accepted


def append(path):
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    durable = queue.SimpleQueue()

    def publish(number):
        os.write(log, f"{number:0207}".encode())
        os.fdatasync(log)
        durable.put(number)

    return publish, durable.get


rival, address, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
publish, accepted = {"airgate": airgate, "mosquitto": mosquitto, "append": append}[rival](address)
# Packet identifiers end at 65,535.
count = min(int(rate * seconds), 65_000)
sent, taken = [0.0] * count, []


def listen():
    for _ in range(count):
        number = accepted()
        taken.append((time.monotonic() - sent[number]) * 1000)


listener = threading.Thread(target=listen)
listener.start()
begin = time.monotonic()
for number in range(count):
    time.sleep(max(0, begin + number / rate - time.monotonic()))
    sent[number] = time.monotonic()
    publish(number)
listener.join()
taken.sort()
print(f"{taken[len(taken) // 2]:.2f} {taken[len(taken) * 99 // 100]:.2f} {len(taken)}")

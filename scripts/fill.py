# fill.py SOCKET COUNT: so many messages of 150 bytes, by sixteen programs that wait for nothing but their answers.
import json, socket, sys, threading

PROGRAMS, AHEAD = 16, 200


def program(path, count):
    door = socket.socket(socket.AF_UNIX)
    door.connect(path)
    lines = door.makefile("rb")
    lines.readline()
    for first in range(0, count, AHEAD):
        ahead = range(first, min(first + AHEAD, count))
        door.sendall(b"".join(b'{"id":%d,"op":"publish","topic":"user/update","payload":"%0150d"}\n' % (n, n) for n in ahead))
        for _ in ahead:
            answer = lines.readline()
            assert b'"ok":true' in answer, answer


path, count = sys.argv[1], int(sys.argv[2])
programs = [threading.Thread(target=program, args=(path, count // PROGRAMS)) for _ in range(PROGRAMS)]
for one in programs:
    one.start()
for one in programs:
    one.join()

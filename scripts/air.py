#!/usr/bin/env python3
"""Stands between two ends of TCP and counts what would go over the air: air.py PORT HOST:PORT

For each line on standard input it prints {"up":…,"down":…,"bare_up":…,"bare_down":…,"connections":…}: bytes since the start,
headers of TCP and IPv4 included, of all segments that the kernel really sent and received on the side of PORT, and how many of
these segments bore no data. Those open, close and acknowledge; how many of the last there are, is the kernel's choice from one
run to the next. Source: tcp_info in linux/tcp.h.
"""

import json
import socket
import struct
import sys
import threading

# IPv4 and TCP without options: what the loopback adds (timestamps) a module does not.
HEADERS = 40
# Of tcp_info: tcpi_segs_out, tcpi_segs_in, and after two others tcpi_data_segs_in and tcpi_data_segs_out.
SEGMENTS, SEGMENTS_AT = "=II8xII", 136


class Leg:
    """One connection of the near side."""

    def __init__(self, near, target):
        self.near, self.far = near, socket.create_connection(target)
        self.up = self.down = 0
        for one in (self.near, self.far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.carry, args=(self.near, self.far, True), daemon=True).start()
        threading.Thread(target=self.carry, args=(self.far, self.near, False), daemon=True).start()

    def carry(self, source, sink, up):
        try:
            while data := source.recv(65536):
                if up:
                    self.up += len(data)
                else:
                    self.down += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def counted(self):
        """Bytes up and down, segments without data up and down."""
        info = self.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        sent, received, data_up, data_down = struct.unpack_from(SEGMENTS, info, SEGMENTS_AT)
        return self.up + HEADERS * received, self.down + HEADERS * sent, received - data_up, sent - data_down


def main():
    port, target = int(sys.argv[1]), sys.argv[2].rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", port))
    legs = []

    def accept():
        while True:
            near, _ = listener.accept()
            legs.append(Leg(near, (target[0], int(target[1]))))

    threading.Thread(target=accept, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        counts = [leg.counted() for leg in legs]
        sums = [sum(leg[column] for leg in counts) for column in range(4)]
        print(json.dumps(dict(zip(("up", "down", "bare_up", "bare_down"), sums)) | {"connections": len(legs)}), flush=True)


main()

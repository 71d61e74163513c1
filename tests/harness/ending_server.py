#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web server that keeps connections, as far as a client can see, and ends each behind its first response.

usage: ending_server.py PORT FIFO

Behind each end a line goes to FIFO.
"""
import re
import socket
import sys


def receive(conn):
    """Returns whether a whole request came."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return False
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
    missing = int(length.group(1)) - len(body) if length else 0
    while missing > 0:
        more = conn.recv(65536)
        if not more:
            return False
        missing -= len(more)
    return True


def main():
    listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
    with open(sys.argv[2], "r+b", buffering=0) as ends:
        while True:
            conn = listener.accept()[0]
            try:
                if receive(conn):
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                pass
            conn.close()
            ends.write(b"\n")


main()

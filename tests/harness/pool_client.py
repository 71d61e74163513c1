#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An application that keeps its connection, and looks whether it has ended before it uses it again.

usage: pool_client.py ADDRESS METHOD BODY-SIZE COUNT FIFO

Between two requests it waits for a line from FIFO, and then for the end, but not as long as one is held (200 ms).
Prints "failed=N reused=N".
"""
import http.client
import select
import sys


def main():
    address, method, size, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    failed = reused = 0
    conn = None
    with open(sys.argv[5], "r+b", buffering=0) as ends:
        for _ in range(count):
            if conn and select.select([conn.sock], [], [], 0)[0]:
                conn.close()
                conn = None
            reused += conn is not None
            conn = conn or http.client.HTTPConnection(address, 80, timeout=10)
            try:
                # Head and body are segments of their own.
                conn.request(method, "/", body=b"x" * size)
                conn.getresponse().read()
            except OSError:
                failed += 1
            except http.client.HTTPException:
                failed += 1
            if conn.sock is None:
                conn = None
            ends.readline()
            if conn:
                select.select([conn.sock], [], [], 0.1)
    print(f"failed={failed} reused={reused}")


main()

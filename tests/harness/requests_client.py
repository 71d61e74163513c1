#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load as a Python application makes it: requests, which is urllib3, without retries.

usage: requests_client.py URL REQUESTS THREADS keep|close

Prints "failed=N first=TEXT".
"""
import sys
import threading

import requests


def worker(url, keep, count, failures):
    session = requests.Session()
    session.trust_env = False
    headers = {} if keep else {"Connection": "close"}
    for _ in range(count):
        try:
            response = session.get(url, headers=headers, timeout=5)
            if response.status_code != 200:
                failures.append(str(response.status_code))
        except requests.RequestException as error:
            failures.append(repr(error))


def main():
    url, count, threads, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    failures = []
    workers = [threading.Thread(target=worker, args=(url, mode == "keep", count // threads, failures))
               for _ in range(threads)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    print(f"failed={len(failures)} first={failures[0] if failures else None}")


main()

# SPDX-License-Identifier: BSD-3-Clause
"""CPython: ProcessPoolExecutor with fork.  Its workers do less: they return the length of a payload, not its sum."""

import multiprocessing
import sys
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor

workload, workers, param = sys.argv[1:4]
now_ns = time.perf_counter_ns


def print_value(metric, value):
    print(f"{workload}\tcpython\t{workers}\t{param}\t{metric}\t{value:.6g}")


def return_at_once():
    return None


def keep_in_flight(pool, in_flight, count, function, *arguments):
    pending = deque(pool.submit(function, *arguments) for _ in range(in_flight))
    for _ in range(count - in_flight):
        pending.popleft().result()
        pending.append(pool.submit(function, *arguments))
    for future in pending:
        future.result()


def calls_of_nothing(pool):
    in_flight = int(param)
    count = 2000 if in_flight == 1 else 5000
    keep_in_flight(pool, in_flight, count // 10 + in_flight, return_at_once)
    start = now_ns()
    keep_in_flight(pool, in_flight, count, return_at_once)
    took_ns = now_ns() - start
    print_value("ns_per_call", took_ns / count)
    print_value("tasks_per_s", count * 1e9 / took_ns)


def payloads(pool):
    kib = int(param[: param.index("k" if "k-" in param else "m")]) * (1 if "k-" in param else 1024)
    payload = b"\3" * (kib * 1024)
    count = 1000 if kib <= 64 else 200 if kib <= 1024 else 4
    keep_in_flight(pool, 1, count // 4, len, payload)
    start = now_ns()
    keep_in_flight(pool, 1, count, len, payload)
    print_value("ns_per_call", (now_ns() - start) / count)


def main():
    with ProcessPoolExecutor(int(workers), mp_context=multiprocessing.get_context("fork")) as pool:
        (calls_of_nothing if workload == "p1" else payloads)(pool)


main()

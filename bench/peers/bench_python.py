# SPDX-License-Identifier: BSD-3-Clause
"""CPython: asyncio's run_in_executor on a ThreadPoolExecutor.

Some ten to a hundred times slower than the others, so it makes fewer calls; figures for the million of workload c
are scaled up.
"""

import asyncio
import os
import statistics
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

TRIPS = 3000
FAN_OUT = 20000
POSTS = 30000
BURN_CALLS = 64
WORK_CALLS = 2000
WORK_PAIRS = 3
THROUGHPUT_NS = 300_000_000
BURN_NS = 800_000_000

workload, workers, param = (sys.argv[1:] + ["-"])[:3]
threads = int(workers)
number = int(param) if param.isdigit() else 0
now_ns = time.perf_counter_ns
loop = asyncio.new_event_loop()
pool = ThreadPoolExecutor(max_workers=threads)


def print_value(metric, value):
    print(f"{workload}\tcpython\t{workers}\t{param}\t{metric}\t{value:.6g}")


def print_distribution(samples):
    mean = statistics.fmean(samples)
    samples.sort()
    print_value("p50_ns", samples[len(samples) // 2])
    print_value("p99_ns", samples[len(samples) * 99 // 100])
    print_value("max_ns", samples[-1])
    print_value("mean_ns", mean)


def peak_memory_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def do_nothing():
    pass


def checksum_of(us):
    """A function that takes about so long and holds no lock meanwhile."""
    chunk = bytes(range(256)) * 64
    best_ns = 1e18
    for _ in range(200):
        start = now_ns()
        zlib.crc32(chunk)
        best_ns = min(best_ns, now_ns() - start)
    data = chunk * max(1, round(us * 1000 / best_ns))
    return lambda: zlib.crc32(data)


class Burst:
    """Keeps calls in flight until enough were submitted or the time is over."""

    def __init__(self, work, total, until_ns):
        self.work, self.total, self.until_ns = work, total, until_ns
        self.submitted = self.completed = 0
        self.finished = loop.create_future()

    def submit(self):
        self.submitted += 1
        loop.run_in_executor(pool, self.work).add_done_callback(self.done)

    def done(self, _future):
        self.completed += 1
        if self.submitted < self.total and now_ns() < self.until_ns:
            self.submit()
        elif self.completed == self.submitted:
            self.finished.set_result(None)

    def start(self, count):
        for _ in range(count):
            self.submit()
        return self.finished

    def run(self, count):
        loop.run_until_complete(self.start(count))


def start_threads():
    barrier = threading.Barrier(threads)
    loop.run_until_complete(
        asyncio.wait([loop.run_in_executor(pool, barrier.wait) for _ in range(threads)], timeout=10)
    )


async def trips(count):
    samples = []
    for _ in range(count):
        start = now_ns()
        await loop.run_in_executor(pool, do_nothing)
        samples.append(now_ns() - start)
    return samples


def round_trip():
    loop.run_until_complete(trips(300))
    cpu_from = time.process_time_ns()
    samples = loop.run_until_complete(trips(TRIPS))
    print_value("cpu_ns_per_trip", (time.process_time_ns() - cpu_from) / TRIPS)
    print_distribution(samples)
    loop.run_until_complete(asyncio.sleep(0.1))
    cpu_from = time.process_time_ns()
    loop.run_until_complete(asyncio.sleep(0.2))
    print_value("idle_cpu_us", (time.process_time_ns() - cpu_from) / 1000)


def throughput():
    cpu_from, start = time.process_time_ns(), now_ns()
    burst = Burst(do_nothing, 1_000_000, start + THROUGHPUT_NS)
    burst.run(number)
    print_value("tasks_per_s", burst.completed / (now_ns() - start) * 1e9)
    print_value("cpu_ns_per_task", (time.process_time_ns() - cpu_from) / burst.completed)


def fan_out():
    cpu_from, start = time.process_time_ns(), now_ns()
    burst = Burst(do_nothing, 0, 0)
    burst.start(FAN_OUT)
    submitted = now_ns()
    loop.run_until_complete(burst.finished)
    scale = 1_000_000 / FAN_OUT * 1e-9
    print_value("wall_s", (now_ns() - start) * scale)
    print_value("submit_s", (submitted - start) * scale)
    print_value("cpu_s", (time.process_time_ns() - cpu_from) * scale)


def fan_out_memory():
    gate = threading.Event()
    held = [loop.run_in_executor(pool, gate.wait) for _ in range(threads)]
    before = peak_memory_bytes()
    burst = Burst(do_nothing, 0, 0)
    burst.start(FAN_OUT)
    print_value("bytes_per_call", (peak_memory_bytes() - before) / FAN_OUT)
    gate.set()
    loop.run_until_complete(asyncio.wait([burst.finished, *held]))


def posts():
    arrived, want = 0, POSTS * threads
    finished = loop.create_future()

    def on_post():
        nonlocal arrived
        arrived += 1
        if arrived == want:
            finished.set_result(None)

    def post_many():
        for _ in range(POSTS):
            loop.call_soon_threadsafe(on_post)

    producers = [threading.Thread(target=post_many) for _ in range(threads)]
    cpu_from, start = time.process_time_ns(), now_ns()
    for producer in producers:
        producer.start()
    loop.run_until_complete(finished)
    print_value("posts_per_s", want / (now_ns() - start) * 1e9)
    print_value("cpu_ns_per_post", (time.process_time_ns() - cpu_from) / want)


async def tick_until(end_ns):
    """Lateness of a timer set again for a millisecond later each time it comes."""
    samples, over = [], loop.create_future()

    def tick(due):
        now = now_ns()
        samples.append(now - due)
        if now < end_ns:
            loop.call_later(0.001, tick, now_ns() + 1_000_000)
        else:
            over.set_result(None)

    loop.call_later(0.001, tick, now_ns() + 1_000_000)
    await over
    return samples


def timer_lateness():
    start = now_ns()
    burst = Burst(checksum_of(200), 1 << 62, start + BURN_NS)
    burst.start(BURN_CALLS)
    samples = loop.run_until_complete(tick_until(start + BURN_NS))
    loop.run_until_complete(burst.finished)
    print_value("burns_per_s", burst.completed / (now_ns() - start) * 1e9)
    print_distribution(samples)


def real_work():
    work = checksum_of(100)

    def half():
        for _ in range(WORK_CALLS // 2):
            work()

    efficiency = []
    for _ in range(WORK_PAIRS):
        start = now_ns()
        other = threading.Thread(target=half)
        other.start()
        half()
        other.join()
        ideal_ns = now_ns() - start
        start = now_ns()
        Burst(work, WORK_CALLS, 1 << 62).run(number)
        efficiency.append(100 * ideal_ns / (now_ns() - start))
    print_value("efficiency_pct", statistics.median(efficiency))


def main():
    workloads = {
        "a": round_trip,
        "b": throughput,
        "c": fan_out,
        "crss": fan_out_memory,
        "d": posts,
        "e": timer_lateness,
        "f": real_work,
    }
    if workload not in workloads or (param != "-" and not number):
        sys.exit(2)
    if workload != "d":
        start_threads()
    workloads[workload]()
    sys.stdout.flush()
    os._exit(0)


main()

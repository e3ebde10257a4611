# SPDX-License-Identifier: BSD-3-Clause
"""CPython: asyncio's tasks, and generators for the coroutines that need no loop.

A tenth of what the others do, or less.
"""

import asyncio
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

JOINS = 50_000
AWAITS = 500_000
TURNS = 100_000
YIELDS = 100_000
TRIPS = 3000
GENERATORS = 500_000
STEPS = 2_000_000

workload, workers, param = sys.argv[1:4]
now_ns = time.perf_counter_ns


def print_value(metric, value):
    print(f"{workload}\tcpython\t{workers}\t{param}\t{metric}\t{value:.6g}")


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


async def time_rounds(function, count, parts, metric):
    """Runs it once for a tenth of `count` and once timed."""
    await function(count // 10)
    start = now_ns()
    await function(count)
    print_value(metric, (now_ns() - start) / count / parts)


async def return_at_once():
    pass


async def join_tasks(count):
    for _ in range(count):
        await asyncio.create_task(return_at_once())


async def await_same(count):
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    for _ in range(count):
        await future


async def await_fresh(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        future = loop.create_future()
        future.set_result(None)
        await future


awaited_by = [None, None]


def complete_other(player):
    other, awaited_by[1 - player] = awaited_by[1 - player], None
    if other:
        other.set_result(None)


async def play(player, count):
    """Each awaits a future of its own, which the other completes before it does the same."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        mine = awaited_by[player] = loop.create_future()
        complete_other(player)
        await mine
    complete_other(player)


async def ping_pong(count):
    await asyncio.gather(play(0, count), play(1, count))


async def give_turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def yield_in_turn(count):
    await asyncio.gather(give_turns(count), give_turns(count))


asleep = awake = 0


async def sleep_once(duration_s):
    global asleep, awake
    asleep += 1
    await asyncio.sleep(duration_s)
    awake += 1


async def sleepers(count):
    tasks = [None] * count
    before, cpu_from = resident_bytes(), time.process_time_ns()
    for i in range(count):
        tasks[i] = asyncio.create_task(sleep_once(5))
    while asleep < count:
        await asyncio.sleep(0)
    size = resident_bytes() - before
    if awake:
        sys.exit("the first sleepers woke before the last one slept")
    for task in tasks:
        await task
    print_value("cpu_ns_per_sleeper", (time.process_time_ns() - cpu_from) / count)
    print_value("bytes_per_sleeper", size / count)


def do_nothing():
    pass


async def thread_trips():
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    samples = []
    for _ in range(TRIPS + TRIPS // 10):
        start = now_ns()
        await asyncio.to_thread(do_nothing)
        samples.append(now_ns() - start)
    print_value("p50_ns", statistics.median(samples[TRIPS // 10 :]))


def generate():
    while True:
        yield None


def return_soon():
    return
    yield


async def make_generators(count):
    for _ in range(count):
        next(return_soon(), None)


async def step_generator(count):
    generator = generate()
    for _ in range(count):
        next(generator)


def main():
    if workload == "t2":
        body = time_rounds(await_same if param == "same" else await_fresh, AWAITS, 1, "ns_per_await")
    elif workload == "t5":
        body = sleepers(int(param))
    elif workload == "t6":
        body = thread_trips()
    else:
        body = time_rounds(
            *{
                "t1": (join_tasks, JOINS, 1, "ns_per_task"),
                "t3": (ping_pong, TURNS, 2, "ns_per_await"),
                "t4": (yield_in_turn, YIELDS, 2, "ns_per_yield"),
                "t7": (make_generators, GENERATORS, 1, "ns_per_coroutine"),
                "t8": (step_generator, STEPS, 1, "ns_per_step"),
            }[workload]
        )
    asyncio.run(body)


main()

# SPDX-License-Identifier: BSD-3-Clause
"""Medians, targets, tables and the plot of a benchmark run."""

import statistics
from collections import defaultdict, namedtuple

import plot

MAX_FOREIGN_PCT = 8
ENOUGH_SAMPLES = 3
BASELINE = "libuv"

# metric: (title, unit, scale, whether more is better)
METRICS = {
    "p50_ns": ("p50", "us", 1e-3, False),
    "p99_ns": ("p99", "us", 1e-3, False),
    "cpu_ns_per_trip": ("CPU per trip", "us", 1e-3, False),
    "idle_cpu_us": ("CPU in 200 idle ms", "us", 1, False),
    "tasks_per_s": ("tasks/s", "thousands", 1e-3, True),
    "cpu_ns_per_task": ("CPU per task", "ns", 1, False),
    "wall_s": ("wall", "s", 1, False),
    "cpu_s": ("CPU", "s", 1, False),
    "bytes_per_call": ("peak memory per pending call", "bytes", 1, False),
    "posts_per_s": ("posts/s", "thousands", 1e-3, True),
    "cpu_ns_per_post": ("CPU per post", "ns", 1, False),
    "burns_per_s": ("burns/s", "", 1, True),
    "efficiency_pct": ("of two plain threads' speed", "%", 1, True),
    "ns_per_task": ("create, run and join", "ns", 1, False),
    "ns_per_await": ("an await", "ns", 1, False),
    "ns_per_yield": ("a yield", "ns", 1, False),
    "cpu_ns_per_sleeper": ("CPU per sleeper", "us", 1e-3, False),
    "bytes_per_sleeper": ("memory per sleeper", "bytes", 1, False),
    "callback_p50_ns": ("p50 of the round trip with a callback", "us", 1e-3, False),
    "added_ns": ("added to it by an await", "ns", 1, False),
    "ns_per_coroutine": ("create, run and free", "ns", 1, False),
    "ns_per_step": ("next and yield", "ns", 1, False),
    "ns_per_call": ("a call", "us", 1e-3, False),
    "in_process_ns": ("the same work in the process", "us", 1e-3, False),
    "of_in_process": ("of the work in the process", "times", 1, False),
    "first_answer_ns": ("first answer of a new worker", "us", 1e-3, False),
    "spawn_ns": ("first byte of the program by posix_spawn", "us", 1e-3, False),
    "of_spawn": ("of posix_spawn", "times", 1, False),
    "max_ns": ("longest", "us", 1e-3, False),
    "mean_ns": ("mean", "us", 1e-3, False),
    "private_bytes": ("private memory of an idle worker", "KiB", 1 / 1024, False),
}
TITLES = {
    "a": "Round trip, one call in flight",
    "b": "Throughput",
    "c": "Fan-out of 1,000,000 calls",
    "crss": "Memory of 1,000,000 pending calls",
    "d": "Posts to the loop",
    "e": "1 ms timer while the pool burns CPU",
    "f": "Calls of 100 us of real work",
    "t1": "A task is created, runs and is joined",
    "t2": "Await of a future that is done",
    "t3": "Await of a pending future: ping-pong of two tasks",
    "t4": "Two tasks that yield in turn",
    "t5": "Sleepers",
    "t6": "Await of a call on a thread",
    "t7": "A coroutine is created, runs and is freed, without a loop",
    "t8": "A step of a generator, without a loop",
    "p1": "Calls of nothing in other processes",
    "p2": "Payloads",
    "p3": "A new worker, by what its parent holds",
    "p4": "Ends of workers",
    "p5": "The loop thread's own time for one turn",
    "p6": "An idle worker",
}
SHOWN = {
    "a": ("p50_ns", "p99_ns", "cpu_ns_per_trip", "idle_cpu_us"),
    "b": ("tasks_per_s", "cpu_ns_per_task"),
    "c": ("wall_s", "cpu_s"),
    "crss": ("bytes_per_call",),
    "d": ("posts_per_s", "cpu_ns_per_post"),
    "e": ("p50_ns", "p99_ns", "burns_per_s"),
    "f": ("efficiency_pct",),
    "t1": ("ns_per_task",),
    "t2": ("ns_per_await",),
    "t3": ("ns_per_await",),
    "t4": ("ns_per_yield",),
    "t5": ("cpu_ns_per_sleeper", "bytes_per_sleeper"),
    "t6": ("p50_ns", "callback_p50_ns", "added_ns"),
    "t7": ("ns_per_coroutine",),
    "t8": ("ns_per_step",),
    "p1": ("ns_per_call", "tasks_per_s", "cpu_ns_per_task"),
    "p2": ("ns_per_call", "in_process_ns", "of_in_process"),
    "p3": ("first_answer_ns", "spawn_ns", "of_spawn"),
    "p4": ("p50_ns", "p99_ns", "max_ns"),
    "p5": ("p50_ns", "p99_ns", "max_ns"),
    "p6": ("private_bytes",),
}

# Viaduct's figure in `param` is held against the peer's in `peer_param`, or against a fixed bound if peer is None.
Target = namedtuple("Target", "workload workers param metric peer peer_param sign bound")


def all_targets():
    targets = []
    for workers in (1, 2, 4):
        targets.append(Target("a", workers, "-", "p50_ns", BASELINE, "-", "<=", 0.10))
        targets.append(Target("a", workers, "nolinger", "p50_ns", BASELINE, "-", "<=", 1.0))
        targets.append(Target("a", workers, "-", "cpu_ns_per_trip", BASELINE, "-", "<=", 0.3))
        targets.append(Target("a", workers, "-", "idle_cpu_us", None, None, "<=", 200))
        for k in ("1", "16", "256", "4096"):
            targets.append(Target("b", workers, k, "tasks_per_s", BASELINE, k, ">=", 3 if k != "1" else None))
            passed = 1 if k in ("256", "4096") else None
            targets.append(Target("b", workers, k, "tasks_per_s", "go", k, ">=", passed))
        targets.append(Target("c", workers, "-", "wall_s", BASELINE, "-", "<=", {1: 0.7, 2: 0.6, 4: 0.4}[workers]))
    targets.append(Target("crss", 2, "-", "bytes_per_call", BASELINE, "-", "<=", 1.0))
    targets.append(Target("d", 1, "-", "posts_per_s", BASELINE, "-", ">=", 1.0))
    targets.append(Target("d", 2, "-", "posts_per_s", BASELINE, "-", ">=", 1.5))
    targets.append(Target("e", 1, "-", "p99_ns", None, None, "<=", 100e3))
    targets.append(Target("e", 2, "-", "p99_ns", None, None, "<=", 100e3))
    targets.append(Target("e", 4, "nice19", "p99_ns", None, None, "<=", 200e3))
    targets.append(Target("f", 2, "2000", "efficiency_pct", None, None, ">=", 97))
    targets.append(Target("f", 2, "4", "efficiency_pct", None, None, ">=", 95))
    targets += task_targets() + process_targets()
    return sorted(targets, key=lambda t: list(TITLES).index(t.workload))


def task_targets():
    targets = []
    for workload, metric, param, bound in (
        ("t1", "ns_per_task", "-", 150),
        ("t2", "ns_per_await", "same", 10),
        ("t2", "ns_per_await", "fresh", None),
        ("t3", "ns_per_await", "-", 80),
        ("t4", "ns_per_yield", "-", 50),
    ):
        if bound:
            targets.append(Target(workload, 1, param, metric, None, None, "<=", bound))
        for peer in ("tokio", "go") if param != "same" else ():
            targets.append(Target(workload, 1, param, metric, peer, param, "<=", 0.5))
    for param in ("100000", "1000000"):
        targets.append(Target("t5", 1, param, "cpu_ns_per_sleeper", None, None, "<=", 7000))
        targets.append(Target("t5", 1, param, "bytes_per_sleeper", None, None, "<=", 4600))
    targets.append(Target("t6", 1, "-", "added_ns", None, None, "<=", 250))
    return targets


def process_targets():
    raw, python = "socketpair", "cpython"
    rows = [
        ("p1", 1, "1", "ns_per_call", raw, "1", "<=", 0.9),
        ("p1", 1, "1-spin", "ns_per_call", raw, "1", "<=", 0.2),
        ("p1", 1, "1", "tasks_per_s", python, "1", ">=", 20),
        ("p1", 1, "16", "tasks_per_s", raw, "1", ">=", 15),
        ("p1", 1, "16", "tasks_per_s", python, "16", ">=", 150),
        ("p1", 1, "256", "tasks_per_s", raw, "1", ">=", 40),
        ("p1", 2, "256", "tasks_per_s", raw, "1", ">=", 80),
        ("p1", 1, "256", "tasks_per_s", python, "256", ">=", 500),
        ("p1", 2, "256", "tasks_per_s", python, "256", ">=", 500),
        ("p1", 1, "16-default", "tasks_per_s", raw, "1", ">=", 15),
        ("p1", 1, "16-default", "tasks_per_s", python, "16", ">=", 150),
        ("p1", 1, "256-default", "tasks_per_s", raw, "1", ">=", 40),
        ("p1", 2, "256-default", "tasks_per_s", raw, "1", ">=", 80),
        ("p1", 1, "256-default", "tasks_per_s", python, "256", ">=", 500),
        ("p1", 2, "256-default", "tasks_per_s", python, "256", ">=", 500),
        ("p1", 1, "256-depth1", "tasks_per_s", python, "256", ">=", 20),
        ("p2", 1, "64k-copied", "ns_per_call", raw, "64k-copied", "<=", 0.6),
        ("p2", 1, "1m-built", "ns_per_call", python, "1m-built", "<=", 1 / 25),
        ("p2", 1, "64m-built", "of_in_process", None, None, "<=", 1.2),
        ("p4", 1, "crash", "p50_ns", None, None, "<=", 1e6),
        ("p4", 1, "timeout", "p99_ns", None, None, "<=", 5e6),
        ("p6", 1, "-", "private_bytes", None, None, "<=", 65536),
    ]
    rows += [("p3", 1, gib, "of_spawn", None, None, "<=", 0.5) for gib in ("0", "1", "4")]
    for param in ("submit", "completion", "birth", "death", "restart"):
        rows.append(("p5", 1, param, "max_ns", None, None, "<=", 100e3))
    return [Target(*row) for row in rows]


# Why a peer can be ahead; shown only where it is.
REASONS = {
    ("a", "go"): "the goroutine is handed over on one core: no cache line and no wake-up crosses to another",
    ("b", "go"): "tasks and results change hands inside one scheduler, mostly on one core, without a future for each",
    ("c", "go"): "a task is a pointer in a channel made large enough beforehand; there is no future to allocate",
    ("crss", "go"): "a pending task is a pointer in a channel and an 8-byte object: no future, no cancel, no outcome",
    ("crss", "glib"): "a pending call is a list node around the caller's pointer: no future, no cancel, no outcome",
    ("crss", "asio"): "a pending call is one small handler object: no future, no cancel, no outcome",
    ("d", "go"): "a bounded channel keeps producer and consumer in step on few cache lines and allocates nothing per post",
    ("d", "libuv"): "a list under a mutex: while one side holds the processor it posts or drains without contention",
    ("d", "asio"): "handlers go to a list under a mutex, and the memory of a handler is used again by its thread",
    ("f", "go"): "completions wait in a channel and interrupt nobody who works",
    ("f", "libuv"): "its loop wakes later and in larger batches, and so takes less time from the workers",
    ("e", "asio"): "its loop thread only runs short handlers, and the kernel wakes it from a timerfd",
}


def place(workload, workers, param):
    """Words for a cell: so many workers, so many calls in flight, which variant."""
    if workload == "p3":
        return f"{param} GiB"
    if workload.startswith("p"):
        words = f"{workers} worker{'s' if workers > 1 else ''}"
        return words if param == "-" else f"{words}, {param}"
    if workload.startswith("t"):
        return {"-": "one thread", "same": "the same one again", "fresh": "made and completed first"}.get(
            param, f"{param} of them"
        )
    words = f"{workers} {'thread' if workload == 'd' else 'worker'}{'s' if workers > 1 else ''}"
    if param.isdigit():
        return f"{words}, {param} in flight"
    return words if param == "-" else f"{words}, {param}"


class Medians(dict):
    """(workload, peer, workers, param, metric) to the median over clean samples, and how many those were."""

    def __init__(self, samples):
        super().__init__()
        values = defaultdict(list)
        for s in samples:
            # The time of processes that the program does not wait for itself counts as foreign.
            foreign_pct = 0 if s.workload.startswith("p") else s.foreign_pct
            values[s.workload, s.peer, s.workers, s.param, s.metric].append((foreign_pct, s.value))
        self.counts = {}
        for key, pairs in values.items():
            clean = [value for foreign, value in pairs if foreign <= MAX_FOREIGN_PCT]
            used = clean if len(clean) >= ENOUGH_SAMPLES else [value for _foreign, value in pairs]
            self[key] = statistics.median(used)
            self.counts[key] = len(used)
        self.dropped = sum(
            1 for pairs in values.values() for foreign, _value in pairs if foreign > MAX_FOREIGN_PCT
        ) / max(1, sum(len(pairs) for pairs in values.values()))


def check(target, medians):
    """(the target's name, figure, peer's figure, what is judged, verdict), or None if not measured."""
    own = medians.get((target.workload, "viaduct", target.workers, target.param, target.metric))
    other = target.peer and medians.get((target.workload, target.peer, target.workers, target.peer_param, target.metric))
    if own is None or (target.peer and not other):
        return None
    title, unit, scale, _more = METRICS[target.metric]
    judged = own / other if target.peer else own
    shown = f"{judged:.3g}x {target.peer}" if target.peer else f"{judged * scale:.4g} {unit}"
    if target.bound is None:
        wanted, verdict = "", ""
    else:
        wanted = f"{target.sign} {target.bound:g}x" if target.peer else f"{target.sign} {target.bound * scale:g} {unit}"
        met = judged <= target.bound if target.sign == "<=" else judged >= target.bound
        verdict = "PASS" if met else "MISS"
    peer_shown = f"{other * scale:.4g}" if other else ""
    return [
        f"{target.workload} {title}", str(target.workers), target.param, f"{own * scale:.4g}", peer_shown, unit, shown,
        wanted, verdict,
    ]


TARGET_HEADER = ["what", "workers", "param", "viaduct", "peer", "unit", "judged", "target", ""]


def markdown_table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def plain_table(header, rows):
    widths = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in [header] + rows]


def metric_rows(medians, workload, metric):
    """A header and one row for each peer, best first; columns are workers and param."""
    keys = [key for key in medians if key[0] == workload and key[4] == metric]
    columns = sorted({(key[2], key[3]) for key in keys}, key=lambda c: (c[1].isalpha(), c[1].isdigit() and int(c[1]), c[0]))
    _title, _unit, scale, more = METRICS[metric]
    rows = []
    for peer in {key[1] for key in keys}:
        values = [medians.get((workload, peer, workers, param, metric)) for workers, param in columns]
        rows.append((values[0] if values[0] is not None else float("inf"), peer, values))
    rows.sort(reverse=more)
    header = ["peer"] + [place(workload, workers, param) for workers, param in columns]
    return header, [[peer] + ["" if v is None else f"{v * scale:.4g}" for v in values] for _key, peer, values in rows]


def leads(medians):
    """Sentences: where a peer is ahead of Viaduct, by how much, and why."""
    lines = []
    for workload, metric, _title in plot.PANELS_METRICS:
        more = METRICS[metric][3]
        for key in [k for k in medians if k[0] == workload and k[1] == "viaduct" and k[4] == metric]:
            own = medians[key]
            for peer in {k[1] for k in medians} - {"viaduct"}:
                other = medians.get((workload, peer) + key[2:])
                if other is None:
                    continue
                factor = other / own if more else own / max(other, 1e-9)
                if factor > 1.02:
                    lines.append((workload, metric, peer, key[2], key[3], factor))
    return lines


def lead_section(medians):
    grouped = defaultdict(list)
    for workload, metric, peer, workers, param, factor in leads(medians):
        grouped[workload, metric, peer].append(f"{factor:.2f}x ({place(workload, workers, param)})")
    lines = []
    for (workload, metric, peer), places in sorted(grouped.items()):
        reason = REASONS.get((workload, peer))
        lines.append(
            f"- {TITLES[workload]}, {METRICS[metric][0]}: {peer} leads by {', '.join(places)}"
            + (f". {reason[0].upper()}{reason[1:]}." if reason else ".")
        )
    return lines or ["- Nowhere in this run."]


def markdown(medians, verdicts, notes, machine):
    lines = ["# Benchmark results", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [
        f"- Samples taken while others had more than {MAX_FOREIGN_PCT} % of the machine: {medians.dropped:.0%};"
        f" left out where at least {ENOUGH_SAMPLES} others remain. Figures are medians.",
        "",
        "![How many times as good as libuv](results.svg)",
        "",
        "## Targets",
        "",
    ]
    lines += markdown_table(TARGET_HEADER, verdicts)
    lines += ["", "## Where a peer leads", ""] + lead_section(medians)
    for workload, metrics in SHOWN.items():
        present = [m for m in metrics if any(k[0] == workload and k[4] == m for k in medians)]
        if present:
            lines += ["", f"## {workload}: {TITLES[workload]}"]
        for metric in present:
            title, unit, _scale, _more = METRICS[metric]
            lines += ["", f"### {title}" + (f", {unit}" if unit else ""), ""]
            lines += markdown_table(*metric_rows(medians, workload, metric))
    if notes:
        lines += ["", "## Runs that failed", ""] + [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def write_tsv(path, header, rows):
    with open(path, "w") as file:
        for row in [header] + rows:
            file.write("\t".join(str(field) for field in row) + "\n")


def write(samples, notes, machine, directory):
    """Writes samples.tsv, medians.tsv, RESULTS.md and results.svg, and prints the targets."""
    directory.mkdir(parents=True, exist_ok=True)
    medians = Medians(samples)
    verdicts = [row for row in (check(target, medians) for target in all_targets()) if row]
    header = ["round", "workload", "peer", "workers", "param", "metric", "value", "foreign_pct"]
    write_tsv(directory / "samples.tsv", header, [list(s[:7]) + [f"{s.foreign_pct:.1f}"] for s in samples])
    rows = [list(key) + [f"{value:.6g}", medians.counts[key]] for key, value in medians.items()]
    write_tsv(directory / "medians.tsv", ["workload", "peer", "workers", "param", "metric", "median", "samples"], rows)
    (directory / "RESULTS.md").write_text(markdown(medians, verdicts, notes, machine))
    (directory / "results.svg").write_text(plot.draw(medians, METRICS, BASELINE))
    print("\n".join(plain_table(TARGET_HEADER, verdicts)))
    missed = sum(row[-1] == "MISS" for row in verdicts)
    judged = sum(row[-1] != "" for row in verdicts)
    print(f"{judged - missed} of {judged} targets met; {medians.dropped:.0%} of the samples under foreign load")
    print(f"tables and plot: {directory / 'RESULTS.md'}, {directory / 'results.svg'}")

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the benchmark programs side by side and reports Viaduct's ratios to its peers.

The programs are run interleaved: for each cell of each round every peer once, the first one changing from cell to
cell, after a warm-up pass.  Each sample notes how much of the machine other processes took meanwhile.
"""

import argparse
import fnmatch
import glob
import os
import re
import resource
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
PEERS = ("viaduct", "libuv", "glib", "asio", "go", "tokio", "cpython", "socketpair")
CALL_PEERS = ("viaduct", "libuv", "glib", "asio", "go", "cpython")
QUICK_PEERS = ("viaduct", "libuv", "go", "tokio", "socketpair")
PROGRAMS = {"viaduct": "bench_viaduct", "libuv": "bench_uv", "glib": "bench_glib", "asio": "bench_asio", "go": "bench_go"}
PROCESS_PROGRAMS = {"viaduct": "process_viaduct", "socketpair": "process_raw"}
TASK_PROGRAMS = {"viaduct": "task_viaduct", "go": "task_go", "tokio": "task_tokio"}
# What one run of each workload takes at first guess, in seconds; measured times replace it.
GUESS_S = {"a": 0.6, "b": 0.4, "c": 0.6, "crss": 0.8, "d": 0.4, "e": 1.0, "f": 1.3, "t5": 6, "p3": 1, "p4": 1.5, "p5": 1}
TIMEOUT_S = 60
TOKIO_MANIFESTS = "/usr/share/cargo/registry/tokio-1.*/Cargo.toml"

Cell = namedtuple("Cell", "workload workers param peers")
Sample = namedtuple("Sample", "round workload peer workers param metric value foreign_pct")


def is_task_workload(workload):
    return workload.startswith("t")


def is_process_workload(workload):
    return workload.startswith("p")


def process_cells():
    """The cells of calls in other processes.  The reference and CPython stand beside what is held against them."""
    both, all_three = ("viaduct", "cpython"), ("viaduct", "socketpair", "cpython")
    cells = [
        ("p1", 1, "1", all_three),
        ("p1", 1, "16", both),
        ("p1", 1, "256", both),
        ("p1", 2, "1", ("socketpair",)),
        ("p1", 2, "256", both),
        ("p2", 1, "64k-copied", all_three),
        ("p2", 1, "1m-built", both),
        ("p2", 1, "64m-built", both),
    ]
    alone = ("1-spin", "16-spin", "256-spin", "256-depth1", "1-thread", "16-thread", "256-thread", "1-socket", "16-socket",
             "1-default", "16-default", "256-default")
    cells += [("p1", 1, param, ("viaduct",)) for param in alone]
    cells.append(("p1", 2, "256-default", ("viaduct",)))
    cells += [("p3", 1, gib, ("viaduct",)) for gib in ("0", "1", "4")]
    cells += [("p4", 1, param, ("viaduct",)) for param in ("crash", "timeout")]
    cells += [("p5", 1, param, ("viaduct",)) for param in ("submit", "completion", "birth", "death", "restart")]
    cells.append(("p6", 1, "-", ("viaduct",)))
    return [Cell(*cell) for cell in cells]


def task_cells():
    """The cells of tasks and coroutines; a million sleepers would take CPython a minute."""
    cells = [
        ("t1", "-", ("viaduct", "go", "tokio", "cpython")),
        ("t2", "same", ("viaduct", "cpython")),
        ("t2", "fresh", ("viaduct", "go", "tokio", "cpython")),
        ("t3", "-", ("viaduct", "go", "tokio", "cpython")),
        ("t4", "-", ("viaduct", "go", "tokio", "cpython")),
        ("t5", "100000", ("viaduct", "go", "tokio", "cpython")),
        ("t5", "1000000", ("viaduct", "go", "tokio")),
        ("t6", "-", ("viaduct", "tokio", "cpython")),
        ("t7", "-", ("viaduct", "cpython")),
        ("t8", "-", ("viaduct", "cpython")),
    ]
    return [Cell(workload, 1, param, peers) for workload, param, peers in cells]


def all_cells(peers):
    """Every cell in the order of the report; Viaduct's variants stand beside the cell they vary."""
    cells = call_cells(tuple(peer for peer in peers if peer in CALL_PEERS))
    for cell in task_cells() + process_cells():
        cells.append(cell._replace(peers=tuple(peer for peer in cell.peers if peer in peers)))
    return cells


def call_cells(peers):
    """The cells of calls on threads, and of the loop."""
    cells = []
    for workers in (1, 2, 4):
        cells.append(Cell("a", workers, "-", peers))
        cells.append(Cell("a", workers, "nolinger", ("viaduct",)))
    cells += [Cell("b", workers, str(k), peers) for k in (1, 16, 256, 4096) for workers in (1, 2, 4)]
    cells += [Cell("c", workers, "-", peers) for workers in (1, 2, 4)]
    cells.append(Cell("crss", 2, "-", peers))
    cells += [Cell("d", threads, "-", peers) for threads in (1, 2)]
    cells += [Cell("e", workers, "-", peers) for workers in (1, 2, 4)]
    cells.append(Cell("e", 4, "nice19", ("viaduct",)))
    cells += [Cell("f", 2, k, peers) for k in ("2000", "4")]
    return cells


def chosen(cells, patterns):
    """The cells that a pattern names: a workload, or workload/workers/param with wildcards."""

    def matches(cell, pattern):
        name = f"{cell.workload}/{cell.workers}/{cell.param}"
        return cell.workload == pattern or fnmatch.fnmatch(name, pattern)

    return [cell for cell in cells if not patterns or any(matches(cell, p) for p in patterns)]


def programs_of(peer):
    """The program for calls and the one for tasks, as far as the peer has them."""
    return [table[peer] for table in (PROGRAMS, TASK_PROGRAMS, PROCESS_PROGRAMS) if peer in table]


def commands(directory, peers):
    """How each program is started, by its name; those that were not built are left out, with a note."""
    found = {}
    directory = directory.resolve()
    for peer in peers:
        for program in programs_of(peer):
            if os.access(directory / program, os.X_OK):
                found[program] = [str(directory / program)]
            else:
                print(f"{peer} is left out where it needs {directory / program}, which was not built")
    for script in ("bench_python", "task_python", "process_python"):
        if "cpython" in peers:
            found[script] = [sys.executable, "-B", str(HERE / "peers" / f"{script}.py")]
    return found


def program_for(workload, peer):
    """The name of the program that runs a workload for a peer."""
    kind = 0 if is_task_workload(workload) else 1 if is_process_workload(workload) else 2
    if peer == "cpython":
        return ("task_python", "process_python", "bench_python")[kind]
    return (TASK_PROGRAMS, PROCESS_PROGRAMS, PROGRAMS)[kind].get(peer)


class Load:
    """The share of the machine that others took between two moments, in percent."""

    def __init__(self):
        self.start_s = time.monotonic()
        self.busy_s, self.own_s = self.read_busy(), self.read_own()

    @staticmethod
    def read_busy():
        with open("/proc/stat") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
        user, nice, system, _idle, _iowait, irq, softirq, steal = fields
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def read_own():
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in usage)

    def foreign_pct(self):
        wall_s = max(time.monotonic() - self.start_s, 1e-6) * os.cpu_count()
        foreign_s = (self.read_busy() - self.busy_s) - (self.read_own() - self.own_s)
        return max(0.0, 100 * foreign_s / wall_s)


class Progress:
    """One line that says what runs and how long the rest will take."""

    def __init__(self, runs):
        self.left = list(runs)
        self.total = len(self.left)
        self.took_s = {}
        self.start_s = self.shown_s = time.monotonic()

    def remaining_s(self):
        return sum(self.took_s.get(run, GUESS_S.get(run[0].workload, 0.5)) for run in self.left)

    def finished(self, run, took_s):
        self.left.pop(0)
        self.took_s[run] = took_s
        tty = sys.stderr.isatty()
        now_s = time.monotonic()
        if not tty and self.left and now_s - self.shown_s < 10:
            return
        self.shown_s = now_s
        cell, peer = run
        text = (
            f"[{self.total - len(self.left)}/{self.total}] {cell.workload} {cell.workers} {cell.param} {peer}: "
            f"{now_s - self.start_s:.0f} s gone, about {self.remaining_s():.0f} s left"
        )
        sys.stderr.write(f"\r{text:<78}" if tty else text + "\n")
        if tty and not self.left:
            sys.stderr.write("\n")
        sys.stderr.flush()


def run_program(command, cell, peer, round_number):
    """One run of one program: its samples, or a note of why there are none."""
    load = Load()
    arguments = command + [cell.workload, str(cell.workers), cell.param]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return [], f"{peer} {cell.workload} {cell.workers} {cell.param}: no end after {TIMEOUT_S} s"
    foreign_pct = load.foreign_pct()
    if done.returncode:
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        return [], f"{peer} {cell.workload} {cell.workers} {cell.param}: {reason}"
    samples = []
    for line in done.stdout.splitlines():
        _workload, _peer, _workers, _param, metric, value = line.split("\t")
        samples.append(
            Sample(round_number, cell.workload, peer, cell.workers, cell.param, metric, float(value), foreign_pct)
        )
    return samples, None


def planned_runs(cells, rounds, available):
    """(round, cell, peer) in the order to run them; the first peer changes with every cell and round."""
    runs = []
    for round_number in range(1, rounds + 1):
        for index, cell in enumerate(cells):
            peers = [peer for peer in cell.peers if program_for(cell.workload, peer) in available]
            shift = (round_number + index) % len(peers) if peers else 0
            runs += [(round_number, cell, peer) for peer in peers[shift:] + peers[:shift]]
    return runs


def warm_up(runs, available):
    """Cold caches and sleeping processors would punish whoever runs first."""
    cells = [Cell("b", 2, "256", ()), Cell("f", 2, "2000", ()), Cell("t1", 1, "-", ()), Cell("t4", 1, "-", ())]
    cells.append(Cell("p1", 1, "1", ()))
    wanted = {program_for(cell.workload, peer) for _round, cell, peer in runs}
    print("warming up")
    for cell in cells:
        for peer in PEERS:
            program = program_for(cell.workload, peer)
            if program in available and program in wanted:
                run_program(available[program], cell, peer, 0)


def run_all(runs, available):
    samples, notes = [], []
    progress = Progress([(cell, peer) for _round, cell, peer in runs])
    for round_number, cell, peer in runs:
        start_s = time.monotonic()
        found, note = run_program(available[program_for(cell.workload, peer)], cell, peer, round_number)
        samples += found
        if note and note not in notes:
            notes.append(note)
            sys.stderr.write(f"\n{note}\n")
        progress.finished((cell, peer), time.monotonic() - start_s)
    return samples, notes


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=HERE).stdout.strip()
    except OSError:
        return ""


def first_match(pattern, path):
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return "unknown"
    return found.group(1) if found else "unknown"


def describe_machine(peers):
    """What the report says about where and when it was made."""
    versions = {
        "libevent": output_of("pkg-config", "--modversion", "libevent_core"),
        "libuv": output_of("pkg-config", "--modversion", "libuv"),
        "glib": output_of("pkg-config", "--modversion", "glib-2.0"),
        "asio": first_match(r'BOOST_LIB_VERSION "([\d_]+)"', "/usr/include/boost/version.hpp"),
        "go": output_of("go", "env", "GOVERSION").removeprefix("go"),
        "tokio": first_match(r'^version = "(.+)"$', max(glob.glob(TOKIO_MANIFESTS), default="")),
        "cpython": ".".join(str(part) for part in sys.version_info[:3]),
    }
    names = {"asio": "Boost", "glib": "GLib", "go": "Go", "cpython": "CPython"}
    shown = [f"{names.get(k, k)} {v}" for k, v in versions.items() if k in peers or k == "libevent"]
    cpu = first_match(r"^model name\s*:\s*(.+)$", "/proc/cpuinfo")
    commit = output_of("git", "rev-parse", "--short=12", "HEAD") or "none"
    if commit != "none" and output_of("git", "status", "--porcelain", "--", "../src", "../include"):
        commit += " with changes"
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "CPU": f"{os.cpu_count()} x {cpu}",
        "Kernel": os.uname().release,
        "Commit": commit,
        "Versions": ", ".join(shown),
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=Path("bench/peers"), help="where the built programs are")
    parser.add_argument("--out", type=Path, default=Path("bench/out"), help="where the results go")
    parser.add_argument("--rounds", type=int, help="samples of each cell (default 5; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="Viaduct, libuv, Go and tokio only, 3 rounds: about 5 minutes")
    parser.add_argument("--only", action="append", metavar="CELL", help="a workload, or workload/workers/param; repeatable")
    parser.add_argument("--peers", help="names with commas between")
    return parser.parse_args()


def main():
    options = parse_arguments()
    peers = tuple(options.peers.split(",")) if options.peers else QUICK_PEERS if options.quick else PEERS
    unknown = set(peers) - set(PEERS)
    if unknown:
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}")
    available = commands(options.programs, peers)
    cells = chosen(all_cells(peers), options.only)
    runs = planned_runs(cells, options.rounds or (3 if options.quick else 5), available)
    if not runs:
        sys.exit("nothing to run")
    warm_up(runs, available)
    samples, notes = run_all(runs, available)
    report.write(samples, notes, describe_machine({peer for _round, _cell, peer in runs}), options.out)
    sys.exit(1 if any(note.startswith("viaduct") for note in notes) else 0)


if __name__ == "__main__":
    main()

// SPDX-License-Identifier: BSD-3-Clause
//! tokio's tasks on its current_thread runtime.

use std::cell::{Cell, RefCell};
use std::fs::read_to_string;
use std::future::Future;
use std::process::exit;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{spawn, spawn_blocking, yield_now};

const JOINS: usize = 1_000_000;
const AWAITS: usize = 2_000_000;
const TURNS: usize = 1_000_000;
const YIELDS: usize = 3_000_000;
const TRIPS: usize = 10_000;

struct Output {
    workload: String,
    workers: String,
    param: String,
}

impl Output {
    fn print(&self, metric: &str, value: f64) {
        println!("{}\ttokio\t{}\t{}\t{}\t{:.6}", self.workload, self.workers, self.param, metric, value);
    }
}

/// The task runs in a spawned task, as everything else does: what block_on() is given is polled in another way.
fn run<F>(runtime: &Runtime, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime.block_on(async { spawn(future).await.unwrap() });
}

/// Runs it once for a tenth of `count` and once timed.
async fn time_rounds<F, R>(output: Output, fun: F, count: usize, parts: usize, metric: &'static str)
where
    F: Fn(usize) -> R,
    R: Future<Output = ()>,
{
    fun(count / 10).await;
    let from = Instant::now();
    fun(count).await;
    output.print(metric, from.elapsed().as_nanos() as f64 / count as f64 / parts as f64);
}

async fn join_tasks(count: usize) {
    for _ in 0..count {
        spawn(async {}).await.unwrap();
    }
}

async fn await_fresh(count: usize) {
    for _ in 0..count {
        let (sender, receiver) = oneshot::channel();
        sender.send(()).unwrap();
        receiver.await.unwrap();
    }
}

thread_local! {
    static AWAITED_BY: RefCell<[Option<oneshot::Sender<()>>; 2]> = RefCell::new([None, None]);
    static ASLEEP: Cell<usize> = Cell::new(0);
    static AWAKE: Cell<usize> = Cell::new(0);
}

fn complete_other(player: usize) {
    if let Some(other) = AWAITED_BY.with(|cells| cells.borrow_mut()[1 - player].take()) {
        other.send(()).unwrap();
    }
}

/// Each awaits a channel of its own, which the other completes before it does the same.
async fn play(player: usize, count: usize) {
    for _ in 0..count {
        let (sender, receiver) = oneshot::channel();
        AWAITED_BY.with(|cells| cells.borrow_mut()[player] = Some(sender));
        complete_other(player);
        receiver.await.unwrap();
    }
    complete_other(player);
}

async fn ping_pong(count: usize) {
    let first = spawn(play(0, count));
    let second = spawn(play(1, count));
    first.await.unwrap();
    second.await.unwrap();
}

async fn give_turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

async fn yield_in_turn(count: usize) {
    let first = spawn(give_turns(count));
    let second = spawn(give_turns(count));
    first.await.unwrap();
    second.await.unwrap();
}

fn resident_bytes() -> f64 {
    let text = read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// Of the whole process, in nanoseconds: the first field of schedstat, for the only thread there is.
fn cpu_ns() -> f64 {
    let text = read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

async fn sleepers(output: Output, count: usize) {
    let duration = Duration::from_secs(if count > 200_000 { 10 } else { 2 });
    let mut tasks = Vec::new();
    tasks.resize_with(count, || None); // its pages are not the library's
    let (before, cpu_from) = (resident_bytes(), cpu_ns());
    for task in tasks.iter_mut() {
        *task = Some(spawn(async move {
            ASLEEP.with(|asleep| asleep.set(asleep.get() + 1));
            tokio::time::sleep(duration).await;
            AWAKE.with(|awake| awake.set(awake.get() + 1));
        }));
    }
    while ASLEEP.with(|asleep| asleep.get()) < count {
        yield_now().await;
    }
    let bytes = resident_bytes() - before;
    if AWAKE.with(|awake| awake.get()) > 0 {
        eprintln!("tokio: the first sleepers woke before the last one slept");
        exit(1);
    }
    for task in tasks {
        task.unwrap().await.unwrap();
    }
    output.print("cpu_ns_per_sleeper", (cpu_ns() - cpu_from) / count as f64);
    output.print("bytes_per_sleeper", bytes / count as f64);
}

async fn thread_trips(output: Output) {
    let mut samples = Vec::new();
    for _ in 0..TRIPS + TRIPS / 10 {
        let from = Instant::now();
        spawn_blocking(|| {}).await.unwrap();
        samples.push(from.elapsed().as_nanos() as f64);
    }
    let timed = &mut samples[TRIPS / 10..];
    timed.sort_by(|a, b| a.partial_cmp(b).unwrap());
    output.print("p50_ns", timed[timed.len() / 2]);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 4 {
        exit(2);
    }
    let output =
        Output { workload: arguments[1].clone(), workers: arguments[2].clone(), param: arguments[3].clone() };
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
    match (arguments[1].as_str(), arguments[3].parse::<usize>()) {
        ("t1", _) => run(&runtime, time_rounds(output, join_tasks, JOINS, 1, "ns_per_task")),
        ("t2", _) => run(&runtime, time_rounds(output, await_fresh, AWAITS, 1, "ns_per_await")),
        ("t3", _) => run(&runtime, time_rounds(output, ping_pong, TURNS, 2, "ns_per_await")),
        ("t4", _) => run(&runtime, time_rounds(output, yield_in_turn, YIELDS, 2, "ns_per_yield")),
        ("t5", Ok(count)) => run(&runtime, sleepers(output, count)),
        ("t6", _) => run(&runtime, thread_trips(output)),
        _ => exit(2),
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
// Go: goroutines on one processor.  There are no futures; a channel is what comes nearest to one.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	joins  = 1000000
	awaits = 2000000
	turns  = 1000000
	yields = 3000000
)

var workload, workers, param string

func cpuNs() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func residentBytes() float64 {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseFloat(strings.Fields(string(text))[1], 64)
	return pages * float64(os.Getpagesize())
}

func printValue(metric string, value float64) {
	fmt.Printf("%s\tgo\t%s\t%s\t%s\t%.6g\n", workload, workers, param, metric, value)
}

// Runs it once for a tenth of count and once timed.
func timeRounds(fn func(count int), count, parts int, metric string) {
	fn(count / 10)
	from := time.Now()
	fn(count)
	printValue(metric, float64(time.Since(from))/float64(count)/float64(parts))
}

// One channel for all of them: nothing but the goroutine is made for each.
func joinTasks(count int) {
	done := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

func awaitFresh(count int) {
	for i := 0; i < count; i++ {
		future := make(chan struct{}, 1)
		future <- struct{}{}
		<-future
	}
}

// A channel for each player, made once: each receives from its own and then sends to the other's.
func pingPong(count int) {
	var both sync.WaitGroup
	to := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	play := func(mine, other chan struct{}) {
		for i := 0; i < count; i++ {
			<-mine
			other <- struct{}{}
		}
		both.Done()
	}
	both.Add(2)
	go play(to[0], to[1])
	go play(to[1], to[0])
	to[0] <- struct{}{}
	both.Wait()
}

func yieldInTurn(count int) {
	var both sync.WaitGroup
	both.Add(2)
	for j := 0; j < 2; j++ {
		go func() {
			for i := 0; i < count; i++ {
				runtime.Gosched()
			}
			both.Done()
		}()
	}
	both.Wait()
}

func sleepers(count int) {
	duration := 2 * time.Second
	if count > 200000 {
		duration = 10 * time.Second
	}
	asleep, awake := 0, 0
	var all sync.WaitGroup
	before, cpuFrom := residentBytes(), cpuNs()
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			asleep++
			time.Sleep(duration)
			awake++
			all.Done()
		}()
	}
	for asleep < count {
		runtime.Gosched()
	}
	bytes := residentBytes() - before
	if awake > 0 {
		fmt.Fprintln(os.Stderr, "go: the first sleepers woke before the last one slept")
		os.Exit(1)
	}
	all.Wait()
	printValue("cpu_ns_per_sleeper", float64(cpuNs()-cpuFrom)/float64(count))
	printValue("bytes_per_sleeper", bytes/float64(count))
}

func main() {
	if len(os.Args) != 4 {
		os.Exit(2)
	}
	workload, workers, param = os.Args[1], os.Args[2], os.Args[3]
	number, _ := strconv.Atoi(param)
	runtime.GOMAXPROCS(1)
	switch {
	case workload == "t1":
		timeRounds(joinTasks, joins, 1, "ns_per_task")
	case workload == "t2":
		timeRounds(awaitFresh, awaits, 1, "ns_per_await")
	case workload == "t3":
		timeRounds(pingPong, turns, 2, "ns_per_await")
	case workload == "t4":
		timeRounds(yieldInTurn, yields, 2, "ns_per_yield")
	case workload == "t5" && number > 0:
		sleepers(number)
	default:
		os.Exit(2)
	}
}

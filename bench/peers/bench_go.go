/* SPDX-License-Identifier: BSD-3-Clause */
// Go: worker goroutines that take tasks from a channel; the "loop" is a goroutine that reads a second channel.
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	trips        = 20000
	warmUpTrips  = 1000
	fanOut       = 1000000
	posts        = 1000000
	burnTasks    = 64
	workCalls    = 2000
	workPairs    = 3
	throughputNs = 300000000
	burnNs       = 800000000
	chunkBytes   = 16384
)

type task struct{ work func() }

var (
	workload, workers, param string
	jobs, done               chan *task
	start                    = time.Now()
	burnRounds               uint64
	sink                     uint64
)

func nowNs() int64 { return int64(time.Since(start)) }

func cpuNs() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func peakMemoryBytes() float64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "VmHWM:") {
			kib, _ := strconv.ParseFloat(strings.Fields(lines.Text())[1], 64)
			return kib * 1024
		}
	}
	return 0
}

func printValue(metric string, value float64) {
	fmt.Printf("%s\tgo\t%s\t%s\t%s\t%.6g\n", workload, workers, param, metric, value)
}

func printDistribution(samples []int64) {
	sum := 0.0
	for _, s := range samples {
		sum += float64(s)
	}
	n := len(samples)
	sort.Slice(samples, func(i, j int) bool { return samples[i] < samples[j] })
	printValue("p50_ns", float64(samples[n/2]))
	printValue("p99_ns", float64(samples[n*99/100]))
	printValue("max_ns", float64(samples[n-1]))
	printValue("mean_ns", sum/float64(n))
}

//go:noinline
func burnFor(rounds uint64) uint64 {
	x := uint64(88172645463325252)
	for i := uint64(0); i < rounds; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func calibrateBurn(us float64) {
	const rounds = 200000
	best := 1e18
	for i := 0; i < 9; i++ {
		from := nowNs()
		sink += burnFor(rounds)
		if took := float64(nowNs() - from); took < best {
			best = took
		}
	}
	burnRounds = uint64(us * 1000 * rounds / best)
}

func burn() { _ = burnFor(burnRounds) }

// The standard library's CRC-32 is several times as fast as zlib's, so the same 100 us are more bytes here.
func makeChecksum(us float64) func() {
	chunk := make([]byte, chunkBytes)
	for i := range chunk {
		chunk[i] = byte(i * 7)
	}
	best := 1e18
	for i := 0; i < 200; i++ {
		from := nowNs()
		sink += uint64(crc32.Update(0, crc32.IEEETable, chunk))
		if took := float64(nowNs() - from); took < best {
			best = took
		}
	}
	count := int(us*1000/best + 0.5)
	return func() {
		crc := uint32(0)
		for i := 0; i < count; i++ {
			crc = crc32.Update(crc, crc32.IEEETable, chunk)
		}
		_ = crc
	}
}

func doNothing() {}

func startWorkers(count, capacity int) {
	jobs = make(chan *task, capacity)
	done = make(chan *task, capacity)
	for i := 0; i < count; i++ {
		go func() {
			for t := range jobs {
				t.work()
				done <- t
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
}

func roundTrip() {
	samples := make([]int64, trips)
	t := &task{doNothing}
	trip := func(count int) {
		for i := 0; i < count; i++ {
			from := nowNs()
			jobs <- t
			<-done
			samples[i] = nowNs() - from
		}
	}
	trip(warmUpTrips)
	cpuFrom := cpuNs()
	trip(trips)
	printValue("cpu_ns_per_trip", float64(cpuNs()-cpuFrom)/trips)
	printDistribution(samples)
	time.Sleep(100 * time.Millisecond)
	idleFrom := cpuNs()
	time.Sleep(200 * time.Millisecond)
	printValue("idle_cpu_us", float64(cpuNs()-idleFrom)/1000)
}

// Keeps count tasks in flight until total have been submitted or the time is over.
func runTasks(count, total int, work func(), untilNs int64) int {
	submitted, completed := count, 0
	for i := 0; i < count; i++ {
		jobs <- &task{work}
	}
	for completed < submitted {
		t := <-done
		if completed&63 == 0 && nowNs() > untilNs {
			total = 0
		}
		completed++
		if submitted < total {
			submitted++
			jobs <- t
		}
	}
	return completed
}

func throughput(inFlight int) {
	cpuFrom, from := cpuNs(), nowNs()
	completed := runTasks(inFlight, fanOut, doNothing, from+throughputNs)
	printValue("tasks_per_s", float64(completed)/(float64(nowNs()-from)*1e-9))
	printValue("cpu_ns_per_task", float64(cpuNs()-cpuFrom)/float64(completed))
}

func fanOutAll() {
	cpuFrom, from := cpuNs(), nowNs()
	for i := 0; i < fanOut; i++ {
		jobs <- &task{doNothing}
	}
	submitted := nowNs()
	for i := 0; i < fanOut; i++ {
		<-done
	}
	printValue("wall_s", float64(nowNs()-from)*1e-9)
	printValue("submit_s", float64(submitted-from)*1e-9)
	printValue("cpu_s", float64(cpuNs()-cpuFrom)*1e-9)
}

// The channels are part of what a pending task costs, so memory is counted from before they were made.
func fanOutMemory(count int) {
	var gate sync.Mutex
	before := peakMemoryBytes()
	startWorkers(count, fanOut+100)
	gate.Lock()
	for i := 0; i < count; i++ {
		jobs <- &task{func() { gate.Lock(); gate.Unlock() }}
	}
	for i := 0; i < fanOut; i++ {
		jobs <- &task{doNothing}
	}
	printValue("bytes_per_call", (peakMemoryBytes()-before)/fanOut)
}

func postFrom(producers int) {
	channel := make(chan func(), 1024)
	arrived := 0
	cpuFrom, from := cpuNs(), nowNs()
	for i := 0; i < producers; i++ {
		go func() {
			for k := 0; k < posts; k++ {
				channel <- func() { arrived++ }
			}
		}()
	}
	for arrived < posts*producers {
		(<-channel)()
	}
	printValue("posts_per_s", float64(arrived)/(float64(nowNs()-from)*1e-9))
	printValue("cpu_ns_per_post", float64(cpuNs()-cpuFrom)/float64(arrived))
}

func timerLateness() {
	calibrateBurn(200)
	samples := []int64{}
	completed, inFlight, over := 0, burnTasks, false
	from := nowNs()
	end := from + burnNs
	due := from + 1000000
	timer := time.NewTimer(time.Millisecond)
	for i := 0; i < burnTasks; i++ {
		jobs <- &task{burn}
	}
	for inFlight > 0 || !over {
		select {
		case t := <-done:
			completed++
			if nowNs() < end {
				jobs <- t
			} else {
				inFlight--
			}
		case <-timer.C:
			now := nowNs()
			samples = append(samples, now-due)
			if over = now >= end; !over {
				due = nowNs() + 1000000
				timer.Reset(time.Millisecond)
			}
		}
	}
	printValue("burns_per_s", float64(completed)/(float64(nowNs()-from)*1e-9))
	printDistribution(samples)
}

func realWork(inFlight int) {
	work := makeChecksum(100)
	half := func() {
		for i := 0; i < workCalls/2; i++ {
			work()
		}
	}
	efficiency := []float64{}
	for i := 0; i < workPairs; i++ {
		var both sync.WaitGroup
		both.Add(2)
		from := nowNs()
		for j := 0; j < 2; j++ {
			go func() { half(); both.Done() }()
		}
		both.Wait()
		ideal := float64(nowNs() - from)
		from = nowNs()
		runTasks(inFlight, workCalls, work, from+int64(time.Minute))
		efficiency = append(efficiency, 100*ideal/float64(nowNs()-from))
	}
	sort.Float64s(efficiency)
	printValue("efficiency_pct", efficiency[workPairs/2])
}

func main() {
	arguments := append(os.Args[1:], "", "", "-")
	workload, workers, param = arguments[0], arguments[1], arguments[2]
	if len(os.Args) < 4 {
		param = "-"
	}
	count, _ := strconv.Atoi(workers)
	number, _ := strconv.Atoi(param)
	known := param == "-" || number > 0
	capacity := 8192
	if workload == "c" {
		capacity = fanOut
	}
	if strings.Contains("abcef", workload) && count > 0 && known {
		startWorkers(count, capacity)
	}
	switch {
	case count < 1 || !known:
		os.Exit(2)
	case workload == "a":
		roundTrip()
	case workload == "b":
		throughput(number)
	case workload == "c":
		fanOutAll()
	case workload == "crss":
		fanOutMemory(count)
	case workload == "d":
		postFrom(count)
	case workload == "e":
		timerLateness()
	case workload == "f":
		realWork(number)
	default:
		os.Exit(2)
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every architecture that Go runs Linux on.
const tick = 10 * time.Millisecond

// stat is what is needed of /proc/PID/stat, proc_pid_stat(5).
type stat struct {
	pid, group int
	cpu        time.Duration // utime + stime
}

// parseStat reads one line of /proc/PID/stat. The second field is the name in parentheses, which may contain both spaces
// and parentheses, so the rest starts after the last one.
func parseStat(line string) (stat, error) {
	open, shut := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || shut < open {
		return stat{}, fmt.Errorf("stat: no name in %q", line)
	}
	rest := strings.Fields(line[shut+1:])
	if len(rest) < 13 {
		return stat{}, fmt.Errorf("stat: only %d fields after the name", len(rest))
	}
	var n [4]int
	for i, s := range []string{strings.TrimSpace(line[:open]), rest[2], rest[11], rest[12]} {
		v, err := strconv.Atoi(s)
		if err != nil {
			return stat{}, fmt.Errorf("stat: %w", err)
		}
		n[i] = v
	}
	return stat{pid: n[0], group: n[1], cpu: time.Duration(n[2]+n[3]) * tick}, nil
}

// cpuTime is the time that the processes have spent on a core since they started, user and system, in all their threads.
// The work that the kernel's network stack does on behalf of a sender over loopback is part of it, for every proxy alike.
func cpuTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		t, err := scheduled(pid)
		if err != nil {
			t, err = ticked(pid)
		}
		if err != nil {
			return 0, fmt.Errorf("CPU time: %w", err)
		}
		sum += t
	}
	return sum, nil
}

// scheduled sums the nanoseconds that the scheduler counted for each thread. /proc/PID/schedstat has only the first one's.
// The time of a thread that ended is lost; none of the three proxies ends threads while it serves.
func scheduled(pid int) (time.Duration, error) {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(paths) == 0 {
		return 0, fmt.Errorf("process %d: no schedstat", pid)
	}
	var sum time.Duration
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("schedstat: %w", err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// ticked is the same in steps of 10 ms, for kernels without schedstat.
func ticked(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	s, err := parseStat(string(b))
	return s.cpu, err
}

// coreTime is the time that a core was in use, by anybody: the hypervisor's other guests (steal) and interrupts included.
func coreTime(core int) (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseCoreTime(string(b), core)
}

// parseCoreTime reads the line of one core in /proc/stat: user nice system idle iowait irq softirq steal, in ticks.
func parseCoreTime(text string, core int) (time.Duration, error) {
	name := "cpu" + strconv.Itoa(core)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != name {
			continue
		}
		sum := 0
		for _, i := range []int{1, 2, 3, 6, 7, 8} {
			n, err := strconv.Atoi(f[i])
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			sum += n
		}
		return time.Duration(sum) * tick, nil
	}
	return 0, fmt.Errorf("/proc/stat: no %s", name)
}

// resident is the resident memory of the processes in KiB. smaps_rollup is counted page by page, while VmRSS comes from
// counters that the kernel batches per core.
func resident(pids []int) (int, error) {
	sum := 0
	for _, pid := range pids {
		kib, err := kibibytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:")
		if err != nil {
			kib, err = kibibytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
		}
		if err != nil {
			return 0, fmt.Errorf("resident memory: %w", err)
		}
		sum += kib
	}
	return sum, nil
}

// kibibytes reads a line such as "Rss:  5120 kB" of a file.
func kibibytes(path, key string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == key {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, key)
}

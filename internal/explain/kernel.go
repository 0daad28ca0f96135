package explain

import (
	"bytes"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
)

// The kernel's lines are those of mm/oom_kill.c, arch/x86/mm/fault.c, net/ipv4/tcp_input.c, net/netfilter and fs/file_table.c,
// with or without the "[12345.678901] " that dmesg puts before them. One kill is told of by three lines: who asked for
// memory (invoked oom-killer), the constraint (oom-kill:), and who was killed. Only the last is a fault, so that one kill
// counts once.

var kernelLog = &Format{
	marks: kernelMarks,
	Name:  "kernel", Title: "Linux kernel log", Product: "linux", Role: RoleSystem,
	Gives:  "Which process was killed for memory, and whether the machine or its control group was out of it; crashes, full queues and tables.",
	Lacks:  "Which request it was at.",
	Better: "dmesg --time-format iso   # or: journalctl -k -o short-iso-precise",
	Parse:  parseKernel,
}

// kernelMarks stand in each line of the kernel's that is about memory, a crash, or a table that is full.
var kernelMarks = []string{
	"Out of memory: Kill", "Memory cgroup out of memory: ", "Killed process ", "oom-kill:constraint=", " invoked oom-killer: ", "oom_reaper: reaped process ",
	"Memory cgroup stats for ", "Tasks in /", "Tasks state (memory val", "]: segfault at ", "traps: ", "Possible SYN flooding on port ", "table full, dropping packet",
	"TCP: out of memory", "Out of socket memory", "VFS: file-max limit ", "neighbour: arp_cache: ", "eighbour table overflow",
}

func parseKernel(e *Entry, line []byte) bool {
	if starts(line, "[") {
		w := words{line}
		stamp, ok := w.bracketed()
		if _, isUptime := decimal(bytes.TrimSpace(stamp)); ok && isUptime && bytes.IndexByte(stamp, '.') > 0 {
			line = bytes.TrimLeft(w.rest, " ")
		}
	}
	line = bytes.TrimPrefix(line, []byte("kernel: "))
	e.Said = line
	e.noise(MarkerNone)
	switch {
	case starts(line, "Out of memory: Kill"), starts(line, "Memory cgroup out of memory: Kill"), starts(line, "Killed process ") && has(line, "total-vm:"):
		if starts(line, "Out of memory: Kill process") || starts(line, "Memory cgroup out of memory: Kill process") {
			return true // kernels before 5.0: "Killed process" follows
		}
		kernelKilled(e, line)
	case starts(line, "oom-kill:constraint="), has(line, " invoked oom-killer: "), starts(line, "oom_reaper: reaped process "):
	case starts(line, "Memory cgroup stats for "), starts(line, "Tasks in /") && has(line, "killed as a result of limit"), starts(line, "Tasks state (memory values in pages):"):
	default:
		return kernelOther(e, line)
	}
	return true
}

// kernelKilled reads Killed process 123 (name) total-vm:…
func kernelKilled(e *Entry, line []byte) {
	e.told(ByOrigin, fault.CauseOutOfMemory)
	e.Process = uint64(max(numberAfter(line, "Killed process "), 0))
	e.Upstream = between(line, "(", ")")
}

func kernelOther(e *Entry, line []byte) bool {
	switch {
	case has(line, "]: segfault at ") && has(line, " ip "):
		kernelCrashed(e, line, "]: segfault")
	case starts(line, "traps: ") && (has(line, "general protection") || has(line, "trap ")):
		kernelCrashed(e, line[len("traps: "):], "] ")
	case has(line, "Possible SYN flooding on port "):
		e.told(ByOrigin, fault.CauseWorkersBusy)
	case has(line, "nf_conntrack: table full, dropping packet"), has(line, "ip_conntrack: table full, dropping packet"):
		e.told(ByUnknown, fault.CauseConnectTimeout)
		e.suspect(fault.CauseConnectTimeout, fault.CauseKernelConnectTimeout)
	case starts(line, "TCP: out of memory"), starts(line, "Out of socket memory"):
		e.fail(ByUnknown, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.ENOBUFS
	case starts(line, "VFS: file-max limit "):
		e.fail(ByUnknown, fault.Dial, fault.Exhausted)
		e.Evidence.Errno = syscall.ENFILE
	case has(line, "neighbour: arp_cache: neighbor table overflow"), has(line, "eighbour table overflow"):
		e.fail(ByUnknown, fault.Dial, fault.Unreachable)
		e.Evidence.Errno = syscall.EHOSTUNREACH
	default:
		return false
	}
	return true
}

// kernelCrashed reads name[123]: segfault at …, or name[123] general protection fault ip:….
func kernelCrashed(e *Entry, line []byte, mark string) {
	e.told(ByOrigin, fault.CauseWorkerCrashed)
	head, _, _ := bytes.Cut(line, []byte(mark))
	name, pid, found := bytes.Cut(head, []byte("["))
	if found {
		e.Upstream, e.Process = name, uint64(max(wholeUint(pid), 0))
	}
}

package machine

import "golang.org/x/sys/unix"

// Of the kernel's own log: syslog(2)'s command that reads what is there and takes nothing away, and how much is read.
const (
	syslogReadAll = 3
	kernelLogMax  = 256 << 10
)

// KernelLog is the end of the kernel's log, each line with its level and its time since the start in seconds: "<4>[  12.345] text".
// It is empty where it may not be read (kernel.dmesg_restrict).
func KernelLog() string {
	b := make([]byte, kernelLogMax)
	n, err := unix.Klogctl(syslogReadAll, b)
	if err != nil || n < 0 {
		return ""
	}
	return string(b[:min(n, len(b))])
}

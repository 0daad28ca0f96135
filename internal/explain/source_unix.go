//go:build unix

package explain

import "syscall"

// openNow makes open(2) of a named pipe return although nobody writes to it.
const openNow = syscall.O_NONBLOCK

package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/telemetry"
)

// gatewayEnv makes the test binary be a gateway before the endpoint that it names: for what is measured of a process.
const gatewayEnv = "WHYGATE_TEST_GATEWAY"

// memory is what a gateway's process holds, in KiB.
type memory struct{ rss, heap, stacks int }

// gatewayMain is the gateway's process. It says where it listens, then answers each line on stdin with its memory, and
// ends with stdin.
func gatewayMain() {
	t := &fatal{}
	p, _ := build(t, setup{}, os.Getenv(gatewayEnv))
	p.Observe = func(*telemetry.Record) {}
	limits := listener.Limits{Connections: 100_000, RequestHead: 32 << 10, HeadTime: patience, RequestBody: 64 << 20, Idle: 5 * time.Minute}
	s := &listener.Server{Serve: p.Serve, Refuse: p.Refuse, Limits: func() listener.Limits { return limits }}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Listen(l, nil, nil) // ends with the process
	fmt.Println(l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		for range 3 { // a stack shrinks by half with each collection
			runtime.GC()
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(resident(), m.HeapInuse>>10, m.StackInuse>>10, s.Open())
	}
}

// fatal ends the process where a test would end.
type fatal struct{ testing.TB }

func (*fatal) Helper()           {}
func (*fatal) Fatal(args ...any) { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }

// resident is the process's resident memory in KiB.
func resident() int {
	b, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	n, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return n
}

// child is a gateway in a process of its own.
type child struct {
	t    testing.TB
	addr string
	in   io.WriteCloser
	out  *bufio.Reader
}

func startChild(t testing.TB, endpoint string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), gatewayEnv+"="+endpoint)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c.addr = strings.TrimSpace(line)
	return c
}

// memory asks the child what it holds, and how many connections are open.
func (c *child) memory() (m memory, open int) {
	c.t.Helper()
	fmt.Fprintln(c.in, "memory")
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &m.rss, &m.heap, &m.stacks, &open); err != nil {
		c.t.Fatal(err)
	}
	return m, open
}

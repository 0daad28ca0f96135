package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startupMax is how long a server may take until it accepts connections.
const startupMax = 10 * time.Second

// command is a program to run on some cores.
type command struct {
	name  string // names the log file, and the program in errors
	cores []int
	argv  []string
}

// process is a running server. It leads a process group of its own, so that its workers end with it.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // its output
	done chan struct{} // closed when it has ended
}

// start runs a server in the background, with its output in a file of dir.
func start(c command, dir string) (*process, error) {
	log := filepath.Join(dir, c.name+".out")
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	defer f.Close() // the child has its own descriptor
	argv := pinned(c.cores, c.argv)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = plainEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{name: c.name, cmd: cmd, log: log, done: make(chan struct{})}
	// Ends with the process, which stop kills and then waits for.
	go func() {
		cmd.Wait() // how it ended is in its log; that it ended is what counts
		close(p.done)
	}()
	return p, nil
}

// stop kills the process and its workers, and waits for it. Nothing here is worth a graceful end.
func (p *process) stop() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// alive says whether the process still runs; if not, the error shows its last output.
func (p *process) alive() error {
	select {
	case <-p.done:
		out, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended: %s", p.name, tail(out))
	default:
		return nil
	}
}

// accepts waits until the process takes connections at the address.
func (p *process) accepts(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startupMax)
	defer cancel()
	for {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not accept connections: %w", p.name, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pids are the processes of the group: nginx is a master and a worker.
func (p *process) pids() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended since
		}
		s, err := parseStat(string(b))
		if err == nil && s.group == p.cmd.Process.Pid {
			pids = append(pids, s.pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("%s has no process", p.name)
	}
	return pids, nil
}

// output runs a program to its end and returns what it printed. When ctx ends, so does its whole group.
func output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(argv[0]), ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, tail(out))
	}
	return string(out), nil
}

// pinned puts taskset in front of a command. It execs, so the process id stays that of the program.
func pinned(cores []int, argv []string) []string {
	var list []string
	for _, core := range cores {
		list = append(list, strconv.Itoa(core))
	}
	return append([]string{"taskset", "-c", strings.Join(list, ",")}, argv...)
}

// plainEnv is the environment without what would tune Go's runtime: the defaults are measured.
func plainEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG":
		default:
			env = append(env, e)
		}
	}
	return env
}

// tail is the end of a program's output, for an error.
func tail(out []byte) string {
	const outputMax = 2000
	out = bytes.TrimSpace(out)
	if len(out) == 0 {
		return "it printed nothing"
	}
	return string(out[max(0, len(out)-outputMax):])
}

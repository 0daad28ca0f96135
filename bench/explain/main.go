// Command explain measures whygate explain against grep, ripgrep, GNU awk, goaccess and lnav, and against another build of
// whygate, on the same files, which it makes: an nginx combined log with one error in a hundred lines, an nginx error log, JSON
// of applications that no format is for, and what docker compose prints of nine applications and an nginx. It prints ratios,
// the CPU time of each KiB, and each program's peak memory.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// What the product promises of the access log.
const (
	grepLeast     = 0.5 // of grep's speed
	goaccessLeast = 5.0 // times goaccess's
)

// slowRun is how long a program may take to be run again: nothing is won by the second time.
const slowRun = 20 * time.Second

func main() {
	access := flag.Int64("access", 1<<10, "size of the access log in MiB")
	errs := flag.Int64("errors", 100, "size of the error log in MiB")
	runs := flag.Int("runs", 3, "runs of each program, of which the fastest counts")
	others := flag.Int64("others", 128, "size of the JSON and of the compose log in MiB")
	binary := flag.String("whygate", "", "the binary; built where none is given")
	base := flag.String("base", "", "another build of whygate, to compare with")
	flag.Parse()
	if err := run(*access<<20, *errs<<20, *others<<20, *runs, *binary, *base); err != nil {
		fmt.Fprintln(os.Stderr, "bench/explain:", err)
		os.Exit(1)
	}
}

func run(accessSize, errorSize, otherSize int64, runs int, binary, base string) error {
	dir, err := os.MkdirTemp("", "whygate-explain-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "whygate")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/whygate")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	os.Setenv("HOME", dir) // lnav keeps its own files there
	file := filepath.Join(dir, "a.log")
	var took map[string]usage
	for _, c := range [...]struct {
		what string
		size int64
		line func(*rand.Rand, int, []byte) []byte
		more [][]string
	}{
		{"access log, 1 % errors", accessSize, accessLine, [][]string{
			{"grep", "grep", "-c", " 50[234] ", file},
			{"ripgrep", "rg", "-c", " 50[234] ", file},
			{"gawk", "gawk", `$9 ~ /^50[234]$/ {n++} END {print n}`, file},
			{"goaccess", "goaccess", file, "--log-format=COMBINED", "-o", filepath.Join(dir, "report.html"), "--no-progress"},
			{"lnav", "lnav", "-n", "-c", ";SELECT count(*) FROM access_log WHERE sc_status >= 500", file},
		}},
		{"error log", errorSize, errorLine, [][]string{
			{"grep", "grep", "-c", "upstream", file},
			{"ripgrep", "rg", "-c", "upstream", file},
			{"gawk", "gawk", `/upstream/ {n[$4]++} END {for (i in n) print i, n[i]}`, file},
		}},
		{"JSON of unknown programs", otherSize, jsonLine, [][]string{
			{"grep", "grep", "-c", "refused", file},
			{"ripgrep", "rg", "-c", "refused", file},
		}},
		{"docker compose, a tenth nginx", otherSize, composeLine, [][]string{
			{"grep", "grep", "-c", " 50[234] ", file},
			{"ripgrep", "rg", "-c", " 50[234] ", file},
		}},
	} {
		if err := makeFile(file, c.size, c.line); err != nil {
			return err
		}
		programs := [][]string{{"whygate", binary, "explain", file}}
		if base != "" {
			programs = append(programs, []string{"base", base, "explain", file})
		}
		kept := measureAll(c.what, c.size, runs, append(programs, c.more...))
		if took == nil { // promised is the access log
			took = kept
		}
	}
	return promises(took)
}

// promises compares with what the product promises.
func promises(took map[string]usage) error {
	var all error
	check := func(name string, least float64) {
		if took[name].wall == 0 {
			return
		}
		if ratio := float64(took[name].wall) / float64(took["whygate"].wall); ratio < least {
			all = errors.Join(all, fmt.Errorf("%.2f times the speed of %s, and %.1f is promised", ratio, name, least))
		}
	}
	check("grep", grepLeast)
	check("goaccess", goaccessLeast)
	return all
}

// usage is what a run of a program took: the least of several.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // resident memory in KiB, the most of several
}

// measureAll runs each program in turn, several times, and prints its fastest run beside whygate's.
func measureAll(what string, size int64, runs int, programs [][]string) map[string]usage {
	fmt.Printf("\n%s, %s, the fastest of %d runs\n", what, mib(size), runs)
	took, told := map[string]usage{}, map[string]bool{}
	for range runs {
		for _, p := range programs {
			if _, err := exec.LookPath(p[1]); err != nil {
				if !told[p[0]] {
					fmt.Printf("%-10s not installed: apt-get install %s\n", p[0], p[0])
				}
				told[p[0]] = true
				continue
			}
			least := took[p[0]]
			if least.wall > slowRun || told[p[0]] {
				continue
			}
			fmt.Fprintf(os.Stderr, "running %s\n", p[0]) // goaccess takes minutes
			u, err := measure(p[1:])
			if err != nil {
				fmt.Printf("%-10s %v\n", p[0], err)
				told[p[0]] = true
				continue
			}
			if least.wall > 0 {
				u = usage{min(u.wall, least.wall), min(u.cpu, least.cpu), max(u.peak, least.peak)}
			}
			took[p[0]] = u
		}
	}
	ours := took["whygate"]
	for _, p := range programs {
		if u := took[p[0]]; u.wall > 0 {
			fmt.Printf("%-10s %6.2f s   %6.2f s of CPU, %5.2f µs a KiB   whygate takes %.3f of the time, %.3f of the CPU   %5.1f MiB at most\n",
				p[0], u.wall.Seconds(), u.cpu.Seconds(), float64(u.cpu.Microseconds())*1024/float64(size),
				float64(ours.wall)/float64(u.wall), float64(ours.cpu)/float64(u.cpu), float64(u.peak)/1024)
		}
	}
	return took
}

// measure runs a program to its end. Exit code 1 is fine: faults were found, or no line matched; 2 is whygate's where no line
// was known.
func measure(command []string) (usage, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout = io.Discard
	began := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(began)}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 2) {
		return u, err
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = r.Maxrss
	}
	return u, nil
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// makeFile writes lines until the file has the size. Its content is the same every time.
func makeFile(path string, size int64, line func(*rand.Rand, int, []byte) []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	random := rand.New(rand.NewPCG(502, 1))
	var b []byte
	for written, i := int64(0), 0; written < size; i++ {
		b = line(random, i, b[:0])
		n, err := w.Write(b)
		if err != nil {
			return err
		}
		written += int64(n)
	}
	return errors.Join(w.Flush(), f.Close())
}

var agents = [...]string{
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"curl/8.5.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
}

// accessLine is one line of nginx's combined log; one in a hundred is a 502, 503 or 504.
func accessLine(r *rand.Rand, i int, b []byte) []byte {
	status := 200
	switch n := r.IntN(1000); {
	case n < 6:
		status = 502
	case n < 8:
		status = 503
	case n < 10:
		status = 504
	case n < 70:
		status = 404
	case n < 130:
		status = 304
	}
	at := time.Unix(1773446400+int64(i/60), 0).UTC()
	client := r.IntN(20_000) // as many as a busy day of a shop has, and few enough for goaccess to count them
	return fmt.Appendf(b, "%d.%d.%d.%d - - [%s] \"GET /shop/items/%d?page=%d HTTP/1.1\" %d %d \"https://shop.example.com/\" \"%s\"\n",
		1+client%223, client>>8, client%251, 1+client%254, at.Format("02/Jan/2006:15:04:05 -0700"), r.IntN(5000), r.IntN(10), status, r.IntN(90000), agents[r.IntN(len(agents))])
}

var failures = [...]string{
	"connect() failed (111: Connection refused) while connecting to upstream",
	"upstream timed out (110: Connection timed out) while reading response header from upstream",
	"upstream prematurely closed connection while reading response header from upstream",
	"no live upstreams while connecting to upstream",
}

// errorLine is one line of an nginx error log.
func errorLine(r *rand.Rand, i int, b []byte) []byte {
	at := time.Unix(1773446400+int64(i/20), 0).UTC()
	path := r.IntN(99999)
	return fmt.Appendf(b, "%s [error] 31#31: *%d %s, client: 10.0.%d.%d, server: shop.example.com, request: \"GET /shop/items/%d HTTP/1.1\", upstream: \"http://10.0.1.%d:8080/shop/items/%d\", host: \"shop.example.com\"\n",
		at.Format("2006/01/02 15:04:05"), 1000+i, failures[r.IntN(len(failures))], r.IntN(256), r.IntN(256), path, 1+r.IntN(4), path)
}

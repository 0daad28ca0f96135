package explain

import (
	"bufio"
	"compress/gzip"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// ordinary are lines of programs in which no request failed; N, as a word, stands for a number that differs from line to line.
var ordinary = []string{
	"Nov 30 06:00:01 web sshd[N]: Connection reset by 192.0.2.7 port N [preauth]",
	"Nov 30 06:00:01 web sshd[N]: Connection closed by authenticating user root 192.0.2.7 port 502 [preauth]",
	"Nov 30 06:00:01 web sshd[N]: error: kex_exchange_identification: Connection closed by remote host",
	"Nov 30 06:00:01 web CRON[N]: (root) CMD (/usr/bin/backup --timeout=30s)",
	"Nov 30 06:00:01 web CRON[N]: (root) FAILED to run job N: exit status 1",
	"Nov 30 06:00:01 web systemd[1]: Finished logrotate.service - Rotate log files.",
	"Nov 30 06:00:01 web kernel: [N.123456] eth0: Link is Up - 1Gbps/Full",
	"2026-11-30 06:00:01 status installed libssl3:amd64 3.0.N",
	"2026-11-30 06:00:01.123 UTC [N] LOG:  could not receive data from client: Connection reset by peer",
	"2026-11-30 06:00:01.123 UTC [N] LOG:  checkpoint complete: wrote 502 buffers",
	"N:M 30 Nov 2026 06:00:01.123 * Background saving terminated with success",
	"N:M 30 Nov 2026 06:00:01.123 # Error condition on socket for SYNC: Connection refused",
	"2026-11-30T06:00:01.123456Z N [Note] [MY-010914] [Server] Aborted connection N to db: 'app' (Got timeout reading communication packets).",
	`I1130 06:00:01.123456    N kubelet.go:2100] "SyncLoop (PLEG): event for pod" pod="default/web"`,
	`time="2026-11-30T06:00:01Z" level=info msg="ignoring event" container=N module=libcontainerd`,
	`time="2026-11-30T06:00:01.1Z" level=info msg="StartContainer returns successfully" id=N`,
	`{"time":"2026-11-30T06:00:01Z","level":"INFO","msg":"request done","status":200,"bytes":503,"n":N}`,
	`{"time":"2026-11-30T06:00:01Z","level":"INFO","msg":"indexed","title":"Why 'Connection refused' happens","n":N}`,
	`{"time":"2026-11-30T06:00:01Z","level":"DEBUG","msg":"cached","title":"ETIMEDOUT and ECONNRESET, explained","n":N}`,
	`{"level":"info","ts":1795361722.1,"msg":"imported 502 items","error_count":0,"n":N}`,
	`{"level":"info","ts":1795361722.1,"msg":"retrying is off, no errors","timeout":"30s","n":N}`,
	`time="2026-11-30T06:00:01Z" level=info msg="listening" port=502 n=N`,
	`time="2026-11-30T06:00:01Z" level=error msg="job N failed: file not found"`,
	"2026-11-30 06:00:01.123  INFO N --- [main] c.e.App : Started App in 5.02 seconds",
	"2026-11-30 06:00:01.123  INFO N --- [main] c.e.Docs : Saved document 'java.net.ConnectException: Connection refused'",
	"2026-11-30 06:00:01,123 [main] INFO  com.example.Job - job N done, 504 rows, timeout=30s",
	"\tat com.example.Job.run(Job.java:N)",
	`[30/Nov/2026 06:00:01] "GET /items/N HTTP/1.1" 200 503`,
	"I, [2026-11-30T06:00:01.123 #N]  INFO -- : Completed 200 OK in 502ms",
	`{"level":30,"time":1795361722000,"pid":N,"msg":"connection reset by admin"}`,
	`{"level":"info","message":"session closed by user","id":N}`,
	`192.0.2.7 - - [30/Nov/2026:06:00:01 +0000] "GET /a/N HTTP/1.1" 200 502 "-" "curl/8"`,
	`192.0.2.7 - - [30/Nov/2026:06:00:01 +0000] "GET /a/N HTTP/1.1" 304 0 "-" "curl/8"`,
	`192.0.2.7 - - [30/Nov/2026:06:00:01 +0000] "GET /connection-refused/N HTTP/1.1" 404 153 "-" "curl/8"`,
	`Nov 30 06:00:01 lb haproxy[N]: 192.0.2.7:N [30/Nov/2026:06:00:01.000] web app/a 0/0/1/2/3 200 503 - - ---- 1/1/0/0/0 0/0 "GET /N HTTP/1.1"`,
	`{"level":"info","ts":1795361722.1,"logger":"http.log.access","msg":"handled request","request":{"method":"GET","host":"a.example","uri":"/N"},"duration":0.1,"size":503,"status":200}`,
	"npm warn deprecated left-pad@1.N.0: use String.prototype.padStart()",
	"added 502 packages, and audited N packages in 30s",
	"fatal: refusing to merge unrelated histories N",
	"INFO refused to merge branch N", "INFO retrying in N ms, timeout=30s", "INFO no errors in N files", "INFO wrote 503 bytes of N",
}

// Logs of ordinary work name errnos, numbers and words of failures too; none of that is a request that failed.
func TestOrdinaryLinesAreNoFaults(t *testing.T) {
	const rounds = 2500 // of more than forty shapes: over 100,000 lines
	r := NewRecogniser(formats, time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC))
	number := regexp.MustCompile(`\bN\b`)
	for _, shape := range ordinary {
		for n := range rounds {
			line := number.ReplaceAllString(shape, strconv.Itoa(1000+n))
			var e Entry
			if f, _ := r.Read(&e, []byte(line)); f != nil && e.Kind == KindFault {
				t.Errorf("%s: %s", f.Name, line)
				break
			}
		}
	}
}

// ordinaryFile has distinct lines of some twenty-five programs that did ordinary work, at levels up to their most talkative one.
const ordinaryFile = "../../testdata/ordinary.log.gz"

// TestOrdinaryLogsAreNoFaults reads them over and over, with other times and numbers in each round.
func TestOrdinaryLogsAreNoFaults(t *testing.T) {
	const least = 100_000
	lines := ordinaryLines(t)
	r := NewRecogniser(formats, time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	changing := regexp.MustCompile(`:\d\d\b|\b\d{5,}\b`)
	read, alarmed := 0, map[int]bool{}
	for round := 0; read < least; round++ {
		for i, line := range lines {
			text := changing.ReplaceAllStringFunc(line, func(old string) string {
				if old[0] == ':' {
					return ":" + strconv.Itoa(10+round%50)
				}
				return strconv.Itoa(10_000 + (round*7919+i*31+len(old))%50_000)
			})
			var e Entry
			if f, _ := r.Read(&e, []byte(text)); f != nil && e.Kind == KindFault && !alarmed[i] {
				alarmed[i] = true
				t.Errorf("%s: %s", f.Name, text)
			}
			read++
		}
	}
}

func ordinaryLines(t *testing.T) (lines []string) {
	t.Helper()
	file, err := os.Open(ordinaryFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(unpacked)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if scanner.Err() != nil || len(lines) < 1000 {
		t.Fatalf("%d lines: %v", len(lines), scanner.Err())
	}
	return lines
}

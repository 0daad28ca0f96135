package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"whygate": main})
}

// TestScripts runs the command line as a user does: one script per behaviour, in testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freeport,
			"get":      get,
			"expand":   expand,
			"origin":   origin,
			"secure":   secure,
			"signal":   signalTo,
			"await":    await,
			"until":    until,
		},
	})
}

// freeport NAME... sets each variable to a port of loopback that nobody listens on.
func freeport(ts *testscript.TestScript, _ bool, args []string) {
	for i := 0; i < len(args); {
		// Below the ports that the kernel gives to others.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err != nil {
			continue
		}
		name := args[i]
		i++
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ts.Check(l.Close())
		ts.Setenv(name, port)
	}
}

// expand FILE... replaces $NAME in files by the variables' values.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		b, err := os.ReadFile(ts.MkAbs(name))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(string(b), ts.Getenv)), 0o600))
	}
}

// origin PORT TEXT answers every request there with the text until the script ends.
func origin(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, args[1])
	})}
	go func() { _ = s.Serve(l) }() // ends with the Close below
	ts.Defer(func() { _ = s.Close() })
}

// secure PORT NAME FILE answers over TLS with a certificate that it signed itself for the name, and puts that into the file. To plain
// HTTP it says nothing and closes, as many servers do.
func secure(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{args[1]}}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	go func() { // ends with the Close below
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerSecurely(c, conf) // ends with the deadline
		}
	}()
	ts.Defer(func() { _ = l.Close() })
}

func answerSecurely(c net.Conn, conf *tls.Config) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	s := tls.Server(c, conf)
	if req, err := http.ReadRequest(bufio.NewReader(s)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nsecure\n")
		_ = s.Close()
	}
}

// get URL [FIELD: VALUE] asks until somebody listens, and puts the status line, the fields and the body into the file "answer".
func get(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[0], nil)
		ts.Check(err)
		if len(args) > 1 {
			name, value, _ := strings.Cut(args[1], ": ")
			req.Header.Set(name, value)
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		switch {
		case err == nil && !neg:
			var b strings.Builder
			fmt.Fprintln(&b, res.Status)
			_ = res.Header.Write(&b)
			_, err = io.Copy(&b, res.Body)
			_ = res.Body.Close()
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs("answer"), []byte(b.String()), 0o600))
			return
		case err == nil:
			_ = res.Body.Close()
		case neg:
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("get %s: %v", args[0], err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// await FILE waits until there is such a file.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("there is no %s", args[0])
		}
	}
}

// until TEXT PROGRAM ARGS... runs a program again and again until TEXT is in what it prints.
func until(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(15 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("never: %s", args[0])
		}
	}
}

// signal NAME sends the signal to the whygate in the background.
func signalTo(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	for _, c := range ts.BackgroundCmds() {
		if filepath.Base(c.Path) == "whygate" {
			ts.Check(c.Process.Signal(signals[args[0]]))
			return
		}
	}
	ts.Fatalf("no whygate in the background")
}

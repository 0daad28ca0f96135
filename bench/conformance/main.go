// Command conformance is a server for connectrpc's conformance suite: the suite's own reference server with a Whygate in front of it. The
// suite starts it once for each set of properties, says on standard input what is wanted, and reads on standard output where to ask.
//
//	connectconformance --mode server --conf conformance.yaml -- conformance -server referenceserver -whygate whygate -upstream h2c
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// messageMax bounds a message of the suite; its longest holds two certificates and a key.
const messageMax = 1 << 20

// startMax is how long the server and the gateway may take to listen.
const startMax = 10 * time.Second

func main() {
	server := flag.String("server", "referenceserver", "the suite's reference server")
	whygate := flag.String("whygate", "whygate", "the gateway")
	upstream := flag.String("upstream", "h2c", "how the gateway speaks to the server: h1 or h2c")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *server, *whygate, *upstream); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run serves one set of properties until ctx ends.
func run(ctx context.Context, server, whygate, upstream string) error {
	message, err := readMessage(os.Stdin)
	if err != nil {
		return err
	}
	want, err := parseWanted(message)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	version := uint64(http2)
	if upstream == "h1" {
		version = http1
	}
	origin := exec.CommandContext(ctx, server)
	origin.Stdin, origin.Stderr = bytes.NewReader(frame(want.behind(version))), os.Stderr
	out, err := origin.StdoutPipe()
	if err != nil {
		return err
	}
	end, err := start(origin)
	if err != nil {
		return err
	}
	defer end()
	if message, err = readMessage(out); err != nil {
		return fmt.Errorf("the reference server: %w", err)
	}
	port, err := portIn(message)
	if err != nil {
		return err
	}

	address, err := freeAddress()
	if err != nil {
		return err
	}
	scheme := "h2c"
	if upstream == "h1" {
		scheme = "http"
	}
	config, err := want.config(dir, address, fmt.Sprintf("%s://127.0.0.1:%d", scheme, port))
	if err != nil {
		return err
	}
	gateway := exec.CommandContext(ctx, whygate, "run", "-c", config, "--drain", "1s")
	gateway.Stderr = os.Stderr
	if end, err = start(gateway); err != nil {
		return err
	}
	defer end()
	if err := accepts(ctx, address); err != nil {
		return err
	}
	answer, err := want.answer(address)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(frame(answer)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// start starts a program that is asked to end by SIGTERM and killed 3 s later, and gives the function that ends it.
func start(c *exec.Cmd) (end func(), err error) {
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 3 * time.Second
	if err := c.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = c.Cancel()
		_ = c.Wait()
	}, nil
}

// The values of the suite's HTTPVersion.
const (
	http1 = 1
	http2 = 2
	http3 = 3
)

// wanted is the suite's ServerCompatRequest (connectrpc/conformance/v1/server_compat.proto).
type wanted struct {
	protocol, version uint64
	tls               bool
	clientCA          []byte // PEM
	limit             uint64 // octets of a message that the server takes, 0 for any number
	cert, key         []byte // PEM
}

func parseWanted(b []byte) (w wanted, err error) {
	err = eachField(b, func(n protowire.Number, number uint64, octets []byte) error {
		switch n {
		case 1:
			w.protocol = number
		case 2:
			w.version = number
		case 4:
			w.tls = number != 0
		case 5:
			w.clientCA = octets
		case 6:
			w.limit = number
		case 7:
			return eachField(octets, func(n protowire.Number, _ uint64, octets []byte) error {
				switch n {
				case 1:
					w.cert = octets
				case 2:
					w.key = octets
				}
				return nil
			})
		}
		return nil
	})
	return w, err
}

// behind is what the reference server is asked for: the same, in clear, by one version of HTTP.
func (w wanted) behind(version uint64) []byte {
	var b []byte
	for _, f := range []struct {
		n     protowire.Number
		value uint64
	}{{1, w.protocol}, {2, version}, {6, w.limit}} {
		b = protowire.AppendVarint(protowire.AppendTag(b, f.n, protowire.VarintType), f.value)
	}
	return b
}

// config writes the gateway's configuration and returns its path.
func (w wanted) config(dir, address, endpoint string) (string, error) {
	listen := map[string]any{"address": address}
	switch {
	case w.tls:
		tls := map[string]any{"cert": filepath.Join(dir, "cert.pem"), "key": filepath.Join(dir, "key.pem"), "h2": w.version != http1}
		files := map[string][]byte{"cert.pem": w.cert, "key.pem": w.key}
		if len(w.clientCA) > 0 {
			tls["client_ca"] = filepath.Join(dir, "client_ca.pem")
			files["client_ca.pem"] = w.clientCA
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				return "", err
			}
		}
		listen["tls"] = tls
		if w.version == http3 {
			listen["h3"] = "on"
		}
	case w.version == http2:
		listen["h2c"] = true
	}
	// JSON is YAML.
	text, err := json.Marshal(map[string]any{
		"version": 1, "admin": "off", "access_log": "off",
		"listen": []any{listen},
		"routes": []any{map[string]any{"pool": "reference"}},
		"pools":  map[string]any{"reference": map[string]any{"endpoints": []string{endpoint}}},
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "whygate.yaml")
	return path, os.WriteFile(path, text, 0o600)
}

// answer is the suite's ServerCompatResponse.
func (w wanted) answer(address string) ([]byte, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), host)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), number)
	if w.tls {
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), w.cert)
	}
	return b, nil
}

// portIn is the port in a ServerCompatResponse.
func portIn(b []byte) (port uint64, err error) {
	err = eachField(b, func(n protowire.Number, number uint64, _ []byte) error {
		if n == 2 {
			port = number
		}
		return nil
	})
	if err == nil && port == 0 {
		err = errors.New("the reference server names no port")
	}
	return port, err
}

// eachField calls f with each field of a message that is a number or a string of octets.
func eachField(b []byte, f func(n protowire.Number, number uint64, octets []byte) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var number uint64
		var octets []byte
		switch kind {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			octets, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := f(n, number, octets); err != nil {
			return err
		}
	}
	return nil
}

// readMessage reads a message behind its length in four octets.
func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > messageMax {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// freeAddress is a free port on loopback, for TCP; HTTP/3 takes the same one of UDP.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// accepts waits until the gateway listens.
func accepts(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway does not listen: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

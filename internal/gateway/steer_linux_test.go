package gateway

import (
	"net"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/listener"
)

// While two processes have a UDP port, each packet comes to the one whose connection it is of, and to the new one otherwise; and to the one
// that is left when the other has gone.
func TestSteering(t *testing.T) {
	t.Parallel()
	first, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := lendUDP(first, nil); err != nil {
		t.Fatal(err)
	}
	address := first.LocalAddr().String()
	if l, err := net.ListenPacket("udp", address); err == nil {
		_ = l.Close()
		t.Error("a process that the port is not lent to has it")
	}
	tag := listener.Tag{0xab, 0xcd}
	lc := net.ListenConfig{Control: shareUDP}
	second, err := lc.ListenPacket(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := lendUDP(second, &tag); err != nil {
		t.Fatal(err)
	}
	to := first.LocalAddr()
	send := func(want net.PacketConn, what string, packet ...byte) {
		t.Helper()
		for range 8 { // from another port each time, which the kernel's own choice goes by
			from, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := from.WriteTo(packet, to); err != nil {
				t.Fatal(err)
			}
			_ = want.SetReadDeadline(time.Now().Add(10 * time.Second))
			var b [64]byte
			if n, _, err := want.ReadFrom(b[:]); err != nil || n != len(packet) {
				t.Fatalf("%s: %d bytes, %v", what, n, err)
			}
			_ = from.Close()
		}
	}
	short := func(a, b byte) []byte { return []byte{0x40, a, b, 3, 4, 5, 6, 7, 8, 9} }
	long := func(a, b byte) []byte { return []byte{0xc0, 0, 0, 0, 1, 8, a, b, 3, 4, 5, 6, 7, 8} }
	send(first, "a connection of the first", short(tag[0], tag[1])...)
	send(first, "a handshake of the first", long(tag[0], tag[1])...)
	send(second, "a connection of the second", short(1, 2)...)
	send(second, "a new connection", long(9, 9)...)
	_ = first.Close()
	send(second, "what is late for the first", short(tag[0], tag[1])...)
	send(second, "a new connection when the first has gone", long(9, 9)...)
}

package lab

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// Frames of HTTP/2 (RFC 9113, section 4.1): length in 24 bits, type, flags, stream, payload. The lab writes them octet by octet, since most
// of what it has to send is what no library would.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8

	frameHeadSize = 9
	prefaceSize   = 24
)

var frameNames = [...]string{"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"}

func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, stream)) + payload
}

// fields is a header block of pairs of names and values: literals without indexing and without Huffman's code (RFC 7541, section 6.2.2).
// Names and values are shorter than 127 octets.
func fields(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte(0)
		for _, s := range pairs[i : i+2] {
			b.WriteByte(byte(len(s)))
			b.WriteString(s)
		}
	}
	return b.String()
}

// setting is one setting of a SETTINGS frame.
func setting(id uint16, value uint32) string {
	return string(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value))
}

const (
	settingMaxStreams    = 0x3
	settingInitialWindow = 0x4
)

func number32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// Preface reads the client's connection preface, and sends SETTINGS.
func Preface(settings string) Step {
	octets := frame(frameSettings, 0, 0, settings)
	return Step{"read HTTP/2's connection preface; send" + shown(octets), func(p *Peer) error {
		if _, err := io.CopyN(io.Discard, p.in, prefaceSize); err != nil {
			return err
		}
		return p.write(octets)
	}}
}

// AwaitStream reads frames up to the head of a request. SETTINGS and PING are acknowledged on the way, as in every other step that reads
// frames.
func AwaitStream() Step { return Step{"read frames up to a request's HEADERS", (*Peer).readStream} }

// AwaitStreamEnd reads the rest of the request, and opens the windows for it.
func AwaitStreamEnd() Step {
	return Step{"read DATA up to the end of the request, and open the windows for more", func(p *Peer) error {
		for !p.stream.ended {
			f, err := p.readFrame()
			if err != nil {
				return err
			}
			if f.kind != frameData || f.stream != p.stream.id {
				continue
			}
			p.request.raw += f.payload[:min(len(f.payload), max(0, bodyKept-len(p.request.raw)))]
			p.request.body += int64(len(f.payload))
			p.stream.ended = f.flags&flagEndStream != 0
			if n := uint32(len(f.payload)); n > 0 {
				if err := p.write(frame(frameWindow, 0, 0, number32(n)) + frame(frameWindow, 0, f.stream, number32(n))); err != nil {
					return err
				}
			}
		}
		return nil
	}}
}

// AwaitFrame reads frames up to one of the type, and with the flags.
func AwaitFrame(kind, flags byte) Step {
	return Step{"read frames up to " + frameText(kind, flags), func(p *Peer) error {
		for {
			if f, err := p.readFrame(); err != nil || f.kind == kind && f.flags&flags == flags {
				return err
			}
		}
	}}
}

// Frame sends a frame on the stream of the request that was read last.
func Frame(kind, flags byte, payload string) Step {
	return Step{"send " + frameText(kind, flags) + " on the request's stream" + shown(payload), func(p *Peer) error {
		return p.write(frame(kind, flags, p.stream.id, payload))
	}}
}

// Silent reads frames, acknowledges what is to be acknowledged, and says nothing more, until the client ends the connection.
func Silent() Step {
	return Step{"read frames and answer none of the requests", func(p *Peer) error {
		for {
			if _, err := p.readFrame(); err != nil {
				return err
			}
		}
	}}
}

// stream is the request of HTTP/2 that was read last.
type stream struct {
	id    uint32
	ended bool // no DATA follows
}

// received is a frame that came.
type received struct {
	kind, flags byte
	stream      uint32
	payload     string
}

// readFrame reads a frame, and acknowledges SETTINGS and PING.
func (p *Peer) readFrame() (f received, err error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(holdMax))
	var head [frameHeadSize]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return f, err
	}
	f.kind, f.flags, f.stream = head[3], head[4], binary.BigEndian.Uint32(head[5:])&(1<<31-1)
	length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if length > requestMax {
		return f, fmt.Errorf("a frame of %d bytes", length)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(p.in, payload); err != nil {
		return f, err
	}
	f.payload = string(payload)
	if f.flags&flagAck == 0 {
		switch f.kind {
		case frameSettings:
			err = p.write(frame(frameSettings, flagAck, 0, ""))
		case framePing:
			err = p.write(frame(framePing, flagAck, 0, f.payload))
		}
	}
	return f, err
}

// readStream reads up to a request's HEADERS, whole, and counts the request.
func (p *Peer) readStream() error {
	for {
		f, err := p.readFrame()
		if err != nil {
			return err
		}
		if f.kind != frameHeaders {
			continue
		}
		p.request = request{length: -1, raw: fmt.Sprintf("a request of HTTP/2, stream %d\r\n\r\n", f.stream)}
		p.stream = stream{id: f.stream, ended: f.flags&flagEndStream != 0}
		for f.flags&flagEndHeaders == 0 {
			if f, err = p.readFrame(); err != nil {
				return err
			}
		}
		p.number = p.stage.hit(p)
		return nil
	}
}

// frameText names a frame and its flags.
func frameText(kind, flags byte) string {
	name := fmt.Sprintf("a frame of the unknown type 0x%02x", kind)
	if int(kind) < len(frameNames) {
		name = frameNames[kind]
	}
	var with []string
	for _, f := range []struct {
		on   bool
		name string
	}{
		{flags&flagAck != 0 && (kind == frameSettings || kind == framePing), "ACK"},
		{flags&flagEndStream != 0 && (kind == frameData || kind == frameHeaders), "END_STREAM"},
		{flags&flagEndHeaders != 0, "END_HEADERS"},
		{flags&flagPadded != 0, "PADDED"},
	} {
		if f.on {
			with = append(with, f.name)
		}
	}
	if len(with) > 0 {
		name += " (" + strings.Join(with, ", ") + ")"
	}
	return name
}

#!/bin/bash
# HAProxy 2.6.12 (Debian 12) as a client of HTTP/2 cuts an answer short where a DATA frame with padding is followed by another DATA frame.
#
# RFC 9113, section 6.1, lets any DATA frame have padding, and the answer is whole: HEADERS, DATA of 5 octets with 3 octets of padding, DATA
# of 7 octets with END_STREAM. HAProxy passes on the 5, ends the chunked answer without its last chunk, and logs SD: the server is said to
# have ended it. Padding in the last frame, in the only one, or of no octets does no harm, so that a server that pads now and then looks like one
# that breaks off now and then.
#
# Seen on 2026-12-01:
#   plain: hello world! (whole)
#   last: hello world! (whole)      the last frame has padding
#   first: hello (cut)              the first one has
#
# It needs apt-get, dpkg, python3 and curl, and the libraries of Debian 12's HAProxy (apt-get install haproxy brings them).
# Exit 0: it is still so. Exit 1: it has changed. Exit 2: it could not be tried.
set -u
version=2.6.12-1+deb12u4
dir=$(mktemp -d) || exit 2
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 2
if ! apt-get download -qq "haproxy=$version" >/dev/null 2>&1 || ! dpkg -x haproxy_*.deb haproxy; then
	echo "haproxy=$version cannot be downloaded: add Debian 12's repositories, apt-get update, then again"
	exit 2
fi

cat >server.py <<'P'
import socket, struct, threading

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

HEAD = frame(1, 4, 1, b"\x88")  # :status 200
ANSWERS = {
    "plain": [frame(0, 0, 1, b"hello"), frame(0, 1, 1, b" world!")],
    "last": [frame(0, 0, 1, b"hello"), frame(0, 9, 1, b"\x03 world!\0\0\0")],
    "first": [frame(0, 8, 1, b"\x03hello\0\0\0"), frame(0, 1, 1, b" world!")],
}

def read(c, n):
    b = b""
    while len(b) < n:
        more = c.recv(n - len(b))
        if not more:
            raise EOFError
        b += more
    return b

def serve(c, answer):
    try:
        read(c, 24)
        c.sendall(frame(4, 0, 0))
        while True:
            head = read(c, 9)
            read(c, int.from_bytes(head[:3], "big"))
            if head[3] == 4 and not head[4] & 1:
                c.sendall(frame(4, 1, 0))
            if head[3] == 1:
                c.sendall(HEAD + b"".join(answer))
    except (EOFError, OSError):
        pass

def listen(sock, answer):
    while True:
        c, _ = sock.accept()
        threading.Thread(target=serve, args=(c, answer), daemon=True).start()

for name, answer in ANSWERS.items():
    sock = socket.create_server(("127.0.0.1", 0))
    print(name, sock.getsockname()[1], flush=True)
    threading.Thread(target=listen, args=(sock, answer), daemon=True).start()
threading.Event().wait()
P
python3 server.py >ports &
free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
for _ in $(seq 50); do [ "$(wc -l <ports)" = 3 ] && break; sleep 0.1; done
{
	printf 'defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n'
	printf 'frontend f\n bind 127.0.0.1:%s\n use_backend %%[path,word(1,/)]\n' "$free"
	while read -r name port; do printf 'backend %s\n server s 127.0.0.1:%s proto h2\n' "$name" "$port"; done <ports
} >haproxy.cfg
haproxy/usr/sbin/haproxy -v | head -1
haproxy/usr/sbin/haproxy -db -f haproxy.cfg 2>haproxy.err &
for _ in $(seq 50); do curl -s -o /dev/null "http://127.0.0.1:$free/plain/" && break; sleep 0.1; done

result=0
ask() { # name, what is seen
	body=$(curl -s -m 5 "http://127.0.0.1:$free/$1/")
	case $? in 0) end=whole ;; 18) end=cut ;; *) end="curl $?" ;; esac
	echo "$1: $body ($end)"
	[ "$body ($end)" = "$2" ] || { echo "  it was: $2"; result=1; }
}
ask plain 'hello world! (whole)'
ask last 'hello world! (whole)'
ask first 'hello (cut)'
exit $result

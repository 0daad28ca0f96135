package phrase

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// TestTable checks what the matcher and Index rely on: texts in lower case, of four octets at least, each with a meaning.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range All() {
		key := p.Text + "\x00" + p.And + "\x00" + p.Not
		switch {
		case len(p.Text) < textMin || len(p.Text) > 255:
			t.Errorf("%q has %d octets", p.Text, len(p.Text))
		case strings.ToLower(p.Text+p.And+p.Not) != p.Text+p.And+p.Not:
			t.Errorf("%q is not in lower case", p.Text)
		case seen[key]:
			t.Errorf("%q is there twice", p.Text)
		case p.Rank == 0:
			t.Errorf("%q has no rank", p.Text)
		}
		seen[key] = true
		for _, c := range p.Causes {
			if c == fault.CauseNone || c == fault.CauseUnknown {
				t.Errorf("%q stands for %v", p.Text, c)
			}
		}
	}
}

// TestEachIsFound looks for each phrase at every place of a text, in either case.
func TestEachIsFound(t *testing.T) {
	t.Parallel()
	for _, p := range All() {
		for pad := range 9 {
			text := strings.Repeat(".", pad) + strings.ToUpper(p.Text) + strings.Repeat(".", 8-pad)
			found := false
			table.Each([]byte(text), func(which, at int) { found = found || phrases[which].Text == p.Text && at == pad })
			if !found || !Any([]byte(text)) {
				t.Errorf("%q is not found at %d", p.Text, pad)
			}
		}
	}
}

// TestRead has messages of programs that are in no table of ours word for word.
func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fault.Cause{
		"error decoding lambda response: invalid status code returned from lambda: 0":                                                       fault.CauseApplicationError,
		"connection error: unable to verify certificate / unknown issuer":                                                                   fault.CauseTLSCertificateUnknownAuthority,
		"WordPress: Error establishing a database connection":                                                                               fault.CauseApplicationError,
		"requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))": fault.CauseClosedBeforeAnswer,
		"System.Net.Sockets.SocketException (10061): No connection could be made because the target machine actively refused it.":           fault.CauseConnectionRefused,
		"java.net.ConnectException: Connection refused (Connection refused)":                                                                fault.CauseConnectionRefused,
		"java.net.SocketTimeoutException: Read timed out":                                                                                   fault.CauseHeadTimeout,
		"java.net.SocketTimeoutException: connect timed out":                                                                                fault.CauseConnectTimeout,
		"javax.net.ssl.SSLHandshakeException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target": fault.CauseTLSCertificateUnknownAuthority,
		"Errno::ECONNREFUSED: Failed to open TCP connection to api:3000 (Connection refused - connect(2) for \"api\" port 3000)":                                                                  fault.CauseConnectionRefused,
		"hyper::Error(Connect, ConnectError(\"tcp connect error\", Os { code: 111, kind: ConnectionRefused }))":                                                                                   fault.CauseConnectionRefused,
		"httputil: ReverseProxy read error during body copy: unexpected EOF":                                                                                                                      fault.CauseBodyShort,
		"write EPROTO 80:error:0A00010B:SSL routines:ssl3_get_record:wrong version number":                                                                                                        fault.CauseTLSToPlainPort,
		"write EPROTO 80:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure":                                                                                               fault.CauseTLSNoSharedCipher,
		"getaddrinfo ENOTFOUND api.internal": fault.CauseDNSNXDomain,
		"everything is fine":                 fault.CauseNone,
	} {
		r := Read([]byte(text))
		got := fault.CauseNone
		if causes := r.Causes(); len(causes) > 0 {
			got = causes[0]
		}
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestReadAllocatesNothing: it is asked for every line of an unknown log.
func TestReadAllocatesNothing(t *testing.T) {
	text := []byte("2026-11-24 error: upstream 10.0.0.7:80: connect: connection refused")
	if n := testing.AllocsPerRun(100, func() { Any(text) }); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
}

func BenchmarkAny(b *testing.B) {
	text := []byte(strings.Repeat(`{"level":"info","msg":"order placed","user":4711,"trace":"8a93c2nkq","http":{"method":"GET","path":"/items/1"}},`, 9))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Any(text)
	}
}

// TestPiecesAreNotOrdinary: few texts are looked for by a piece of a word that logs are full of.
func TestPiecesAreNotOrdinary(t *testing.T) {
	t.Parallel()
	const most = 10 // in a hundred: those that have no other word
	poor := 0
	for _, text := range table.texts {
		if at := rarest(text); pieceCost(text[at:])+pieceCost(text[at+1:]) > 0 {
			poor++
		}
	}
	if poor*100 > most*len(table.texts) {
		t.Errorf("%d of %d", poor, len(table.texts))
	}
	if at := rarest("requesttimedouterror"); pieceCost("requesttimedouterror"[at:]) > 0 {
		t.Error("a text with a request in it is looked for by that word")
	}
}

package lab

import (
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/fault"
)

func digits(n byte) string { return strconv.Itoa(int(n)) }

// alertCauses have the causes that are finer than "an alert came".
var alertCauses = map[byte]fault.Cause{
	20: fault.CauseTLSRecordCorrupt, 40: fault.CauseTLSNoSharedCipher, 70: fault.CauseTLSVersionMismatch, 71: fault.CauseTLSNoSharedCipher, 86: fault.CauseTLSVersionMismatch,
	42: fault.CauseTLSClientCertificateRequired, 43: fault.CauseTLSClientCertificateRefused, 44: fault.CauseTLSClientCertificateRefused,
	45: fault.CauseTLSClientCertificateRefused, 46: fault.CauseTLSClientCertificateRefused, 48: fault.CauseTLSClientCertificateRefused, 49: fault.CauseTLSClientCertificateRefused,
	112: fault.CauseTLSNameUnknown, 116: fault.CauseTLSClientCertificateRequired, 120: fault.CauseTLSALPN,
}

// tlsAlertScenarios have one scenario for each fatal alert of the IANA registry that a server can send to a ClientHello.
var tlsAlertScenarios = alerts(10, 20, 22, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 70, 71, 80, 86, 90, 109, 110, 115, 116, 120)

func alerts(numbers ...byte) []Scenario {
	var all []Scenario
	for _, n := range numbers {
		cause, finer := alertCauses[n]
		if !finer {
			cause = fault.CauseTLSAlert
		}
		name := fault.AlertName(n)
		all = append(all, Scenario{
			Name: "tls-alert-" + strings.ReplaceAll(name, "_", "-"), Group: TLS, Row: "T9",
			Does: "The ClientHello is answered with the fatal alert " + digits(n) + ", " + name + ".", Why: whyAlert + "; alert-id=" + digits(n),
			At: At{Scheme: "https"}, Plays: Plays{AwaitHello(), alert(n)}, Want: tlsFault(fault.TypeTLSAlertReceived, cause),
		})
	}
	return all
}

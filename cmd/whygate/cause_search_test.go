package main

import "testing"

// TestCauseByWords: what people type of a failure leads to its cause, though it is no name, flag or line of a log; what is about something else
// leads to none.
func TestCauseByWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"keepalive timeout alb 502":                       "keepalive-race",
		"upstream closes idle connections before proxy":   "keepalive-race",
		"Resource temporarily unavailable unix socket":    "socket-backlog-full",
		"gzip decode error":                               "bad-content-coding",
		"large cookies header 502":                        "head-too-large",
		"dns does not resolve":                            "dns-error",
		"container restarts all the time":                 "service-failed",
		"port exhaustion":                                 "ports-exhausted",
		"expired certificate upstream":                    "tls-certificate-expired",
		"memory limit exceeded killed":                    "out-of-memory",
		"pm.max_children":                                 "workers-busy",
		"banana pie recipe":                               "",
		"my cat is on fire":                               "",
		"how do I get the weather in Berlin for tomorrow": "",
	} {
		got := ""
		if found := findCauses(text); len(found) > 0 {
			got = found[0].Slug
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

package explain

import (
	"bytes"
	"strings"

	"github.com/whygate/whygate/internal/phrase"
)

// This file finds the service that a supervisor or a container engine speaks of: the unit, the program, the container, the pod.

// namedBetween are phrases with what stands before and behind the name of whom they are about.
var namedBetween = [...]struct{ said, before, after string }{
	{"service has no endpoints", `servicePortName="`, `"`},
	{"unresolved service reference", " name=", " "},
	{"could not resolve service ", "resolve service ", ""},
	{"backendnotfound", `service "`, `"`},
	{"failed to execute the transaction to", "on host '", "'"},
	{"healthstate", "/instances/", " "},
	{" still sick ", "Backend_health - ", " Still"},
	{" went sick ", "Backend_health - ", " Went"},
	{"undefined backend '", "backend '", "'"},
	{"(policy denied) flow", " -> ", " "},
	{"policy denied dropped", " <> ", " "},
}

// serviceOf gives the name of the service that the phrase is about, nil where the text has none.
func serviceOf(text []byte, r *phrase.Reading) []byte {
	line := lineAt(text, r.From)
	said := r.Phrase.Text
	for _, n := range namedBetween {
		if n.said == said {
			if name := nameOnly(between(text, n.before, n.after)); name != nil {
				return name
			}
		}
	}
	switch {
	case strings.HasPrefix(said, "active: "): // of a block that begins with the unit's name
		return unitIn(text)
	case strings.HasPrefix(said, "exited with code"):
		name, _, _ := bytes.Cut(line, []byte(" exited with code"))
		name, _, _ = bytes.Cut(name, []byte{'|'})
		name = bytes.TrimSpace(name)
		return nameOnly(name[bytes.LastIndexByte(name, ' ')+1:])
	case said == "exited too quickly":
		return nameOnly(upTo(line, ' '))
	case said == "; not expected)":
		return nameOnly(between(line, "exited: ", " ("))
	case said == "entered fatal state":
		return nameOnly(between(line, "gave up: ", " entered"))
	case strings.HasPrefix(said, "error ("):
		return nameOnly(upTo(line, ':'))
	case said == " errored ", said == " stopped ", said == " waiting restart ":
		if columns := bytes.Split(line, []byte("│")); len(columns) > 2 {
			return nameOnly(bytes.TrimSpace(columns[2]))
		}
	case said == "restarting (", strings.HasPrefix(said, "exited ("), said == "(unhealthy)":
		fields := bytes.Fields(line)
		if len(fields) < 3 {
			return nil
		}
		if isContainerID(fields[0]) { // docker ps has the name in the last column, docker compose ps in the first
			return nameOnly(fields[len(fields)-1])
		}
		return nameOnly(fields[0])
	case said == "balancer not found for", said == "failed creating balancer":
		name := bytes.TrimPrefix(bytes.TrimLeft(line[phrase.Index(line, said)+len(said):], " "), []byte("for "))
		return nameOnly(bytes.TrimRight(upTo(name, ' '), ",:"))
	case said == "is unhealthy":
		return nameOnly(between(line, "ontainer ", " is unhealthy"))
	case strings.HasPrefix(said, "startup "), strings.HasPrefix(said, "liveness "):
		return nameOnly(bytes.Trim(between(line, "container ", " "), `"'`))
	case r.Phrase.Product == "kubernetes": // a row of kubectl get pods
		fields := bytes.Fields(line)
		if len(fields) >= 5 && isReadyCount(fields[1]) {
			return nameOnly(fields[0])
		}
		if len(fields) >= 6 && isReadyCount(fields[2]) { // with the namespace in front
			return nameOnly(fields[1])
		}
	}
	return nil
}

// unitIn gives the first name of a unit of systemd in a text.
func unitIn(text []byte) []byte {
	for _, word := range bytes.Fields(text[:min(len(text), 400)]) {
		if isUnit(word) {
			return word
		}
	}
	return nil
}

// nameOnly gives the name if it is one: no blank, none of the signs that names have not.
func nameOnly(name []byte) []byte {
	if len(name) == 0 || len(name) > nameMax || len(hostName(name)) != len(name) && bytes.ContainsAny(name, " \"'<>{}()=|") {
		return nil
	}
	return name
}

// isContainerID reports whether a word is the twelve hexadecimal digits that docker ps shows of a container's name.
func isContainerID(word []byte) bool {
	if len(word) != 12 {
		return false
	}
	for _, c := range word {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isReadyCount reports whether a word is how many containers of a pod are ready, as in 0/1.
func isReadyCount(word []byte) bool {
	ready, all, ok := bytes.Cut(word, []byte{'/'})
	return ok && isDigits(ready) && isDigits(all)
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

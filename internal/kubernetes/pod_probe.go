package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
)

// probing is about a container that runs and is not ready.
func (v *podView) probing(s *containerStatus, seen []event, now time.Time) bool {
	c := v.pod.container(s.Name)
	name, p := "readiness", c.Readiness
	if c.Startup != nil && s.Started != nil && !*s.Started {
		name, p = "startup", c.Startup
	}
	if p == nil || s.State.Running == nil {
		return false
	}
	v.cause, v.logs = fault.CauseServiceFailed, s.Name
	if e := s.Last.Terminated; e != nil && s.Restarts > 1 && (e.Code != 0 || e.Reason == "OOMKilled") && now.Sub(e.Finished) < recentEnd {
		v.cause = e.cause()
		v.text = fmt.Sprintf("container %s has been started again %s ago (%s): it %s, and is not ready yet", s.Name, ago(now.Sub(s.State.Running.Started)), words.Count(s.Restarts, "restart"), e.words())
		v.lastWords(e)
		return true
	}
	v.text = fmt.Sprintf("container %s runs, and its %s probe (%s) fails", s.Name, name, p.words())
	title := strings.ToUpper(name[:1]) + name[1:] + " probe"
	if e := latest(seen, "Unhealthy", title); e != nil {
		v.text = fmt.Sprintf("container %s fails its %s probe (%s): %s", s.Name, name, p.words(), said(afterColon(e.Message)))
		v.proof = append(v.proof, eventWords(e))
		v.advice = append(v.advice, probeAdvice(e.Message, name, p, c)...)
		return true
	}
	allowed := time.Duration(p.Delay+max(p.Period, 10)*max(p.Failures, 3)) * time.Second
	v.young = now.Sub(s.State.Running.Started) < min(max(allowed, startLeast), startMost) && s.Restarts == 0
	if v.young {
		v.text = fmt.Sprintf("container %s has just started, and its %s probe (%s) has not passed yet", s.Name, name, p.words())
	}
	return true
}

// probeAdvice says what a probe's failure calls for.
func probeAdvice(message, name string, p *probe, c *container) (out []string) {
	switch {
	case strings.Contains(message, "connection refused"):
		out = append(out, "Nothing listens on the port of the "+name+" probe in the pod: compare it with the port that the program listens on, and let it listen on 0.0.0.0 and not on 127.0.0.1 alone.")
	case strings.Contains(message, "statuscode: 404"):
		out = append(out, "The probe's path is not one that the program has: correct the path in "+name+"Probe.")
	case strings.Contains(message, "statuscode: 401"), strings.Contains(message, "statuscode: 403"):
		out = append(out, "The program asks the probe for a login: give the probe a path that needs none.")
	case strings.Contains(message, "statuscode: 5"):
		out = append(out, "The program says itself that it is not ready: its log says why, often a database or another service that it cannot reach.")
	case strings.Contains(message, "context deadline exceeded"), strings.Contains(message, "Client.Timeout"), strings.Contains(message, "i/o timeout"):
		out = append(out, fmt.Sprintf("The program does not answer the probe within %d s (timeoutSeconds): it is overloaded or hangs.", max(p.Timeout, 1)))
	case strings.Contains(message, "HTTP response to HTTPS"), strings.Contains(message, "first record does not look like a TLS handshake"):
		out = append(out, "The probe speaks https and the program http: set scheme: HTTP.")
	case strings.Contains(message, "malformed HTTP response"):
		out = append(out, "The program does not speak the probe's protocol; if it speaks TLS, set scheme: HTTPS.")
	}
	if p.HTTP != nil && len(c.Ports) > 0 && !declares(c, p.HTTP.Port) {
		out = append(out, "The probe's port "+p.HTTP.Port.String()+" is none of the container's ports.")
	}
	return out
}

// declares reports whether a container's ports have this one.
func declares(c *container, port portRef) bool {
	for _, own := range c.Ports {
		if port.Name != "" && own.Name == port.Name || port.Name == "" && own.Port == port.Number {
			return true
		}
	}
	return false
}

// words say what a probe asks.
func (p *probe) words() string {
	switch {
	case p.HTTP != nil:
		scheme := ""
		if p.HTTP.Scheme == "HTTPS" {
			scheme = "https "
		}
		return "GET " + scheme + ":" + p.HTTP.Port.String() + said(p.HTTP.Path)
	case p.TCP != nil:
		return "TCP :" + p.TCP.Port.String()
	case p.GRPC != nil:
		return fmt.Sprintf("gRPC :%d", p.GRPC.Port)
	}
	return "a command"
}

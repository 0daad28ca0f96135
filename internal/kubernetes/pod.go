package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
)

// How long something may take before it counts as a fault, and how long a fault counts after it is over.
const (
	startLeast  = time.Minute      // what any pod may take to be ready
	startMost   = 15 * time.Minute // what one may take whose probes allow more
	recentEnd   = 15 * time.Minute // a container that ended in it, and runs again, has just kept requests from an answer
	oftenEnd    = time.Hour        // the same for one that ends again and again
	oftenTimes  = 5
	leavingMost = 5 * time.Minute // a pod that was deleted and is still there after it hangs
)

// podView is what a pod's status comes to.
type podView struct {
	pod      *pod
	ready    bool
	over     bool // it has ended for good, and is nobody's endpoint
	leaving  bool // it was deleted
	young    bool // it is not ready, and nothing says that it will not be
	cause    fault.Cause
	text     string // why it is not ready, or what keeps ending it
	since    time.Time
	proof    []string
	advice   []string
	restarts int
	ended    *ended // the last end of a container that runs again
	endedIn  string // the container's name
	logs     string // the container whose last words tell more
}

func (v *podView) label() string { return "pod/" + v.pod.Meta.Name }

// status says what the pod's status has, as a proof.
func (v *podView) status() string {
	text := v.label() + " is " + orWord(v.pod.Status.Phase, "of no phase")
	if c := conditionOf(v.pod.Status.Conditions, "Ready"); c != nil {
		text += ", its condition Ready is " + said(c.Status)
		if !c.Since.IsZero() {
			text += " since " + c.Since.Local().Format("2006-01-02 15:04:05")
		}
	}
	if v.ended != nil {
		text += fmt.Sprintf("; container %s %s", v.endedIn, v.ended.words())
		if !v.ended.Finished.IsZero() {
			text += " at " + v.ended.Finished.Local().Format("15:04:05")
		}
		text += ", " + plural(v.restarts, "restart")
	}
	return text
}

// shaken reports whether a container of a ready pod ended so lately, or so often, that requests went unanswered.
func (v *podView) shaken(now time.Time) bool {
	if v.ended == nil || v.ended.Code == 0 && v.ended.Reason != "OOMKilled" {
		return false
	}
	ago := now.Sub(v.ended.Finished)
	return ago < recentEnd || v.restarts >= oftenTimes && ago < oftenEnd
}

// lookAt reads a pod's status. The events are those of the pod, the node is nil where it was not read.
func lookAt(p *pod, seen []event, n *node, now time.Time) podView {
	v := podView{pod: p, leaving: p.Meta.Deleted != nil}
	ready := conditionOf(p.Status.Conditions, "Ready")
	v.ready = ready != nil && ready.Status == "True" && !v.leaving
	if ready != nil {
		v.since = ready.Since
	} else {
		v.since = p.Meta.Created
	}
	v.ends()
	switch {
	case p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed":
		v.over = true
		v.hasEnded()
	case v.leaving:
		v.since = *p.Meta.Deleted
		v.text, v.cause = "being deleted", fault.CauseServiceStopped
	case v.ready:
	default:
		v.why(seen, n, now)
	}
	return v
}

// ends notes the latest end of a container, and how often they were started again.
func (v *podView) ends() {
	for _, s := range v.statuses() {
		v.restarts += s.Restarts
		if last := s.Last.Terminated; last != nil && (v.ended == nil || last.Finished.After(v.ended.Finished)) {
			v.ended, v.endedIn = last, s.Name
		}
	}
}

// statuses are those of the containers that go on: the init containers beside them too.
func (v *podView) statuses() (all []containerStatus) {
	for _, c := range v.pod.Spec.Init {
		if c.Restart == "Always" {
			if s := statusOf(v.pod.Status.Init, c.Name); s != nil {
				all = append(all, *s)
			}
		}
	}
	return append(all, v.pod.Status.Containers...)
}

func statusOf(all []containerStatus, name string) *containerStatus {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// containers are those that go on.
func (p *pod) containers() (all []container) {
	for _, c := range p.Spec.Init {
		if c.Restart == "Always" {
			all = append(all, c)
		}
	}
	return append(all, p.Spec.Containers...)
}

func (p *pod) container(name string) *container {
	for _, list := range [][]container{p.Spec.Containers, p.Spec.Init} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return &container{}
}

// hasEnded is about a pod that will not run again.
func (v *podView) hasEnded() {
	v.cause, v.text = fault.CauseServiceStopped, "its containers have ended"
	switch p := v.pod; {
	case p.Status.Reason == "Evicted":
		v.cause, v.text = fault.CauseServiceFailed, "it was evicted: "+said(p.Status.Message)
	case p.Status.Phase == "Failed":
		v.cause, v.text = fault.CauseWorkerCrashed, "it has failed"
		for _, s := range p.Status.Containers {
			if e := s.State.Terminated; e != nil && e.Code != 0 {
				v.cause, v.text = e.cause(), "container "+s.Name+" "+e.words()
			}
		}
	}
}

// why finds what keeps a pod from being ready: in the order in which a pod starts.
func (v *podView) why(seen []event, n *node, now time.Time) {
	p := v.pod
	if v.lostNode(n) || v.unscheduled() {
		return
	}
	for i := range p.Status.Init {
		s := &p.Status.Init[i]
		if p.container(s.Name).Restart == "Always" && s.Ready {
			continue
		}
		if v.notRunning(s, "init container ", seen, now) {
			return
		}
	}
	for i := range p.Status.Containers {
		if v.notRunning(&p.Status.Containers[i], "container ", seen, now) {
			return
		}
	}
	for _, s := range v.statuses() {
		if !s.Ready && v.probing(&s, seen, now) {
			return
		}
	}
	for _, g := range p.Spec.Gates {
		if c := conditionOf(p.Status.Conditions, g.Type); c == nil || c.Status != "True" {
			v.cause, v.text = fault.CauseServiceFailed, "its readiness gate "+g.Type+" is not true"
			if c != nil {
				v.text += because(c.Reason, c.Message)
			}
			v.advice = append(v.advice, "Who sets "+g.Type+" has not done so: look at that controller (a cloud's load balancer, a service mesh).")
			return
		}
	}
	v.young = now.Sub(p.Meta.Created) < startLeast
	v.cause, v.text = fault.CauseServiceFailed, "it is "+orWord(p.Status.Phase, "not started")+", and its status does not say why it is not ready"
}

// lostNode is about a pod whose node no longer reports.
func (v *podView) lostNode(n *node) bool {
	if n == nil {
		return false
	}
	c := conditionOf(n.Status.Conditions, "Ready")
	if c == nil || c.Status == "True" {
		return false
	}
	v.cause, v.since = fault.CauseHostUnreachable, c.Since
	v.text = "its node " + n.Meta.Name + " is not ready" + because(c.Reason, c.Message)
	v.advice = append(v.advice, "kubectl describe node "+word(n.Meta.Name)+": a node that does not report takes its pods with it, whatever their containers do.")
	return true
}

// unscheduled is about a pod that no node takes.
func (v *podView) unscheduled() bool {
	c := conditionOf(v.pod.Status.Conditions, "PodScheduled")
	if c == nil || c.Status != "False" {
		return false
	}
	v.cause, v.since = fault.CauseServiceFailed, c.Since
	v.text = "Pending, no node takes it" + because(c.Reason, c.Message)
	switch m := c.Message; {
	case strings.Contains(m, "Insufficient"):
		v.advice = append(v.advice, "There is too little of what its resources.requests ask for: ask for less, or add a node (kubectl describe nodes shows what is allocated).")
	case strings.Contains(m, "taint"), strings.Contains(m, "affinity"), strings.Contains(m, "selector"):
		v.advice = append(v.advice, "Compare its nodeSelector, affinity and tolerations with the labels and taints of the nodes: kubectl get nodes --show-labels.")
	case strings.Contains(m, "PersistentVolumeClaim"), strings.Contains(m, "volume"):
		v.advice = append(v.advice, "Its volume is not there: kubectl get pvc.")
	}
	return true
}

// startWords are the reasons for which a container waits, and what they mean.
var startWords = map[string]string{
	"ImagePullBackOff": "its image cannot be pulled", "ErrImagePull": "its image cannot be pulled", "InvalidImageName": "its image's name is no name",
	"ErrImageNeverPull": "its image is not on the node and may not be pulled", "CreateContainerConfigError": "what its configuration names is not there",
	"CreateContainerError": "it cannot be made", "RunContainerError": "it cannot be started", "StartError": "it cannot be started",
}

// notRunning is about a container that does not run; it reports whether that is why the pod is not ready.
func (v *podView) notRunning(s *containerStatus, kind string, seen []event, now time.Time) bool {
	name := kind + s.Name
	switch w, e := s.State.Waiting, s.State.Terminated; {
	case w != nil && w.Reason == "CrashLoopBackOff":
		v.crashes(s, name, seen)
		return true
	case w != nil && startWords[w.Reason] != "":
		v.cause, v.text, v.logs = fault.CauseServiceFailed, name+" does not start ("+w.Reason+"): "+startWords[w.Reason], ""
		if text := said(w.Message); text != "" {
			v.proof = append(v.proof, "kubelet says: "+text)
		}
		v.startAdvice(w.Reason, s.Name)
		return true
	case w != nil && w.Reason != "PodInitializing":
		v.starting(name, w.Reason, seen, now)
		return true
	case e != nil && (kind == "container " || e.Code != 0):
		v.cause, v.logs, v.text = e.cause(), s.Name, name+" "+e.words()
		v.lastWords(e)
		return true
	case kind != "container " && s.State.Running != nil && v.pod.container(s.Name).Restart != "Always":
		v.young = now.Sub(s.State.Running.Started) < startMost
		v.cause, v.logs, v.text = fault.CauseServiceFailed, s.Name, name+" has not ended yet, and the others wait for it"
		v.since = s.State.Running.Started
		return true
	}
	return false
}

func (v *podView) startAdvice(reason, name string) {
	image := v.pod.container(name).Image
	switch {
	case strings.Contains(reason, "Image"):
		v.advice = append(v.advice, "Look whether the image "+said(image)+" exists under that name and tag, and whether the pod may pull it (imagePullSecrets).")
	case reason == "CreateContainerConfigError":
		v.advice = append(v.advice, "Make the ConfigMap or Secret, or its key, that the message names, or correct the name in the pod's template.")
	}
}

// crashes is about a container that ends again and again.
func (v *podView) crashes(s *containerStatus, name string, seen []event) {
	v.logs = s.Name
	v.cause, v.text = fault.CauseWorkerCrashed, fmt.Sprintf("%s is in CrashLoopBackOff (%s)", name, plural(s.Restarts, "restart"))
	e := s.Last.Terminated
	if e == nil {
		return
	}
	v.cause = e.cause()
	v.text += ": it " + e.words()
	if limit := v.pod.container(s.Name).Resources.Limits.Memory; e.Reason == "OOMKilled" && limit != "" {
		v.text += ", its limit is " + limit
	}
	if killed := latest(seen, "Unhealthy", "Liveness probe failed"); killed != nil && e.Reason != "OOMKilled" && (e.Code == 137 || e.Code == 143) {
		v.cause = fault.CauseWorkerKilled
		v.text += ": kubelet killed it since its liveness probe fails"
		v.proof = append(v.proof, eventWords(killed))
	}
	v.lastWords(e)
	switch {
	case e.Reason == "OOMKilled":
		v.advice = append(v.advice, "Raise resources.limits.memory, or have the program take less.")
	case e.Code == 0:
		v.advice = append(v.advice, "The program ends by itself: a server has to stay in the foreground.")
	case e.Code == 126 || e.Code == 127:
		v.advice = append(v.advice, "The image has no such program, or it is not one that can be run: look at command and args.")
	case v.cause == fault.CauseWorkerKilled:
		v.advice = append(v.advice, "Give the program more time before it is killed (a startupProbe, livenessProbe.timeoutSeconds, failureThreshold), or look why it does not answer the probe.")
	}
}

// lastWords adds what a container said as it ended.
func (v *podView) lastWords(e *ended) {
	if text := said(e.Message); text != "" {
		v.proof = append(v.proof, "its last words: "+text)
	}
}

// starting is about a container that is being made: a volume may be what it waits for.
func (v *podView) starting(name, reason string, seen []event, now time.Time) {
	v.cause, v.since = fault.CauseServiceFailed, v.pod.Meta.Created
	v.text = name + " has not started (" + orWord(reason, "waiting") + ")"
	for _, kind := range []string{"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"} {
		if e := latest(seen, kind, ""); e != nil {
			v.text += ": " + said(e.Message)
			v.proof = append(v.proof, eventWords(e))
			return
		}
	}
	v.young = now.Sub(v.pod.Meta.Created) < startMost
}

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

// cause is what an end stands for.
func (e *ended) cause() fault.Cause {
	switch {
	case e.Reason == "OOMKilled":
		return fault.CauseOutOfMemory
	case e.Code == 0:
		return fault.CauseServiceStopped
	case e.Code == 137 || e.Code == 143:
		return fault.CauseWorkerKilled
	}
	return fault.CauseWorkerCrashed
}

// signals are those whose end of a program has a story of its own: an exit code above 128 is 128 and the signal.
var signals = map[int]string{4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}

// words say how a container ended.
func (e *ended) words() string {
	signal := signals[e.Signal]
	if signal == "" && e.Code > 128 {
		signal = signals[e.Code-128]
	}
	switch {
	case e.Reason == "OOMKilled":
		return fmt.Sprintf("was killed for want of memory (OOMKilled, exit code %d)", e.Code)
	case signal == "SIGKILL", signal == "SIGTERM":
		return fmt.Sprintf("was ended by %s (exit code %d)", signal, e.Code)
	case signal != "":
		return fmt.Sprintf("crashed by %s (exit code %d)", signal, e.Code)
	case e.Code == 126:
		return "could not run its command (exit code 126)"
	case e.Code == 127:
		return "did not find its command (exit code 127)"
	case e.Code == 0:
		return "ended by itself (exit code 0)"
	}
	return fmt.Sprintf("ended with exit code %d", e.Code)
}

package kubernetes

import (
	"fmt"
	"strings"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/words"
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
	alive    *event // a liveness probe that failed
	flaps    *event // of a ready pod: its readiness probe failed a moment ago
}

func (v *podView) label() string { return "pod/" + v.pod.Meta.Name }

// wasNot reports whether a pod that is ready now was not a moment ago, though it has been there for long.
func (v *podView) wasNot(now time.Time) bool {
	return v.ready && now.Sub(v.since) < recentEnd && now.Sub(v.pod.Meta.Created) > 2*recentEnd
}

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
		text += ", " + words.Count(v.restarts, "restart")
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
	v.alive = latest(seen, "Unhealthy", "Liveness probe failed")
	if e := latest(seen, "Unhealthy", "Readiness probe failed"); e != nil && v.ready && v.wasNot(now) && now.Sub(e.at()) < recentEnd {
		v.flaps = e
	}
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
	if v.lostNode(n) || v.unscheduled(seen, now) {
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
func (v *podView) unscheduled(seen []event, now time.Time) bool {
	c := conditionOf(v.pod.Status.Conditions, "PodScheduled")
	if c == nil && v.pod.Spec.Node == "" && v.pod.Status.Phase == "Pending" {
		c = &condition{Status: "False", Since: v.pod.Meta.Created, Message: "no scheduler has looked at it"}
		if e := latest(seen, "FailedScheduling", ""); e != nil {
			c.Reason, c.Message = e.Reason, e.Message
		}
		v.young = now.Sub(v.pod.Meta.Created) < startLeast && c.Reason == ""
	}
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
		v.crashes(s, name)
		return true
	case w != nil && startWords[w.Reason] != "":
		v.cause, v.text, v.logs = fault.CauseServiceFailed, name+" does not start ("+w.Reason+"): "+startWords[w.Reason], ""
		text := said(w.Message)
		switch {
		case strings.Contains(w.Reason, "Image"):
			v.text += ", " + orWord(v.pod.container(s.Name).Image, "none")
			if e := latest(seen, "Failed", "Failed to pull image"); e != nil {
				v.proof = append(v.proof, eventWords(e))
			}
		case text != "":
			v.text += ", " + text
		}
		if text != "" {
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
func (v *podView) crashes(s *containerStatus, name string) {
	v.logs = s.Name
	v.cause, v.text = fault.CauseWorkerCrashed, fmt.Sprintf("%s is in CrashLoopBackOff (%s)", name, words.Count(s.Restarts, "restart"))
	e := s.Last.Terminated
	if e == nil {
		return
	}
	v.cause = e.cause()
	v.text += ": it " + e.words()
	if limit := v.pod.container(s.Name).Resources.Limits.Memory; e.Reason == "OOMKilled" && limit != "" {
		v.text += ", its limit is " + limit
	}
	if killed := v.alive; killed != nil && e.Reason != "OOMKilled" && (e.Code == 137 || e.Code == 143) {
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

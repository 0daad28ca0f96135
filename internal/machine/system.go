package machine

import (
	"context"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/whygate/whygate/internal/openfile"
)

// Limits of what is read of a process's family and of the kernel's files.
const (
	membersMax     = 256
	descriptorsMax = 1 << 16
	smallMax       = 64 << 10
)

// System reads what this machine's kernel says of itself. What is not there, or may not be read, is left out.
type System struct {
	Root openfile.Root // stands before /proc and /sys, empty for this machine's own

	read []string
}

// Read lists what was found and read, in the order of reading.
func (s *System) Read() []string { return s.read }

// file reads a small file of the kernel's; empty where it is not there. It is named among what was read as what.
func (s *System) file(ctx context.Context, name, what string) string {
	b, err := s.Root.Read(ctx, name, openfile.Options{Max: smallMax})
	if err != nil {
		return ""
	}
	s.note(what)
	return strings.TrimSpace(string(b))
}

func (s *System) note(what string) {
	for _, r := range s.read {
		if r == what {
			return
		}
	}
	s.read = append(s.read, what)
}

// Member is a process of a family: a server's master, or one of its workers.
type Member struct {
	PID         int
	Name        string
	State       byte // of /proc/PID/stat: R, S, D, T, t, Z, ...
	Descriptors int  // that are open, 0 if they may not be seen
	Sockets     int  // of those, sockets
	Limit       int  // of descriptors, 0 if that is not known
}

// Stuck says why the process does no work at this moment, empty if nothing keeps it: it is stopped, dead, or waits for a device.
func (m *Member) Stuck() string {
	switch m.State {
	case 'T':
		return "is stopped (state T: a signal stopped it)"
	case 't':
		return "is held by a debugger (state t)"
	case 'Z', 'X':
		return "is dead and not yet collected by its parent (state Z)"
	case 'D':
		return "waits for a disk or a network file system and cannot be interrupted (state D)"
	}
	return ""
}

// Family gives a process and its children, the process first. It is empty where the process cannot be seen.
func (s *System) Family(ctx context.Context, pid int) (all []Member) {
	first, ok := s.member(ctx, pid)
	if !ok {
		return nil
	}
	all = append(all, first)
	p := strconv.Itoa(pid)
	for child := range strings.FieldsSeq(s.file(ctx, "/proc/"+p+"/task/"+p+"/children", "the states and the descriptors of "+first.Name+"'s processes")) {
		n, err := strconv.Atoi(child)
		if err != nil || len(all) >= membersMax {
			continue
		}
		if m, ok := s.member(ctx, n); ok {
			all = append(all, m)
		}
	}
	return all
}

// member reads /proc/PID/stat: its second field is the program in brackets, which may hold brackets and spaces.
func (s *System) member(ctx context.Context, pid int) (m Member, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := s.Root.Read(ctx, dir+"/stat", openfile.Options{Max: smallMax})
	open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if err != nil || open < 0 || end < open || len(stat) < end+3 {
		return m, false
	}
	m = Member{PID: pid, Name: string(stat[open+1 : end]), State: stat[end+2]}
	fds, _, err := s.Root.List(ctx, dir+"/fd", descriptorsMax)
	if err != nil {
		return m, true
	}
	m.Descriptors = len(fds)
	for _, fd := range fds {
		if s.isSocket(dir + "/fd/" + fd.Name()) {
			m.Sockets++
		}
	}
	limits, _ := s.Root.Read(ctx, dir+"/limits", openfile.Options{Max: smallMax})
	m.Limit = limitOf(string(limits))
	return m, true
}

// isSocket reports whether a descriptor is one: its link of /proc is "socket:[INODE]".
func (s *System) isSocket(link string) bool {
	to, err := os.Readlink(string(s.Root) + link)
	return err == nil && strings.HasPrefix(to, "socket:")
}

// limitOf is the number of "Max open files", the soft one; 0 if there is none.
func limitOf(limits string) int {
	for line := range strings.Lines(limits) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if w := strings.Fields(rest); len(w) > 0 {
				n, _ := strconv.Atoi(w[0])
				return n
			}
		}
	}
	return 0
}

// Conntrack gives how many connections the kernel tracks, and how many it can: 0 of 0 where it tracks none.
func (s *System) Conntrack(ctx context.Context) (used, most int) {
	used, _ = strconv.Atoi(s.file(ctx, "/proc/sys/net/netfilter/nf_conntrack_count", "conntrack's count and maximum"))
	most, _ = strconv.Atoi(s.file(ctx, "/proc/sys/net/netfilter/nf_conntrack_max", "conntrack's count and maximum"))
	return used, most
}

// Memory is what a control group may have of memory.
type Memory struct {
	Group     string
	Used, Max int64 // bytes; Max is 0 without a limit
	Kills     int   // by the kernel, for want of memory, since the group was made
}

// Memory reads the memory of the process's control group, of version 2 or 1. It is nil where there is none.
func (s *System) Memory(ctx context.Context, pid int) *Memory {
	b, err := s.Root.Read(ctx, "/proc/"+strconv.Itoa(pid)+"/cgroup", openfile.Options{Max: smallMax})
	if err != nil {
		return nil
	}
	groups := controlGroups(string(b))
	if group, ok := groups["memory"]; ok {
		dir := path.Join("/sys/fs/cgroup/memory", group)
		if m := s.memory(ctx, group, dir+"/memory.usage_in_bytes", dir+"/memory.limit_in_bytes", dir+"/memory.oom_control"); m != nil {
			return m
		}
	}
	dir := path.Join("/sys/fs/cgroup", groups[""])
	return s.memory(ctx, groups[""], dir+"/memory.current", dir+"/memory.max", dir+"/memory.events")
}

// unlimited is from where on a limit of version 1 is none.
const unlimited = 1 << 60

func (s *System) memory(ctx context.Context, group, used, most, events string) *Memory {
	what := "the memory of the control group " + group
	m := &Memory{Group: group}
	var err error
	if m.Used, err = strconv.ParseInt(s.file(ctx, used, what), 10, 64); err != nil {
		return nil
	}
	if m.Max, err = strconv.ParseInt(s.file(ctx, most, what), 10, 64); err != nil || m.Max > unlimited {
		m.Max = 0
	}
	for line := range strings.Lines(s.file(ctx, events, what)) {
		if name, n, _ := strings.Cut(strings.TrimSpace(line), " "); name == "oom_kill" {
			m.Kills, _ = strconv.Atoi(n)
		}
	}
	return m
}

// controlGroups are the process's groups by controller; version 2's is the empty one.
func controlGroups(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		for name := range strings.SplitSeq(part[1], ",") {
			all[name] = part[2]
		}
	}
	return all
}

var unitName = regexp.MustCompile(`([A-Za-z0-9:_.\\@-]+\.service)(?:/|$)`)

// Unit is the systemd service that the process belongs to, empty if it is in none.
func (s *System) Unit(ctx context.Context, pid int) string {
	b, err := s.Root.Read(ctx, "/proc/"+strconv.Itoa(pid)+"/cgroup", openfile.Options{Max: smallMax})
	if err != nil {
		return ""
	}
	groups := controlGroups(string(b))
	for _, name := range []string{"", "name=systemd"} {
		if all := unitName.FindAllStringSubmatch(groups[name], -1); len(all) > 0 {
			return all[len(all)-1][1]
		}
	}
	return ""
}

// Up is for how many seconds this machine has been running, 0 if that is not known.
func (s *System) Up(ctx context.Context) float64 {
	b, _ := s.Root.Read(ctx, "/proc/uptime", openfile.Options{Max: smallMax})
	first, _, _ := strings.Cut(string(b), " ")
	up, _ := strconv.ParseFloat(first, 64)
	return up
}

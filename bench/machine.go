package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// machine is where the measurement takes place, for the reader to judge it.
type machine struct {
	Processor string `json:"processor"`
	ProxyCore int    `json:"proxy_core"`
	LoadCore  int    `json:"load_core"`
	Load      string `json:"load_average"` // at the start: what else the machine does
	Remark    string `json:"remark,omitempty"`
}

// inspect picks the cores among those that this process may use: the first is the proxies', the second is for the load
// generator and the origin.
func inspect() (machine, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return machine{}, fmt.Errorf("cores: %w", err)
	}
	cores, err := parseCores(lineValue(string(status), "Cpus_allowed_list"))
	if err != nil {
		return machine{}, fmt.Errorf("cores: %w", err)
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // for the heading only
	loadavg, _ := os.ReadFile("/proc/loadavg")
	m := machine{
		Processor: lineValue(string(cpuinfo), "model name"),
		ProxyCore: cores[0],
		LoadCore:  cores[min(1, len(cores)-1)],
		Load:      strings.Join(strings.Fields(string(loadavg))[:min(3, len(strings.Fields(string(loadavg))))], " "),
	}
	switch {
	case len(cores) == 1:
		m.Remark = "one core only: proxy, origin and load generator share it; CPU per request stands, requests per second do not"
	case siblings(m.ProxyCore, m.LoadCore):
		m.Remark = "both cores are threads of one physical core: each slows the other down, for every proxy alike"
	}
	return m, nil
}

// siblings says whether two cores are hardware threads of the same physical core.
func siblings(a, b int) bool {
	list, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a))
	if err != nil {
		return false
	}
	cores, err := parseCores(strings.TrimSpace(string(list)))
	return err == nil && slices.Contains(cores, b)
}

// parseCores reads the kernel's list format, such as 0-2,7.
func parseCores(list string) ([]int, error) {
	var cores []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("list %q: %w", list, err)
		}
		hi, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("list %q: %w", list, err)
		}
		for c := lo; c <= hi; c++ {
			cores = append(cores, c)
		}
	}
	return cores, nil
}

// lineValue is the value of the first line "key : value" of a file in /proc.
func lineValue(text, key string) string {
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

package explain

import "net/netip"

// containedMost is the highest number of a process by which it is taken to be one of a container's few.
const containedMost = 300

// containerNets are the networks that Docker and Podman take first: a client from there is the bridge of a published port.
var containerNets = [...]netip.Prefix{netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("10.88.0.0/16")}

// contained reports whether a line looks as if its program ran in a container: processes have small numbers there, and
// clients come from the network's own bridge.
func contained(r *record) bool {
	if r.Process > 0 && r.Process <= containedMost {
		return true
	}
	addr, err := netip.ParseAddr(string(r.Client))
	if err != nil {
		return false
	}
	for _, net := range containerNets {
		if net.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// versionIn finds a version in the line that a program begins with: nginx/1.22.1, Apache/2.4.57 (Debian), HAProxy version 2.6.12.
func versionIn(said []byte) string {
	for _, mark := range [...]string{"nginx/", "openresty/", "Apache/", "version "} {
		rest, found := after(said, mark)
		if !found {
			continue
		}
		end := 0
		for end < len(rest) && end < 20 && (isDigit(rest[end]) || rest[end] == '.') {
			end++
		}
		if end > 2 && isDigit(rest[0]) {
			return string(rest[:end])
		}
	}
	return ""
}

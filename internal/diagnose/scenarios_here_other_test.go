//go:build !linux

package diagnose_test

import "testing"

// here plays nothing: what this machine says of itself is read on Linux.
func (h *house) here() []played { return nil }

// more plays nothing either.
func (h *house) more() []played { return nil }

func holdsKinds(*testing.T, []played) {}

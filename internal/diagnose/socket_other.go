//go:build !linux

package diagnose

import "errors"

// clampSegments is known on Linux only.
func clampSegments(uintptr, int) error { return errors.ErrUnsupported }

// retransmits are known on Linux only.
func retransmits(uintptr) int { return 0 }

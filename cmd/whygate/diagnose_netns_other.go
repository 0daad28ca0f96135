//go:build !linux

package main

import (
	"errors"
	"fmt"
)

// enterNamespace: network namespaces are Linux's.
func enterNamespace(int) error {
	return fmt.Errorf("--netns: %w", errors.ErrUnsupported)
}

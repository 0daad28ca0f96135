//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
)

// enterNamespace: network namespaces are Linux's.
func (w *world) enterNamespace(context.Context, int) error {
	return fmt.Errorf("--netns: %w", errors.ErrUnsupported)
}

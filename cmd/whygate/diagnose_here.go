package main

import (
	"context"

	"github.com/whygate/whygate/internal/diagnose"
)

// hereHook gives the function that finds the proxy on this machine: where the address is this machine's, or by the port alone
// if forced.
func hereHook(forced bool) func(context.Context, diagnose.Target) (*diagnose.Here, error) {
	if forced {
		return diagnose.FindHereAnyway
	}
	return diagnose.FindHere
}

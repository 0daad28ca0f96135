package main

import (
	"github.com/whygate/whygate/internal/config"
)

// override puts the flags of the proxy command into a configuration; empty ones leave it as it is.
func override(cfg *config.Config, admin, accessLog, pages string) error {
	flags := config.Overrides{Admin: admin, AccessLog: accessLog, ErrorPages: pages}
	return flags.Apply(cfg).Err()
}

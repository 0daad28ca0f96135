//go:build noincidents

package gateway

const keepsIncidents = false

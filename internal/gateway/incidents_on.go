//go:build !noincidents

package gateway

// keepsIncidents is false only in the build beside which the benchmark measures what incidents cost.
const keepsIncidents = true

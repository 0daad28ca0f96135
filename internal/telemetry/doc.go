// Package telemetry counts exchanges and writes the access log. The counters are sharded and summed when somebody asks;
// the log is appended to a buffer that one goroutine writes out.
//
// It must not know how an exchange works, only what became of it.
package telemetry

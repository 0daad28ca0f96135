//go:build !linux

package mux

func (m *mux) read() error { return m.readPlainly() }

package mux

import "time"

// readPlainly reads with what every net.Conn has.
func (m *mux) readPlainly() error {
	for {
		n, err := m.nc.Read(m.space())
		m.readAt.Store(time.Now().UnixNano())
		if m.w += n; n > 0 {
			if err := m.parse(); err != nil {
				return err
			}
		}
		m.emptied()
		if err != nil && !m.timedOut(err) {
			return err
		}
	}
}

// why is why the connection is over.
func (m *mux) why() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

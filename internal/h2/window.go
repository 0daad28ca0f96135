package h2

// Room is how many octets of DATA may be sent on the stream now, by its window and the connection's; 0 or less where none.
func (c *Conn) Room(st *Stream) int64 { return min(st.send, c.send) }

// StreamRoom is Room by the stream's window alone.
func (c *Conn) StreamRoom(st *Stream) int64 { return st.send }

// Spend takes n octets of DATA from both windows. The caller has seen that there is Room.
func (c *Conn) Spend(st *Stream, n int64) {
	if n > 0 && n > c.Room(st) {
		panic("BUG: h2: more data than the windows allow")
	}
	st.send -= n
	c.send -= n
}

// Consume tells that n octets of the peer's DATA on the stream are used up, so that the peer may send as many again. Octets that are
// not consumed keep the windows small, which is how a slow reader slows its peer. Of a stream that was closed meanwhile all is given
// back already, and this does nothing.
func (c *Conn) Consume(st *Stream, n int64) {
	n = min(n, st.held)
	st.held -= n
	c.held -= n
	st.owed += n
	c.owed += n
}

// Grow makes the window larger that the peer has on the stream, or on the connection where st is nil.
func (c *Conn) Grow(st *Stream, window int64) {
	window = min(window, WindowMax)
	if st == nil {
		if window > c.window {
			c.owed += window - c.window
			c.window = window
		}
		return
	}
	if window > st.window {
		st.owed += window - st.window
		st.window = window
	}
}

// Window is the size of the peer's window on the stream when nothing is under way.
func (st *Stream) Window() int64 { return st.window }

// Due reports whether AppendCredit will give credit for the stream, or for the connection where st is nil. What streams hold does not go
// round: the connection's credit is due at half of the rest, or one stream that nobody reads would starve the others.
func (c *Conn) Due(st *Stream) bool {
	if st == nil {
		return c.owed > 0 && c.owed*2 >= c.window-c.held
	}
	return st.state.MayReceive() && st.owed*2 >= st.window
}

// AppendCredit appends WINDOW_UPDATE for the stream, which may be nil, and for the connection, each once half of its window is owed: fewer
// would be waste, and later ones would make the peer wait.
//
// hot: once per read of a body.
func (c *Conn) AppendCredit(dst []byte, st *Stream) []byte {
	if st != nil && c.Due(st) {
		dst = AppendWindowUpdate(dst, st.ID, st.owed)
		st.recv += st.owed
		st.owed = 0
	}
	if c.Due(nil) {
		dst = AppendWindowUpdate(dst, 0, c.owed)
		c.recv += c.owed
		c.owed = 0
	}
	return dst
}

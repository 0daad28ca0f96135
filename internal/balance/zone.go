package balance

// side is which members of a tier a choice is among.
type side uint8

const (
	anySide side = iota
	nearSide
	farSide
)

// nearEnough is how much more than its share of the requests what is left of our zone may get: while 1/nearEnough of its weight is in order, it
// gets all. It is what Envoy calls an overprovisioning factor, and its value there.
const nearEnough = 1.4

// inTier picks by the policy in one tier: in our own zone while enough of it is in order, and else as far as what is left there can bear; beyond
// that, and where nobody is left, elsewhere.
func (s *Set) inTier(c choice, key, turn uint64) int {
	if !s.zoned {
		return s.among(c, key, turn)
	}
	first, second := nearSide, farSide
	if !c.staysNear(key, turn) {
		first, second = farSide, nearSide
	}
	c.side = first
	i := s.among(c, key, turn)
	if i < 0 {
		c.side = second
		i = s.among(c, key, turn)
	}
	return i
}

// staysNear reports whether this request is one of those that our zone gets. Under Hash a key decides, so that it stays where it is.
func (c *choice) staysNear(key, turn uint64) bool {
	all, sound := 0, 0
	for i, e := range c.s.endpoints {
		m := &c.s.members[i]
		if !m.Near || m.Tier != c.tier {
			continue
		}
		all += m.Weight
		if e.sound(c.now) {
			sound += m.Weight
		}
	}
	share := nearEnough * float64(sound) / float64(max(all, 1))
	if share >= 1 || sound == 0 {
		return sound > 0
	}
	if c.s.policy != Hash {
		key = turn
	}
	return float64(Mix(key+golden))/(1<<64) < share
}

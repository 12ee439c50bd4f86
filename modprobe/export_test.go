package modprobe

import "time"

// Later has a Prober believe that so much time has passed.
func (p *Prober) Later(d time.Duration) { p.now = func() time.Time { return time.Now().Add(d) } }

// SealFacts adds the check sum to kept facts.
func SealFacts(data []byte) []byte { return sealFacts(data) }

// SoundFacts reports whether something is read as kept facts.
func SoundFacts(key string, data []byte) bool {
	return decodeFacts(key, data) != nil
}

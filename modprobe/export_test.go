package modprobe

import (
	"hash/crc32"
	"time"
)

// Later has a Prober believe that so much time has passed.
func (p *Prober) Later(d time.Duration) { p.now = func() time.Time { return time.Now().Add(d) } }

// SealFacts puts kept facts together.
func SealFacts(head, parts []byte) []byte { return sealFacts(head, parts) }

// CutFacts takes kept facts apart.
func CutFacts(data []byte) (head, parts []byte) {
	d := factsDecoder{text: data[len(factsMagic):]}
	return d.bytes(), d.text[crc32.Size:]
}

// SoundFacts reports whether something is read as kept facts.
func SoundFacts(key string, data []byte) bool {
	return decodeFacts(key, data) != nil
}

// Package fuzzseed gives a fuzz test a fixed sample of mutated inputs. Fuzzing proper ("make fuzz") is random, so
// that it may find something new at any time; with this package every run of the tests tries the same hundreds of
// inputs beside the seeds, and what one run has found the next one finds again.
package fuzzseed

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

// mutants is how many mutated inputs stand beside each seed.
const mutants = 200

// Add adds a seed, as f.Add does, and mutants of it: where a fuzz test runs as a test, without -fuzz and -short. A
// mutant has a number as its name, FuzzParse/seed#17, by which -run finds it again.
func Add(f *testing.F, args ...any) {
	f.Helper()
	f.Add(args...)
	if testing.Short() || flag.Lookup("test.fuzz").Value.String() != "" {
		return
	}
	random := rand.New(rand.NewPCG(1, uint64(len(args))))
	for range mutants {
		mutant := append([]any(nil), args...)
		for n := 1 + random.IntN(4); n > 0; n-- {
			i := random.IntN(len(mutant))
			mutant[i] = mutate(random, mutant[i])
		}
		f.Add(mutant...)
	}
}

// mutate returns a changed copy of an argument of a fuzz test.
func mutate(random *rand.Rand, arg any) any {
	switch v := arg.(type) {
	case []byte:
		return bytesOf(random, v)
	case string:
		return string(bytesOf(random, []byte(v)))
	case int:
		return v + int(edges[random.IntN(len(edges))])
	case int64:
		return v + int64(edges[random.IntN(len(edges))])
	case uint8:
		return uint8(random.UintN(256))
	}
	panic(fmt.Sprintf("no mutation for %T", arg))
}

// edges are numbers at which parsers go wrong.
var edges = [...]uint64{0, 1, 2, 7, 8, 16, 63, 64, 127, 128, 255, 256, 4095, 4096, 1 << 15, 1<<16 - 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<63 - 1, 1 << 63, 1<<64 - 1}

// bytesOf returns a copy of b in which something was overwritten, cut out, doubled or put in. What it is of decides
// itself how far the change reaches: single bits and bytes are the most frequent.
func bytesOf(random *rand.Rand, b []byte) []byte {
	from := random.IntN(len(b) + 1)
	to := from + random.IntN(min(len(b)-from, 32)+1)
	out := make([]byte, 0, len(b)+64)
	put := func(parts ...[]byte) []byte {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	switch kind := random.IntN(8); {
	case kind < 3 && from < len(b): // one bit
		put(b)[from] ^= 1 << random.IntN(8)
		return out
	case kind < 5 && from < len(b): // one byte: any, or one that means something in texts
		const special = "\x00\xff\x80\x7f\t\n\r \"#*-./:=?[\\]_"
		c := byte(random.UintN(256))
		if random.IntN(2) == 0 {
			c = special[random.IntN(len(special))]
		}
		put(b)[from] = c
		return out
	case kind == 5: // a number in place of as many bytes
		var number [8]byte
		edge, size := edges[random.IntN(len(edges))], 1<<random.IntN(4)
		if random.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(number[:], edge)
			return put(b[:from], number[:size], b[min(from+size, len(b)):])
		}
		binary.BigEndian.PutUint64(number[:], edge)
		return put(b[:from], number[8-size:], b[min(from+size, len(b)):])
	case kind == 6: // a piece twice
		return put(b[:to], b[from:])
	case random.IntN(4) == 0: // the end is missing
		return put(b[:from])
	}
	return put(b[:from], b[to:]) // a piece is missing
}

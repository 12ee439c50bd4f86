package fuzzseed

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestBytesOf makes many mutants: the same ones each time, nearly all of them different from the seed, which stays as
// it is.
func TestBytesOf(t *testing.T) {
	seed := []byte("0x00000001\tmii_x\tmii\tEXPORT_SYMBOL_GPL\tNET\n")
	before := bytes.Clone(seed)
	one, two := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	kinds := map[string]bool{}
	for range 1000 {
		a := bytesOf(one, seed)
		if b := bytesOf(two, seed); !bytes.Equal(a, b) {
			t.Fatalf("%q, then %q", a, b)
		}
		kinds[string(a)] = true
	}
	if !bytes.Equal(seed, before) {
		t.Errorf("the seed became %q", seed)
	}
	if len(kinds) < 500 {
		t.Errorf("only %d different mutants of 1000", len(kinds))
	}
	for range 100 {
		bytesOf(one, nil)
	}
}

// TestMutate changes an argument of each type that fuzz tests here have, and keeps the type.
func TestMutate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, arg := range []any{"def", 1, int64(2), uint8(3)} {
		changed := false
		for range 20 {
			got := mutate(random, arg)
			if reflect.TypeOf(got) != reflect.TypeOf(arg) {
				t.Fatalf("%T of %T", got, arg)
			}
			changed = changed || got != arg
		}
		if !changed {
			t.Errorf("%v (%T) stays as it is", arg, arg)
		}
	}
}

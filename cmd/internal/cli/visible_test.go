package cli

import (
	"bytes"
	"testing"
)

// TestVisible shows texts out of modules to a terminal, byte by byte and at once, and sends them into a pipe.
func TestVisible(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"plain\tmodule é 模\n", "plain\tmodule é 模\n"},
		{"a\x1b[31mred\x07\r\n", `a\x1b[31mred\x07\x0d` + "\n"},
		{"c1 \u009b31m, del \x7f\n", `c1 \xc2\x9b31m, del \x7f` + "\n"},
		{"latin \xe9 \x9b\n", `latin \xe9 \x9b` + "\n"},
		{"right to left \u202e\n", `right to left \xe2\x80\xae` + "\n"},
		{"field\x00field\x00", "field\x00field\x00"},
	} {
		for _, terminal := range []bool{true, false} {
			want := tt.want
			if !terminal {
				want = tt.text
			}
			var whole, single bytes.Buffer
			v := &visible{w: &whole, terminal: func() bool { return terminal }}
			if n, err := v.Write([]byte(tt.text)); n != len(tt.text) || err != nil {
				t.Error(n, err)
			}
			v = &visible{w: &single, terminal: func() bool { return terminal }}
			for _, c := range []byte(tt.text) {
				v.Write([]byte{c})
			}
			if whole.String() != want || single.String() != want {
				t.Errorf("%q, terminal %v: %q and %q; want %q", tt.text, terminal, whole.String(), single.String(), want)
			}
		}
	}
}

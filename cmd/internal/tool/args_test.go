package tool

import "testing"

func TestQuoteParams(t *testing.T) {
	for _, tt := range []struct {
		in   []string
		want string
	}{
		{nil, ""},
		{[]string{"a=1", "b"}, "a=1 b"},
		{[]string{"a=x y", "b c", `d="x y"`, "e='x y'"}, `a="x y" b c d="x y" e='x y'`},
		{[]string{"", "a", "", "b"}, "a  b"},
		{[]string{"a=", "=b c"}, `a= ="b c"`},
	} {
		if got := quoteParams(tt.in); got != tt.want {
			t.Errorf("quoteParams(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

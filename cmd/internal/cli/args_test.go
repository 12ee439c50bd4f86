package cli

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
		if got := QuoteParams(tt.in); got != tt.want {
			t.Errorf("QuoteParams(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

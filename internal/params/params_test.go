package params_test

import (
	"reflect"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/params"
)

func TestSplit(t *testing.T) {
	type list = []params.Param
	for text, want := range map[string]list{
		"":                         nil,
		" a=1\t b ":                {{"a", "1", true}, {"b", "", false}},
		`a="x y" "b=z w" c=p"q r"`: {{"a", "x y", true}, {"b", "z w", true}, {"c", `p"q r"`, true}},
		`a=1 -- b=2`:               {{"a", "1", true}},
		`a="open b=1`:              {{"a", "open b=1", true}},
		"a=b=c":                    {{"a", "b=c", true}},
		"=a =b=c =":                {{"=a", "", false}, {"=b", "c", true}, {"=", "", false}},
		`"`:                        {{"", "", false}},
	} {
		if got, _, _ := params.Split(text); !reflect.DeepEqual(got, want) {
			t.Errorf("Split(%q) = %+v; want %+v", text, got, want)
		}
	}
}

func TestSplitDashes(t *testing.T) {
	for text, want := range map[string]string{"a=1 --": "", "--  b=2 c": "b=2 c"} {
		if _, after, dashes := params.Split(text); !dashes || after != want {
			t.Errorf("Split(%q): %q, %v; want %q", text, after, dashes, want)
		}
	}
	if _, _, dashes := params.Split("--=x a=-- --a"); dashes {
		t.Error("dashes that are none")
	}
}

func TestNotIn(t *testing.T) {
	info := []string{"license=GPL", "parmtype=num_devices:uint", "parm=max-part:parts", "parm=broken"}
	image := []byte("\x7fELF…\x00__param_str_hidden\x00")
	for _, tt := range []struct {
		text string
		info []string
		want []params.Unknown
	}{
		{"num_devices=4 num-devices=5 max_part=1 hidden=2 dyndbg=+p async_probe", info, nil},
		{"num_device=4 num_device=5", info, []params.Unknown{{"num_device", []string{"num_devices"}}}},
		{"colour=red", info, []params.Unknown{{"colour", nil}}},
		{"colour=red", info[:1], nil},
	} {
		list, _, _ := params.Split(tt.text)
		if got := params.NotIn(list, tt.info, image); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("NotIn(%q) = %+v; want %+v", tt.text, got, tt.want)
		}
	}
}

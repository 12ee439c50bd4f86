package jsonw_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/jsonw"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

func TestWriter(t *testing.T) {
	var w jsonw.Writer
	w.BeginArray()
	w.BeginObject()
	w.Key("name")
	w.String("ext4")
	w.Key("list")
	w.Strings([]string{"a", "b"})
	w.Key("none")
	w.Strings(nil)
	w.Key("size")
	w.Int(-3)
	w.EndObject()
	w.Bool(true)
	w.Null()
	w.EndArray()
	w.Newline()
	want := `[
  {
    "name": "ext4",
    "list": [
      "a",
      "b"
    ],
    "none": [],
    "size": -3
  },
  true,
  null
]
`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"quoted\\\"", "a\x00\x1f\x7f\n\t\r", "grün\u2028", "\xff\xfe", "\xed\xa0\x80"} {
		fuzzseed.Add(f, s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		text := jsonw.AppendString(nil, s)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("AppendString(%q) = %s: %v", s, text, err)
		}
		want := strings.Map(func(r rune) rune { return r }, s) // replaces each bad byte
		if back != want {
			t.Errorf("AppendString(%q) = %s, which reads back as %q", s, text, back)
		}
	})
}

package kernel

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// cacheHead begins a cached image. The number changes whenever what is read out of images does.
const cacheHead = "# gomodprobe kernel image 6\n"

var errCache = errors.New("not a cached kernel image of this version")

// Encode writes down what was read out of an image, for DecodeImage: a check sum, comment lines, and Module.symvers.
// label says which image it was.
func (im *Image) Encode(label string) []byte {
	var b bytes.Buffer
	for _, f := range []struct{ key, value string }{{"label", label}, {"way", im.Way},
		{"source", im.Exports.Source}, {"release", im.Release},
		{"banner", im.Banner}, {"vermagic", im.Vermagic}} {
		fmt.Fprintf(&b, "# %s %s\n", f.key, strings.ReplaceAll(f.value, "\n", " "))
	}
	fmt.Fprintf(&b, "# machine %d\n# class %d\n# features ", im.Machine, im.Class)
	for _, t := range im.Features.tris() {
		b.WriteByte('0' + byte(*t))
	}
	b.WriteByte('\n')
	if im.Words.Known {
		for _, format := range im.Words.formats {
			fmt.Fprintf(&b, "# says %s\n", format)
		}
	}
	for _, k := range im.Keys {
		fmt.Fprintf(&b, "# key %x\n", k.Certificate)
	}
	if s := im.Signing; s != nil {
		fmt.Fprintf(&b, "# builtin %s\n", strings.Join(s.Builtin, " "))
		for _, id := range s.Identifiers {
			fmt.Fprintf(&b, "# identifier %x\n", id)
		}
	}
	b.WriteString("#\n")
	WriteSymvers(&b, im.Exports.Symbols(), nil) // a Buffer takes everything
	return fmt.Appendf(nil, "%s%08x\n%s", cacheHead, crc32.ChecksumIEEE(b.Bytes()), b.Bytes())
}

// cacheBody returns what stands behind the head of a cached image, if it is whole: a file that was cut short anywhere
// would have a kernel with fewer symbols.
func cacheBody(data []byte) (string, error) {
	rest, ok := bytes.CutPrefix(data, []byte(cacheHead))
	sum, body, whole := bytes.Cut(rest, []byte("\n"))
	if !ok || !whole || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) {
		return "", errCache
	}
	return string(body), nil
}

// DecodeImage reads what Encode wrote for the same label. The strings of the result are parts of one copy of data.
func DecodeImage(label string, data []byte) (*Image, error) {
	text, err := cacheBody(data)
	if err != nil {
		return nil, err
	}
	im := new(Image)
	source, said := "", 0
	for {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return nil, errCache
		}
		text = rest
		if line == "#" {
			break
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(line, "# "), " ")
		switch key {
		case "label":
			if value != label {
				return nil, errCache
			}
		case "way":
			im.Way = value
		case "source":
			source = value
		case "release":
			im.Release = value
		case "banner":
			im.Banner = value
		case "vermagic":
			im.Vermagic = value
		case "machine":
			n, _ := strconv.ParseUint(value, 10, 16)
			im.Machine = uint16(n)
		case "class":
			im.Class, _ = strconv.Atoi(value)
		case "features":
			tris := im.Features.tris()
			if len(value) != len(tris) {
				return nil, errCache
			}
			for i, t := range tris {
				*t = Tri(value[i] - '0')
			}
		case "says":
			if said == len(im.Words.formats) {
				return nil, errCache
			}
			im.Words.formats[said] = value
			said++
			im.Words.Known = true
		case "key":
			certificate, err := hex.DecodeString(value)
			if err != nil {
				return nil, errCache
			}
			im.Keys = append(im.Keys, NewKey(certificate))
		case "builtin":
			im.Signing = &Signing{Builtin: strings.Fields(value)}
		case "identifier":
			id, err := hex.DecodeString(value)
			if err != nil || im.Signing == nil {
				return nil, errCache
			}
			im.Signing.Identifiers = append(im.Signing.Identifiers, string(id))
		}
	}
	symbols, ok := decodeSymbols(text)
	if !ok || said != 0 && said != len(im.Words.formats) {
		return nil, errCache
	}
	im.Exports = &Table{Source: source, Complete: true, CRCs: true, Licences: true, symbols: symbols}
	return im, nil
}

// decodeSymbols reads lines as WriteSymvers writes them, sorted. It is ParseSymvers for a file that nobody has touched.
func decodeSymbols(text string) ([]Symbol, bool) {
	symbols := make([]Symbol, 0, strings.Count(text, "\n"))
	for text != "" {
		if len(text) < 12 || text[10] != '\t' {
			return nil, false
		}
		crc, err := strconv.ParseUint(text[2:10], 16, 32)
		line, rest, ok := strings.Cut(text[11:], "\n")
		name, line, ok1 := strings.Cut(line, "\t")
		_, line, ok2 := strings.Cut(line, "\t")
		export, ns, ok3 := strings.Cut(line, "\t")
		if err != nil || !ok || !ok1 || !ok2 || !ok3 {
			return nil, false
		}
		if n := len(symbols); n > 0 && symbols[n-1].Name >= name {
			return nil, false
		}
		symbols = append(symbols, Symbol{Name: name, Namespace: ns, Owner: Core, CRC: uint32(crc),
			HasCRC: crc != 0, GPL: export == "EXPORT_SYMBOL_GPL"})
		text = rest
	}
	return symbols, true
}

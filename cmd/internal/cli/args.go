package cli

import "strings"

// QuoteParams joins parameters with blanks. A value with blanks in it is quoted for the kernel.
func QuoteParams(operands []string) string {
	var text []byte
	for _, word := range operands {
		key, value, ok := strings.Cut(word, "=")
		if ok && strings.Contains(value, " ") && value[0] != '"' && value[0] != '\'' {
			word = key + `="` + value + `"`
		}
		if len(text) > 0 {
			text = append(text, ' ')
		}
		text = append(text, word...)
	}
	return string(text)
}

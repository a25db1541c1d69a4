package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
)

// marshal writes one JSON document that is also harmless on a terminal and in a workflow's log: the characters that could
// steer either are escaped.
func marshal(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	data = bytes.ReplaceAll(data, []byte("##["), []byte(`#\u0023[`)) // only ever inside a string
	var b bytes.Buffer
	b.Grow(len(data) + 1)
	for _, r := range string(data) {
		if r != '\n' && r < 0x10000 && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

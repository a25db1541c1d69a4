package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// field is the text of one value of a JSON document: a string without its quotes, anything else as JSON. path names it by
// keys and indexes with dots between: build.version, items.0.state.
func field(document []byte, path string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("answer is no JSON: %w", err)
	}
	for at, key := range strings.Split(strings.TrimPrefix(path, "$."), ".") {
		var ok bool
		switch v := value.(type) {
		case map[string]any:
			value, ok = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if ok = err == nil && i >= 0 && i < len(v); ok {
				value = v[i]
			}
		}
		if !ok {
			return "", fmt.Errorf("answer has no %q (part %d of %s)", key, at+1, path)
		}
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}

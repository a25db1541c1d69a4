package demo

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// messages reads an engine's progress stream to its end and hands every line of text on. An error in the stream is
// returned.
func messages(r io.Reader, line func(string)) error {
	dec := json.NewDecoder(r)
	for {
		var m struct {
			Stream string `json:"stream"`
			Status string `json:"status"`
			Error  string `json:"error"`
		}
		switch err := dec.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		}
		for text := range strings.Lines(m.Stream + m.Status) {
			if text = strings.TrimSpace(text); text != "" {
				line(text)
			}
		}
	}
}

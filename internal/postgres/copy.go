package postgres

import (
	"encoding/json"
	"strings"
)

// Copy says what a database made by promote is. A copy without an ID was left by a predecessor that was killed before it
// was complete.
type Copy struct {
	Kind    string `json:"kind"`
	ID      string `json:"promote,omitempty"` // the promotion that made it
	Of      string `json:"of,omitempty"`      // the database that it was copied from, or that had this one's place
	Comment string `json:"comment,omitempty"` // the original's comment, put back by the swap
	Swapped uint32 `json:"swapped,omitempty"` // OID of the database that took this one's place
}

// copyOf reads the mark that a complete copy carries as its comment. It is nil for a database that promote did not make.
func copyOf(name, comment string) *Copy {
	if !IsCopy(name) {
		return nil
	}
	var c Copy
	if json.Unmarshal([]byte(comment), &c) != nil || c.ID == "" {
		c = Copy{}
	}
	c.Kind = strings.SplitN(name, ".", 3)[1]
	return &c
}

// complete reports whether the mark is there: it is written last.
func (c *Copy) complete() bool { return c != nil && c.ID != "" }

func (c Copy) mark() string {
	b, _ := json.Marshal(c) // strings and a number
	return string(b)
}

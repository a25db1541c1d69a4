package engine

import "time"

// Image is one image in an engine's store.
type Image struct {
	ID             string
	Tags           []string
	RepoDigests    []string // empty for an image that was built here and never pushed
	Labels         map[string]string
	Created        time.Time
	Size           int64 // bytes
	Layers         []string
	OS             string
	Arch           string
	Env            map[string]string
	Exposed        []Port
	HasHealthcheck bool
}

// Network is a network of an engine.
type Network struct {
	ID         string
	Name       string
	Key        string // its name in the stack's model
	Driver     string
	Internal   bool
	Labels     map[string]string
	Containers []string // IDs of those attached and running
}

// Volume is a volume of an engine.
type Volume struct {
	Name       string
	Key        string // its name in the stack's model
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Options    map[string]string
}

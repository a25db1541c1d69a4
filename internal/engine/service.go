package engine

import "time"

// Service is one entry of a stack's model. Env holds secrets.
type Service struct {
	Name           string
	Image          string // the name that Compose gives it, when it is only built
	Build          bool
	DependsOn      []Dependency
	OneShot        bool // a dependent waits for its successful end
	HasHealthcheck bool // in the model; the image may have one too
	Ports          []Port
	Exposed        []Port
	Volumes        []Mount // named volumes, by the engine's name for them
	Binds          []Mount // paths of the engine's host, those of file-based configs and secrets included
	Env            map[string]string
	StopGrace      time.Duration // 0 when not set
	StopSignal     string
	Replicas       int
	ContainerName  string // when fixed
	Restart        string
	NetworkMode    string
	Networks       []string // keys of the model's networks
	Profiles       []string
	Entrypoint     []string
	Command        []string
	Labels         map[string]string
	// Injected are the paths of configs and secrets that are copied into the container because they have no file.
	Injected []string
}

// ModelNetwork is a network that a model names.
type ModelNetwork struct {
	Key      string
	Name     string
	External bool
}

// ModelVolume is a volume that a model names.
type ModelVolume struct {
	Key      string
	Name     string
	Driver   string
	External bool
}

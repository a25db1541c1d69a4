// Package engine holds the neutral description of what runs containers: engines, containers, images, networks, volumes
// and the services of a stack. It knows no product; an adapter below this package fills these values and acts on them.
package engine

import "time"

// Endpoint says where an engine listens. The zero value is the caller's own endpoint (DOCKER_HOST, the current context).
type Endpoint struct {
	Host string // "", unix://PATH, ssh://[USER@]HOST[:PORT] or tcp://HOST:PORT
	CA   string // paths of PEM files, for tcp:// only
	Cert string
	Key  string
}

// Info describes an engine and the machine below it.
type Info struct {
	ID              string // not unique: two engines of one host may share it, RootDir tells them apart
	Name            string // host name
	Version         string
	APIVersion      string // the version spoken, after negotiation
	OS              string // "linux"
	Arch            string // "amd64"
	StorageDriver   string
	RootDir         string // the engine's data folder, a path of its host
	CPUs            int
	Memory          int64     // bytes
	Time            time.Time // the engine's clock when it was asked
	ContainerdStore bool      // image IDs are manifest digests and differ from those of other stores
}

// Progress is one reading of a running transfer; Total is 0 when unknown. Both are bytes.
type Progress struct {
	Text    string
	Current int64
	Total   int64
}

// Package backup keeps the portable form of a restore point: a folder with a manifest that names every file with its size and
// checksum. It is written under a temporary name and renamed when it is complete and synced, can be encrypted for age
// recipients, and is never believed without being checked.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Schema is the manifest's version that this program writes.
const Schema = "promote.backup/1"

const schemaPrefix = "promote.backup/"

// Names of the files that hold the manifest; no other file can have them.
const (
	manifestName = "manifest.json"
	checksumName = "manifest.json.sha256"
	originalName = "original-manifest.json" // the manifest before encryption; itself encrypted
)

const encryptedSuffix = ".age"

// maxManifest bounds what is read as a manifest, in bytes.
const maxManifest = 64 << 20

// Kind says what a file of a backup is.
type Kind string

// The kinds of files.
const (
	KindDump          Kind = "dump"          // of one database
	KindModel         Kind = "model"         // the Compose model of the release
	KindRecord        Kind = "record"        // what the tool wrote down: plan, checks, the manifest before encryption
	KindConfiguration Kind = "configuration" // env, Compose and mounted files
	KindMetrics       Kind = "metrics"
	KindSchema        Kind = "schema" // of one database
)

func (k Kind) known() bool {
	switch k {
	case KindDump, KindModel, KindRecord, KindConfiguration, KindMetrics, KindSchema:
		return true
	}
	return false
}

// Manifest is what a backup says of itself. Of an encrypted one that was not unlocked, Files are the encrypted files, and row
// fingerprints are left out: whoever has no key could guess short contents from them.
type Manifest struct {
	Schema      string     `json:"schema"`
	ID          string     `json:"id"`
	Promotion   string     `json:"promotion,omitempty"` // empty for a backup that was asked for by itself
	Environment string     `json:"environment"`
	Project     string     `json:"project"`
	TakenAt     time.Time  `json:"taken_at"`
	Commit      string     `json:"commit,omitempty"`
	Release     string     `json:"release,omitempty"`
	ToolVersion string     `json:"tool_version"`
	Engine      Engine     `json:"engine"`
	Images      []Image    `json:"images"`
	Databases   []Database `json:"databases"`
	Files       []File     `json:"files"` // sorted by path; set by Seal
	Encrypted   bool       `json:"encrypted,omitempty"`
	Recipients  int        `json:"recipients,omitempty"` // how many can decrypt it
}

// Engine is the container engine that the environment ran on.
type Engine struct {
	ID         string `json:"id,omitempty"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	APIVersion string `json:"api_version"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
}

// Image is what one service ran.
type Image struct {
	Service     string   `json:"service"`
	Ref         string   `json:"ref"`
	ID          string   `json:"id"`
	RepoDigests []string `json:"repo_digests,omitempty"`
}

// Database is one database and where its dump is.
type Database struct {
	Service       string          `json:"service"`
	Name          string          `json:"name"`
	Owner         string          `json:"owner"`
	Encoding      string          `json:"encoding"`
	Collate       string          `json:"collate"`
	CType         string          `json:"ctype"`
	ServerVersion string          `json:"server_version"`
	ToolVersion   string          `json:"tool_version"` // of the dump's program
	Size          int64           `json:"size"`         // bytes in the server
	File          string          `json:"file"`         // path of the dump within the backup, without .age
	RawBytes      int64           `json:"raw_bytes"`    // of the dump before compression
	Schema        string          `json:"schema"`       // fingerprint
	Rows          map[string]Rows `json:"rows,omitempty"`
}

// Rows is the content of one table.
type Rows struct {
	Count  int64  `json:"count"`
	Hash   string `json:"hash,omitempty"`
	Method string `json:"method"` // how Count and Hash were found
}

// File is one file of the backup as it is stored.
type File struct {
	Path   string `json:"path"` // with slashes, below the backup's folder
	Kind   Kind   `json:"kind"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	Mode   uint32 `json:"mode"` // permissions to restore it with; in the backup it has 0600
}

// Size is the sum of all files, in bytes.
func (m *Manifest) Size() int64 {
	var sum int64
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}

// File returns the file at path and whether there is one.
func (m *Manifest) File(path string) (File, bool) {
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return m.Files[i], true
}

func (m *Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// parseManifest reads a manifest and refuses one that could lead out of its folder.
func parseManifest(data []byte) (*Manifest, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, &Damage{manifestName, err.Error(), "a JSON document"}
	}
	if head.Schema != Schema {
		if strings.HasPrefix(head.Schema, schemaPrefix) {
			return nil, fmt.Errorf("%w: schema %s, this version reads %s", ErrNewer, head.Schema, Schema)
		}
		return nil, fmt.Errorf("%w: schema %.40q in %s, expected %q", ErrNotBackup, head.Schema, manifestName, Schema)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, &Damage{manifestName, err.Error(), "a manifest of schema " + Schema}
	}
	if err := m.check(); err != nil {
		return nil, &Damage{manifestName, err.Error(), "a manifest as promote writes it"}
	}
	return &m, nil
}

func (m *Manifest) check() error {
	if m.ID == "" || m.Environment == "" || m.TakenAt.IsZero() {
		return errors.New("id, environment or taken_at is missing")
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if seen[f.Path] || f.Size < 0 || len(f.SHA256) != 64 || !f.Kind.known() || os.FileMode(f.Mode) != os.FileMode(f.Mode).Perm() {
			return fmt.Errorf("file %q is listed twice or wrongly", f.Path)
		}
		seen[f.Path] = true
	}
	for _, d := range m.Databases {
		if d.File != "" && !seen[m.stored(d.File)] {
			return fmt.Errorf("database %s: its dump %q is not in the list of files", d.Name, d.File)
		}
	}
	if !slices.IsSortedFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
		return errors.New("the files are not sorted by path")
	}
	if m.Encrypted && !seen[m.stored(originalName)] {
		return fmt.Errorf("encrypted without %s", m.stored(originalName))
	}
	return nil
}

// stored is the name that the file at path has in the folder.
func (m *Manifest) stored(path string) string {
	if m.Encrypted {
		return path + encryptedSuffix
	}
	return path
}

package backup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"

	"filippo.io/age"
)

// Unlock gives an encrypted backup its keys. Manifest is afterwards the one before encryption, and files can be opened. On a
// backup that is not encrypted it does nothing.
func (b *Backup) Unlock(identities ...age.Identity) error {
	if !b.Encrypted() {
		return nil
	}
	m, raw, err := b.original(identities)
	if err != nil {
		return fmt.Errorf("%s: %w", b.Dir, err)
	}
	b.Manifest, b.raw, b.identities = m, raw, identities
	return nil
}

func (b *Backup) original(identities []age.Identity) (*Manifest, []byte, error) {
	name := b.stored.stored(originalName)
	if len(identities) == 0 {
		return nil, nil, fmt.Errorf("%w: no identity was given", ErrEncrypted)
	}
	f, err := b.openStored(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	plain, err := age.Decrypt(bufio.NewReader(f), identities...)
	if err != nil {
		return nil, nil, decryptError(name, err)
	}
	raw, err := io.ReadAll(io.LimitReader(plain, maxManifest))
	if err != nil {
		return nil, nil, decryptError(name, err)
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, nil, err
	}
	if err := sameBackup(b.stored, m); err != nil {
		return nil, nil, err
	}
	return m, raw, nil
}

// sameBackup refuses an original manifest that belongs to another backup than the open one.
func sameBackup(stored, original *Manifest) error {
	want := redacted(original, stored.Files, stored.Recipients)
	a, err := want.encode()
	if err != nil {
		return err
	}
	b, err := stored.encode()
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) || len(stored.Files) != len(original.Files)+1 {
		return &Damage{manifestName, "a manifest that differs from the encrypted one", "the same backup"}
	}
	for _, f := range original.Files {
		s, ok := stored.File(f.Path + encryptedSuffix)
		if !ok || s.Kind != f.Kind || s.Mode != f.Mode {
			return &Damage{f.Path, "nothing like it in " + manifestName, "its encrypted form"}
		}
	}
	return nil
}

// redacted is the open manifest of an encrypted backup: what could be guessed from it is left out.
func redacted(m *Manifest, files []File, recipients int) Manifest {
	open := *m
	open.Encrypted, open.Recipients, open.Files = true, recipients, files
	open.Databases = make([]Database, len(m.Databases))
	for i, d := range m.Databases {
		d.Rows = maps.Clone(d.Rows)
		for table, rows := range d.Rows {
			rows.Hash = ""
			d.Rows[table] = rows
		}
		open.Databases[i] = d
	}
	return open
}

// decryptError says what a failure to decrypt means.
func decryptError(path string, err error) error {
	var noMatch *age.NoIdentityMatchError
	var file *fs.PathError
	var damage *Damage
	switch {
	case errors.As(err, &noMatch):
		return fmt.Errorf("%w: %s: none of the identities is one of its recipients", ErrEncrypted, path)
	case errors.As(err, &file), errors.As(err, &damage), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &Damage{path, "what cannot be decrypted (" + err.Error() + ")", "an age file"}
}

package backup

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestSSHKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := ParseRecipients([]string{string(ssh.MarshalAuthorizedKey(line))})
	if err != nil {
		t.Fatal(err)
	}
	identities, err := ParseIdentities(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	b := receiveFor(t, makeBackup(t, parent, "staging", taken), filepath.Join(parent, "sealed"), recipients)
	if err := errors.Join(b.Unlock(identities...), b.Verify(t.Context()), sameContents(b)); err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseIdentities(pem.EncodeToMemory(locked)); err == nil {
		t.Error("a key with a passphrase was accepted")
	}
}

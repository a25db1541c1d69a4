package backup

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	one, two := newKey(t), newKey(t)
	recipients, err := ParseRecipients([]string{" " + one.Recipient().String() + "\n", two.Recipient().String()})
	if err != nil || len(recipients) != 2 {
		t.Fatal(recipients, err)
	}
	identities, err := ParseIdentities([]byte("# a comment\n" + two.String() + "\n"))
	if err != nil || len(identities) != 1 {
		t.Fatal(identities, err)
	}
	parent := t.TempDir()
	b := receiveFor(t, makeBackup(t, parent, "staging", taken), filepath.Join(parent, "sealed"), recipients)
	if err := errors.Join(b.Unlock(identities...), b.Verify(t.Context()), sameContents(b)); err != nil {
		t.Fatal(err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	key := newKey(t)
	for _, bad := range []string{"", "age1", "hello", key.String(), key.Recipient().String() + "x", "ssh-ed25519 AAAA", "ssh-dss AAAA"} {
		if _, err := ParseRecipients([]string{bad}); err == nil || !strings.Contains(err.Error(), "recipient 1: found") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	secret := key.String()
	for _, bad := range []string{"", "hello", secret[:40], key.Recipient().String(), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"} {
		_, err := ParseIdentities([]byte(bad))
		if err == nil || len(bad) > 20 && strings.Contains(err.Error(), bad[:20]) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A private key pasted where a public one belongs must not be shown whole.
	if _, err := ParseRecipients([]string{secret}); err == nil || strings.Contains(err.Error(), secret[20:]) {
		t.Errorf("%v", err)
	}
}

package backup

import (
	"errors"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

const (
	acceptedRecipients = "age1…, ssh-ed25519 … and ssh-rsa …"
	acceptedIdentities = "lines AGE-SECRET-KEY-1…, or one SSH private key without a passphrase"
)

func parseSSHRecipient(key string) (age.Recipient, error) { return agessh.ParseRecipient(key) }

func parseSSHIdentity(data []byte) ([]age.Identity, error) {
	id, err := agessh.ParseIdentity(data)
	if err != nil {
		return nil, errors.New("backup: identity: accepted are " + acceptedIdentities)
	}
	return []age.Identity{id}, nil
}

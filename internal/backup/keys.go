package backup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
)

// ParseRecipients reads public keys, one each: age1… of age, or the line of an SSH public key (ssh-ed25519, ssh-rsa).
func ParseRecipients(keys []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for i, key := range keys {
		r, err := parseRecipient(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("backup: recipient %d: found %.16q, accepted are %s: %w", i+1, key, acceptedRecipients, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRecipient(key string) (age.Recipient, error) {
	if strings.HasPrefix(key, "ssh-") {
		return parseSSHRecipient(key)
	}
	list, err := age.ParseRecipients(strings.NewReader(key))
	switch {
	case err != nil:
		return nil, err
	case len(list) != 1:
		return nil, fmt.Errorf("%d keys in it", len(list))
	}
	return list[0], nil
}

// ParseIdentities reads private keys: an age identity file, or one SSH private key without a passphrase. What it was given is never part of an error.
func ParseIdentities(data []byte) ([]age.Identity, error) {
	if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return parseSSHIdentity(data)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("backup: identity: accepted are " + acceptedIdentities)
	}
	return ids, nil
}

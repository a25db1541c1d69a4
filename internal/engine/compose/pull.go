package compose

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"github.com/org/promote-action/internal/engine"
)

// Pull fetches ref (a tag or name@sha256:…) from its registry, with the credentials that the docker command would use.
func (e *Engine) Pull(ctx context.Context, ref string, onProgress func(engine.Progress)) error {
	auth, err := e.credentials(ref)
	if err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	r, err := e.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return notFound(fmt.Errorf("pull %s: %w", ref, err))
	}
	defer r.Close()
	if _, err := readMessages(r, onProgress); err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	return ctx.Err()
}

func (e *Engine) credentials(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	cli, err := e.dockerCLI()
	if err != nil {
		return "", err
	}
	host := reference.Domain(named)
	if host == "docker.io" {
		host = "https://index.docker.io/v1/"
	}
	conf, err := cli.ConfigFile().GetAuthConfig(host)
	if err != nil {
		return "", fmt.Errorf("credentials of %s: %w", host, err)
	}
	if conf.Username == "" && conf.Auth == "" && conf.IdentityToken == "" && conf.RegistryToken == "" {
		return "", nil
	}
	data, err := json.Marshal(registry.AuthConfig{
		Username: conf.Username, Password: conf.Password, Auth: conf.Auth, ServerAddress: conf.ServerAddress,
		IdentityToken: conf.IdentityToken, RegistryToken: conf.RegistryToken,
	})
	if err != nil {
		return "", err
	}
	return base64.URLEncoding.EncodeToString(data), nil
}

// message is one line of the engine's answer while it pulls or loads.
type message struct {
	Stream string `json:"stream"`
	Status string `json:"status"`
	ID     string `json:"id"`
	Error  string `json:"error"`
	Detail struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

// readMessages reads them to the end, adds up the layers' progress, and returns what the engine wrote as text.
func readMessages(r io.Reader, onProgress func(engine.Progress)) (string, error) {
	var text strings.Builder
	current, total := map[string]int64{}, map[string]int64{}
	dec := json.NewDecoder(r)
	for {
		var m message
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
		if m.Error != "" {
			return text.String(), errors.New(m.Error)
		}
		text.WriteString(m.Stream)
		if m.ID == "" || m.Detail.Total == 0 || onProgress == nil {
			continue
		}
		current[m.ID], total[m.ID] = m.Detail.Current, m.Detail.Total
		p := engine.Progress{Text: m.Status}
		for id := range total {
			p.Current, p.Total = p.Current+current[id], p.Total+total[id]
		}
		onProgress(p)
	}
}

package agent

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/engine"
)

// clientImage is an image on the engine that holds the client programs for a server of the given major version: that
// version's, or the next higher one's, which can dump an older server.
func (e *environment) clientImage(ctx context.Context, major int) (string, error) {
	list, err := e.engine.Images(ctx)
	if err != nil {
		return "", err
	}
	best, id := 0, ""
	for _, image := range list {
		if !namesPostgres(image) {
			continue
		}
		full, err := e.engine.Image(ctx, image.ID)
		if err != nil {
			continue // gone meanwhile
		}
		if has := majorOf(full.Env); has >= major && (id == "" || has < best) {
			best, id = has, full.ID
		}
	}
	if id == "" {
		return "", &Error{
			Message: fmt.Sprintf("the server is outside the stack, and no image on the engine holds pg_dump of PostgreSQL %d or later", major),
			Hint:    fmt.Sprintf("docker pull postgres:%d on the engine of %s", major, e.spec.Environment),
		}
	}
	return id, nil
}

// fetchClient gets an image with the client programs, where there is none.
func (e *environment) fetchClient(ctx context.Context, major int) error {
	_, missing := e.clientImage(ctx, major)
	if missing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := e.engine.Pull(ctx, "postgres:"+strconv.Itoa(major), nil); err != nil {
		return missing
	}
	return nil
}

func namesPostgres(image engine.Image) bool {
	for _, tag := range image.Tags {
		if IsPostgres(tag, nil, nil) {
			return true
		}
	}
	return false
}

// majorOf is the major version that an image of PostgreSQL says in its environment; 0 when it does not.
func majorOf(env map[string]string) int {
	for _, key := range []string{"PG_MAJOR", "PG_VERSION"} {
		text, _, _ := strings.Cut(env[key], ".")
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return 0
}

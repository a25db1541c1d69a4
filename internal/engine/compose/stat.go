package compose

import (
	"context"
	"fmt"
	"io/fs"
)

// Stat says what a path of a container is, running or not, and how large where it is a file. A link is not followed.
func (e *Engine) Stat(ctx context.Context, id, path string) (fs.FileMode, int64, error) {
	stat, err := e.api.ContainerStatPath(ctx, id, path)
	if err != nil {
		return 0, 0, notFound(fmt.Errorf("look at %s in %s: %w", path, short(id), err))
	}
	return stat.Mode, stat.Size, nil
}

package demo

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/org/promote-action/internal/process"
)

// SmallSeed is the size of an ordinary demo: some thousand rows.
const SmallSeed = 4 << 20

// Labels that Compose sets on its containers.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
)

// seedLabel is on the container that seeds a project, with the project's name.
const seedLabel = "dev.promote.demo.seed"

// Seed adds about size bytes of made-up data to the database of a running environment. The rows are made by the server:
// 1 GB takes about half a minute.
func (e Environment) Seed(ctx context.Context, engine client.APIClient, size int64, log Log) error {
	log("seeding %s with %d MB", e.Name, max(1, size>>20))
	if err := seedProject(ctx, engine, e.Project, size); err != nil {
		return fmt.Errorf("demo: seed %s: %w", e.Name, err)
	}
	return nil
}

// seedProject runs the seed role in a container like the one of orders: its image, environment and network.
func seedProject(ctx context.Context, engine client.APIClient, project string, size int64) (err error) {
	like, err := findContainer(ctx, engine, project, "orders")
	if err != nil {
		return err
	}
	networks := map[string]*network.EndpointSettings{}
	for name := range like.NetworkSettings.Networks {
		networks[name] = &network.EndpointSettings{}
		break
	}
	created, err := engine.ContainerCreate(ctx, &container.Config{
		Image: like.Image, Env: like.Config.Env, Cmd: []string{"seed", "--bytes", strconv.FormatInt(size, 10)},
		Labels: map[string]string{Label: "1", seedLabel: project},
	}, &container.HostConfig{}, &network.NetworkingConfig{EndpointsConfig: networks}, nil, "")
	if err != nil {
		return err
	}
	defer func() {
		removeErr := engine.ContainerRemove(context.WithoutCancel(ctx), created.ID, container.RemoveOptions{Force: true})
		if err == nil {
			err = removeErr
		}
	}()
	done, failed := engine.ContainerWait(ctx, created.ID, container.WaitConditionNextExit)
	if err := engine.ContainerStart(ctx, created.ID, container.StartOptions{}); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case end := <-done:
		if end.StatusCode == 0 {
			return nil
		}
		return fmt.Errorf("exit status %d: %s", end.StatusCode, logTail(ctx, engine, created.ID))
	}
}

// labels select the containers of a service.
func labels(project, service string) filters.Args {
	return filters.NewArgs(filters.Arg("label", projectLabel+"="+project), filters.Arg("label", serviceLabel+"="+service))
}

// findContainer is the running container of a service.
func findContainer(ctx context.Context, engine client.APIClient, project, service string) (container.InspectResponse, error) {
	list, err := engine.ContainerList(ctx, container.ListOptions{Filters: labels(project, service)})
	if err != nil {
		return container.InspectResponse{}, err
	}
	if len(list) == 0 {
		return container.InspectResponse{}, fmt.Errorf("service %s of project %s is not running", service, project)
	}
	return engine.ContainerInspect(ctx, list[0].ID)
}

// logTail is the end of what a container wrote, for an error message.
func logTail(ctx context.Context, engine client.APIClient, id string) string {
	stream, err := engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	var tail process.Tail
	if _, err := stdcopy.StdCopy(&tail, &tail, stream); err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace([]byte(tail.String())))
}

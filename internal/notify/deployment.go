package notify

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/go-github/v62/github"
)

const (
	deploymentTask = "promote"
	maxDescription = 140
)

// DeploymentState is a state of a deployment.
type DeploymentState string

// The states that a promotion goes through. One that was rolled back is a failure, never a success.
const (
	InProgress DeploymentState = "in_progress"
	Success    DeploymentState = "success"
	Failure    DeploymentState = "failure"
	Inactive   DeploymentState = "inactive"
	Broken     DeploymentState = "error"
)

func (s DeploymentState) ended() bool {
	return s != InProgress && s != "pending" && s != "queued" && s != ""
}

// Deployment is a promotion as GitHub shows it.
type Deployment struct {
	Promotion      string // its id; what later steps find the deployment by
	Ref            string // commit
	Environment    string
	Description    string
	LogURL         string
	EnvironmentURL string
}

type payload struct {
	Promotion string `json:"promotion"`
}

// Deploy makes the deployment of a promotion, or finds it, and says that it is in progress. It returns its id.
func (g *GitHub) Deploy(ctx context.Context, d Deployment) (int64, error) {
	id, state, err := g.deployment(ctx, d.Environment, d.Promotion)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		made, _, err := g.client.Repositories.CreateDeployment(ctx, g.owner, g.repo, &github.DeploymentRequest{
			Ref: &d.Ref, Task: github.String(deploymentTask), AutoMerge: github.Bool(false), RequiredContexts: &[]string{}, Payload: payload{d.Promotion},
			Environment: &d.Environment, Description: github.String(short(d.Description)), TransientEnvironment: github.Bool(false), ProductionEnvironment: github.Bool(false),
		})
		if err != nil {
			return 0, problem("create a deployment", "deployments: write", err)
		}
		id = made.GetID()
	}
	if state == InProgress {
		return id, nil
	}
	return id, g.DeploymentState(ctx, id, InProgress, d)
}

// DeploymentState tells how a deployment stands.
func (g *GitHub) DeploymentState(ctx context.Context, id int64, state DeploymentState, d Deployment) error {
	req := &github.DeploymentStatusRequest{State: github.String(string(state)), Description: github.String(short(d.Description)), AutoInactive: github.Bool(state == Success)}
	if d.LogURL != "" {
		req.LogURL = &d.LogURL
	}
	if d.EnvironmentURL != "" {
		req.EnvironmentURL = &d.EnvironmentURL
	}
	_, _, err := g.client.Repositories.CreateDeploymentStatus(ctx, g.owner, g.repo, id, req)
	return problem("state of the deployment", "deployments: write", err)
}

// Open lists the promotions whose deployments to an environment never ended, by their deployment's id.
func (g *GitHub) Open(ctx context.Context, environment string) (map[int64]string, error) {
	open := map[int64]string{}
	err := g.each(ctx, environment, func(id int64, promotion string) (bool, error) {
		state, err := g.state(ctx, id)
		if err == nil && !state.ended() {
			open[id] = promotion
		}
		return false, err
	})
	return open, err
}

// deployment finds the deployment of a promotion; 0 where there is none.
func (g *GitHub) deployment(ctx context.Context, environment, promotion string) (found int64, state DeploymentState, err error) {
	err = g.each(ctx, environment, func(id int64, of string) (bool, error) {
		if of != promotion {
			return false, nil
		}
		var err error
		found = id
		state, err = g.state(ctx, id)
		return true, err
	})
	return found, state, err
}

// each calls do with the latest of our deployments to an environment, newest first, until it says enough.
func (g *GitHub) each(ctx context.Context, environment string, do func(id int64, promotion string) (bool, error)) error {
	list, _, err := g.client.Repositories.ListDeployments(ctx, g.owner, g.repo, &github.DeploymentsListOptions{
		Task: deploymentTask, Environment: environment, ListOptions: github.ListOptions{PerPage: 30},
	})
	if err != nil {
		return problem("read the deployments", "deployments: write", err)
	}
	for _, d := range list {
		var p payload
		if json.Unmarshal(d.Payload, &p) != nil || p.Promotion == "" {
			continue
		}
		if enough, err := do(d.GetID(), p.Promotion); enough || err != nil {
			return err
		}
	}
	return nil
}

// state is the latest one of a deployment.
func (g *GitHub) state(ctx context.Context, id int64) (DeploymentState, error) {
	list, _, err := g.client.Repositories.ListDeploymentStatuses(ctx, g.owner, g.repo, id, &github.ListOptions{PerPage: 1})
	if err != nil || len(list) == 0 {
		return "", problem("read the state of a deployment", "deployments: write", err)
	}
	return DeploymentState(list[0].GetState()), nil
}

// short is a description as long as the API takes it.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxDescription {
		return string(runes[:maxDescription-1]) + "…"
	}
	return text
}

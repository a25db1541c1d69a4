package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
)

// Remote is an agent as its driver has it.
type Remote struct {
	*Client
	Engine *compose.Engine
	ID     string // of its container
	Reader bool
	stdin  io.Closer // its end is the end of a reader
}

// VolumeDir is where a promoting agent has the volumes that it copies mounted, each by its name.
const VolumeDir = "/volumes"

// Identity is who starts an agent, and with what.
type Identity struct {
	Image      string // of the agent
	Executable string // that the image is made of
	Version    string
	By         string
	Volumes    []string // to be copied by the agent that promotes; those that do not exist are left out
}

// LockedError means that somebody else's promotion holds the target.
type LockedError struct {
	Project string
	Info    Info
	Note    string
}

func (e *LockedError) Error() string {
	s := fmt.Sprintf("another promotion holds %s", e.Project)
	if e.Info.Promotion != "" {
		s += ": " + e.Info.Promotion
	}
	if e.Info.By != "" {
		s += ", started by " + e.Info.By
	}
	if !e.Info.Since.IsZero() {
		s += ", since " + e.Info.Since.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if e.Info.Phase != "" {
		s += ", in phase " + string(e.Info.Phase)
	}
	if e.Note != "" {
		s += " (" + e.Note + ")"
	}
	return s
}

// Hint implements the hint of an error.
func (e *LockedError) Hint() string {
	if e.Info.Promotion == "" {
		return "wait for it, or look at it: docker logs " + Name(e.Project)
	}
	return "wait for it, or follow it: promote run --id " + e.Info.Promotion
}

// agentImage is how the agents' images are called; each has the checksum of its executable as tag.
const agentImage = "promote-agent"

// Load puts this program's own executable on the engine as the agent's image, once per version. The images of other versions go
// then, unless a container uses them.
func Load(ctx context.Context, e *compose.Engine, executable, version string) (string, error) {
	before, listErr := e.Images(ctx)
	ref, err := e.LoadExecutable(ctx, executable, agentImage, map[string]string{LabelRole: "image", LabelVersion: version})
	if err != nil || listErr != nil {
		return ref, err
	}
	if slices.ContainsFunc(before, func(i engine.Image) bool { return slices.Contains(i.Tags, ref) }) {
		return ref, nil
	}
	for _, old := range before {
		for _, tag := range old.Tags {
			if strings.HasPrefix(tag, agentImage+":") && old.Labels[LabelRole] == "image" {
				_ = e.RemoveUnusedImage(ctx, tag) // what is left costs room only
			}
		}
	}
	return ref, nil
}

// create makes an agent's container. Another version of promote may have removed the image since it was loaded.
func create(ctx context.Context, e *compose.Engine, spec compose.AgentSpec, who Identity) (string, error) {
	id, err := e.CreateAgent(ctx, spec)
	if !errors.Is(err, compose.ErrNotFound) || who.Executable == "" {
		return id, err
	}
	if _, loadErr := Load(ctx, e, who.Executable, who.Version); loadErr != nil {
		return "", errors.Join(err, loadErr)
	}
	return e.CreateAgent(ctx, spec)
}

func socketMount(e *compose.Engine) engine.Mount {
	path, local := strings.CutPrefix(e.Host(), "unix://")
	if !local || strings.Contains(path, "/.docker/") {
		path = "/var/run/docker.sock"
	}
	return engine.Mount{Type: "bind", Source: path, Target: "/var/run/docker.sock", RW: true}
}

// StartReader starts an agent that reads one project and ends with its caller.
func StartReader(ctx context.Context, e *compose.Engine, project string, who Identity) (*Remote, error) {
	mounts := []engine.Mount{socketMount(e)}
	args := []string{"agent", "serve", "--project", project, "--reader"}
	if _, err := e.Volume(ctx, StateVolume(project)); err == nil {
		mounts = append(mounts, engine.Mount{Type: "volume", Name: StateVolume(project), Target: StateDir})
		args = append(args, "--state", StateDir)
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	spec := compose.AgentSpec{
		Name: "promote-read-" + hex.EncodeToString(random[:]), Image: who.Image, Args: args, Mounts: mounts, OpenStdin: true, AutoRemove: true, QuietLogs: true,
		Labels: labelsOf("reader", project, who, ""), User: "0:0",
	}
	making, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // cut off, it could leave a container nobody knows
	id, err := create(making, e, spec, who)
	cancel()
	if err != nil {
		return nil, err
	}
	stream, err := e.Attach(ctx, id)
	if err == nil {
		err = e.Start(ctx, id)
	}
	if err != nil {
		_ = e.RemoveContainer(context.WithoutCancel(ctx), id)
		return nil, err
	}
	r := remote(e, id)
	r.Reader, r.stdin = true, stream
	if _, err := r.Info(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// StartPromoter starts the one agent that may promote the project. Where one is there already it is a *LockedError; one
// that stands still is started first, so that it ends what it had begun.
func StartPromoter(ctx context.Context, e *compose.Engine, project, promotionID string, who Identity) (*Remote, error) {
	labels := labelsOf("agent", project, who, promotionID)
	_, fresh := e.Volume(ctx, StateVolume(project))
	if err := e.EnsureVolume(ctx, StateVolume(project), map[string]string{LabelRole: "state", LabelProject: project}); err != nil {
		return nil, err
	}
	mounts := []engine.Mount{socketMount(e), {Type: "volume", Name: StateVolume(project), Target: StateDir, RW: true}}
	for _, name := range who.Volumes {
		if _, err := e.Volume(ctx, name); err == nil { // mounting one that does not exist would make it
			mounts = append(mounts, engine.Mount{Type: "volume", Name: name, Target: path.Join(VolumeDir, name), RW: true})
		}
	}
	id, err := create(ctx, e, compose.AgentSpec{
		Name: Name(project), Image: who.Image, Args: []string{"agent", "serve", "--project", project, "--state", StateDir}, User: "0:0",
		Mounts: mounts, Labels: labels, RestartPolicy: "no",
	}, who)
	if errors.Is(err, compose.ErrNameTaken) {
		held := locked(ctx, e, project)
		if held == nil && ctx.Err() == nil {
			return StartPromoter(ctx, e, project, promotionID, who) // it was just leaving
		}
		return nil, held
	}
	if err == nil {
		if err = e.Start(ctx, id); err != nil {
			_ = e.RemoveContainer(context.WithoutCancel(ctx), id)
		}
	}
	if err != nil {
		if errors.Is(fresh, compose.ErrNotFound) {
			_ = e.RemoveVolume(context.WithoutCancel(ctx), StateVolume(project)) // nothing was written to it
		}
		return nil, err
	}
	r := remote(e, id)
	info, err := r.Info(ctx)
	if err != nil {
		logs, _ := e.Logs(context.WithoutCancel(ctx), id, 5, time.Time{})
		_ = e.RemoveContainer(context.WithoutCancel(ctx), id)
		return nil, fmt.Errorf("the agent did not start: %w: %s", err, strings.Join(logs, "; "))
	}
	if info.Problem != nil {
		r.Leave(context.WithoutCancel(ctx))
		r.Close()
		return nil, info.Problem
	}
	if info.Promotion != "" && info.Promotion != promotionID {
		return nil, &LockedError{Project: project, Info: r.holder(ctx, info), Note: "an interrupted promotion is being ended"}
	}
	return r, nil
}

func labelsOf(role, project string, who Identity, promotionID string) map[string]string {
	labels := map[string]string{LabelRole: role, LabelProject: project, LabelBy: who.By, LabelVersion: who.Version, LabelSince: time.Now().UTC().Format(time.RFC3339)}
	if promotionID != "" {
		labels[LabelPromotion] = promotionID
	}
	return labels
}

// locked describes the holder of the lock; nil when there is none any more.
func locked(ctx context.Context, e *compose.Engine, project string) error {
	r, err := Join(ctx, e, project)
	if errors.Is(err, ErrNoAgent) {
		return nil
	}
	if err != nil {
		return &LockedError{Project: project, Note: err.Error()}
	}
	defer r.Close()
	return r.Locked(ctx, project)
}

// Locked is the refusal of one who finds the agent at work for somebody else: who that is, since when, from where, and in which
// phase. What the agent does not say, its container does. It is nil when the agent has left.
func (r *Remote) Locked(ctx context.Context, project string) error {
	info, err := r.Info(ctx)
	if _, gone := r.Engine.Container(ctx, r.ID); errors.Is(gone, compose.ErrNotFound) {
		return nil
	}
	locked := &LockedError{Project: project, Info: r.holder(ctx, info)}
	if err != nil {
		locked.Note = "it does not answer: " + err.Error()
	}
	return locked
}

// holder completes what an agent says about its promotion with what its container's labels say.
func (r *Remote) holder(ctx context.Context, info Info) Info {
	if c, err := r.Engine.Container(ctx, r.ID); err == nil {
		info.By = cmp.Or(info.By, c.Labels[LabelBy])
		info.Promotion = cmp.Or(info.Promotion, c.Labels[LabelPromotion])
		if info.Since.IsZero() {
			info.Since = c.CreatedAt
		}
	}
	info.Phase = cmp.Or(info.Phase, promotion.Preflight)
	return info
}

// ErrNoAgent means that no agent promotes the project at the moment.
var ErrNoAgent = errors.New("no promotion is under way")

// Join talks to the agent that promotes the project, starting it where it stands still.
func Join(ctx context.Context, e *compose.Engine, project string) (*Remote, error) {
	c, err := e.Container(ctx, Name(project))
	if errors.Is(err, compose.ErrNotFound) {
		return nil, fmt.Errorf("%s: %w", project, ErrNoAgent)
	}
	if err != nil {
		return nil, err
	}
	if c.State != "running" && c.State != "restarting" {
		if err := e.Start(ctx, c.ID); err != nil {
			return nil, err
		}
	}
	return remote(e, c.ID), nil
}

func remote(e *compose.Engine, id string) *Remote {
	return &Remote{Engine: e, ID: id, Client: NewClient(func(ctx context.Context) (io.ReadWriteCloser, error) {
		return e.Exec(ctx, id, []string{"/promote", "agent", "connect"})
	})}
}

// Info asks who the agent is and what it does.
func (r *Remote) Info(ctx context.Context) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var i Info
	err := r.Call(ctx, "info", struct{}{}, &i, nil)
	if err == nil && i.Protocol != Protocol {
		err = fmt.Errorf("the agent is promote %s, which speaks another protocol", i.Version)
	}
	return i, err
}

// Close ends the connection, and with it a reader.
func (r *Remote) Close() {
	r.Client.Close()
	if r.stdin != nil {
		_ = r.stdin.Close()
	}
	if r.Reader {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.Engine.RemoveContainer(ctx, r.ID)
	}
}

// Leave tells a promoting agent that nobody else will call, and waits until it is gone when it has nothing left to do.
func (r *Remote) Leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var bye Goodbye
	if err := r.Call(ctx, "leave", struct{}{}, &bye, nil); err != nil {
		return
	}
	r.Client.Close()
	for {
		c, err := r.Engine.Container(ctx, r.ID)
		if errors.Is(err, compose.ErrNotFound) && bye.Empty {
			_ = r.Engine.RemoveVolume(ctx, StateVolume(bye.Project)) // it is in use again where somebody was quicker
		}
		if err != nil || c.RestartPolicy == "unless-stopped" {
			return // gone, or it has work left
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// create makes the recorded containers that are missing, those first that others name.
func (r *restoration) create(ctx context.Context) error {
	for _, level := range r.levels() {
		for _, rc := range level {
			if r.here[rc.Name] != "" {
				continue
			}
			r.event("creating", rc.Service, rc.Name, "")
			id, err := r.createOne(ctx, rc)
			if err != nil {
				return err
			}
			r.here[rc.Name] = id
			r.event("created", rc.Service, rc.Name, "")
		}
	}
	return nil
}

func (r *restoration) createOne(ctx context.Context, rc RecordedContainer) (string, error) {
	img, err := r.e.api.ImageInspect(ctx, rc.ImageID)
	if err != nil {
		return "", notFound(fmt.Errorf("image %s of %s: %w", short(rc.ImageID), rc.Name, err))
	}
	c, err := clone(rc)
	if err != nil {
		return "", err
	}
	c.Config.Hostname = hostname(rc)
	if len(c.Config.Entrypoint) == 0 && img.Config != nil && len(img.Config.Entrypoint) > 0 {
		c.Config.Entrypoint = []string{""} // the engine's way to say: not the image's
	}
	if c.Config.Image == "" || strings.Contains(c.Config.Image, "@") { // a digest cannot be given to an image by tagging
		c.Config.Image = c.ImageID
	}
	if c.Host.NetworkMode.IsContainer() {
		c.Config.ExposedPorts = nil // the engine takes none there, and shows the image's own all the same
	}
	r.namePeers(&c)
	attachVolumes(&c)
	c.Host.Links = links(c.Host.Links)
	net := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	primary := c.Host.NetworkMode.NetworkName()
	if ep, ok := c.Networks[primary]; ok && c.Host.NetworkMode.IsUserDefined() {
		net.EndpointsConfig[primary] = endpoint(rc.ID, ep)
	}
	var id string
	err = r.withTag(ctx, c.Config.Image, rc.ImageID, func() error {
		id, err = r.e.create(ctx, rc.Name, c.Config, c.Host, net)
		return err
	})
	if err != nil {
		return "", err
	}
	if c.Host.NetworkMode.IsUserDefined() && c.Networks[primary] == nil { // somebody had taken it off
		if err := r.e.DisconnectNetwork(ctx, primary, id); err != nil {
			return "", err
		}
	}
	if err := r.e.writeFiles(ctx, id, rc.Files); err != nil {
		_ = r.e.remove(context.WithoutCancel(ctx), id, false) // half a container must not pass for a twin
		return "", err
	}
	return id, nil
}

// withTag runs fn while ref names the image id. A name that meant another image is given back; one that had gone stays.
func (r *restoration) withTag(ctx context.Context, ref, id string, fn func() error) (err error) {
	now, ierr := r.e.api.ImageInspect(ctx, ref)
	if ierr == nil && now.ID == id {
		return fn()
	}
	if ierr != nil && !errdefs.IsNotFound(ierr) {
		return fmt.Errorf("image %s: %w", ref, ierr)
	}
	if err := r.e.TagImage(ctx, id, ref); err != nil {
		return err
	}
	if ierr == nil {
		defer func() {
			if terr := r.e.TagImage(context.WithoutCancel(ctx), now.ID, ref); terr != nil && err == nil {
				err = terr
			}
		}()
	}
	return fn()
}

// namePeers makes references to other recorded containers point at their present incarnation.
func (r *restoration) namePeers(c *RecordedContainer) {
	ids := map[string]string{}
	for id, name := range c.Peers {
		ids[id] = r.here[name]
	}
	renamePeers(c.Host, ids)
}

// attachVolumes names the volumes that only the old container knew.
func attachVolumes(c *RecordedContainer) {
	for _, m := range c.Mounts {
		if m.Type != "volume" || m.Name == "" {
			continue
		}
		bound := slices.ContainsFunc(c.Host.Binds, func(b string) bool {
			parts := strings.Split(b, ":")
			return len(parts) > 1 && path.Clean(parts[1]) == path.Clean(m.Target)
		})
		for i, hm := range c.Host.Mounts {
			if path.Clean(hm.Target) == path.Clean(m.Target) {
				bound = true
				if hm.Source == "" {
					c.Host.Mounts[i].Source = m.Name
				}
			}
		}
		if bound || len(c.Host.VolumesFrom) > 0 && !declared(c.Config, m.Target) {
			continue
		}
		bind := m.Name + ":" + m.Target
		if !m.RW {
			bind += ":ro"
		}
		c.Host.Binds = append(c.Host.Binds, bind)
	}
}

func declared(c *container.Config, target string) bool {
	_, ok := c.Volumes[target]
	return ok
}

// links turns what the engine shows ("/other:/this/alias") into what it takes ("other:alias").
func links(shown []string) []string {
	var out []string
	for _, l := range shown {
		from, to, _ := strings.Cut(l, ":")
		out = append(out, strings.TrimPrefix(from, "/")+":"+path.Base(to))
	}
	return out
}

func (e *Engine) writeFiles(ctx context.Context, id string, files []RecordedFile) error {
	if len(files) == 0 {
		return nil
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.Path, Mode: f.Mode, Uid: f.UID, Gid: f.GID, Size: int64(len(f.Data))}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if _, err := tw.Write(f.Data); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return e.CopyTo(ctx, id, "/", &buf)
}

// volumes makes the recorded volumes that are gone. Their data is another's to bring back.
func (r *restoration) volumes(ctx context.Context) error {
	for _, v := range r.rec.Volumes {
		_, err := r.e.api.VolumeInspect(ctx, v.Name)
		if err == nil {
			continue
		}
		if !errdefs.IsNotFound(err) {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
		_, err = r.e.api.VolumeCreate(ctx, volume.CreateOptions{Name: v.Name, Driver: v.Driver, Labels: v.Labels, DriverOpts: v.Options})
		if err != nil {
			return fmt.Errorf("create volume %s: %w", v.Name, err)
		}
		r.event("warning", "", "", "volume "+v.Name+" was gone: it was made again, empty")
	}
	return nil
}

package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"
)

// Postgres is the record of a service of the twin that is a PostgreSQL server, made to begin empty: its data folder is a new
// volume even where the real one is a folder of the host, and what fills the real one at its first start is left out. The
// settings, each name=value, hold beside those that its command has.
func (rec Record) Postgres(service string, settings ...string) Record {
	out := rec.Only(service)
	for i, c := range out.Containers {
		const home, scripts = "/var/lib/postgresql", "/docker-entrypoint-initdb.d"
		data := home
		for _, kv := range c.Config.Env {
			if value, ok := strings.CutPrefix(kv, "PGDATA="); ok {
				data = value
			}
		}
		host, config := *c.Host, *c.Config
		host.Mounts = slices.DeleteFunc(slices.Clone(host.Mounts), func(m mount.Mount) bool {
			return m.Type == mount.TypeBind && (within(m.Target, home) || within(m.Target, scripts) || within(m.Target, data) || within(data, m.Target))
		})
		if len(config.Cmd) > 0 && path.Base(config.Cmd[0]) == "postgres" {
			config.Cmd = slices.Clone(config.Cmd)
			for _, setting := range settings {
				config.Cmd = append(config.Cmd, "-c", setting)
			}
		}
		out.Containers[i].Host, out.Containers[i].Config = &host, &config
	}
	return out
}

// within reports whether a path is folder or below it.
func within(p, folder string) bool {
	p, folder = path.Clean(p), path.Clean(folder)
	return p == folder || strings.HasPrefix(p, folder+"/")
}

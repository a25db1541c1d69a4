package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// validProject is what Compose accepts as the name of a project.
var validProject = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func (v *validator) environments() {
	owners := map[string]string{}
	for _, name := range v.cfg.EnvironmentNames() {
		env, key := v.cfg.Environments[name], "environments."+name
		if env == nil {
			continue
		}
		v.compose(key+".compose", &env.Compose)
		v.host(key, env)
		if v.files && env.Checkout != "" {
			v.folder(key+".checkout", env.Checkout, false)
		}
		if env.Compose.Project == "" || v.failed(key+".compose.project") || v.failed(key+".host") {
			continue
		}
		place := engineKey(env.Host) + "\x00" + env.Compose.Project
		if other := owners[place]; other != "" {
			v.bad(key+".compose.project", "give each environment a project of its own, or a host of its own",
				"project %s on this engine is already the environment %s", v.doc.shown(key+".compose.project"), other)
			continue
		}
		owners[place] = name
	}
}

func (v *validator) compose(key string, c *Compose) {
	at := key + ".project"
	if v.doc.has(at) && !v.failed(at) && !validProject.MatchString(c.Project) {
		hint := "write small letters, digits, - and _, beginning with a letter or a digit"
		v.bad(at, hint, "found %s", v.doc.shown(at))
	}
	if len(c.Files) == 0 && !v.failed(key+".files") && v.doc.has(key) {
		c.Files = v.cfg.defaultFiles(c.Directory)
		if len(c.Files) == 0 {
			v.bad(key, "name the Compose files: files: [compose.yml, compose.staging.yml]", "no files are named, and there is no compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml")
		}
	}
	for list, paths := range map[string][]string{".files": c.Files, ".env_files": c.EnvFiles} {
		seen := map[string]bool{}
		for i, path := range paths {
			at := fmt.Sprintf("%s%s[%d]", key, list, i)
			if seen[filepath.Clean(path)] && path != "" {
				v.bad(at, "name it once", "the file %s is named twice", v.doc.shown(at))
			}
			seen[filepath.Clean(path)] = true
			if v.doc.has(at) {
				v.file(at, path)
			}
		}
	}
	if v.files && c.Directory != "" {
		v.folder(key+".directory", c.Directory, false)
	}
}

// defaultFiles looks for the files that Compose itself would take in a folder.
func (c *Config) defaultFiles(directory string) []string {
	for _, base := range baseNames {
		path := filepath.Join(directory, base)
		if !isFile(c.abs(path)) {
			continue
		}
		files := []string{path}
		stem := strings.TrimSuffix(path, filepath.Ext(path))
		for _, ext := range []string{".yaml", ".yml"} {
			if over := stem + ".override" + ext; isFile(c.abs(over)) {
				return append(files, over)
			}
		}
		return files
	}
	return nil
}

func (v *validator) host(key string, env *Environment) {
	at := key + ".host"
	v.tls(key+".tls", env)
	if env.Host == "" || v.failed(at) {
		return
	}
	const hint = "write unix:///var/run/docker.sock, ssh://user@host[:port] or tcp://host:port, or nothing for the engine of this machine"
	u, err := url.Parse(env.Host)
	switch {
	case err != nil, u.Scheme != "unix" && u.Scheme != "ssh" && u.Scheme != "tcp",
		u.Scheme == "unix" && (u.Host != "" || !strings.HasPrefix(u.Path, "/")),
		u.Scheme == "ssh" && u.Hostname() == "",
		u.Scheme == "tcp" && (u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != ""),
		strings.HasPrefix(u.Hostname(), "-"), u.User != nil && strings.HasPrefix(u.User.Username(), "-"):
		v.bad(at, hint, "found %s", v.doc.shown(at))
		return
	}
	if _, has := u.User.Password(); has {
		v.bad(at, "use a key of the SSH agent, and remove the password", "a password is given")
	}
	if u.Scheme == "tcp" && env.TLS == (TLS{}) && !loopback(u.Hostname()) {
		v.bad(at, "add tls: {ca: …, cert: …, key: …}, or use ssh://", "a tcp:// engine without TLS gives its host to everybody who can reach it")
	}
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

func (v *validator) tls(key string, env *Environment) {
	if env.TLS == (TLS{}) || v.failed(key) {
		return
	}
	if !strings.HasPrefix(env.Host, "tcp://") && !v.failed(strings.TrimSuffix(key, "tls")+"host") {
		v.bad(key, "remove it, or write host: tcp://host:port", "certificates are only for a tcp:// engine")
	}
	if (env.TLS.Cert == "") != (env.TLS.Key == "") {
		v.bad(key, "name both cert and key, or none", "one of cert and key is missing")
	}
	for name, path := range map[string]string{"ca": env.TLS.CA, "cert": env.TLS.Cert, "key": env.TLS.Key} {
		if path != "" {
			v.file(key+"."+name, path)
		}
	}
}

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/promotion"
)

// journalOf is the path of a promotion's journal within the state volume.
func journalOf(id string) string { return "promotions/" + id + "/journal" }

// rewrite makes another journal of a promotion's: its first records, and more after them.
func (p *pair) rewrite(t *testing.T, id string, keep func(journal.Record) bool, more ...journal.Record) {
	t.Helper()
	old, err := journal.Read(filepath.Join(p.state(t), journalOf(id)))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal")
	j, _, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range old.Records {
		if !keep(r) {
			break
		}
		if _, err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range more {
		if _, err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, journalOf(id), data)
}

// before keeps the records before the first of that type and step.
func before(kind journal.Type, step string) func(journal.Record) bool {
	return func(r journal.Record) bool { return r.Type != kind || r.Step != step }
}

// docker runs the docker command against the pair's engine.
func (p *pair) docker(t *testing.T, args ...string) string {
	t.Helper()
	env := os.Environ()
	if p.host != "" {
		env = append(env, "DOCKER_HOST="+p.host)
	}
	out, err := process.Output(t.Context(), process.Command{Path: "docker", Args: args, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// What a person or another program has to bring in order at the target, from any machine that reaches it.
func TestRecover(t *testing.T) {
	p := newPair(t, "")
	id := p.json(t, 0, nil, "run").ID
	p.runs(t, p.next)
	for range 2 {
		p.run(t, 0, []string{"nothing to recover"}, "recover")
	}
	p.run(t, 0, []string{id, "done"}, "history")

	t.Run("the agent and its image are gone", func(t *testing.T) {
		whole(t)
		p.rewrite(t, id, before(journal.Intent, "start-services"))
		for _, i := range strings.Fields(p.docker(t, "images", "-q", "promote-agent")) {
			_ = p.engine.RemoveUnusedImage(t.Context(), i)
		}
		_, tag, _ := strings.Cut(p.first, ":")
		if err := p.engine.RemoveImage(t.Context(), "promote-agent:"+tag); err != nil {
			t.Fatal(err)
		}
		if res := p.json(t, 0, nil, "recover"); res.ID != id || res.Outcome != promotion.Done {
			t.Errorf("%+v", res)
		}
		p.runs(t, p.next)
		p.run(t, 0, []string{"nothing to recover"}, "recover")
	})

	t.Run("a state volume that cannot be written", func(t *testing.T) { p.readOnly(t, id) })

	t.Run("closed by a person", func(t *testing.T) {
		p.rewrite(t, id, before(journal.Outcome, ""), journal.Record{Type: journal.Outcome, Outcome: promotion.RollbackFailed, Message: "web is lost"})
		p.run(t, 3, []string{"was not rolled back", "promote recover --accept"}, "run", "--release-hold")
		p.docker(t, "stop", p.staging+"-web-1")
		p.run(t, 3, []string{"stays open", "web", "--force"}, "recover", "--accept", "started web by hand")
		p.run(t, 0, []string{id, "rollback-failed"}, "history")
		p.docker(t, "start", p.staging+"-web-1")
		res := p.json(t, 0, []string{"accepted by tester@", "started web by hand"}, "recover", "--accept", "started web by hand")
		if res.ID != id || res.Outcome != promotion.Accepted {
			t.Errorf("%+v", res)
		}
		p.run(t, 0, []string{"nothing to recover"}, "recover", "--accept", "once more")
		p.run(t, 0, []string{"nothing to recover"}, "recover")
		p.run(t, 0, []string{id, "accepted", "started web by hand"}, "history")
		p.run(t, 3, []string{"closed by a person"}, "rollback", id)
		p.json(t, 0, nil, "run", "--release-hold", "--phase", "preflight")
	})

	t.Run("a journal that is damaged", func(t *testing.T) {
		whole(t)
		data, err := os.ReadFile(filepath.Join(p.state(t), journalOf(id)))
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		p.put(t, journalOf(id), data)
		p.run(t, 5, []string{"cannot be read", "journal is damaged", "--accept"}, "recover")
		p.run(t, 0, []string{id, "accepted", "journal is damaged"}, "history") // as its account says
		p.put(t, "promotions/"+id+"/result.json", []byte("{}"))
		p.run(t, 0, []string{id, "unknown", "journal is damaged"}, "history")
		p.run(t, 3, []string{"cannot be read"}, "run", "--release-hold", "--phase", "preflight")
		p.run(t, 0, []string{"all is well"}, "recover", "--accept", "all is well")
		p.run(t, 0, []string{id, "accepted", "all is well"}, "history")
		p.run(t, 0, []string{"nothing to recover"}, "recover")
	})

	t.Run("a state volume of a newer version", func(t *testing.T) {
		p.put(t, "format", []byte("promote-state/2\n"))
		was := digest(t, p.state(t))
		for _, args := range [][]string{{"recover"}, {"history"}, {"run"}, {"rollback"}, {"recover", "--accept", "x"}} {
			if args[0] == "run" && os.Getenv("PROMOTE_E2E") != "whole" {
				break
			}
			p.run(t, 3, []string{"newer version of promote", "use the newer promote"}, args...)
		}
		if now := digest(t, p.state(t)); now != was {
			t.Errorf("it was touched:\n%s\n%s", was, now)
		}
		p.gone(t)
	})
}

// readOnly puts the state on a place that cannot be written, and then makes it writable again.
func (p *pair) readOnly(t *testing.T, id string) {
	whole(t)
	name, dir := agent.StateVolume(p.staging), p.state(t)
	mount := func(options string) {
		p.docker(t, "volume", "rm", name)
		p.docker(t, "volume", "create", "--opt", "type=none", "--opt", "o="+options, "--opt", "device="+dir, name)
	}
	mount("bind,ro")
	p.run(t, 3, []string{"nothing is unfinished", "is not writable", "read-only file system", "make volume " + name + " writable"}, "recover")
	p.run(t, 3, []string{"nothing was touched", "is not writable"}, "run")
	p.run(t, 0, []string{id, "done"}, "history")

	mount("bind")
	p.rewrite(t, id, before(journal.Intent, "start-services"))
	mount("bind,ro")
	p.gone(t)
	was := digest(t, dir)
	for range 2 {
		res := p.json(t, 5, []string{"cannot be finished or undone now", "is not writable"}, "recover")
		if res.ID != id || len(res.Left) == 0 || !strings.Contains(strings.Join(res.Next, " "), "make volume "+name+" writable") {
			t.Errorf("%+v", res)
		}
	}
	if now := digest(t, dir); now != was {
		t.Error("it was touched")
	}
	p.gone(t)

	mount("bind")
	if res := p.json(t, 0, nil, "recover"); res.ID != id || res.Outcome != promotion.Done {
		t.Errorf("%+v", res)
	}
	p.run(t, 0, []string{"nothing to recover"}, "recover")
}

// digest is the content of a folder.
func digest(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		b.WriteString(strings.TrimPrefix(path, dir) + " " + string(data) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

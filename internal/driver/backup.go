package driver

import (
	"context"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
)

// Backup takes a backup of an environment, which goes on running, and copies it into the backup folder.
func (d *Driver) Backup(ctx context.Context, name string) (promotion.Result, error) {
	p := &promoting{d: d, o: RunOptions{To: name}, started: d.now()}
	defer p.end()
	res, err := p.backUp(ctx)
	if err != nil {
		res, err = p.refused(res, err)
	}
	if p.begun {
		p.forget()
	}
	res.Command, res.BackupPath = plan.ModeBackup, p.backup
	return res, err
}

func (p *promoting) backUp(ctx context.Context) (promotion.Result, error) {
	if err := p.single(ctx); err != nil {
		return promotion.Result{}, err
	}
	p.plan = plan.BuildBackup(p.input())
	if err := p.hand(ctx); err != nil {
		return promotion.Result{}, err
	}
	if err := p.proved(ctx, nil); err != nil {
		return promotion.Result{}, err
	}
	if err := p.saveBackup(ctx); err != nil {
		return promotion.Result{}, err
	}
	res, err := p.result(ctx)
	if err != nil {
		return res, told(err, p.s.to.Name)
	}
	res.Outcome, res.Next, res.Class = promotion.Done, nil, ""
	return res, nil
}

// forget removes what the backup left at the target: the copy here is the backup.
func (p *promoting) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.s.toAgent.Call(ctx, "forget", agent.RunRequest{ID: p.id}, nil, nil); err != nil {
		p.d.View.Note("warning", "the backup's files at the target could not be removed: "+err.Error())
	}
}

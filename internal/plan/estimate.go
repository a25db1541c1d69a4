package plan

import (
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Rates for what was not measured at the target, in bytes of database size per second. They are guesses: two cores and an
// ordinary disk.
const (
	dumpRate        = 100 << 20
	cloneRate       = 400 << 20
	fingerprintRate = 300 << 20
	imageRate       = 80 << 20
)

// guessed is the basis of an estimate that nothing at the target was measured for.
const guessed = "not measured"

// room says what the promotion needs on the target's disk.
func (b *builder) room() {
	p := &b.plan
	var data int64
	for _, s := range b.in.To.Servers {
		for _, db := range s.Databases {
			data += db.Size
		}
	}
	for _, i := range b.in.Moves {
		p.Estimate.ImageBytes += i.Size
	}
	disk := data // the copy
	if b.in.Dump {
		disk += data / 2 // a compressed dump, with room for what compresses badly
	}
	p.Estimate.Disk = disk + 2*p.Estimate.ImageBytes
}

// Expect says what each step and the whole are expected to take, and on what each of these words rests.
func (p *Plan) Expect(m Measured) {
	var total, downtime time.Duration
	var guesses []string
	for i := range p.Steps {
		item := &p.Steps[i]
		item.Estimate, item.Basis = p.expected(*item, m)
		total += item.Estimate
		if !p.down(*item) {
			continue
		}
		downtime += item.Estimate
		if item.Estimate > 0 && strings.HasPrefix(item.Basis, guessed) {
			guesses = append(guesses, item.Name)
		}
	}
	p.Estimate.Downtime, p.Estimate.Total = promotion.Milliseconds(downtime.Round(time.Second)), promotion.Milliseconds(total.Round(time.Second))
	switch {
	case downtime == 0:
		p.Estimate.Basis = ""
	case len(guesses) == 0:
		p.Estimate.Basis = "measured"
	default:
		p.Estimate.Basis = guessed + ": " + strings.Join(guesses, ", ")
	}
}

// Dumped is the plan once the dump of a database was made and decoded again: what a second dump of it takes is known then.
func (p Plan) Dumped(d *step.DumpDatabase, took time.Duration) Plan {
	p.Steps = append([]step.Item(nil), p.Steps...)
	for i, item := range p.Steps {
		c, ok := item.Step.(*step.CopyDatabase)
		if !ok || c.Way != step.Load || c.Server != d.Server || c.Database != d.Database {
			continue
		}
		more := took.Round(time.Second) - item.Estimate.Round(time.Second)
		p.Estimate.Downtime += promotion.Milliseconds(more)
		p.Estimate.Total += promotion.Milliseconds(more)
		p.Steps[i].Estimate, p.Steps[i].Basis = took, "measured: the dump before"
	}
	return p
}

// down reports whether nobody can use the target during a step.
func (p *Plan) down(item step.Item) bool {
	return item.Phase == promotion.Shutdown || item.Phase == promotion.Deploy || item.Name == "verify-services"
}

func (p *Plan) expected(item step.Item, m Measured) (took time.Duration, basis string) {
	at := func(bytes, rate int64) time.Duration {
		return 200*time.Millisecond + time.Duration(float64(bytes)/float64(rate)*float64(time.Second))
	}
	// known prefers what was measured on the spot, then the last promotion, to a guess.
	known := func(of, server, database string, bytes int64, guess time.Duration) (time.Duration, string) {
		speed, ok := m.speed(of, server, database)
		if ok && speed.Missing == "" {
			return speed.of(bytes), speed.basis()
		}
		if took, ok := m.earlier(item.Name, bytes); ok {
			return took, "as in promotion " + m.Promotion
		}
		if ok {
			return guess, speed.basis()
		}
		return guess, guessed
	}
	last := func(bytes int64, guess time.Duration) (time.Duration, string) { return known("", "", "", bytes, guess) }
	switch s := item.Step.(type) {
	case *step.MoveImages:
		var bytes int64
		for _, i := range s.Images {
			bytes += i.Size
		}
		if bytes == 0 {
			return 0, ""
		}
		return at(bytes, imageRate), guessed // each release has others
	case *step.DumpDatabase:
		return last(s.Bytes, 2*time.Second+at(s.Bytes, dumpRate))
	case *step.ExportBackup:
		return last(0, time.Second)
	case *step.StopServices:
		return last(0, time.Second)
	case *step.FingerprintDatabase:
		bytes := p.size(s.Server, s.Database)
		return known(Fingerprinting, s.Server, s.Database, bytes, at(bytes, fingerprintRate))
	case *step.CopyDatabase:
		if s.Way == step.Load {
			return last(s.Bytes, at(s.Bytes, dumpRate))
		}
		return known(Cloning, s.Server, s.Database, s.Bytes, at(s.Bytes, cloneRate))
	case *step.LoadDatabase:
		return last(s.Bytes, at(s.Bytes, dumpRate)+at(s.Bytes, fingerprintRate))
	case *step.RestartServices:
		return last(0, 5*time.Second)
	case *step.RunJob:
		return last(0, 2*time.Second)
	case *step.StartServices:
		return last(0, 5*time.Second)
	case *step.VerifyServices:
		return last(0, time.Second)
	case *step.VerifyChecks:
		return last(0, 2*time.Second)
	case *step.Settle:
		return s.For.Time(), "as configured"
	default:
		return 0, ""
	}
}

// size is that of a database as the plan's other steps know it.
func (p *Plan) size(server, database string) int64 {
	for _, item := range p.Steps {
		if at, bytes := DatabaseOf(item.Step); at == (DatabaseName{server, database}) && bytes > 0 {
			return bytes
		}
	}
	return 0
}

// DatabaseName is a database and its server, as steps name them.
type DatabaseName struct{ Server, Database string }

// DatabaseOf is the database that a step copies or reads, with its size where the step knows it; of another step, nothing.
func DatabaseOf(s step.Step) (DatabaseName, int64) {
	switch s := s.(type) {
	case *step.DumpDatabase:
		return DatabaseName{s.Server, s.Database}, s.Bytes
	case *step.CopyDatabase:
		return DatabaseName{s.Server, s.Database}, s.Bytes
	case *step.LoadDatabase:
		return DatabaseName{s.Server, s.Database}, s.Bytes
	case *step.FingerprintDatabase:
		return DatabaseName{s.Server, s.Database}, 0
	}
	return DatabaseName{}, 0
}

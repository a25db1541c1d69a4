package plan

import (
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Rates are what the operations of a promotion move per second, in bytes of database size. They are rough: two cores and
// an ordinary disk.
const (
	dumpRate        = 100 << 20
	cloneRate       = 400 << 20
	fingerprintRate = 300 << 20
	imageRate       = 80 << 20
)

// estimate says what each step and the whole are expected to take.
func (b *builder) estimate() {
	p := &b.plan
	var total, downtime time.Duration
	for i := range p.Steps {
		item := &p.Steps[i]
		item.Estimate = b.of(item.Step)
		total += item.Estimate
		if item.Phase == promotion.Shutdown || item.Phase == promotion.Deploy || item.Name == "verify-services" {
			downtime += item.Estimate
		}
	}
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
	p.Estimate.Downtime, p.Estimate.Total = promotion.Milliseconds(downtime.Round(time.Second)), promotion.Milliseconds(total.Round(time.Second))
}

func (b *builder) of(s step.Step) time.Duration {
	at := func(bytes, rate int64) time.Duration {
		return 200*time.Millisecond + time.Duration(float64(bytes)/float64(rate)*float64(time.Second))
	}
	switch s := s.(type) {
	case *step.MoveImages:
		var bytes int64
		for _, i := range s.Images {
			bytes += i.Size
		}
		if bytes == 0 {
			return 0
		}
		return at(bytes, imageRate)
	case *step.DumpDatabase:
		return 2*time.Second + at(s.Bytes, dumpRate)
	case *step.ExportBackup:
		return time.Second
	case *step.StopServices:
		return time.Second
	case *step.FingerprintDatabase:
		return at(b.size(s.Server, s.Database), fingerprintRate)
	case *step.CopyDatabase:
		if s.Way == step.Load {
			return at(s.Bytes, dumpRate)
		}
		return at(s.Bytes, cloneRate)
	case *step.LoadDatabase:
		return at(s.Bytes, dumpRate) + at(s.Bytes, fingerprintRate)
	case *step.RestartServices:
		return 5 * time.Second
	case *step.RunJob:
		return 2 * time.Second
	case *step.StartServices:
		return 5 * time.Second
	case *step.VerifyServices:
		return time.Second
	case *step.VerifyChecks:
		return 2 * time.Second
	case *step.Settle:
		return s.For.Time()
	default:
		return 0
	}
}

func (b *builder) size(server, database string) int64 {
	s, _ := b.in.To.Server(server)
	for _, db := range s.Databases {
		if db.Name == database {
			return db.Size
		}
	}
	return 0
}

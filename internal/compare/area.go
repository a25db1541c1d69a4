package compare

// areaFindings is what one area found: its findings, its objectives, and what it could not read.
//
// An objective's Status is left empty where it was measured in full: the score takes the worst severity of its findings.
// It is promotion.Skip with a reason in Why where it does not apply, and promotion.Error with a reason in Why where
// something that it needs could not be read; a finding that fails it all the same counts, since more could not win it back.
type areaFindings struct {
	findings   []Finding
	objectives []Objective
	missing    []string // what could not be read, with the reason
}

func (a *areaFindings) add(f Finding) { a.findings = append(a.findings, f) }

package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// The JUnit form as test dashboards read it: suites of cases, times in seconds.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
	took      promotion.Duration
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *junitProblem `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
	took    promotion.Duration
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (j junitSuites) bytes() ([]byte, error) {
	data, err := xml.MarshalIndent(j, "", "  ")
	if err != nil {
		return nil, err
	}
	out := xml.Header + string(data) + "\n"
	return inertMarkup(out), nil
}

// inertMarkup breaks what a workflow runner would take for a command when the file goes through a log; a reader of HTML or
// XML sees the same text.
func inertMarkup(s string) []byte {
	s = strings.ReplaceAll(s, "##[", "##&#91;")
	var b strings.Builder
	for line := range strings.Lines(s) {
		if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
			line = line[:len(line)-len(rest)] + "&#58;" + rest[1:]
		}
		b.WriteString(line)
	}
	return []byte(b.String())
}

// caseOf is one case. A warning is a passed case that says something.
func caseOf(class, name string, status promotion.Status, message string, more []string, took promotion.Duration) junitCase {
	c := junitCase{Name: text.Clean(bounded(name)), Class: text.Clean(class), took: took, Time: seconds(took)}
	lines, _ := tail(more, 100)
	for i := range lines {
		lines[i] = bounded(lines[i])
	}
	problem := &junitProblem{Message: text.Clean(bounded(message)), Text: strings.Join(lines, "\n")}
	switch status {
	case promotion.Pass:
	case promotion.Warn:
		c.Output = strings.TrimSpace("warning: " + problem.Message + "\n" + problem.Text)
	case promotion.Fail:
		c.Failure = problem
	case promotion.Skip:
		c.Skipped = problem
	default:
		c.Error = problem
	}
	return c
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	s.took += c.took
	s.Time = seconds(s.took)
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func suitesOf(name string, took promotion.Duration, suites []junitSuite) junitSuites {
	j := junitSuites{Name: text.Clean(name), Time: seconds(took), Suites: suites}
	for _, s := range suites {
		j.Tests += s.Tests
		j.Failures += s.Failures
		j.Errors += s.Errors
		j.Skipped += s.Skipped
	}
	return j
}

func seconds(d promotion.Duration) string { return fmt.Sprintf("%.3f", d.Time().Seconds()) }

// checkSuites is a suite for each category.
func checkSuites(checks []promotion.Check) []junitSuite {
	var suites []junitSuite
	for _, category := range categories(checks) {
		s := junitSuite{Name: text.Clean("checks." + category), Time: seconds(0)}
		for _, c := range inCategory(checks, category) {
			class := c.Environment + "." + category
			if c.Service != "" {
				class += "." + c.Service
			}
			name := c.Name
			if c.Service != "" {
				name = c.Service + ": " + name
			}
			more := c.Detail
			if c.Hint != "" {
				more = append([]string{"hint: " + c.Hint}, more...)
			}
			s.add(caseOf(class, name, c.Status, c.Message, more, c.Took))
		}
		suites = append(suites, s)
	}
	return suites
}

func (v checksView) junit() junitSuites {
	return suitesOf("promote test "+v.Environment, v.Took, checkSuites(v.Checks))
}

// junit has a case for the outcome, a suite of steps for each phase, the checks, and the proof. Whatever did not end on the
// new release, or was asked to be rolled back, has at least one failed case.
func (v resultView) junit() junitSuites {
	class := "promotion." + v.To
	outcome := junitSuite{Name: "promotion"}
	a := accountOf(v.Result)
	status := promotion.Fail
	if v.Outcome.Code() == 0 && v.Outcome != promotion.Running {
		status = promotion.Pass
	}
	c := caseOf(class, "outcome: "+string(v.Outcome), status, a.sentence, v.failureLines(), promotion.Milliseconds(v.Ended.Sub(v.Started)))
	outcome.add(c)
	suites := []junitSuite{outcome}
	for _, p := range v.Phases {
		s := junitSuite{Name: text.Clean("phase." + string(p.Phase)), Time: seconds(0)}
		if !p.Started.IsZero() {
			s.Timestamp = p.Started.UTC().Format("2006-01-02T15:04:05")
		}
		for _, step := range p.Steps {
			s.add(caseOf(class+"."+string(p.Phase), step.Name+": "+step.Description, step.Status, step.Message, nil, step.Took))
		}
		if len(p.Steps) == 0 {
			s.add(caseOf(class+"."+string(p.Phase), string(p.Phase), p.Status, p.Reason, nil, p.Took))
		}
		suites = append(suites, s)
	}
	suites = append(suites, checkSuites(v.Checks)...)
	if v.Proof != nil {
		s := junitSuite{Name: "proof", Time: seconds(0)}
		for _, item := range v.Proof.Items {
			status := promotion.Pass
			if !item.Equal {
				status = promotion.Fail
			}
			s.add(caseOf(class+".proof", item.Area+": "+item.Name, status, difference(item), nil, 0))
		}
		suites = append(suites, s)
	}
	return suitesOf("promote "+v.ID, promotion.Milliseconds(v.Ended.Sub(v.Started)), suites)
}

func (v resultView) failureLines() []string {
	var lines []string
	if v.Reason != "" {
		lines = append(lines, v.Reason)
	}
	if f := v.Failure; f != nil {
		lines = append(lines, whereFailed(f)+": "+f.Message)
		if f.Hint != "" {
			lines = append(lines, "hint: "+f.Hint)
		}
		lines = append(lines, f.Health...)
		lines = append(lines, f.Log...)
	}
	for i, l := range v.Left {
		lines = append(lines, fmt.Sprintf("by hand %d: %s", i+1, l))
	}
	return lines
}

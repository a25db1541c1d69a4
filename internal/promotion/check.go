package promotion

// Status is how a check, a step or a phase ended.
type Status string

// The statuses. Skip and error are never a pass: a skip was decided and carries its reason, an error is a check that could
// not find out.
const (
	Pass  Status = "pass"
	Warn  Status = "warn"
	Fail  Status = "fail"
	Skip  Status = "skip"
	Error Status = "error"
)

// Check is the result of one test.
type Check struct {
	Category    string   `json:"category"` // git, configuration, engine, services, images, database, disk, health, api, …
	Name        string   `json:"name"`
	Environment string   `json:"environment,omitempty"`
	Service     string   `json:"service,omitempty"`
	Status      Status   `json:"status"`
	Critical    bool     `json:"critical,omitempty"` // its failure stops the promotion by itself
	Message     string   `json:"message,omitempty"`  // what was found; of a skip the reason
	Hint        string   `json:"hint,omitempty"`     // what to do
	Value       string   `json:"value,omitempty"`    // what was measured, for a comparison: a version, a median in milliseconds
	Detail      []string `json:"detail,omitempty"`   // a few lines: log tail, response, rows
	Took        Duration `json:"took"`
}

// Counts are the checks by status.
type Counts struct {
	Pass  int `json:"pass"`
	Warn  int `json:"warn"`
	Fail  int `json:"fail"`
	Skip  int `json:"skip"`
	Error int `json:"error"`
}

// Count counts the checks by status.
func Count(checks []Check) Counts {
	var c Counts
	for _, check := range checks {
		switch check.Status {
		case Pass:
			c.Pass++
		case Warn:
			c.Warn++
		case Fail:
			c.Fail++
		case Skip:
			c.Skip++
		default:
			c.Error++
		}
	}
	return c
}

// Blocking returns the checks that forbid going on: every fail and every error.
func Blocking(checks []Check) []Check {
	var b []Check
	for _, c := range checks {
		if c.Status == Fail || c.Status == Error {
			b = append(b, c)
		}
	}
	return b
}

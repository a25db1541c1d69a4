package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/testkit"
)

// slice is what of this package runs on every major version in each run of the tests: catalog reads, clone and swap, dump
// and restore, roles, rights. .github/bench/postgres.sh runs all of it.
const slice = "^(TestServerVersion|TestSchemaFingerprintNamesEveryChange|TestDumpAndRestore|TestGlobalsAreGivenBack|TestRightsAndProbe|TestSwapStates|TestCollationsAndLongNames)$"

func TestServerVersion(t *testing.T) {
	i, err := open(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("server version %s", i.Version)
	if want := os.Getenv(testkit.MajorVariable); want != "" && fmt.Sprint(i.Number/10000) != want {
		t.Errorf("%s was asked for", want)
	}
}

// TestOnOtherMajors runs the slice on those that this machine's installation is not.
func TestOnOtherMajors(t *testing.T) {
	if os.Getenv(testkit.MajorVariable) != "" {
		t.Skip("runs on the one major version that was asked for")
	}
	for _, major := range []int{17, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			if os.Getenv("CI") != "true" && !testkit.Image(t.Context(), major) {
				t.Skipf("no image of PostgreSQL %d: .github/bench/postgres.sh %d makes it, which takes minutes", major, major)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute) // with making the image
			defer cancel()
			out, err := process.Output(ctx, process.Command{
				Path: os.Args[0], Args: []string{"-test.v", "-test.run", slice},
				Env: []string{fmt.Sprintf("%s=%d", testkit.MajorVariable, major), "CI=" + os.Getenv("CI"), "DOCKER_HOST=" + os.Getenv("DOCKER_HOST")},
			})
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

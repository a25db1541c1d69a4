// Command promote moves a release from one environment to another as one unit, and gives the target back when it goes wrong.
package main

import (
	"os"

	"github.com/org/promote-action/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.Process{Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}))
}

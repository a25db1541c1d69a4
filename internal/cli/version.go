package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/report"
)

// version is set by the release build.
var version = ""

// Version is the version of this program: that of the release, or of the source it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

type versionDocument struct {
	Schema   string `json:"schema"` // promote.version/1
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Example: "  promote version\n  promote version --format json",
		RunE: func(*cobra.Command, []string) error {
			v := versionDocument{"promote.version/1", Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return a.document(v, fmt.Sprintf("promote %s (%s, %s)\n", v.Version, v.Go, v.Platform))
		},
	}
}

// document writes a result that is no report: as text, or as one JSON document.
func (a *app) document(v any, text string) error {
	switch format, err := report.ParseFormat(a.format); {
	case err != nil:
		return err
	case format == report.Text:
		return a.write([]byte(text))
	case format == report.JSON:
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		return a.write(append(data, '\n'))
	default:
		return &report.FormatError{Format: a.format, Of: "result of this command", Accepted: []report.Format{report.Text, report.JSON}}
	}
}

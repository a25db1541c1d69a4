package compose

import (
	"sync"

	"github.com/docker/compose/v5/pkg/api"
)

// sdkVersion is the version of the Compose SDK in go.mod; a test keeps the two in step.
const sdkVersion = "5.6.0"

var versionOnce sync.Once

// setComposeVersion tells the SDK its own version, which it writes into labels. In Compose's own program the linker does.
func setComposeVersion() {
	versionOnce.Do(func() {
		if api.ComposeVersion == "" {
			api.ComposeVersion = sdkVersion
		}
	})
}

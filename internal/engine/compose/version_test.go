package compose

import (
	"os"
	"strings"
	"testing"
)

func TestSDKVersionIsThatOfGoMod(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/docker/compose/v5 v"+sdkVersion+" ") && !strings.Contains(string(mod), "github.com/docker/compose/v5 v"+sdkVersion+"\n") {
		t.Errorf("go.mod names another version than %s", sdkVersion)
	}
}

package plan

import (
	"testing"

	"github.com/distribution/reference"
)

func TestHoldTagIsAnImageName(t *testing.T) {
	for _, c := range []struct{ project, service, want string }{
		{"shop-staging", "web", "promote.local/shop-staging/web:0123456789ab"},
		{"shop", "My.App", "promote.local/shop/my.app:0123456789ab"},
		{"shop-", "web_", ""},
		{"a___b", "a..b", ""},
		{"a-_b", "-", ""},
	} {
		got := HoldTag(c.project, c.service, "sha256:0123456789abcdef0123")
		if _, err := reference.ParseNormalizedNamed(got); err != nil {
			t.Errorf("%s: %v", got, err)
		}
		if c.want != "" && got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if HoldTag("a-", "b", "c") == HoldTag("a--", "b", "c") {
		t.Error("two projects share a tag")
	}
}

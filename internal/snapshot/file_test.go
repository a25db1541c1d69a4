package snapshot

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

func saved() Saved {
	return Saved{
		Tool: "1.2.3",
		Snapshot: Snapshot{
			Schema: Schema, Environment: "development", Project: "shop-dev", TakenAt: time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC),
			Services: []Service{{Name: "api\n|`<script>", Containers: []Container{{Name: "api-1", CPUPercent: 12.345678901}}}},
			Details:  &Details{Keyed: "abc", Catalogs: []Catalog{{Server: "db", Objects: []Object{{Kind: "table", Name: "public.\u2028\U0001F600", Attributes: map[string]string{"b": "1", "a": "2"}}}}}},
		},
		Tests: []promotion.Check{{Name: "health", Status: promotion.Pass}},
	}
}

func TestSavedSnapshotsComeBack(t *testing.T) {
	data, err := saved().Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Encode()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("it came back as another: %v\n%s\n%s", err, data, again)
	}
}

// A file that was cut at any byte, or changed, is never taken for a snapshot.
func TestDamagedSnapshotsAreRefused(t *testing.T) {
	data, err := saved().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(data) - 1 {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("cut after %d of %d bytes, and read", n, len(data))
		} else if n > 40 && !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	changed := bytes.Replace(data, []byte(`"environment":"development"`), []byte(`"environment":"production"`), 1)
	if _, err := Decode(changed); !errors.Is(err, ErrDamaged) {
		t.Errorf("changed: %v", err)
	}
}

func TestOtherFilesAreNoSnapshots(t *testing.T) {
	data, _ := saved().Encode()
	_, err := Decode(bytes.Replace(data, []byte("promote.saved/1"), []byte("promote.saved/7"), 1))
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Tool != "1.2.3" || !strings.Contains(newer.Hint(), "1.2.3") {
		t.Errorf("a newer form: %v", err)
	}
	for _, other := range []string{"", "{}", `{"schema":"promote.plan/1"}`, "version: 1\n", "[]", `{"schema":"promote.saved/x"}`, "null"} {
		if _, err := Decode([]byte(other)); err == nil {
			t.Errorf("%q was read", other)
		}
	}
}

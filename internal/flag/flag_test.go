package flag

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, kind, field, data, want string }{
		{"object", JSON, "", `{"b":true,"a":false,"c":"blue","d":1}`, "a=off b=on c=blue d=on"},
		{"nested", JSON, "data.flags", `{"data":{"flags":{"a":{"enabled":true,"variant":"x"},"b":{"enabled":false,"variant":"x"}}}}`, "a=x b=off"},
		{"wrapped", JSON, "", `{"flags":{"a":true},"version":1}`, "a=on"},
		{"list", JSON, "", `[{"name":"a","enabled":true},{"key":"b","value":"red"}]`, "a=on b=red"},
		{"file", File, "", "# flags\nA=true\nB: off\nC='blue'\n", "A=on B=off C=blue"},
		{"file of JSON", File, "", `{"a":true}`, "a=on"},
		{"flagd", Flagd, "", `{"flags":{"a":{"state":"ENABLED","variants":{"yes":true,"no":false},"defaultVariant":"yes"},"b":{"state":"DISABLED","variants":{"yes":true},"defaultVariant":"yes"},"c":{"state":"ENABLED","variants":{"red":"#f00"},"defaultVariant":"red"}}}`, "a=on b=off c=red"},
		{"unleash", Unleash, "", `{"version":2,"features":[{"name":"a","enabled":true},{"name":"b","enabled":false}]}`, "a=on b=off"},
		{"unleash frontend", Unleash, "", `{"toggles":[{"name":"a","enabled":true,"variant":{"name":"v1","enabled":true}},{"name":"b","enabled":true,"variant":{"name":"disabled","enabled":false}}]}`, "a=v1 b=on"},
		{"flipt", Flipt, "", `{"flags":[{"key":"a","enabled":true,"type":"BOOLEAN_FLAG_TYPE"},{"key":"b","enabled":false}],"nextPageToken":""}`, "a=on b=off"},
		{"empty", JSON, "", `{}`, ""},
	} {
		flags, err := Parse(c.kind, c.field, []byte(c.data))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, f := range flags {
			got = append(got, f.Name+"="+f.Value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
}

func TestWhatIsNoFlag(t *testing.T) {
	for _, c := range []struct{ kind, field, data string }{
		{JSON, "", ""},
		{JSON, "", `"on"`},
		{JSON, "", `{"a":{"b":1}}`},
		{JSON, "", `{"a":true} x`},
		{JSON, "x.y", `{"x":1}`},
		{JSON, "", `[{"enabled":true}]`},
		{File, "", "no flags here"},
		{Flagd, "", `{"a":true}`},
		{Unleash, "", `{"flags":[]}`},
		{Flipt, "", `{"features":[]}`},
		{"other", "", `{}`},
	} {
		if flags, err := Parse(c.kind, c.field, []byte(c.data)); err == nil {
			t.Errorf("%s %s: got %v", c.kind, c.data, flags)
		}
	}
	if _, err := Rows([][]string{{"a"}}); err == nil {
		t.Error("a row without a value was accepted")
	}
	var many [][]string
	for i := range most + 1 {
		many = append(many, []string{fmt.Sprint(i), "on"})
	}
	if _, err := Rows(many); err == nil {
		t.Error("there is no bound")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: b\n{")
	f.Add(`{"flags":{"a":{"state":"ENABLED"}}}`)
	f.Fuzz(func(t *testing.T, data string) {
		for _, kind := range []string{JSON, File, Flagd, Unleash, Flipt} {
			flags, err := Parse(kind, "", []byte(data))
			for i := range flags {
				if err != nil || i > 0 && flags[i-1].Name >= flags[i].Name {
					t.Fatalf("%s: %v", kind, flags)
				}
			}
		}
	})
}

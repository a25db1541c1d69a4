package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/flag"
	"github.com/org/promote-action/internal/snapshot"
)

// FlagSource says where feature flags are read. Header holds secrets.
type FlagSource struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`              // as package flag names them
	Service  string            `json:"service,omitempty"` // of env, json, file, unleash, flipt; of env empty: every service
	Prefix   string            `json:"prefix,omitempty"`  // of env
	Port     int               `json:"port,omitempty"`
	Path     string            `json:"path,omitempty"` // of the request, or of the file in the container
	URL      string            `json:"url,omitempty"`  // instead of Service, Port and Path
	Field    string            `json:"field,omitempty"`
	Database string            `json:"database,omitempty"` // as the configuration calls it
	Query    string            `json:"query,omitempty"`    // yields a name and a value
	Header   map[string]string `json:"header,omitempty"`
}

// flagTimeout bounds the reading of one source; flagBytes what it may answer.
const (
	flagTimeout = 10 * time.Second
	flagBytes   = 1 << 20
)

// flags reads every source. One that cannot be read has an error, and is not without flags.
func (d *detailer) flags(ctx context.Context, subject check.Subject, all []engine.Container) []snapshot.FlagSource {
	var out []snapshot.FlagSource
	for _, source := range d.req.Flags {
		ctx, cancel := context.WithTimeout(ctx, flagTimeout)
		flags, err := d.source(ctx, source, subject, all)
		cancel()
		read := snapshot.FlagSource{Name: source.Name, Kind: source.Kind, Flags: flags}
		for i := range read.Flags {
			read.Flags[i].Source = source.Name
		}
		if err != nil {
			read.Error, read.Flags = err.Error(), nil
		}
		out = append(out, read)
	}
	slices.SortStableFunc(out, func(a, b snapshot.FlagSource) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (d *detailer) source(ctx context.Context, source FlagSource, subject check.Subject, all []engine.Container) ([]snapshot.Flag, error) {
	switch source.Kind {
	case flag.Env:
		return envFlags(source, all)
	case flag.Table:
		rows, err := d.rows(ctx, source, subject)
		if err != nil {
			return nil, err
		}
		return flag.Rows(rows)
	}
	data, err := d.answer(ctx, source, subject, all)
	if err != nil {
		return nil, err
	}
	return flag.Parse(source.Kind, source.Field, data)
}

// envFlags are the variables with the prefix, of one service or of all. A name that several services set to different states
// is said for each.
func envFlags(source FlagSource, all []engine.Container) ([]snapshot.Flag, error) {
	values := map[string]map[string]string{} // name → service → state
	found := false
	for _, c := range all {
		if source.Service != "" && c.Service != source.Service {
			continue
		}
		found = true
		for name, value := range c.Env {
			if strings.HasPrefix(name, source.Prefix) {
				if values[name] == nil {
					values[name] = map[string]string{}
				}
				values[name][c.Service] = flag.State(value)
			}
		}
	}
	if !found {
		return nil, fmt.Errorf("service %s has no container", source.Service)
	}
	var rows [][]string
	for name, states := range values {
		for service, state := range states {
			if source.Service == "" {
				rows = append(rows, []string{name + " of " + service, state})
			} else {
				rows = append(rows, []string{name, state})
			}
		}
	}
	return flag.Rows(rows)
}

func (d *detailer) rows(ctx context.Context, source FlagSource, subject check.Subject) ([][]string, error) {
	for _, db := range subject.Databases {
		if db.Name != source.Database && (source.Database != "" || len(subject.Databases) != 1) {
			continue
		}
		if db.Reader == nil {
			return nil, errors.New(db.Problem)
		}
		return db.Reader.Query(ctx, source.Query)
	}
	var known []string
	for _, db := range subject.Databases {
		known = append(known, db.Name)
	}
	return nil, fmt.Errorf("there is no database %s; there are %s", source.Database, strings.Join(known, ", "))
}

// answer is what an endpoint or a file holds.
func (d *detailer) answer(ctx context.Context, source FlagSource, subject check.Subject, all []engine.Container) ([]byte, error) {
	if source.Kind == flag.File || source.Kind == flag.Flagd && source.URL == "" && source.Port == 0 {
		at := slices.IndexFunc(all, func(c engine.Container) bool { return c.Service == source.Service })
		if at < 0 {
			return nil, fmt.Errorf("service %s has no container", source.Service)
		}
		out := capped{limit: flagBytes}
		if _, err := d.env.engine.CopyFile(ctx, all[at].ID, source.Path, &out); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}
	header := http.Header{}
	for name, value := range source.Header {
		header.Set(name, value)
	}
	if source.URL != "" {
		return fetchURL(ctx, source.URL, header)
	}
	places, err := subject.Places(source.Service, source.Port)
	if err != nil {
		return nil, err
	}
	a, err := check.Fetch(ctx, places[0], source.Path, header)
	if err != nil {
		return nil, err
	}
	if !a.Good() {
		return nil, fmt.Errorf("%s of %s answered %d", source.Path, source.Service, a.Status)
	}
	return a.Body, nil
}

func fetchURL(ctx context.Context, url string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("its URL cannot be read")
	}
	req.Header = header
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // a token goes nowhere else
	resp, err := client.Do(req)
	if err != nil {
		var inner interface{ Unwrap() error }
		if errors.As(err, &inner) && inner.Unwrap() != nil {
			err = inner.Unwrap() // without the URL, which may hold a token
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, flagBytes+1))
	if len(data) > flagBytes {
		return nil, fmt.Errorf("its answer is longer than %d bytes", flagBytes)
	}
	return data, err
}

// capped keeps what it is given until there is too much of it.
type capped struct {
	bytes.Buffer
	limit int
}

func (b *capped) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, fmt.Errorf("longer than %d bytes", b.limit)
	}
	return b.Buffer.Write(p)
}

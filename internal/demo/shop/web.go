package main

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

const pageSource = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Shop</title></head>
<body>
<h1>Shop</h1>
<ul>
{{- range .Products}}
<li>{{.Name}}: {{money .}}</li>
{{- end}}
</ul>
<footer>{{.Environment}}, version {{.Version}}</footer>
</body>
</html>
`

// web is the frontend: one page with the products that api knows.
type web struct {
	cfg    config
	client *http.Client
	page   *template.Template
}

func newWeb(cfg config) *web {
	money := func(p product) string {
		s := fmt.Sprintf("%d.%02d", p.PriceCents/100, p.PriceCents%100)
		if p.Currency != "" {
			s += " " + p.Currency
		}
		return s
	}
	page := template.Must(template.New("page").Funcs(template.FuncMap{"money": money}).Parse(pageSource))
	return &web{cfg, &http.Client{Timeout: 5 * time.Second}, page}
}

func (s *web) routes() http.Handler {
	mux := http.NewServeMux()
	common(mux, s.cfg, func(ctx context.Context) error {
		var health map[string]any
		return fetch(ctx, s.client, s.cfg.API+"/healthz", &health)
	})
	mux.HandleFunc("GET /{$}", s.index)
	return mux
}

func (s *web) index(w http.ResponseWriter, r *http.Request) {
	data := struct {
		Products             []product
		Environment, Version string
	}{Environment: s.cfg.Environment, Version: s.cfg.version()}
	if err := fetch(r.Context(), s.client, s.cfg.API+"/products", &data.Products); err != nil {
		http.Error(w, "the catalogue is not available: "+err.Error(), http.StatusBadGateway)
		return
	}
	var out bytes.Buffer
	if err := s.page.Execute(&out, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(out.Bytes())
}

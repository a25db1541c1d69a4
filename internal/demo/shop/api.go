package main

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// product is one entry of /products.
type product struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"`
	Currency   string `json:"currency,omitempty"`
}

// api serves the catalogue.
type api struct {
	cfg config
	db  *pgxpool.Pool
}

func newAPI(cfg config, db *pgxpool.Pool) *api { return &api{cfg, db} }

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	common(mux, a.cfg, healthy(a.db, a.cfg))
	mux.HandleFunc("GET /products", a.products)
	mux.HandleFunc("GET /uploads/{name}", a.download)
	mux.HandleFunc("PUT /uploads/{name}", a.upload)
	return mux
}

// products answers the first fifty products; from release 2 on with their currency.
func (a *api) products(w http.ResponseWriter, r *http.Request) {
	sql, args := "SELECT id, name, price_cents, '' FROM products ORDER BY id LIMIT 50", []any(nil)
	if a.cfg.Release >= 2 {
		sql, args = "SELECT id, name, price_cents, coalesce(currency, $1) FROM products ORDER BY id LIMIT 50", []any{a.cfg.Currency}
	}
	rows, err := a.db.Query(r.Context(), sql, args...)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[product])
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	answer(w, http.StatusOK, list)
}

// uploadPath is the file of an upload, or an error for a name that would leave the folder.
func (a *api) uploadPath(r *http.Request) (string, error) {
	name := r.PathValue("name")
	if a.cfg.Uploads == "" {
		return "", errors.New("SHOP_UPLOADS is not set")
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", errors.New("not a file name: " + name)
	}
	return filepath.Join(a.cfg.Uploads, name), nil
}

func (a *api) upload(w http.ResponseWriter, r *http.Request) {
	path, err := a.uploadPath(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"name": r.PathValue("name"), "bytes": len(data)})
}

func (a *api) download(w http.ResponseWriter, r *http.Request) {
	path, err := a.uploadPath(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, fs.ErrNotExist) {
			status = http.StatusNotFound
		}
		fail(w, status, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(data)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// worker marks orders as processed. It asks the orders service whether there is work, then does it in the database.
type worker struct {
	cfg    config
	db     *pgxpool.Pool
	client *http.Client
	log    *slog.Logger
}

func newWorker(cfg config, db *pgxpool.Pool, log *slog.Logger) *worker {
	return &worker{cfg, db, &http.Client{Timeout: 5 * time.Second}, log}
}

func (w *worker) routes() http.Handler {
	mux := http.NewServeMux()
	common(mux, w.cfg, healthy(w.db, w.cfg))
	return mux
}

// run works until ctx ends; what is begun is finished.
func (w *worker) run(ctx context.Context) {
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n, err := w.work(context.WithoutCancel(ctx)); err != nil {
			w.log.Warn("no work done", "error", err.Error())
		} else if n > 0 {
			w.log.Info("processed", "orders", n)
		}
	}
}

// work processes up to a hundred orders and returns how many.
func (w *worker) work(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var c counts
	if err := fetch(ctx, w.client, w.cfg.Orders+"/orders/count", &c); err != nil {
		return 0, err
	}
	if c.Orders == c.Processed {
		return 0, nil
	}
	tag, err := w.db.Exec(ctx, `UPDATE orders SET processed_at = now() WHERE id IN (
		SELECT id FROM orders WHERE processed_at IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)`)
	return tag.RowsAffected(), err
}

// fetch reads JSON from an address into v; any status but 200 is an error.
func fetch(ctx context.Context, client *http.Client, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

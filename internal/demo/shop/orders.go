package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// order is the body of POST /orders. Number is the caller's own, optional and unique: sending an order again is harmless.
type order struct {
	ID       int64  `json:"id"`
	Number   *int64 `json:"number,omitempty"`
	Product  int64  `json:"product"`
	Customer string `json:"customer"`
	Quantity int    `json:"quantity"`
}

// counts is the answer of /orders/count.
type counts struct {
	Orders    int64 `json:"orders"`
	Processed int64 `json:"processed"`
	Highest   int64 `json:"highest"` // the highest number, 0 without any
}

// orders takes orders and acknowledges them only when they are committed.
type orders struct {
	cfg config
	db  *pgxpool.Pool
}

func newOrders(cfg config, db *pgxpool.Pool) *orders { return &orders{cfg, db} }

func (o *orders) routes() http.Handler {
	mux := http.NewServeMux()
	common(mux, o.cfg, healthy(o.db, o.cfg))
	mux.HandleFunc("POST /orders", o.create)
	mux.HandleFunc("GET /orders/count", o.count)
	mux.HandleFunc("GET /orders/numbers", o.numbers)
	return mux
}

// create answers 201 for a new order and 200 for one whose number is known.
func (o *orders) create(w http.ResponseWriter, r *http.Request) {
	in := order{Product: 1, Customer: "anonymous", Quantity: 1}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	status := http.StatusCreated
	err := o.db.QueryRow(r.Context(), `INSERT INTO orders (number, product_id, customer, quantity) VALUES ($1, $2, $3, $4)
		ON CONFLICT (number) DO NOTHING RETURNING id`, in.Number, in.Product, in.Customer, in.Quantity).Scan(&in.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		status = http.StatusOK
		err = o.db.QueryRow(r.Context(), `SELECT id FROM orders WHERE number = $1`, in.Number).Scan(&in.ID)
	}
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	answer(w, status, in)
}

func (o *orders) count(w http.ResponseWriter, r *http.Request) {
	var c counts
	err := o.db.QueryRow(r.Context(), `SELECT count(*), count(processed_at), coalesce(max(number), 0) FROM orders`).
		Scan(&c.Orders, &c.Processed, &c.Highest)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	answer(w, http.StatusOK, c)
}

// numbers answers all numbers in order, so that a writer can tell which of its orders are there.
func (o *orders) numbers(w http.ResponseWriter, r *http.Request) {
	rows, err := o.db.Query(r.Context(), `SELECT number FROM orders WHERE number IS NOT NULL ORDER BY number`)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	answer(w, http.StatusOK, list)
}

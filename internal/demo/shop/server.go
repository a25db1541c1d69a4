package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/org/promote-action/internal/demo/fault"
)

// drainTime is how long requests under way may take once the process was told to stop.
const drainTime = 8 * time.Second

// slowness is what a slow release adds to the time of every answer, at least.
const slowness = time.Second

// serve answers requests until ctx ends, then lets those under way finish.
func serve(ctx context.Context, h http.Handler, cfg config, log *slog.Logger) error {
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: logged(faulty(h, cfg), log), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "environment", cfg.Environment, "commit", cfg.Commit)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("draining")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Info("stopped")
	return nil
}

// faulty breaks the answers of h as the release's fault says.
func faulty(h http.Handler, cfg config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (cfg.has(fault.Unhealthy) || cfg.has(fault.OneUnhealthy)) {
			answer(w, http.StatusServiceUnavailable, map[string]any{"status": "unhealthy", "error": "cache: warm-up not finished"})
			return
		}
		if !cfg.has(fault.Slow) {
			h.ServeHTTP(w, r)
			return
		}
		start := time.Now()
		h.ServeHTTP(slowWriter{w, start}, r)
	})
}

// slowWriter delays the first byte of an answer.
type slowWriter struct {
	http.ResponseWriter
	start time.Time
}

// WriteHeader waits before it sends the header.
func (w slowWriter) WriteHeader(status int) {
	time.Sleep(max(slowness, 9*time.Since(w.start)))
	w.ResponseWriter.WriteHeader(status)
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// logged writes one line a request; good health checks only at the debug level.
func logged(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(sw, r)
		level := slog.LevelInfo
		switch {
		case sw.status >= 500:
			level = slog.LevelError
		case r.URL.Path == "/healthz":
			level = slog.LevelDebug
		}
		log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", sw.status,
			"ms", float64(time.Since(start).Microseconds())/1000)
	})
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// fail sends an error.
func fail(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]any{"error": err.Error()})
}

// common adds what every service answers: /healthz by the given check, /version and /flags.
func common(mux *http.ServeMux, cfg config, check func(context.Context) error) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := check(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, map[string]any{"status": "unhealthy", "error": err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"service": cfg.Role, "version": cfg.version(), "commit": cfg.Commit})
	})
	mux.HandleFunc("GET /flags", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, flags(cfg)) })
}

// flags are the feature flags of a release in an environment.
func flags(cfg config) map[string]bool {
	f := map[string]bool{"search": true, "reviews": cfg.Environment == "development"}
	if cfg.Release >= 2 {
		f["prices-in-currency"] = true
	}
	return f
}

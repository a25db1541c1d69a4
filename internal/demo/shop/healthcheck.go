package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthcheck asks an address and returns 0 when it answers 200: the container's health check, for images without curl.
func healthcheck(args []string, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, usage)
		return 2
	}
	url := args[0]
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	client := &http.Client{Timeout: 3 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		fmt.Fprintf(stderr, "%s: %s: %s\n", url, res.Status, strings.TrimSpace(string(body)))
		return 1
	}
	return 0
}

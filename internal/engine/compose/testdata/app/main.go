// Command app plays every service of the test stacks: its first argument says which way it behaves.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	arg := func(i int) string {
		if len(os.Args) > i {
			return os.Args[i]
		}
		return ""
	}
	switch arg(1) {
	case "serve":
		go func() {
			_ = http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
		}()
		fmt.Println("serving")
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("stubborn")
		time.Sleep(time.Hour)
	case "health":
		c := http.Client{Timeout: time.Second}
		resp, err := c.Get("http://127.0.0.1:8080/")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		resp.Body.Close()
	case "exit": // exit CODE AFTER
		d, _ := time.ParseDuration(arg(3))
		fmt.Println("one line before the end")
		fmt.Fprintln(os.Stderr, "one on standard error")
		time.Sleep(d)
		code, _ := strconv.Atoi(arg(2))
		os.Exit(code)
	case "cat":
		fmt.Fprintln(os.Stderr, "cat begins")
		w := bufio.NewWriterSize(os.Stdout, 64<<10)
		_, _ = io.Copy(w, os.Stdin)
		_ = w.Flush()
		fmt.Fprintln(os.Stderr, "cat ends")
		os.Exit(3)
	case "read":
		data, err := os.ReadFile(arg(2))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_, _ = os.Stdout.Write(data)
	default:
		fmt.Println("what?")
		os.Exit(2)
	}
}

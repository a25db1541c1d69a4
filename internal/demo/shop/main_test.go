package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// server is the address of the test run's PostgreSQL, without a database; empty when there is none.
var server string

// TestMain plays the shop when it is started again by a test, else starts one PostgreSQL for all tests.
func TestMain(m *testing.M) {
	if os.Getenv("SHOP_TEST_MAIN") == "1" {
		main()
	}
	address, stop := startPostgres()
	server = address
	code := m.Run()
	stop()
	os.Exit(code)
}

// startPostgres runs a throwaway server; as root under the account postgres, since it refuses to run as root.
func startPostgres() (address string, stop func()) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", func() {}
	}
	dir, err := os.MkdirTemp("", "shop-test-")
	if err != nil {
		panic(err)
	}
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			panic(err)
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(dir, uid, gid); err != nil {
			panic(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	run := func(name string, args ...string) {
		cmd := exec.Command(filepath.Join(filepath.Dir(found[len(found)-1]), name), args...)
		cmd.SysProcAttr, cmd.Dir = attr, dir
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(name + ": " + err.Error() + "\n" + string(out))
		}
	}
	data := filepath.Join(dir, "data")
	run("initdb", "-D", data, "-U", "shop", "-A", "trust", "--encoding=UTF8", "--no-sync")
	run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", "-p "+port+" -c fsync=off -c listen_addresses=127.0.0.1 -k "+dir, "start")
	return "postgres://shop@127.0.0.1:" + port, func() {
		run("pg_ctl", "-D", data, "-m", "immediate", "stop")
		os.RemoveAll(dir)
	}
}

// database makes an empty database and returns its URL.
func database(t *testing.T) string {
	t.Helper()
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	conn, err := pgx.Connect(t.Context(), server+"/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	name := "test_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return server + "/" + name + "?sslmode=disable"
}

func pool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// role is the shop running in a process of its own.
type role struct {
	cmd  *exec.Cmd
	URL  string
	log  chan string
	done chan error
}

// start runs a role with the given variables, as an image and a Compose file would set them.
func start(t *testing.T, name string, env ...string) *role {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], strings.Fields(name)...)
	cmd.Env = append([]string{"SHOP_TEST_MAIN=1", "SHOP_LISTEN=127.0.0.1:0", "SHOP_CURRENCY=EUR", "SHOP_RELEASE=2"}, env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &role{cmd: cmd, log: make(chan string, 1000), done: make(chan error, 1)}
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var entry struct{ Msg, Address string }
			if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
				t.Errorf("no JSON in the log: %s", lines.Text())
			}
			if entry.Msg == "listening" {
				address <- "http://" + entry.Address
			}
			r.log <- lines.Text()
		}
		close(r.log)
		r.done <- cmd.Wait()
	}()
	if name == "migrate" || strings.HasPrefix(name, "seed") {
		return r
	}
	select {
	case r.URL = <-address:
	case err := <-r.done:
		r.done <- err
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not listen", name)
	}
	return r
}

// wait returns the exit status.
func (r *role) wait(t *testing.T) int {
	t.Helper()
	select {
	case err := <-r.done:
		t.Logf("%v ended: %v", r.cmd.Args, err)
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatal("does not end")
		return -1
	}
}

// status asks a path and returns the status, 0 without an answer.
func (r *role) status(path string) int {
	code, _ := r.get(path, nil)
	return code
}

func (r *role) get(path string, v any) (int, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(r.URL + path)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if v == nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, json.NewDecoder(res.Body).Decode(v)
}

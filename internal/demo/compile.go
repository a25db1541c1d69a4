package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/org/promote-action/internal/process"
)

// module is the path of the module that holds the shop.
const module = "github.com/org/promote-action"

// Errors of a machine on which the shop cannot be compiled.
var (
	ErrNoGo     = errors.New("the shop is compiled from source and no Go was found: install Go 1.26 or later, https://go.dev/dl")
	ErrNoSource = errors.New("the shop is compiled from source and its source was not found: run this in a clone of " + module)
)

// compile makes the shop's static executable for a Linux engine of the given architecture.
func compile(ctx context.Context, arch string) ([]byte, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	tool, err := goTool()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "promote-shop-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "shop")
	_, err = process.Output(ctx, process.Command{
		Path: tool,
		Args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, "./internal/demo/shop"},
		Dir:  root,
		Env:  []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch},
	})
	if err != nil {
		return nil, fmt.Errorf("compile the shop: %w", err)
	}
	return os.ReadFile(out)
}

// goTool is the go command: of the PATH, else of the toolchain that built this program.
func goTool() (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), filepath.Join(os.Getenv("GOROOT"), "bin"), "/usr/local/go/bin") {
		path := filepath.Join(dir, "go")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", ErrNoGo
}

// sourceRoot is the folder of the module: where this program was compiled, else the working directory or one above it.
func sourceRoot() (string, error) {
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if isModule(dir) {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", ErrNoSource
}

// isModule reports whether dir is the root of this module with the shop in it.
func isModule(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	_, err = os.Stat(filepath.Join(dir, "internal", "demo", "shop", "main.go"))
	return err == nil && strings.TrimSpace(first) == "module "+module
}

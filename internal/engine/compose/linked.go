package compose

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// imageFiles lists what an executable needs in an otherwise empty image, and whether it is dynamically linked.
func imageFiles(exe string) ([]imageFile, bool, error) {
	if runtime.GOOS != "linux" {
		return nil, false, fmt.Errorf("%w: this is %s; use the published image, or build one with GOOS=linux", ErrNotRunnable, runtime.GOOS)
	}
	interp, err := interpreter(exe)
	if err != nil {
		return nil, false, err
	}
	files := []imageFile{{name: "promote", from: exe, mode: 0o755}}
	for _, path := range certificates {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			files = append(files, imageFile{name: "etc/ssl/certs/ca-certificates.crt", from: path, mode: 0o644})
			break
		}
	}
	if interp == "" {
		return files, false, nil
	}
	libs, err := mappedLibraries(exe)
	if err != nil {
		return nil, true, err
	}
	for _, path := range append([]string{interp}, libs...) {
		f := imageFile{name: strings.TrimPrefix(path, "/"), from: path, mode: 0o755}
		if !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	return files, true, nil
}

// interpreter returns the path of the dynamic linker that an executable asks for; "" when it is static.
func interpreter(exe string) (string, error) {
	f, err := elf.Open(exe)
	if err != nil {
		return "", fmt.Errorf("%w: %s is not an ELF file (%w); build it with GOOS=linux", ErrNotRunnable, exe, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		data, err := io.ReadAll(p.Open())
		if err != nil {
			return "", fmt.Errorf("%s: %w", exe, err)
		}
		return strings.TrimRight(string(data), "\x00"), nil
	}
	return "", nil
}

// mappedLibraries lists the shared libraries that this process has mapped, each also at the names it is looked up by:
// the linker searches by soname, which may be a link to the mapped file.
func mappedLibraries(exe string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	same, err := sameFile(self, exe)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, fmt.Errorf("%w: %s is dynamically linked and not this process; build it with CGO_ENABLED=0", ErrNotRunnable, exe)
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") || !strings.Contains(filepath.Base(fields[5]), ".so") {
			continue
		}
		for _, path := range names(fields[5]) {
			if !slices.Contains(out, path) {
				out = append(out, path)
			}
		}
	}
	return out, sc.Err()
}

func names(path string) []string {
	out := []string{path}
	f, err := elf.Open(path)
	if err != nil {
		return out
	}
	defer f.Close()
	sonames, err := f.DynString(elf.DT_SONAME)
	if err != nil {
		return out
	}
	for _, so := range sonames {
		alias := filepath.Join(filepath.Dir(path), so)
		if _, err := os.Stat(alias); err == nil && alias != path {
			out = append(out, alias)
		}
	}
	return out
}

func sameFile(a, b string) (bool, error) {
	sa, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	sb, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(sa, sb), nil
}

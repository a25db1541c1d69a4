package durable

import (
	"errors"
	"os"
	"syscall"
)

// ErrLocked is returned when another holder has the lock.
var ErrLocked = errors.New("locked by another process")

// ErrUnsupported is returned where the file system knows no locks.
var ErrUnsupported = errors.New("the file system does not support locks")

// Lock is an exclusive advisory lock on a file or folder.
type Lock struct{ f *os.File }

// TryLock locks the file at path without waiting, creating it with permissions 0600 when it is missing. It returns ErrLocked
// when someone else has it, in this process or another one.
func TryLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return lock(f)
}

// TryLockDir locks an existing folder, like TryLock. The lock is on the folder, not on its name: it stays through a rename.
func TryLockDir(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return lock(f)
}

func lock(f *os.File) (*Lock, error) {
	if err := LockFile(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{f: f}, nil
}

// LockFile locks an open file without waiting; the lock ends when the file is closed.
func LockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS):
			return ErrUnsupported
		default:
			return os.NewSyscallError("flock", err)
		}
	}
}

// Holds reports whether path still names what is locked: a folder may have been removed between its creation and the lock.
func (l *Lock) Holds(path string) bool {
	mine, err := l.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

// Close gives the lock back. A nil lock may be closed.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}

//go:build unix

package machine

import "golang.org/x/sys/unix"

// freeBytes returns how much room a folder has for this program.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

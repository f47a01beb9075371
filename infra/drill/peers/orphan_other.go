//go:build !linux

package peers

import "os/exec"

// together has no means here to have a program end with this process.
func together(*exec.Cmd) {}

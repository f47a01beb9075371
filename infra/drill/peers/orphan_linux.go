package peers

import (
	"os/exec"
	"syscall"
)

// together has a program end with this process, even if that is killed or runs out of time
// before its tests can clean up.
func together(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

package bbolt

import (
	"errors"
	"strings"
	"syscall"

	"github.com/todoku/todoku/shared/problem"
)

// noRoom are the errors of a disk, a quota or a limit that is reached.
var noRoom = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// fault maps what bbolt returns to what callers and people can use.
func fault(err error) error {
	for _, e := range noRoom {
		// bbolt keeps only the text of some causes.
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return diskFull.Because(err)
		}
	}
	return err
}

var diskFull = problem.New(problem.Internal,
	"ディスクの空き容量が足りないため、保存できませんでした。届く（Todoku）が動いている機器の空き容量を増やしてから、もう一度同じ操作をしてください。",
	"The disk is full, so this was not saved. Free some space on the machine that runs Todoku, then do it again.")

// Command cr-inspect says which OCI runtime made a checkpoint archive, and whether a runtime at hand can restore it:
//
//	cr-inspect checkpoint.tar.zst [/usr/bin/runc]
package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"example.com/crutils"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: cr-inspect ARCHIVE [RUNTIME]")
		os.Exit(2)
	}
	runtime, err := crutils.GetRuntimeFromArchive(os.Args[1])
	if errors.Is(err, syscall.ENODATA) {
		fmt.Fprintln(os.Stderr, "not a checkpoint archive:", err)
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("made by:", runtime)
	if len(os.Args) == 3 {
		fmt.Println("can checkpoint and restore:", crutils.RuntimeSupportsCheckpointRestore(os.Args[2]))
		fmt.Println("can restore into a pod:", crutils.RuntimeSupportsPodCheckpointRestore(os.Args[2]))
	}
}

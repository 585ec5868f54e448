// SPDX-License-Identifier: Apache-2.0

// One operation of podman's own package crutils in one process, as driver.c has the library's:
//
//	podman-crutils import ARCHIVE BUNDLE
//	podman-crutils apply BASE ROOT                 BASE/rootfs-diff.tar onto ROOT
//	podman-crutils diff LIST MOUNT DESTINATION     LIST: a letter (C, A or D), a blank and a path a line
//	podman-crutils runtime ARCHIVE TIMES           again and again in this process; prints the median in seconds
//	podman-crutils pack PLAIN ARCHIVE              compresses with zstd, as podman does when it exports
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/containers/podman/pkg/checkpoint/crutils"
	"github.com/containers/storage/pkg/archive"
	"github.com/containers/storage/pkg/reexec"
)

var kinds = map[byte]archive.ChangeType{
	'C': archive.ChangeModify,
	'A': archive.ChangeAdd,
	'D': archive.ChangeDelete,
}

func readList(name string) ([]archive.Change, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var changes []archive.Change
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		kind, known := kinds[line[0]]
		if !known || len(line) < 3 {
			return nil, fmt.Errorf("%s: %q", name, line)
		}
		changes = append(changes, archive.Change{Path: line[2:], Kind: kind})
	}
	return changes, lines.Err()
}

func diff(arguments []string) error {
	changes, err := readList(arguments[0])
	if err != nil {
		return err
	}
	_, err = crutils.CRCreateRootFsDiffTar(&changes, arguments[1], arguments[2])
	return err
}

func runtime(arguments []string) error {
	times, err := strconv.Atoi(arguments[1])
	if err != nil || times < 1 {
		return fmt.Errorf("%q is no number of times", arguments[1])
	}
	seconds := make([]float64, times)
	for i := range seconds {
		begun := time.Now()
		if _, err := crutils.CRGetRuntimeFromArchive(arguments[0]); err != nil {
			return err
		}
		seconds[i] = time.Since(begun).Seconds()
	}
	sort.Float64s(seconds)
	fmt.Printf("inside %.9f\n", seconds[times/2])
	return nil
}

func pack(arguments []string) error {
	source, err := os.Open(arguments[0])
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(arguments[1])
	if err != nil {
		return err
	}
	packed, err := archive.CompressStream(target, archive.Zstd)
	if err != nil {
		return err
	}
	if _, err := io.Copy(packed, source); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return target.Close()
}

func run(name string, arguments []string) error {
	operations := map[string]struct {
		function  func([]string) error
		arguments int
	}{
		"import":  {func(a []string) error { return crutils.CRImportCheckpointWithoutConfig(a[1], a[0]) }, 2},
		"apply":   {func(a []string) error { return crutils.CRApplyRootFsDiffTar(a[0], a[1]) }, 2},
		"diff":    {diff, 3},
		"runtime": {runtime, 2},
		"pack":    {pack, 2},
	}
	operation, known := operations[name]
	if !known || len(arguments) < operation.arguments {
		return fmt.Errorf("see the comment at the top of podman-crutils.go")
	}
	return operation.function(arguments)
}

func main() {
	if reexec.Init() {
		return
	}
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "")
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "podman-crutils %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

//go:build linux && cgo

package crutils

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAContextThatHasEndedEndsAWorkAtOnce(t *testing.T) {
	cancelled, cancel := context.WithCancel(background)
	cancel()
	late, stop := context.WithDeadline(background, time.Now().Add(-time.Hour))
	defer stop()
	for _, test := range []struct {
		ctx         context.Context
		want, other error
		errno       syscall.Errno
	}{
		{cancelled, context.Canceled, context.DeadlineExceeded, syscall.ECANCELED},
		{late, context.DeadlineExceeded, context.Canceled, syscall.ETIMEDOUT},
	} {
		path := fileOf(t, checkpoint(t))
		check := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, test.want) || errors.Is(err, test.other) || !errors.Is(err, test.errno) {
				t.Errorf("%s: %v, not %v", what, err, test.want)
			}
			var failure *Error
			if errors.As(err, &failure) && failure.Timeout() != (test.want == context.DeadlineExceeded) {
				t.Errorf("%s: timeout %v", what, failure.Timeout())
			}
		}
		i, err := OpenImport(background, Path(path), nil)
		must(t, err)
		must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
		_, err = i.Extract(test.ctx)
		check("extract", err)
		// The import stays ended.
		_, err = i.Extract(background)
		check("extract again", err)
		must(t, i.Close())

		archive := filepath.Join(t.TempDir(), "archive")
		_, err = podmanExport(t).Write(test.ctx, Path(archive), nil)
		check("write", err)
		if exists(archive) {
			t.Error("there is an archive")
		}
		_, err = podmanExport(t).WriteStream(test.ctx, io.Discard, nil)
		check("write a stream", err)
		directory := t.TempDir()
		must(t, os.WriteFile(filepath.Join(directory, "a"), nil, 0o600))
		_, err = ChangesDirectories(test.ctx, Path(directory), Place{}, nil)
		check("directories", err)
		_, err = ChangesOverlay(test.ctx, nil, Path(directory), nil)
		check("overlay", err)
	}
}

func TestAContextWakesAnImportThatWaitsForItsStream(t *testing.T) {
	archive := checkpoint(t)
	for name, with := range map[string]func() (context.Context, context.CancelFunc, error){
		"cancellation": func() (context.Context, context.CancelFunc, error) {
			ctx, cancel := context.WithCancel(background)
			return ctx, cancel, context.Canceled
		},
		"deadline": func() (context.Context, context.CancelFunc, error) {
			ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
			return ctx, cancel, context.DeadlineExceeded
		},
	} {
		for kind, open := range map[string]func() (io.Reader, io.WriteCloser){
			"pipe": func() (io.Reader, io.WriteCloser) {
				reader, writer, err := os.Pipe()
				must(t, err)
				return reader, writer
			},
			"reader": func() (io.Reader, io.WriteCloser) {
				return net.Pipe()
			},
		} {
			reader, writer := open()
			ctx, cancel, want := with()
			i, err := OpenImportStream(background, reader, nil)
			must(t, err)
			must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
			go func() {
				_, _ = writer.Write(archive[:1000])
				if want == context.Canceled {
					cancel()
				}
			}()
			if _, err := i.Extract(ctx); !errors.Is(err, want) {
				t.Errorf("%s of a %s: %v", name, kind, err)
			}
			cancel()
			must(t, i.Close())
			must(t, writer.Close())
		}
	}
}

func TestAContextOfOneCallDoesNotReachTheNext(t *testing.T) {
	i, err := OpenImport(background, Path(fileOf(t, checkpoint(t))), nil)
	must(t, err)
	defer i.Close()
	ctx, cancel := context.WithCancel(background)
	_, err = i.Metadata(ctx)
	must(t, err)
	cancel()
	must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
	_, err = i.Extract(background)
	must(t, err)
}

func TestProgressIsTold(t *testing.T) {
	var told []Progress
	archive := filepath.Join(t.TempDir(), "archive")
	exported, err := podmanExport(t).Write(background, Path(archive), &ExportOptions{
		Compression: CompressionNone,
		Progress:    func(progress Progress) { told = append(told, progress) },
	})
	must(t, err)
	phases := map[Phase]Progress{}
	for _, progress := range told {
		phases[progress.Phase] = progress
	}
	writing, is := phases[PhaseWriting]
	if !is || writing.BytesDone < 4<<20 || writing.BytesTotal < writing.BytesDone || writing.Elapsed < 0 {
		t.Errorf("%+v", told)
	}
	if _, is := phases[PhasePublishing]; !is || exported.Members != 4 {
		t.Errorf("%+v %+v", told, exported)
	}
	told = nil
	i, err := OpenImport(background, Path(archive), &ImportOptions{
		Digest: true, IgnoreOwnership: true, Progress: func(progress Progress) { told = append(told, progress) },
	})
	must(t, err)
	defer i.Close()
	must(t, i.ToBundle(Path(filepath.Join(t.TempDir(), "bundle"))))
	_, err = i.Extract(background)
	must(t, err)
	last := Progress{}
	for _, progress := range told {
		if progress.Phase == PhaseExtracting {
			last = progress
		}
	}
	if last.BytesDone != int64(exported.Bytes) || last.BytesTotal != last.BytesDone || last.Member != "" {
		t.Errorf("%+v", told)
	}
}

func TestProgressIsToldTwentyTimesASecondAtMost(t *testing.T) {
	export := NewExport()
	defer export.Close()
	const files = 5000
	for number := 0; number < files; number++ {
		must(t, export.AddBytes(fmt.Sprintf("artifacts/%d", number), []byte("x")))
	}
	told, phases, began := 0, map[Phase]bool{}, time.Now()
	_, err := export.Write(background, Path(filepath.Join(t.TempDir(), "archive")), &ExportOptions{
		Progress: func(progress Progress) { told++; phases[progress.Phase] = true },
	})
	must(t, err)
	// One more at the beginning and the end of each phase.
	most := int(time.Since(began).Seconds()*20) + 2*len(phases)
	if told == 0 || told > most || most > files {
		t.Errorf("told %d times of %d files, %d would be right", told, files, most)
	}
}

func TestUnknownNumbersOfProgressAreNegative(t *testing.T) {
	for number, want := range map[uint64]time.Duration{1<<64 - 1: -1, 1<<64 - 2: 1<<63 - 1, 1500: 1500 * time.Millisecond} {
		if got := milliseconds(number); got != want {
			t.Errorf("%d: %d", number, got)
		}
	}
}

// withSocket returns an export with a socket, of which it warns.
func withSocket(t *testing.T) *Export {
	t.Helper()
	directory := t.TempDir()
	// A short name: a socket's path has at most 107 bytes.
	listener, err := net.Listen("unix", filepath.Join(directory, "s"))
	if err != nil {
		t.Skip("skipped: no socket can be made here: ", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	must(t, os.WriteFile(filepath.Join(directory, "a"), memory(1<<20), 0o600))
	export := NewExport()
	t.Cleanup(func() { _ = export.Close() })
	must(t, export.AddDirectoryTar("volumes/v.tar", Path(directory)))
	return export
}

func TestWarningsAreTold(t *testing.T) {
	var told []Warning
	_, err := withSocket(t).WriteStream(background, io.Discard, &ExportOptions{
		Warning: func(warning Warning) { told = append(told, warning) },
	})
	must(t, err)
	if len(told) != 1 || told[0].Kind != WarningSocket || told[0].Member == "" || told[0].Message == "" {
		t.Errorf("%+v", told)
	}
	var changed []Warning
	_, err = ChangesDirectories(background, Path(t.TempDir()), Place{}, &ChangesOptions{
		Warning: func(warning Warning) { changed = append(changed, warning) },
	})
	must(t, err)
	if len(changed) != 0 {
		t.Error(changed)
	}
}

func TestAFunctionThatIsToldMayCancelTheWork(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	path := filepath.Join(t.TempDir(), "archive")
	_, err := podmanExport(t).Write(ctx, Path(path), &ExportOptions{
		Progress: func(Progress) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || exists(path) {
		t.Error(err)
	}
}

func TestAPanicOfAFunctionThatIsToldGoesOnInTheCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive")
	export, calls := podmanExport(t), 0
	func() {
		defer func() {
			if recovered := recover(); recovered != "enough" {
				t.Error(recovered)
			}
		}()
		_, err := export.Write(background, Path(path), &ExportOptions{
			Progress: func(Progress) { calls++; panic("enough") },
		})
		t.Error("it returned", err)
	}()
	if calls != 1 || exists(path) {
		t.Error(calls)
	}
	// The export is as good as before.
	_, err := export.Write(background, Path(path), nil)
	must(t, err)

	stream := podmanExport(t)
	func() {
		defer func() {
			if recovered := recover(); recovered != "enough" {
				t.Error(recovered)
			}
		}()
		_, _ = stream.WriteStream(background, io.Discard, &ExportOptions{Progress: func(Progress) { panic("enough") }})
	}()
	must(t, stream.Close())
}

func TestGoexitOfAFunctionThatIsToldGoesOnInTheCaller(t *testing.T) {
	export, returned := podmanExport(t), false
	var goroutine sync.WaitGroup
	goroutine.Add(1)
	go func() {
		defer goroutine.Done()
		_, _ = export.WriteStream(background, io.Discard, &ExportOptions{Progress: func(Progress) { runtime.Goexit() }})
		returned = true
	}()
	goroutine.Wait()
	if returned {
		t.Error("it returned")
	}
	_, err := export.WriteStream(background, io.Discard, nil)
	must(t, err)
}

func TestAnObjectThatIsAtWorkIsBusyAndItsCloseWaits(t *testing.T) {
	export := podmanExport(t)
	var busy error
	_, err := export.WriteStream(background, io.Discard, &ExportOptions{Progress: func(Progress) {
		busy = export.AddBytes("late", nil)
		_ = export.Close()
	}})
	must(t, err)
	if !errors.Is(busy, syscall.EBUSY) && !errors.Is(busy, fs.ErrClosed) {
		t.Error(busy)
	}
	if err := export.AddBytes("later", nil); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestCloseMayBeCalledAgainAndAnObjectUsedAfterwards(t *testing.T) {
	i, err := OpenImport(background, Path(fileOf(t, checkpoint(t))), &ImportOptions{Progress: func(Progress) {}})
	must(t, err)
	e := NewExport()
	for n := 0; n < 3; n++ {
		must(t, i.Close())
		must(t, e.Close())
	}
	for _, i := range []*Import{i, nil, {}} {
		_, metadata := i.Metadata(background)
		_, members := i.Members(background)
		_, extract := i.Extract(background)
		place := Path(t.TempDir())
		for _, err := range []error{
			metadata, members, extract, i.ToBundle(place), i.ToBundleOnly(place), i.ToRoot(place), i.ToVolume("v", place), i.ToShm(place),
		} {
			if !errors.Is(err, fs.ErrClosed) || !errors.Is(err, syscall.EBADF) {
				t.Error(err)
			}
		}
		must(t, i.Close())
	}
	for _, e := range []*Export{e, nil, {}} {
		place := Path(t.TempDir())
		_, write := e.Write(background, Path(filepath.Join(t.TempDir(), "a")), nil)
		_, stream := e.WriteStream(background, io.Discard, nil)
		for _, err := range []error{
			write, stream, e.AddBundle(place, EnginePodman), e.AddMember(place, "a", Required), e.AddBytes("a", nil),
			e.AddFile("a", Path(fileOf(t, nil))), e.AddDirectoryTar("b", place), e.AddRootFsDiff(nil, place), e.AddMetadata(&Metadata{}),
		} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Error(err)
			}
		}
		must(t, e.Close())
	}
}

func TestObjectsThatNobodyClosesAreFreed(t *testing.T) {
	freed := make(chan string, 2)
	func() {
		i, err := OpenImportStream(background, bytes.NewReader(checkpoint(t)), nil)
		must(t, err)
		e := NewExport()
		must(t, e.AddBytes("a", nil))
		for _, o := range []*object{&i.object, &e.object} {
			free, name := o.free, o.name
			o.free = func() {
				free()
				freed <- name
			}
		}
	}()
	for n := 0; n < 2; n++ {
		timeout := time.After(time.Minute)
		for done := false; !done; {
			runtime.GC()
			select {
			case <-freed:
				done = true
			case <-timeout:
				t.Fatal("an object isn't freed")
			default:
				runtime.Gosched()
			}
		}
	}
}

func TestManyGoroutinesUseTheLibraryAndCloseWhatOthersUse(t *testing.T) {
	archive := fileOf(t, checkpoint(t))
	var goroutines sync.WaitGroup
	for n := 0; n < 8; n++ {
		goroutines.Add(1)
		go func() {
			defer goroutines.Done()
			ctx, cancel := context.WithCancel(background)
			i, err := OpenImport(ctx, Path(archive), &ImportOptions{Progress: func(Progress) {}, Warning: func(Warning) {}})
			if err != nil {
				t.Error(err)
				cancel()
				return
			}
			var users sync.WaitGroup
			for user := 0; user < 4; user++ {
				users.Add(1)
				go func() {
					defer users.Done()
					_, err := i.Members(ctx)
					if err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, fs.ErrClosed) && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}()
			}
			cancel()
			_ = i.Close()
			users.Wait()
		}()
	}
	goroutines.Wait()
}

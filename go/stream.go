//go:build linux && cgo

package crutils

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// descriptor returns the open file that a reader or writer is, if the library can use it as it is: a pipe, a socket or a
// regular file. A file that is read from has to be at its beginning, since the library reads a file from there.
func descriptor(stream any, reading bool) *os.File {
	file, is := stream.(*os.File)
	if !is || file == nil {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	switch {
	case info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0:
		return file
	case !info.Mode().IsRegular():
		return nil
	case reading:
		if offset, err := file.Seek(0, io.SeekCurrent); err != nil || offset != 0 {
			return nil
		}
	}
	return file
}

// source is a reader that is copied into a pipe, from which the library reads.
type source struct {
	reader  *os.File
	writer  *os.File
	lock    sync.Mutex
	failure error
}

// newSource begins to copy. If the reader fails, stop is called, and the pipe stays open until the source is closed: its end
// would look like the archive's.
func newSource(from io.Reader, stop func()) (*source, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, failed("make a pipe", err)
	}
	s := &source{reader: reader, writer: writer}
	go func() {
		_, err := io.Copy(writerOnly{writer}, readerOnly{from})
		if err != nil {
			s.lock.Lock()
			s.failure = err
			s.lock.Unlock()
			stop()
			return
		}
		_ = writer.Close()
	}()
	return s, nil
}

// result returns the reader's error in the place of the one that it caused.
func (s *source) result(err error) error {
	if err == nil || s == nil {
		return err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.failure != nil {
		return failed("read the archive", s.failure)
	}
	return err
}

// close ends the copying, if the reader returns.
func (s *source) close() {
	if s != nil {
		_ = s.reader.Close()
		_ = s.writer.Close()
	}
}

// sink is a writer that gets what the library writes into a pipe.
type sink struct {
	reader  *os.File
	writer  *os.File
	over    chan struct{}
	failure error
}

// newSink begins to copy.
func newSink(to io.Writer) (*sink, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, failed("make a pipe", err)
	}
	s := &sink{reader: reader, writer: writer, over: make(chan struct{})}
	go func() {
		defer close(s.over)
		_, s.failure = io.Copy(writerOnly{to}, readerOnly{reader})
		// The library is told by EPIPE that nobody reads any longer.
		_ = reader.Close()
	}()
	return s, nil
}

// finish waits until everything is copied, or after a failure until the writer returns. It returns the error of the work,
// or the writer's if that is what ended it.
func (s *sink) finish(err error) error {
	_ = s.writer.Close()
	if err != nil {
		_ = s.reader.Close()
	}
	<-s.over
	made, is := err.(*Error)
	if s.failure != nil && (err == nil || is && made.Errno == syscall.EPIPE) {
		return failed("write the archive", s.failure)
	}
	return err
}

// readerOnly and writerOnly hide what else a file can do: a copy must not end in a call that a Close doesn't wake.
type readerOnly struct{ io.Reader }

type writerOnly struct{ io.Writer }

package crutils

/*
#include <crutils.h>
*/
import "C"

import (
	"context"
	"sync"
)

// watch ends what C does when a context is done.
type watch struct {
	ctx    context.Context
	handle *C.CRWatch
	over   chan struct{}
	once   sync.Once
}

// watchFor makes a watch of the context, to be closed. A goroutine waits for the context until then.
func watchFor(ctx context.Context) (*watch, error) {
	made := &watch{ctx: ctx, handle: C.CRWatchNew(), over: make(chan struct{})}
	cancellation := C.CRCancellationNew()
	var failure *C.CRError
	if err := result(C.CRWatchCancelledBy(made.handle, cancellation, &failure), failure); err != nil {
		C.CRCancellationFree(cancellation)
		C.CRWatchFree(made.handle)
		return nil, err
	}
	if ctx.Err() != nil {
		C.CRCancellationCancel(cancellation)
	}
	go func() {
		defer C.CRCancellationFree(cancellation)
		select {
		case <-ctx.Done():
			C.CRCancellationCancel(cancellation)
		case <-made.over:
		}
	}()
	return made, nil
}

// result is the error of a call under the watch. One that the context caused is the context's, too.
func (w *watch) result(status C.int, failure *C.CRError) error {
	err := result(status, failure)
	if made, is := err.(*Error); is && made.Kind == Cancelled {
		made.cause = w.ctx.Err()
	}
	return err
}

func (w *watch) close() {
	w.once.Do(func() {
		close(w.over)
		C.CRWatchFree(w.handle)
	})
}

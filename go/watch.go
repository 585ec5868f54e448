//go:build linux && cgo

package crutils

/*
#include <stdint.h>
#include <crutils.h>

extern void crutilsGoProgress(uintptr_t, CRProgress *);
extern void crutilsGoWarning(uintptr_t, CRWarning *);

static void crutils_go_progress(void *user_data, const CRProgress *progress) {
	crutilsGoProgress((uintptr_t)user_data, (CRProgress *)progress);
}

static void crutils_go_warning(void *user_data, const CRWarning *warning) {
	crutilsGoWarning((uintptr_t)user_data, (CRWarning *)warning);
}

static int crutils_go_on_progress(CRWatch *watch, uintptr_t handle, CRError **error) {
	return CRWatchOnProgress(watch, crutils_go_progress, (void *)handle, error);
}

static int crutils_go_on_warning(CRWatch *watch, uintptr_t handle, CRError **error) {
	return CRWatchOnWarning(watch, crutils_go_warning, (void *)handle, error);
}
*/
import "C"

import (
	"context"
	"errors"
	"runtime"
	"runtime/cgo"
	"sync"
)

// watch ends works when a context does, and tells the caller's functions of progress and warnings.
type watch struct {
	progress func(Progress)
	warning  func(Warning)
	self     cgo.Handle

	// lock is held for uses of the handle, which another goroutine frees.
	lock   sync.Mutex
	handle *C.CRWatch

	// ctx is the context of the work.
	ctx context.Context

	// What a function of the caller's did instead of returning. The goroutine that works reads it after the call.
	panicked any
	failed   bool
	exited   bool
}

// newWatch returns a watch, which is to be freed.
func newWatch(progress func(Progress), warning func(Warning)) (*watch, error) {
	w := &watch{progress: progress, warning: warning, handle: C.CRWatchNew()}
	if progress != nil || warning != nil {
		w.self = cgo.NewHandle(w)
	}
	if progress != nil {
		var failure *C.CRError
		if err := result(C.crutils_go_on_progress(w.handle, C.uintptr_t(w.self), &failure), failure); err != nil {
			w.free()
			return nil, err
		}
	}
	if warning != nil {
		var failure *C.CRError
		if err := result(C.crutils_go_on_warning(w.handle, C.uintptr_t(w.self), &failure), failure); err != nil {
			w.free()
			return nil, err
		}
	}
	return w, nil
}

// free frees the watch. No work may be under it any longer.
func (w *watch) free() {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.handle != nil {
		C.CRWatchFree(w.handle)
		w.handle = nil
		if w.self != 0 {
			w.self.Delete()
		}
	}
}

// stop ends the works under the watch: with ETIMEDOUT if the reason is a deadline, otherwise with ECANCELED.
func (w *watch) stop(reason error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch {
	case w.handle == nil:
	case errors.Is(reason, context.DeadlineExceeded):
		var failure *C.CRError
		if result(C.CRWatchDeadline(w.handle, 0, &failure), failure) != nil {
			C.CRWatchCancel(w.handle)
		}
	default:
		C.CRWatchCancel(w.handle)
	}
}

// watched calls a function of C's under a watch of its own.
func watched(
	ctx context.Context,
	progress func(Progress),
	warning func(Warning),
	call func(watch *C.CRWatch, failure **C.CRError) C.int,
) error {
	w, err := newWatch(progress, warning)
	if err != nil {
		return err
	}
	defer w.free()
	return w.during(ctx, func(watch *C.CRWatch) error {
		var failure *C.CRError
		return result(call(watch, &failure), failure)
	})
}

// during calls work, which ends early if the context does.
func (w *watch) during(ctx context.Context, work func(watch *C.CRWatch) error) error {
	if ctx.Err() != nil {
		w.stop(ctx.Err())
	} else if ctx.Done() != nil {
		over, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			select {
			case <-ctx.Done():
				w.stop(ctx.Err())
			case <-over:
			}
		}()
		defer func() {
			close(over)
			// A context that ends later must not reach a later call, nor a watch that is freed.
			<-ended
		}()
	}
	w.ctx = ctx
	err := work(w.handle)
	w.resume()
	made, is := err.(*Error)
	if is && (made.Kind == KindCancelled || made.Kind == KindDeadline) && ctx.Err() != nil {
		made.cause = cause(ctx)
	}
	return err
}

// call calls a function of the caller's on a goroutine of its own, and waits for it. A panic, or runtime.Goexit, must not
// unwind the frames of the library: it cancels the work, and goes on after the call.
func (w *watch) call(function func()) {
	if w.failed || w.exited {
		return
	}
	over := make(chan struct{})
	go func() {
		returned := false
		defer close(over)
		defer func() {
			if returned {
				return
			}
			if w.panicked = recover(); w.panicked != nil {
				w.failed = true
			} else {
				w.exited = true
			}
			w.stop(context.Canceled)
		}()
		function()
		returned = true
	}()
	<-over
	// If the function has ended the context, the work ends at its next step, not when another goroutine comes to it.
	if w.ctx.Err() != nil {
		w.stop(w.ctx.Err())
	}
}

// resume does on the caller's goroutine what a function of the caller's did on its own instead of returning.
func (w *watch) resume() {
	switch {
	case w.failed:
		w.failed = false
		panic(w.panicked)
	case w.exited:
		w.exited = false
		runtime.Goexit()
	}
}

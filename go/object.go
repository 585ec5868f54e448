//go:build linux && cgo

package crutils

import (
	"sync"
	"syscall"
)

// object guards something of C's: one call at a time uses it, and it is freed once, after the last call.
type object struct {
	name string

	lock         sync.Mutex
	free         func()
	busy, closed bool
}

// begin makes the object this call's until end.
func (o *object) begin() error {
	o.lock.Lock()
	defer o.lock.Unlock()
	switch {
	case o.closed || o.free == nil:
		return closedError(o.name)
	case o.busy:
		return refused(syscall.EBUSY, o.name+": another call is at work")
	}
	o.busy = true
	return nil
}

// end ends a call, and frees the object if it was closed meanwhile.
func (o *object) end() {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.busy = false
	o.release()
}

// close frees the object, now or at the end of the call that is at work.
func (o *object) close() {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.closed = true
	o.release()
}

func (o *object) release() {
	if o.closed && !o.busy && o.free != nil {
		o.free()
		o.free = nil
	}
}

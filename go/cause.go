//go:build linux && cgo && go1.20

package crutils

import "context"

// cause returns why a context has ended.
func cause(ctx context.Context) error {
	return context.Cause(ctx)
}

// What podman's test/e2e/checkpoint_test.go needs beside podman's own helpers: scripts/podman builds both.

package integration

import (
	"reflect"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

// The tests have these images alone, which the virtual machine makes of busybox.
func init() {
	CACHE_IMAGES = []string{ALPINE, REDIS_IMAGE}
	RESTORE_IMAGES = CACHE_IMAGES
}

// HaveField is gomega's, which came after Debian 12's version: the value of a structure's field, or what it has to match.
func HaveField(name string, expected interface{}) types.GomegaMatcher {
	matcher, is := expected.(types.GomegaMatcher)
	if !is {
		matcher = Equal(expected)
	}
	return WithTransform(func(structure interface{}) interface{} {
		return reflect.Indirect(reflect.ValueOf(structure)).FieldByName(name).Interface()
	}, matcher)
}

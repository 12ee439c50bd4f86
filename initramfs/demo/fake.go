//go:build linux

package main

import (
	"context"
	"errors"
)

func fake(context.Context, string) error { return errors.New("no") }

// Package check says what a kernel would answer to a module, and why it refused one.
package check

// Package repotest holds tests about the repository as a whole: which package may use which, that everything exported
// is documented, how long files and functions are, and what the binary is made of. It has no other code.
package repotest

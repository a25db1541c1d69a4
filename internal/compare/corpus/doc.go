// Package corpus holds the comparison to its error rates: seeded differences that it has to find, and pairs without one that
// it has to let pass. The cases are folders in ../testdata/corpus; a new one needs no Go.
package corpus

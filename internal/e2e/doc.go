// Package e2e holds the tests that promote the sample system with the program itself, as a user would call it. It has no
// code of its own: every test builds the real binary, real containers and a real PostgreSQL.
package e2e

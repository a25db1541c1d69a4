// Package e2e promotes the sample system with the real program over real containers and a real PostgreSQL, kills what can
// be killed meanwhile, and asks a second witness whether staging is what it has to be. It holds tests only.
package e2e

// Package revoke measures how long a revocation takes to be a refusal: from the
// moment that its block is there to the first read that is refused, with real
// transactions on the node's own chain and reads over HTTP while it happens.
//
// It holds a test only. The suite runs it with two hundred trials and asserts
// what must hold for each; the figures come from
//
//	go test ./bench/revoke -count=1 -v -trials 10000 -timeout 60m
//
// A trial is one grant to one account on one vehicle: granted, read, and revoked
// while it is being read without pause. Many trials share a block. A third each
// read by the two GraphQL endpoints and trade developer tokens for vehicle
// tokens.
package revoke

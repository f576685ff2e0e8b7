// Package chaos breaks the disk under a vault and looks whether it keeps its
// promises. Cars send, owners erase, readers read; at a moment that a seed
// chooses the power goes, the process dies, an operation fails or the disk is
// full. Then the store is opened again and compared with what the senders were
// told: nothing acknowledged is lost, nothing is invented or altered, what was
// not acknowledged is whole or absent, the order is kept, what was erased stays
// away, and what goes with time goes when it is due and not before, by another
// policy in each life. It is all tests:
//
//	go test ./node/vault/chaos                                  a thousand cuts, each tenth fault
//	go test ./node/vault/chaos -cuts 50000 -every 1 -timeout 3h -v
//	go test ./node/vault/chaos -run TestPowerCuts -seed 17 -cuts 12 -v   the world of one seed
//
// A seed gives what is asked of the vault, in order, and which operation of
// which kind is hit; how the vault's goroutines share the time between these is
// left to the scheduler. A failure therefore prints the last operations of the
// disk, and with -images it leaves the files as the next start found them.
package chaos

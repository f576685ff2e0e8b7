// Package nodump keeps the memory of this process, in which keys and readings are
// in the clear, out of core dumps and away from debuggers of the same account.
package nodump

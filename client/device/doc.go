// Package device is what a unit in a car does on its side of the public door:
// it writes what it measured as a cloud event of the form default/v1.0, signs
// it with its key, and sends it, keeping the latest reports while the node
// cannot be reached. It knows nothing of a node but the door's address.
package device

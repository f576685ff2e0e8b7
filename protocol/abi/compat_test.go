package abi_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	gethabi "github.com/ethereum/go-ethereum/accounts/abi"

	"sayso/protocol/abi"
)

// published is what the reference network's contracts publish, by our contract:
// the names under which the table lists them.
var published = map[string][]string{
	"Registry":   {"Manufacturer", "Vehicle", "AftermarketDevice", "Mapper", "Nodes", "Shared"},
	"Grants":     {"Sacd(v2 published ABI)"},
	"DevLicense": {"DevLicenseDimo"}, "LicenseAccount": {"DimoDeveloperLicenseAccount"},
	"VehicleId": {"VehicleId"}, "ManufacturerId": {"ManufacturerId"}, "AftermarketDeviceId": {"AftermarketDeviceId"},
}

// own are the functions, events and errors that the reference does not have.
// Everything else must be in the table, with the same id.
var own = map[string]string{
	"Registry": `
		mintVehicleWithDeviceDefinitionWithDeadline burnVehicleWithDeadline claimAftermarketDeviceWithDeadline
		pairAftermarketDeviceWithDeadline unpairAftermarketDeviceWithDeadline nonces isDigestUsed eip712Domain
		renameManufacturer ManufacturerRenamed onAftermarketDeviceTransfer nodeTokens initialize
		SignatureAlreadyUsed SignatureExpired ManufacturerNameRefused AlreadyManufacturer InvalidAccountNonce`,
	"Grants":              `initialize TemplateContractSet`,
	"DevLicense":          `initialize AliasEndsWithZeroByte balanceOf getApproved isApprovedForAll Approval ApprovalForAll`,
	"LicenseAccount":      `eip712Domain EIP712DomainChanged InvalidShortString StringTooLong onERC721Received`,
	"VehicleId":           `initialize mint burnByRegistry acknowledge ApprovalsRefused`,
	"ManufacturerId":      `initialize mint acknowledge ApprovalsRefused AlreadyManufacturer Unauthorized`,
	"AftermarketDeviceId": `initialize mint acknowledge moveByRegistry`,
}

// library are parts of OpenZeppelin 5 that every contract brings along.
const library = `authority setAuthority isConsumingScheduledOp AuthorityUpdated AccessManagedInvalidAuthority
	AccessManagedRequiredDelay AccessManagedUnauthorized UPGRADE_INTERFACE_VERSION proxiableUUID upgradeToAndCall
	Upgraded Initialized AddressEmptyCode ERC1967InvalidImplementation ERC1967NonPayable FailedCall InvalidInitialization
	NotInitializing UUPSUnauthorizedCallContext UUPSUnsupportedProxiableUUID SafeCastOverflowedUintDowncast
	Create2EmptyBytecode FailedDeployment InsufficientBalance CloneArgumentsTooLong sacd supportsInterface`

// TestSameIDsAsTheReference compares every selector and topic with the table of
// the reference network, so that its SDKs and indexers find what they look for.
func TestSameIDsAsTheReference(t *testing.T) {
	table := readTable(t)
	contracts, err := abi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range byName(contracts) {
		ids := map[string]bool{}
		for _, reference := range published[name] {
			for id := range table[reference] {
				ids[id] = true
			}
		}
		known := 0
		allowed := " " + strings.Join(strings.Fields(own[name]+" "+library), " ") + " "
		for id, item := range items(c) {
			switch {
			case ids[id]:
				known++
			case strings.HasPrefix(item, "error ERC721") || strings.HasPrefix(item, "error ECDSA"):
			case strings.Contains(allowed, " "+item[strings.Index(item, " ")+1:strings.Index(item, "(")]+" "):
			default:
				t.Errorf("%s: %s (%s) is not in the table of the reference", name, item, id)
			}
		}
		t.Logf("%s: %d functions, events and errors as in the reference", name, known)
	}
}

// byName gives the contracts that have a counterpart in the reference.
func byName(c *abi.Contracts) map[string]abi.Contract {
	out := map[string]abi.Contract{}
	for _, x := range []abi.Contract{
		c.Registry, c.Grants, c.DevLicense, c.LicenseAccount, c.Vehicle, c.Manufacturer, c.AftermarketDevice,
	} {
		out[x.Name] = x
	}
	return out
}

// items maps the id of each function, event and error to its kind and signature.
func items(c abi.Contract) map[string]string {
	out := map[string]string{}
	for _, m := range c.ABI.Methods {
		out["0x"+hex.EncodeToString(m.ID)] = "function " + m.Sig
	}
	for _, e := range c.ABI.Events {
		out[eventKey(e)] = "event " + e.Sig
	}
	for _, e := range c.ABI.Errors {
		out["0x"+hex.EncodeToString(e.ID[:4])] = "error " + e.Sig
	}
	return out
}

// eventKey is the topic with the number of indexed arguments: a decoder needs both.
func eventKey(e gethabi.Event) string {
	key := e.ID.Hex()
	for _, a := range e.Inputs {
		if a.Indexed {
			key += "+"
		} else {
			key += "-"
		}
	}
	return key
}

// readTable reads contract -> id -> signature; events carry their indexed
// arguments in the id as eventKey does.
func readTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../shared/spec/contracts-abi.tsv")
	if err != nil {
		t.Skip("the table of the reference's ABIs is not beside the repository: ", err)
	}
	out := map[string]map[string]string{}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 4 {
			continue
		}
		id := f[2]
		if f[1] == "event" {
			for _, arg := range arguments(f[3]) {
				if strings.Contains(arg, " indexed ") {
					id += "+"
				} else {
					id += "-"
				}
			}
		}
		if out[f[0]] == nil {
			out[f[0]] = map[string]string{}
		}
		out[f[0]][id] = f[3]
	}
	return out
}

// arguments splits "name(a b, c d)"; events of the table have no tuples.
func arguments(signature string) []string {
	inside := signature[strings.Index(signature, "(")+1 : strings.LastIndex(signature, ")")]
	if inside == "" {
		return nil
	}
	return strings.Split(inside, ", ")
}

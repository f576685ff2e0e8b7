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
	"Registry": {"Manufacturer", "Vehicle", "AftermarketDevice", "SyntheticDevice", "MultipleMinter",
		"StorageNodeRegistry", "DevAdmin", "Mapper", "Nodes", "Shared"},
	"Grants":     {"Sacd(v2 published ABI)"},
	"DevLicense": {"DevLicenseDimo"}, "LicenseAccount": {"DimoDeveloperLicenseAccount"},
	"VehicleId": {"VehicleId"}, "ManufacturerId": {"ManufacturerId"}, "AftermarketDeviceId": {"AftermarketDeviceId"},
	"SyntheticDeviceId": {"SyntheticDeviceId"}, "Connections": {"Connections (event ABI)"},
	"StorageNodes": {"StorageNode (event ABI)"}, "Templates": {"Template (event ABI)", "Template (read ABI)"},
}

// own are the functions, events and errors that the reference does not have.
// Everything else must be in the table, with the same id.
var own = map[string]string{
	"Registry": `
		mintVehicleWithDeviceDefinitionWithDeadline burnVehicleWithDeadline claimAftermarketDeviceWithDeadline
		pairAftermarketDeviceWithDeadline unpairAftermarketDeviceWithDeadline nonces isDigestUsed eip712Domain
		renameManufacturer ManufacturerRenamed onAftermarketDeviceTransfer nodeTokens nodeBalances initialize
		SignatureAlreadyUsed SignatureExpired ManufacturerNameRefused AlreadyManufacturer InvalidAccountNonce
		annex NoAnnex onVehicleTransfer isClaimUsed isConnectUsed setDeviceDefinitionId DefaultStorageNodeIdSet
		mintSyntheticDeviceWithDeadline burnSyntheticDeviceWithDeadline mintVehicleAndSdWithDeadline`,
	"Grants": `initialize TemplateContractSet AllPermissionsRevoked AllAccountPermissionsRevoked
		revokeAll revokeAllBySig revokeAllAccountPermissions setPermissionsBySig setAccountPermissionsBySig
		nonces eip712Domain InvalidOwnerSignature SignatureExpired InvalidAccountNonce GrantsNotVoided`,
	"DevLicense":          `initialize AliasEndsWithZeroByte balanceOf getApproved isApprovedForAll Approval ApprovalForAll`,
	"LicenseAccount":      `eip712Domain EIP712DomainChanged InvalidShortString StringTooLong onERC721Received`,
	"VehicleId":           `initialize mint burnByRegistry acknowledge ApprovalsRefused ownerAndVersion voidGrants`,
	"ManufacturerId":      `initialize mint acknowledge ApprovalsRefused AlreadyManufacturer Unauthorized ownerAndVersion voidGrants`,
	"AftermarketDeviceId": `initialize mint acknowledge moveByRegistry ownerAndVersion voidGrants`,
	"SyntheticDeviceId": `initialize mint acknowledge moveByRegistry burnByRegistry locked Locked StaysWithVehicle
		_dimoRegistry ownerAndVersion voidGrants`,
	// No functions of these are published, only events and, for templates, two reads.
	"Connections": `initialize mint upgrade connections connectionAddressToId toConnectionId exists` + token,
	"StorageNodes": `initialize mint setNodeUri setNodeAddress nodes nodeAddressToNodeId exists NodeAddressUpdated` +
		token,
	"Templates": `initialize createTemplate deactivateTemplate exists TemplateNotActive` + token,
}

// token is what an ERC-721 token with a name as id brings along.
const token = ` name symbol tokenURI balanceOf ownerOf approve getApproved setApprovalForAll isApprovedForAll transferFrom
	safeTransferFrom Approval ApprovalForAll InvalidName Unauthorized ZeroAddress AddressInUse`

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
		ids := map[string]string{}
		for _, reference := range published[name] {
			for id, answer := range table[reference] {
				ids[id] = answer
			}
		}
		for _, m := range c.ABI.Methods {
			want, known := ids["0x"+hex.EncodeToString(m.ID)]
			if got := answerOf(m); known && got != want {
				t.Errorf("%s.%s answers %q, in the reference %q", name, m.Sig, got, want)
			}
		}
		known := 0
		allowed := " " + strings.Join(strings.Fields(own[name]+" "+library), " ") + " "
		for id, item := range items(c) {
			switch {
			case has(ids, id):
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

// promised are the reference's functions that clients of ours may rely on.
var promised = map[string]string{
	"Registry": `
		mintManufacturer(address,string,(string,string)[]) mintManufacturerBatch(address,string[])
		setManufacturerInfo(uint256,(string,string)[]) addManufacturerAttribute(string)
		getManufacturerIdByName(string) getManufacturerNameById(uint256) isManufacturerMinted(address)
		mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[])
		mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[],(address,uint256,uint256,string))
		mintVehicleWithDeviceDefinitionSign(uint256,address,string,(string,string)[],bytes)
		burnVehicleSign(uint256,bytes) setVehicleInfo(uint256,(string,string)[]) addVehicleAttribute(string)
		validateBurnAndResetNode(uint256) getDeviceDefinitionIdByVehicleId(uint256)
		mintAftermarketDeviceByManufacturerBatch(uint256,(address,(string,string)[])[])
		claimAftermarketDevice(uint256,bytes) claimAftermarketDeviceSign(uint256,address,bytes,bytes)
		claimAftermarketDeviceBatch((uint256,address)[])
		pairAftermarketDevice(uint256,uint256) pairAftermarketDeviceWithAdSig(uint256,uint256,bytes)
		pairAftermarketDeviceSign(uint256,uint256,bytes) pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)
		unpairAftermarketDevice(uint256,uint256) unpairAftermarketDeviceSign(uint256,uint256,bytes)
		resetAftermarketDeviceAddressByManufacturerBatch((uint256,address)[])
		setAftermarketDeviceBeneficiary(uint256,address) setAftermarketDeviceInfo(uint256,(string,string)[])
		addAftermarketDeviceAttribute(string) getAftermarketDeviceIdByAddress(address)
		getAftermarketDeviceAddressById(uint256) isAftermarketDeviceClaimed(uint256)
		mintVehicleWithDeviceDefinition(uint256,address,uint256,string,(string,string)[])
		mintVehicleWithDeviceDefinition(uint256,address,uint256,string,(string,string)[],(address,uint256,uint256,string))
		mintVehicleWithDeviceDefinitionSign(uint256,address,uint256,string,(string,string)[],bytes)
		setStorageNodeIdForVehicle(uint256,uint256) vehicleIdToStorageNodeId(uint256) getDefaultStorageNodeId()
		setDefaultStorageNodeId(uint256) getStorageNode() getConnectionsManager()
		mintSyntheticDeviceSign((uint256,uint256,bytes,bytes,address,(string,string)[]))
		mintSyntheticDeviceBatch(uint256,(uint256,address,(string,string)[])[])
		burnSyntheticDeviceSign(uint256,uint256,bytes) validateSdBurnAndResetNode(uint256)
		addSyntheticDeviceAttribute(string) setSyntheticDeviceInfo(uint256,(string,string)[])
		getSyntheticDeviceIdByAddress(address) getSyntheticDeviceAddressById(uint256)
		mintVehicleAndSdSign((uint256,address,(string,string)[],uint256,bytes,bytes,address,(string,string)[]))
		mintVehicleAndSdSign((uint256,address,uint256,(string,string)[],uint256,bytes,bytes,address,(string,string)[]))
		mintVehicleAndSdWithDeviceDefinitionSign((uint256,address,string,(string,string)[],uint256,bytes,bytes,address,(string,string)[]))
		mintVehicleAndSdWithDeviceDefinitionSign((uint256,address,string,uint256,(string,string)[],uint256,bytes,bytes,address,(string,string)[]))
		mintVehicleAndSdWithDeviceDefinitionSignAndSacd((uint256,address,string,(string,string)[],uint256,bytes,bytes,address,(string,string)[]),(address,uint256,uint256,string))
		mintVehicleAndSdWithDeviceDefinitionSignAndSacd((uint256,address,string,uint256,(string,string)[],uint256,bytes,bytes,address,(string,string)[]),(address,uint256,uint256,string))
		mintVehicleAndSdWithDeviceDefinitionSignBatch((uint256,address,string,(string,string)[],uint256,bytes,bytes,address,(string,string)[],(address,uint256,uint256,string))[])
		mintVehicleAndSdWithDeviceDefinitionSignBatch((uint256,address,string,uint256,(string,string)[],uint256,bytes,bytes,address,(string,string)[],(address,uint256,uint256,string))[])
		getNodeLink(address,address,uint256) getParentNode(address,uint256) getLink(address,uint256) getBeneficiary(address,uint256) getSacd()`,
	"Grants": `
		setPermissions(address,uint256,address,uint256,uint256,string)
		setPermissions(address,uint256,address,uint256,uint256,uint256,string)
		setAccountPermissions(address,uint256,uint256,uint256,string) renounceAccountPermissions(address)
		hasAccountPermission(address,address,uint8) hasAccountPermissions(address,address,uint256)
		getAccountPermissions(address,address,uint256) accountPermissionRecords(address,address)
		renouncePermissions(address,uint256) onTransfer(address,uint256)
		hasPermission(address,uint256,address,uint8) hasPermissions(address,uint256,address,uint256)
		getPermissions(address,uint256,address,uint256) currentPermissionRecord(address,uint256,address)
		permissionRecords(address,uint256,uint256,address) tokenIdToVersion(address,uint256)
		templateContract() setTemplateContract(address)`,
	"DevLicense": `
		issueInDc(string) issueInDc(address,string) enableSigner(uint256,address) disableSigner(uint256,address)
		setRedirectUri(uint256,bool,string) setLicenseAlias(uint256,string) revoke(uint256)
		isSigner(uint256,address) signers(uint256,address) getSignerExpiration(uint256,address)
		redirectUriStatus(uint256,string) tokenIdToClientId(uint256) clientIdToTokenId(address)
		getLicenseAliasByTokenId(uint256) getTokenIdByLicenseAlias(string) getTokenIdByLicenseAlias(bytes32)
		periodValidity() setPeriodValidity(uint256) locked(uint256) ownerOf(uint256)`,
	"LicenseAccount": `isValidSignature(bytes32,bytes) isSigner(address) license() tokenId()
		execute(address,uint256,bytes)`,
	"VehicleId": `ownerOf(uint256) balanceOf(address) exists(uint256) burn(uint256) transferFrom(address,address,uint256)
		safeTransferFrom(address,address,uint256) safeTransferFrom(address,address,uint256,bytes) tokenURI(uint256)
		sacd() _dimoRegistry() setBaseURI(string) setSacd(uint256,(address,uint256,uint256,string))`,
	"ManufacturerId":      `ownerOf(uint256) balanceOf(address) exists(uint256) transferFrom(address,address,uint256)`,
	"AftermarketDeviceId": `ownerOf(uint256) balanceOf(address) exists(uint256) approve(address,uint256) returnToManufacturer(uint256)`,
	"SyntheticDeviceId":   `ownerOf(uint256) balanceOf(address) exists(uint256) burn(uint256) setBaseURI(string)`,
	"Templates":           `templates(uint256) isTemplateActive(uint256)`,
}

// TestPromisedFunctions checks that what clients rely on is there.
func TestPromisedFunctions(t *testing.T) {
	contracts, err := abi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range byName(contracts) {
		for _, signature := range strings.Fields(promised[name]) {
			if _, err := c.Method(signature); err != nil {
				t.Error(err)
			}
		}
	}
}

// byName gives the contracts that have a counterpart in the reference.
func byName(c *abi.Contracts) map[string]abi.Contract {
	out := map[string]abi.Contract{}
	for _, x := range []abi.Contract{
		c.Registry, c.Grants, c.DevLicense, c.LicenseAccount, c.Vehicle, c.Manufacturer, c.AftermarketDevice,
		c.SyntheticDevice, c.Connections, c.StorageNodes, c.Templates,
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

// answerOf is how the table writes mutability and outputs, without their names.
func answerOf(m gethabi.Method) string {
	var types []string
	for _, o := range m.Outputs {
		types = append(types, o.Type.String())
	}
	if len(types) == 0 {
		return m.StateMutability
	}
	return m.StateMutability + " -> " + strings.Join(types, ", ")
}

// withoutNames strips the names of outputs: "view -> uint256 id" to "view -> uint256".
func withoutNames(answer string) string {
	mutability, outputs, some := strings.Cut(answer, " -> ")
	if !some {
		return mutability
	}
	var types []string
	for _, o := range strings.Split(outputs, ", ") {
		kind, _, _ := strings.Cut(o, " ")
		types = append(types, kind)
	}
	return mutability + " -> " + strings.Join(types, ", ")
}

func has(ids map[string]string, id string) bool {
	_, ok := ids[id]
	return ok
}

// readTable reads contract -> id -> mutability and outputs; events carry their
// indexed arguments in the id as eventKey does.
func readTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../shared/spec/contracts-abi.tsv")
	if err != nil {
		t.Skip("the table of the reference's ABIs is not beside the repository: ", err)
	}
	out := map[string]map[string]string{}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 5 {
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
		out[f[0]][id] = withoutNames(f[4])
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

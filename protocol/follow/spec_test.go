package follow

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"sayso"
)

// names are what the specification calls our contracts.
var contractNames = map[sayso.Address]string{
	info.Registry: "DIMORegistry", info.Vehicle: "VehicleId", info.Manufacturer: "VehicleId", info.SyntheticDevice: "SyntheticDeviceId",
	info.AftermarketDevice: "AftermarketDeviceId", info.Grants: "Sacd", info.DevLicense: "DevLicenseDimo", info.Templates: "Template",
	info.Connections: "Connections", info.StorageNodes: "StorageNode", info.Staking: "DIMOStaking", info.Names: "DcnRegistry",
	info.Resolver: "ResolverRegistry", info.Reward: "Reward",
}

// ours are events that only our contracts have.
var ours = []string{allRevoked, allAccountRevoked, renamed, nodeMoved}

// passed are the events of the specification that change nothing that is kept,
// and why.
var passed = map[string][]string{
	"who may act for an owner is no matter of the registry": {"Approval", "ApprovalForAll", "RolesUpdated", "OwnershipHandoverCanceled", "OwnershipHandoverRequested", "OwnershipTransferred",
		"DefaultAdminDelayChangeCanceled", "DefaultAdminDelayChangeScheduled", "DefaultAdminTransferCanceled", "DefaultAdminTransferScheduled"},
	"the contracts' own wiring": {"Upgraded", "ModuleAdded", "ModuleRemoved", "ModuleUpdated", "AftermarketDeviceIdProxySet", "ControllerSet", "ManufacturerIdProxySet", "IntegrationIdProxySet",
		"SyntheticDeviceIdProxySet", "VehicleIdProxySet", "ConnectionsManagerSet", "DimoCreditSet", "DimoTokenSet", "FoundationSet", "ManufacturerLicenseSet", "SacdSet", "StorageNodeSet",
		"StreamRegistrySet", "DimoStreamrEnsSet", "DimoStreamrNodeSet", "NewBaseURI", "NewDefaultResolver", "NewResolver", "UpdateDimoCreditAddress", "UpdateDimoTokenAddress",
		"UpdateLicenseAccountFactoryAddress", "UpdatePriceProviderAddress", "UpdateReceiverAddress", "NewRegistryContractAddressSet", "NewSyntheticProxyAddressSet"},
	"which attributes and rights may be set, not that they are": {"VehicleAttributeAdded", "VehicleAttributeRemoved", "AftermarketDeviceAttributeAdded", "ManufacturerAttributeAdded", "IntegrationAttributeAdded",
		"SyntheticDeviceAttributeAdded", "PrivilegeCreated", "PrivilegeDisabled", "PrivilegeEnabled"},
	"prices and terms":                                   {"OperationCostSet", "ConnectionConfigSet", "UpdateLicenseCost", "UpdatePeriodValidity", "NewMinimumTimeForRewardsSet", "NewRewardGenesisTimeSet", "WeekAdvanced"},
	"streams outside of the chain":                       {"SubscribedToVehicleStream", "VehicleStreamSet", "VehicleStreamUnset"},
	"pictures are made anew at every request":            {"BatchMetadataUpdate", "MetadataUpdate"},
	"bonds of licences, which no answer shows":           {"AssetForfeit", "AssetFreezeUpdate", "StakeDeposit", "StakeWithdraw", "Locked"},
	"money that no vehicle earned":                       {"AdminWithdrawal", "AdminWithdrawalError", "DidntQualify", "WithdrawalRequestCreated"},
	"names no week; the forms after it do":               {"TokensTransferred"},
	"rights on devices in the old form, shown by nobody": {"PrivilegeSet"}, // on a vehicle it is kept
}

func specification(t *testing.T) [][]string {
	file, err := os.Open("../../../shared/spec/contracts-events-indexed.tsv")
	if err != nil {
		t.Skip("the specification is not beside the repository:", err)
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(rows, func(row []string) bool { return len(row) < 3 })
}

// Every row of the table has the topic that the specification computed from the
// contracts, and is indexed as it says, where it says.
func TestTopicsAreThoseOfTheSpecification(t *testing.T) {
	topics, shapes := map[string]string{}, map[string]bool{}
	for _, row := range specification(t) {
		contract := strings.Split(row[0], " ")[0]
		topics[contract+" "+kindsOf(row[2])] = row[1]
		shapes[contract+" "+shape(row[2])] = true
	}
	for _, e := range table(info) {
		if slices.Contains(ours, e.signature) {
			continue
		}
		name := contractNames[e.contract(info)]
		want, ok := topics[name+" "+kindsOf(e.signature)]
		_, topic, err := parseSignature(e.signature)
		if err != nil || !ok || topic.Hex() != want {
			t.Errorf("%s: topic %s, the specification has %q (%v)", e.signature, topic.Hex(), want, err)
		}
		variant := strings.HasPrefix(e.signature, "NodeSetForVehicle(") || strings.HasPrefix(e.signature, "TokensTransferredForConnectionStreak(uint256 week")
		if !shapes[name+" "+shape(e.signature)] && !variant {
			t.Errorf("%s: the specification has no %s", e.signature, shape(e.signature))
		}
	}
}

// No row of the specification is forgotten: it is folded, or it is known why not.
func TestEveryEventOfTheSpecificationIsUnderstood(t *testing.T) {
	folded := map[string]bool{}
	for _, e := range table(info) {
		folded[contractNames[e.contract(info)]+" "+kindsOf(e.signature)] = true
	}
	used := map[string]bool{}
	rows := specification(t)
	for _, row := range rows {
		event := strings.Split(row[0], " ")[0] + " " + kindsOf(row[2])
		name, _, _ := strings.Cut(row[2], "(")
		silent := false
		for _, list := range passed {
			silent = silent || slices.Contains(list, name)
		}
		if used[name] = silent; folded[event] == silent && !(name == "PrivilegeSet" && strings.HasPrefix(event, "VehicleId ")) {
			t.Errorf("%s: folded %v, passed over on purpose %v", event, folded[event], silent)
		}
	}
	for why, list := range passed {
		for _, name := range list {
			if !used[name] {
				t.Errorf("%q is none of the events (%s)", name, why)
			}
		}
	}
	t.Logf("%d rows: %d folded", len(rows), len(folded))
}

// kindsOf is a signature without names and without what is indexed.
func kindsOf(signature string) string { return strings.ReplaceAll(shape(signature), " indexed", "") }

// shape drops the argument names of a signature.
func shape(signature string) string {
	name, list, _ := strings.Cut(signature, "(")
	list, _, _ = strings.Cut(list, ")")
	var kinds []string
	for _, part := range strings.Split(list, ",") {
		words := strings.Fields(part)
		switch {
		case len(words) == 0:
		case len(words) > 1 && words[1] == "indexed":
			kinds = append(kinds, words[0]+" indexed")
		default:
			kinds = append(kinds, words[0])
		}
	}
	return name + "(" + strings.Join(kinds, ",") + ")"
}

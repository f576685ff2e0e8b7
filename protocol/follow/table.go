package follow

import (
	"fmt"
	"maps"
	"slices"

	"sayso"
	"sayso/owner/registry"
)

func onRegistry(c registry.ChainInfo) sayso.Address     { return c.Registry }
func onVehicle(c registry.ChainInfo) sayso.Address      { return c.Vehicle }
func onManufacturer(c registry.ChainInfo) sayso.Address { return c.Manufacturer }
func onDevice(c registry.ChainInfo) sayso.Address       { return c.AftermarketDevice }
func onGrants(c registry.ChainInfo) sayso.Address       { return c.Grants }
func onLicense(c registry.ChainInfo) sayso.Address      { return c.DevLicense }

const transfer = "Transfer(address indexed from, address indexed to, uint256 indexed tokenId)"

// table lists every event that changes the registry (spec contracts 7). A mint
// emits Transfer from the zero address before or after the node event; the
// node event alone counts.
func table(chain registry.ChainInfo) []event {
	list := []event{
		{onRegistry, "ManufacturerNodeMinted(string name, uint256 tokenId, address indexed owner)", manufacturerMinted},
		{onManufacturer, transfer, manufacturerMoved},

		{onRegistry, "VehicleNodeMinted(uint256 manufacturerId, uint256 vehicleId, address owner)", vehicleMinted},
		{onRegistry, "VehicleNodeMintedWithDeviceDefinition(uint256 indexed manufacturerId, uint256 indexed vehicleId, address indexed owner, string deviceDefinitionId)", vehicleMinted},
		{onRegistry, "VehicleAttributeSet(uint256 tokenId, string attribute, string info)", vehicleAttributeSet},
		{onRegistry, "DeviceDefinitionIdSet(uint256 indexed vehicleId, string ddId)", definitionSet},
		{onVehicle, transfer, vehicleMoved},

		{onRegistry, "AftermarketDeviceNodeMinted(uint256 indexed manufacturerId, uint256 tokenId, address indexed aftermarketDeviceAddress, address indexed owner)", deviceMinted},
		{onRegistry, "AftermarketDeviceAttributeSet(uint256 tokenId, string attribute, string info)", deviceAttributeSet},
		{onRegistry, "AftermarketDeviceClaimed(uint256 aftermarketDeviceNode, address indexed owner)", deviceClaimed},
		{onRegistry, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode)", deviceUnclaimed},
		{onRegistry, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode, address indexed owner)", deviceUnclaimed},
		{onRegistry, "AftermarketDevicePaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)", devicePaired},
		{onRegistry, "AftermarketDeviceUnpaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)", deviceUnpaired},
		{onRegistry, "AftermarketDeviceAddressReset(uint256 indexed manufacturerId, uint256 indexed tokenId, address indexed aftermarketDeviceAddress)", deviceAddressReset},
		{onRegistry, "AftermarketDeviceNodeBurned(uint256 indexed tokenId, address indexed owner)", deviceBurned},
		{onRegistry, "BeneficiarySet(address indexed idProxyAddress, uint256 indexed nodeId, address indexed beneficiary)", beneficiarySet(chain.AftermarketDevice)},
		{onDevice, transfer, deviceMoved},

		{onGrants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256 templateId, string source)", permissionsSet(chain.Vehicle)},
		{onGrants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, string source)", permissionsSet(chain.Vehicle)},
		{onGrants, "PermissionsRenounced(address indexed asset, uint256 indexed tokenId, address indexed grantee)", permissionsRenounced(chain.Vehicle)},
		{onGrants, allRevoked, allPermissionsRevoked(chain.Vehicle)},

		{onLicense, "Issued(uint256 indexed tokenId, address indexed owner, address indexed clientId)", licenceIssued},
		{onLicense, "LicenseAliasSet(uint256 indexed tokenId, string licenseAlias)", licence(func(tx *registry.Tx, l *registry.Licence, a args) { l.Alias = a.text("licenseAlias") })},
		{onLicense, "SignerEnabled(uint256 indexed tokenId, address indexed signer)", licence(signerEnabled)},
		{onLicense, "SignerDisabled(uint256 indexed tokenId, address indexed signer)", licence(signerDisabled)},
		{onLicense, "RedirectUriEnabled(uint256 indexed tokenId, string uri)", licence(redirectEnabled)},
		{onLicense, "RedirectUriDisabled(uint256 indexed tokenId, string uri)", licence(redirectDisabled)},
		{onLicense, transfer, licence(licenceMoved)},
	}
	list = append(list, connectedTable()...)
	if !chain.Templates.IsZero() {
		list = append(list, templateTable()...)
	}
	return list
}

func missing(what string, id uint64) error {
	return errSkip(fmt.Sprintf("there is no %s %d", what, id))
}

func manufacturerMinted(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err == nil {
		tx.PutManufacturer(registry.Manufacturer{ID: id, Name: a.text("name"), Owner: a.address("owner"), MintedAt: tx.Block.Time})
	}
	return err
}

func manufacturerMoved(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err != nil || a.address("from").IsZero() {
		return err
	}
	m, ok := tx.Manufacturer(id)
	if !ok {
		return missing("manufacturer", id)
	}
	m.Owner = a.address("to")
	tx.PutManufacturer(m)
	return nil
}

func vehicleMinted(tx *registry.Tx, a args) error {
	id, err := a.id("vehicleId")
	if err != nil {
		return err
	}
	maker, err := a.id("manufacturerId")
	if err != nil {
		return err
	}
	v, _ := tx.Vehicle(id) // attributes may have come first
	v.ID, v.Manufacturer, v.MintedAt = id, maker, tx.Block.Time
	if definition := a.text("deviceDefinitionId"); definition != "" {
		v.Definition = definition
	}
	v.Owners = []registry.Ownership{{Owner: a.address("owner"), From: tx.Block.Time, Block: tx.Block.Number}}
	tx.PutVehicle(v)
	return nil
}

// vehicle changes a vehicle that is there.
func vehicle(tx *registry.Tx, a args, name string, change func(*registry.Vehicle)) error {
	id, err := a.id(name)
	if err != nil {
		return err
	}
	v, ok := tx.Vehicle(id)
	if !ok {
		return missing("vehicle", id)
	}
	change(&v)
	tx.PutVehicle(v)
	return nil
}

func vehicleAttributeSet(tx *registry.Tx, a args) error {
	return vehicle(tx, a, "tokenId", func(v *registry.Vehicle) {
		v.Attributes = with(v.Attributes, a.text("attribute"), a.text("info"))
	})
}

func definitionSet(tx *registry.Tx, a args) error {
	return vehicle(tx, a, "vehicleId", func(v *registry.Vehicle) { v.Definition = a.text("ddId") })
}

// vehicleMoved begins the next ownership. Every grant ends with the old one.
func vehicleMoved(tx *registry.Tx, a args) error {
	to := a.address("to")
	if a.address("from").IsZero() {
		return nil
	}
	return vehicle(tx, a, "tokenId", func(v *registry.Vehicle) {
		tx.DeleteGrants(v.ID)
		switch {
		case to.IsZero():
			v.Burned = true
		case to != v.Owner():
			v.Owners = append(slices.Clone(v.Owners), registry.Ownership{Owner: to, From: tx.Block.Time, Block: tx.Block.Number})
		}
	})
}

func deviceMinted(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err != nil {
		return err
	}
	maker, err := a.id("manufacturerId")
	if err != nil {
		return err
	}
	owner := a.address("owner")
	tx.PutDevice(registry.Device{
		ID: id, Manufacturer: maker, Address: a.address("aftermarketDeviceAddress"),
		Owner: owner, Beneficiary: owner, MintedAt: tx.Block.Time,
	})
	return nil
}

// device changes a device that is there.
func device(tx *registry.Tx, a args, name string, change func(*registry.Device)) error {
	id, err := a.id(name)
	if err != nil {
		return err
	}
	d, ok := tx.Device(id)
	if !ok {
		return missing("aftermarket device", id)
	}
	change(&d)
	tx.PutDevice(d)
	return nil
}

func deviceAttributeSet(tx *registry.Tx, a args) error {
	return device(tx, a, "tokenId", func(d *registry.Device) {
		d.Attributes = with(d.Attributes, a.text("attribute"), a.text("info"))
	})
}

func deviceClaimed(tx *registry.Tx, a args) error {
	return device(tx, a, "aftermarketDeviceNode", func(d *registry.Device) { d.ClaimedAt = tx.Block.Time })
}

func deviceUnclaimed(tx *registry.Tx, a args) error {
	return device(tx, a, "aftermarketDeviceNode", func(d *registry.Device) { d.ClaimedAt = 0 })
}

func devicePaired(tx *registry.Tx, a args) error {
	id, err := a.id("vehicleNode")
	if err != nil {
		return err
	}
	err = device(tx, a, "aftermarketDeviceNode", func(d *registry.Device) {
		d.Pairings = append(ended(d.Pairings, tx.Block.Time), registry.Pairing{Vehicle: id, From: tx.Block.Time})
	})
	if err != nil {
		return err
	}
	node, err := a.id("aftermarketDeviceNode")
	if err != nil {
		return err
	}
	return vehicle(tx, a, "vehicleNode", func(v *registry.Vehicle) { v.Device = node })
}

func deviceUnpaired(tx *registry.Tx, a args) error {
	err := device(tx, a, "aftermarketDeviceNode", func(d *registry.Device) {
		d.Pairings = ended(d.Pairings, tx.Block.Time)
	})
	if err != nil {
		return err
	}
	return vehicle(tx, a, "vehicleNode", func(v *registry.Vehicle) { v.Device = 0 })
}

// ended closes the pairing that lasts.
func ended(list []registry.Pairing, at int64) []registry.Pairing {
	list = slices.Clone(list)
	if n := len(list); n > 0 && list[n-1].To == 0 {
		list[n-1].To = at
	}
	return list
}

func deviceAddressReset(tx *registry.Tx, a args) error {
	return device(tx, a, "tokenId", func(d *registry.Device) { d.Address = a.address("aftermarketDeviceAddress") })
}

func deviceBurned(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err == nil {
		tx.DeleteDevice(id)
	}
	return err
}

// beneficiarySet names who earns for a device; the zero address is the owner.
func beneficiarySet(devices sayso.Address) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		if a.address("idProxyAddress") != devices {
			return errSkip("a beneficiary of something that is not a device")
		}
		return device(tx, a, "nodeId", func(d *registry.Device) {
			if d.Beneficiary = a.address("beneficiary"); d.Beneficiary.IsZero() {
				d.Beneficiary = d.Owner
			}
		})
	}
}

func deviceMoved(tx *registry.Tx, a args) error {
	to := a.address("to")
	if a.address("from").IsZero() || to.IsZero() {
		return nil
	}
	return device(tx, a, "tokenId", func(d *registry.Device) { d.Owner, d.Beneficiary = to, to })
}

// permissionsSet replaces the grant of a grantee; none at all removes it.
func permissionsSet(vehicles sayso.Address) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		id, grantee, err := grantOf(vehicles, a)
		if err != nil {
			return err
		}
		if _, ok := tx.Vehicle(id); !ok {
			return missing("vehicle", id)
		}
		permissions := a.number("permissions")
		if permissions.Sign() == 0 {
			tx.DeleteGrant(id, grantee)
			return nil
		}
		g := registry.Grant{
			Vehicle: id, Grantee: grantee,
			Right:  registry.Right{Permissions: fmt.Sprintf("0x%x", permissions), Expires: a.seconds("expiration")},
			Source: a.text("source"), CreatedAt: tx.Block.Time, Block: tx.Block.Number,
		}
		if template := a.number("templateId"); template.Sign() != 0 {
			g.Template = template.String()
		}
		tx.PutGrant(g)
		return nil
	}
}

func permissionsRenounced(vehicles sayso.Address) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		id, grantee, err := grantOf(vehicles, a)
		if err == nil {
			tx.DeleteGrant(id, grantee)
		}
		return err
	}
}

// allRevoked is the event by which every grant of a token ends at once.
const allRevoked = "AllPermissionsRevoked(address indexed asset, uint256 indexed tokenId, uint256 version)"

func allPermissionsRevoked(vehicles sayso.Address) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		if a.address("asset") != vehicles {
			return errSkip("the grants of something that is not a vehicle")
		}
		id, err := a.id("tokenId")
		if err == nil {
			tx.DeleteGrants(id)
		}
		return err
	}
}

func grantOf(vehicles sayso.Address, a args) (uint64, sayso.Address, error) {
	if a.address("asset") != vehicles {
		return 0, sayso.Address{}, errSkip("a grant on something that is not a vehicle")
	}
	id, err := a.id("tokenId")
	return id, a.address("grantee"), err
}

func licenceIssued(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err == nil {
		l, _ := tx.Licence(id)
		l.ID, l.Owner, l.ClientID, l.MintedAt = id, a.address("owner"), a.address("clientId"), tx.Block.Time
		tx.PutLicence(l)
	}
	return err
}

// licence changes a licence. Its alias may be announced before it is issued.
func licence(change func(*registry.Tx, *registry.Licence, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		id, err := a.id("tokenId")
		if err == nil {
			l, _ := tx.Licence(id)
			l.ID = id
			change(tx, &l, a)
			tx.PutLicence(l)
		}
		return err
	}
}

func signerEnabled(tx *registry.Tx, l *registry.Licence, a args) {
	l.Signers = with(l.Signers, a.address("signer"), tx.Block.Time)
}

func signerDisabled(_ *registry.Tx, l *registry.Licence, a args) {
	l.Signers = without(l.Signers, a.address("signer"))
}

func redirectEnabled(tx *registry.Tx, l *registry.Licence, a args) {
	l.RedirectURIs = with(l.RedirectURIs, a.text("uri"), tx.Block.Time)
}

func redirectDisabled(_ *registry.Tx, l *registry.Licence, a args) {
	l.RedirectURIs = without(l.RedirectURIs, a.text("uri"))
}

// licenceMoved: a licence does not change hands; the zero address revokes it.
func licenceMoved(_ *registry.Tx, l *registry.Licence, a args) {
	l.Owner = a.address("to")
	l.Revoked = l.Owner.IsZero()
}

// with and without leave the given map as it is: rows are shared with readers.
func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	out := maps.Clone(m)
	if out == nil {
		out = map[K]V{}
	}
	out[k] = v
	return out
}

func without[K comparable, V any](m map[K]V, k K) map[K]V {
	out := maps.Clone(m)
	delete(out, k)
	return out
}

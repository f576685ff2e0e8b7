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
func onTemplates(c registry.ChainInfo) sayso.Address    { return c.Templates }
func onSynthetic(c registry.ChainInfo) sayso.Address    { return c.SyntheticDevice }
func onConnections(c registry.ChainInfo) sayso.Address  { return c.Connections }
func onStorage(c registry.ChainInfo) sayso.Address      { return c.StorageNodes }
func onStaking(c registry.ChainInfo) sayso.Address      { return c.Staking }
func onNames(c registry.ChainInfo) sayso.Address        { return c.Names }
func onResolver(c registry.ChainInfo) sayso.Address     { return c.Resolver }
func onReward(c registry.ChainInfo) sayso.Address       { return c.Reward }

const transfer = "Transfer(address indexed from, address indexed to, uint256 indexed tokenId)"

// table lists every event that changes the registry (spec contracts 7). A mint
// emits Transfer from the zero address before or after the node event; the
// node event alone counts.
func table(chain registry.ChainInfo) []event {
	list := []event{
		{onRegistry, "ManufacturerNodeMinted(string name, uint256 tokenId, address indexed owner)", manufacturerMinted},
		{onRegistry, "ManufacturerAttributeSet(uint256 tokenId, string attribute, string info)", manufacturer("tokenId", manufacturerAttributeSet)},
		{onManufacturer, transfer, manufacturerMoved},

		{onRegistry, "VehicleNodeMinted(uint256 manufacturerId, uint256 vehicleId, address owner)", vehicleMinted},
		{onRegistry, "VehicleNodeMintedWithDeviceDefinition(uint256 indexed manufacturerId, uint256 indexed vehicleId, address indexed owner, string deviceDefinitionId)", vehicleMinted},
		{onRegistry, "VehicleAttributeSet(uint256 tokenId, string attribute, string info)", vehicleAttributeSet},
		{onRegistry, "DeviceDefinitionIdSet(uint256 indexed vehicleId, string ddId)", definitionSet},
		{onRegistry, "VehicleNodeBurned(uint256 indexed vehicleNode, address indexed owner)", vehicleBurned},
		{onVehicle, transfer, vehicleMoved},

		{onRegistry, "AftermarketDeviceNodeMinted(uint256 indexed manufacturerId, uint256 tokenId, address indexed aftermarketDeviceAddress, address indexed owner)", deviceMinted},
		{onRegistry, "AftermarketDeviceAttributeSet(uint256 tokenId, string attribute, string info)", deviceAttributeSet},
		{onRegistry, "AftermarketDeviceClaimed(uint256 aftermarketDeviceNode, address indexed owner)", deviceClaimed},
		{onRegistry, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode)", deviceUnclaimed},
		{onRegistry, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode, address indexed owner)", deviceUnclaimed},
		{onRegistry, "AftermarketDevicePaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)", devicePaired},
		{onRegistry, "AftermarketDeviceUnpaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)", deviceUnpaired},
		{onRegistry, "AftermarketDeviceAddressReset(uint256 indexed manufacturerId, uint256 indexed tokenId, address indexed aftermarketDeviceAddress)", deviceAddressReset},
		{onRegistry, "AftermarketDeviceTransferred(uint256 indexed aftermarketDeviceNode, address indexed oldOwner, address indexed newOwner)", deviceTransferred},
		{onRegistry, "AftermarketDeviceNodeBurned(uint256 indexed tokenId, address indexed owner)", deviceBurned},
		{onRegistry, "BeneficiarySet(address indexed idProxyAddress, uint256 indexed nodeId, address indexed beneficiary)", beneficiarySet(chain.AftermarketDevice)},
		{onDevice, transfer, deviceMoved},

		{onLicense, "Issued(uint256 indexed tokenId, address indexed owner, address indexed clientId)", licenceIssued},
		{onLicense, "LicenseAliasSet(uint256 indexed tokenId, string licenseAlias)", licence(func(tx *registry.Tx, l *registry.Licence, a args) { l.Alias = a.text("licenseAlias") })},
		{onLicense, "SignerEnabled(uint256 indexed tokenId, address indexed signer)", licence(signerEnabled)},
		{onLicense, "SignerDisabled(uint256 indexed tokenId, address indexed signer)", licence(signerDisabled)},
		{onLicense, "RedirectUriEnabled(uint256 indexed tokenId, string uri)", licence(redirectEnabled)},
		{onLicense, "RedirectUriDisabled(uint256 indexed tokenId, string uri)", licence(redirectDisabled)},
		{onLicense, transfer, licence(licenceMoved)},
	}
	return slices.Concat(list, grantTable(chain), connectedTable(), templateTable(), networkTable(chain))
}

func missing(what string, id uint64) error {
	return errSkip(fmt.Sprintf("there is no %s %d", what, id))
}

func manufacturerMinted(tx *registry.Tx, a args) error {
	return manufacturer("tokenId", func(m *registry.Manufacturer, a args) {
		m.Name, m.Owner, m.MintedAt = a.text("name"), a.address("owner"), tx.Block.Time
	})(tx, a)
}

// manufacturer changes a manufacturer. One that was minted before the first block
// that was read is known by what happens to it.
func manufacturer(name string, change func(*registry.Manufacturer, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		id, err := a.id(name)
		if err == nil && id == 0 {
			err = missing("manufacturer", id)
		}
		if err != nil {
			return err
		}
		m, _ := tx.Manufacturer(id)
		m.ID = id
		change(&m, a)
		tx.PutManufacturer(m)
		return nil
	}
}

func manufacturerAttributeSet(m *registry.Manufacturer, a args) {
	m.Attributes = with(m.Attributes, a.text("attribute"), a.text("info"))
}

func manufacturerMoved(tx *registry.Tx, a args) error {
	if a.address("from").IsZero() {
		return nil
	}
	return manufacturer("tokenId", func(m *registry.Manufacturer, a args) { m.Owner = a.address("to") })(tx, a)
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
	v, _ := tx.Vehicle(id) // other events of the transaction may have come first
	v.ID, v.Manufacturer, v.MintedAt = id, maker, tx.Block.Time
	if definition := a.text("deviceDefinitionId"); definition != "" {
		v.Definition = definition
	}
	v.Owners = []registry.Ownership{{Owner: a.address("owner"), From: tx.Block.Time, Block: tx.Block.Number}}
	tx.PutVehicle(v)
	return nil
}

// vehicle changes a vehicle.
func vehicle(tx *registry.Tx, a args, name string, change func(*registry.Vehicle)) error {
	id, err := a.id(name)
	if err != nil {
		return err
	}
	if id == 0 {
		return missing("vehicle", id)
	}
	v, ok := tx.Vehicle(id)
	if !ok {
		v = unseen(tx, id)
	}
	change(&v)
	tx.PutVehicle(v)
	return nil
}

// unseen is a vehicle that was minted before the first block that was read. Whose
// it is, is not known, and since when neither: so what was before belongs to
// another ownership than what comes, and nobody sees anything of it.
func unseen(tx *registry.Tx, id uint64) registry.Vehicle {
	return registry.Vehicle{ID: id, Owners: []registry.Ownership{{}, {From: tx.Block.Time, Block: tx.Block.Number}}}
}

// learned notes who owns a vehicle whose owner was not known.
func learned(tx *registry.Tx, v *registry.Vehicle, owner sayso.Address) {
	if n := len(v.Owners); n > 1 && !v.Burned && v.Owner().IsZero() {
		v.Owners = slices.Clone(v.Owners)
		v.Owners[n-1].Owner, v.Owners[n-1].Block = owner, tx.Block.Number
	}
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
		tx.DeletePrivileges(v.ID)
		switch {
		case to.IsZero():
			burn(tx, v)
		case to != v.Owner():
			v.Owners = append(slices.Clone(v.Owners), registry.Ownership{Owner: to, From: tx.Block.Time, Block: tx.Block.Number})
		}
	})
}

func vehicleBurned(tx *registry.Tx, a args) error {
	return vehicle(tx, a, "vehicleNode", func(v *registry.Vehicle) {
		tx.DeleteGrants(v.ID)
		tx.DeletePrivileges(v.ID)
		burn(tx, v)
	})
}

// burn ends a vehicle with its links.
func burn(tx *registry.Tx, v *registry.Vehicle) {
	v.Burned = true
	if d, ok := tx.Device(v.Device); ok {
		d.Pairings = ended(d.Pairings, tx.Block.Time)
		tx.PutDevice(d)
	}
	if s, ok := tx.Synthetic(v.Synthetic); ok && s.BurnedAt == 0 {
		s.BurnedAt = tx.Block.Time
		tx.PutSynthetic(s)
	}
	v.Device, v.Synthetic, v.Connection = 0, 0, ""
}

func deviceMinted(tx *registry.Tx, a args) error {
	maker, err := a.id("manufacturerId")
	if err != nil {
		return err
	}
	return device(tx, a, "tokenId", func(d *registry.Device) {
		d.Manufacturer, d.Address, d.MintedAt = maker, a.address("aftermarketDeviceAddress"), tx.Block.Time
		d.Owner, d.Beneficiary = a.address("owner"), a.address("owner")
	})
}

// device changes a device. One that was minted before the first block that was
// read is known by what happens to it.
func device(tx *registry.Tx, a args, name string, change func(*registry.Device)) error {
	id, err := a.id(name)
	if err != nil {
		return err
	}
	if id == 0 {
		return missing("aftermarket device", id)
	}
	d, _ := tx.Device(id)
	d.ID = id
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
		if p, ok := d.Paired(); ok && p.Vehicle == id {
			return
		}
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
	d, ok := tx.Device(id)
	if err != nil || !ok {
		return err
	}
	if p, paired := d.Paired(); paired {
		if v, ok := tx.Vehicle(p.Vehicle); ok && v.Device == id {
			v.Device = 0
			tx.PutVehicle(v)
		}
	}
	tx.DeleteDevice(id)
	return nil
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

func deviceTransferred(tx *registry.Tx, a args) error {
	to := a.address("newOwner")
	return device(tx, a, "aftermarketDeviceNode", func(d *registry.Device) {
		if d.Owner != to {
			d.Owner, d.Beneficiary = to, to
		}
	})
}

func deviceMoved(tx *registry.Tx, a args) error {
	to := a.address("to")
	if a.address("from").IsZero() || to.IsZero() {
		return nil
	}
	return device(tx, a, "tokenId", func(d *registry.Device) {
		if d.Owner != to { // else told twice, by which a beneficiary named since does not go
			d.Owner, d.Beneficiary = to, to
		}
	})
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

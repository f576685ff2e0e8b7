package follow

import "sayso/owner/registry"

const (
	syntheticNew  = "SyntheticDeviceNodeMinted(uint256 connectionId, uint256 syntheticDeviceNode, uint256 indexed vehicleNode, address indexed syntheticDeviceAddress, address indexed owner)"
	syntheticGone = "SyntheticDeviceNodeBurned(uint256 indexed syntheticDeviceNode, uint256 indexed vehicleNode, address indexed owner)"
	syntheticAttr = "SyntheticDeviceAttributeSet(uint256 indexed tokenId, string attribute, string info)"
	storageNode   = "VehicleStorageNodeIdSet(uint256 indexed vehicleId, uint256 indexed storageNodeId)"
	renamed       = "ManufacturerRenamed(uint256 indexed tokenId, string name)"
)

// connectedTable returns the rows of synthetic devices and of the storage node that
// keeps a vehicle's data. A synthetic device moves with its vehicle and with nothing
// else, so its own Transfer says something new only where it ends.
func connectedTable() []event {
	return []event{
		{onRegistry, syntheticNew, syntheticMinted},
		{onRegistry, syntheticGone, synthetic("syntheticDeviceNode", syntheticBurned)},
		{onRegistry, syntheticAttr, synthetic("tokenId", func(_ *registry.Tx, s *registry.Synthetic, a args) {
			s.Attributes = with(s.Attributes, a.text("attribute"), a.text("info"))
		})},
		{onRegistry, storageNode, storageNodeSet},
		{onRegistry, renamed, manufacturer("tokenId", func(m *registry.Manufacturer, a args) { m.Name = a.text("name") })},
		{onSynthetic, transfer, syntheticMoved},
	}
}

func syntheticMinted(tx *registry.Tx, a args) error {
	id, err := a.id("syntheticDeviceNode")
	if err != nil {
		return err
	}
	vehicleID, err := a.id("vehicleNode")
	if err != nil {
		return err
	}
	s, _ := tx.Synthetic(id)
	s.ID, s.Connection, s.Vehicle, s.BurnedAt = id, a.decimal("connectionId"), vehicleID, 0
	s.Address, s.MintedAt = a.address("syntheticDeviceAddress"), tx.Block.Time
	tx.PutSynthetic(s)
	return vehicle(tx, a, "vehicleNode", func(v *registry.Vehicle) {
		v.Synthetic, v.Connection = id, s.Connection
		learned(tx, v, a.address("owner"))
	})
}

func syntheticMoved(tx *registry.Tx, a args) error {
	if !a.address("to").IsZero() {
		return nil
	}
	return synthetic("tokenId", syntheticBurned)(tx, a)
}

// synthetic changes a synthetic device that is there.
func synthetic(name string, change func(*registry.Tx, *registry.Synthetic, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		id, err := a.id(name)
		if err != nil {
			return err
		}
		s, ok := tx.Synthetic(id)
		if !ok {
			return missing("synthetic device", id)
		}
		change(tx, &s, a)
		tx.PutSynthetic(s)
		return nil
	}
}

// syntheticBurned ends the link of the vehicle too, unless it has another by now.
func syntheticBurned(tx *registry.Tx, s *registry.Synthetic, _ args) {
	if s.BurnedAt == 0 {
		s.BurnedAt = tx.Block.Time
	}
	if v, ok := tx.Vehicle(s.Vehicle); ok && v.Synthetic == s.ID {
		v.Synthetic, v.Connection = 0, ""
		tx.PutVehicle(v)
	}
}

// storageNodeSet keeps the owner's choice; number 0 is the default node.
func storageNodeSet(tx *registry.Tx, a args) error {
	return vehicle(tx, a, "vehicleId", func(v *registry.Vehicle) {
		v.StorageNode = ""
		if n := a.number("storageNodeId"); n.Sign() != 0 {
			v.StorageNode = n.String()
		}
	})
}

package follow

import (
	"sayso"
	"sayso/owner/registry"
)

// nodeMoved is an event of our contracts alone.
const nodeMoved = "NodeAddressUpdated(uint256 indexed nodeId, address indexed newNodeAddress)"

// networkTable returns the rows of who is on the network beside vehicles and
// devices, and of what it pays.
func networkTable(chain registry.ChainInfo) []event {
	return []event{
		{onConnections, "ConnectionMinted(address indexed account, uint256 indexed connectionId, address indexed connectionAddr, string connectionName, bytes32 connectionType, uint256 connectionCostInDimo)", connection("connectionId", connectionMinted)},
		{onConnections, "ConnectionUpgraded(uint256 indexed connectionId, address indexed connectionAddr, bytes32 indexed connectionType, uint256 connectionCostInDimo)", connection("connectionId", func(_ *registry.Tx, c *registry.Connection, a args) {
			c.Address = a.address("connectionAddr")
		})},
		{onConnections, transfer, connectionMoved(chain)},
		{onRegistry, "IntegrationNodeMinted(uint256 indexed tokenId, address indexed owner)", connection("tokenId", func(tx *registry.Tx, c *registry.Connection, a args) {
			c.Owner, c.MintedAt, c.Integration = a.address("owner"), tx.Block.Time, true
		})},
		{onRegistry, "IntegrationAttributeSet(uint256 indexed tokenId, string attribute, string info)", connection("tokenId", func(_ *registry.Tx, c *registry.Connection, a args) {
			if c.Integration = true; a.text("attribute") == "Name" {
				c.Name = a.text("info")
			}
		})},

		{onStorage, "StorageNodeAnchorMinted(address indexed account, uint256 indexed nodeAnchorId, address indexed nodeAnchorAddr, string nodeAnchorLabel, string nodeAnchorUri)", storage("nodeAnchorId", storageNodeMinted)},
		{onStorage, "NodeUriUpdated(uint256 indexed nodeId, string newNodeUri)", storage("nodeId", func(_ *registry.Tx, n *registry.StorageNode, a args) { n.URI = a.text("newNodeUri") })},
		{onStorage, nodeMoved, storage("nodeId", func(_ *registry.Tx, n *registry.StorageNode, a args) { n.Address = a.address("newNodeAddress") })},
		{onStorage, transfer, storageNodeMoved(chain)},
		{onStorage, "NodeSetForVehicle(uint256 a, uint256 b)", nodeSetForVehicle},
		{onStorage, "NodeSetForVehicle(uint256 indexed a, uint256 b)", nodeSetForVehicle},
		{onStorage, "NodeSetForVehicle(uint256 indexed a, uint256 indexed b)", nodeSetForVehicle},

		{onRegistry, "DeviceDefinitionTableCreated(address indexed tableOwner, uint256 indexed manufacturerId, uint256 indexed tableId)", tableSet},
		{onRegistry, "ManufacturerTableSet(uint256 indexed manufacturerId, uint256 indexed tableId)", tableSet},
		{onRegistry, "DeviceDefinitionInserted(uint256 indexed tableId, string id, string model, uint256 year)", definition(func(d *registry.Definition, a args) {
			d.Model, d.Year = a.text("model"), a.seconds("year")
		})},
		{onRegistry, "DeviceDefinitionUpdated(uint256 indexed tableId, string id)", definition(func(*registry.Definition, args) {})},
		{onRegistry, "DeviceDefinitionDeleted(uint256 indexed tableId, string id)", definitionDeleted},

		{onStaking, "Staked(address indexed user, uint256 indexed stakeId, address indexed stakingBeacon, uint8 level, uint256 amount, uint256 lockEndTime, uint256 points)", stake("stakeId", staked)},
		{onStaking, "StakingExtended(address indexed user, uint256 indexed stakeId, uint256 newLockEndTime, uint256 points)", stake("stakeId", func(_ *registry.Tx, s *registry.Stake, a args) {
			s.EndsAt, s.Points = a.seconds("newLockEndTime"), a.decimal("points")
		})},
		{onStaking, "Withdrawn(address indexed user, uint256 indexed stakeId, uint256 amount, uint256 points)", stake("stakeId", func(tx *registry.Tx, s *registry.Stake, _ args) { s.WithdrawnAt = tx.Block.Time })},
		{onStaking, "VehicleAttached(address indexed user, uint256 indexed stakeId, uint256 indexed vehicleId)", stake("stakeId", func(_ *registry.Tx, s *registry.Stake, a args) { s.Vehicle, _ = a.id("vehicleId") })},
		{onStaking, "VehicleDetached(address indexed user, uint256 indexed stakeId, uint256 indexed vehicleId)", stake("stakeId", vehicleDetached)},
		{onStaking, transfer, stakeMoved},

		{onNames, "NewNode(bytes32 indexed node, address indexed owner)", name(func(n *registry.Name, a args) { n.Owner = a.address("owner") })},
		{onNames, "NewExpiration(bytes32 indexed node, uint256 expiration)", name(func(n *registry.Name, a args) { n.Expires = a.seconds("expiration") })},
		{onNames, transfer, nameMoved},
		{onResolver, "NameChanged(bytes32 indexed node, string name_)", name(func(n *registry.Name, a args) { n.Text = a.text("name_") })},
		{onResolver, "VehicleIdChanged(bytes32 indexed node, uint256 indexed vehicleId_)", name(func(n *registry.Name, a args) { n.Vehicle, _ = a.id("vehicleId_") })},

		{onReward, "TokensTransferredForDevice(uint256 week, address indexed user, uint256 _amount, uint256 indexed vehicleNodeId, address deviceNftProxy, uint256 indexed deviceNode)", earning(deviceEarned(chain))},
		{onReward, "TokensTransferredForConnectionStreak(uint256 indexed week, address indexed user, uint256 _amount, uint256 indexed vehicleNodeId, uint256 connectionStreak)", earning(streakEarned)},
		// Published ABIs differ in whether the week is indexed.
		{onReward, "TokensTransferredForConnectionStreak(uint256 week, address indexed user, uint256 _amount, uint256 indexed vehicleNodeId, uint256 connectionStreak)", earning(streakEarned)},
	}
}

// connection changes a connection; the first event about one makes it.
func connection(id string, change func(*registry.Tx, *registry.Connection, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		c, _ := tx.Connection(a.decimal(id))
		c.ID = a.decimal(id)
		change(tx, &c, a)
		tx.PutConnection(c)
		return nil
	}
}

func connectionMinted(tx *registry.Tx, c *registry.Connection, a args) {
	c.Name, c.Address, c.Owner, c.MintedAt = a.text("connectionName"), a.address("connectionAddr"), a.address("account"), tx.Block.Time
}

// connectionMoved gives a connection to its next owner, with whom its grants end.
func connectionMoved(chain registry.ChainInfo) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		if a.address("from").IsZero() {
			return nil
		}
		tx.DeleteShares(chain.Connections, a.decimal("tokenId"))
		if a.address("to").IsZero() {
			tx.DeleteConnection(a.decimal("tokenId"))
			return nil
		}
		return connection("tokenId", func(_ *registry.Tx, c *registry.Connection, a args) { c.Owner = a.address("to") })(tx, a)
	}
}

// storage changes a storage node; the first event about one makes it.
func storage(id string, change func(*registry.Tx, *registry.StorageNode, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		n, _ := tx.StorageNode(a.decimal(id))
		n.ID = a.decimal(id)
		change(tx, &n, a)
		tx.PutStorageNode(n)
		return nil
	}
}

func storageNodeMinted(tx *registry.Tx, n *registry.StorageNode, a args) {
	n.Label, n.URI = a.text("nodeAnchorLabel"), a.text("nodeAnchorUri")
	n.Address, n.Owner, n.MintedAt = a.address("nodeAnchorAddr"), a.address("account"), tx.Block.Time
}

func storageNodeMoved(chain registry.ChainInfo) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		if a.address("from").IsZero() {
			return nil
		}
		tx.DeleteShares(chain.StorageNodes, a.decimal("tokenId"))
		if a.address("to").IsZero() {
			tx.DeleteStorageNode(a.decimal("tokenId"))
			return nil
		}
		return storage("tokenId", func(_ *registry.Tx, n *registry.StorageNode, a args) { n.Owner = a.address("to") })(tx, a)
	}
}

// nodeSetForVehicle is the older form of a vehicle's choice. Which argument is
// which is not published; the id of a node is a hash, which no vehicle's is.
func nodeSetForVehicle(tx *registry.Tx, a args) error {
	vehicleName, node := "a", "b"
	if a.number("b").IsUint64() {
		vehicleName, node = "b", "a"
	}
	if a.number(vehicleName).IsUint64() == a.number(node).IsUint64() {
		return errSkip("which number is the vehicle and which the storage node cannot be told")
	}
	return vehicle(tx, a, vehicleName, func(v *registry.Vehicle) { v.StorageNode = a.decimal(node) })
}

func tableSet(tx *registry.Tx, a args) error {
	table, err := a.id("tableId")
	if err != nil {
		return err
	}
	return manufacturer("manufacturerId", func(m *registry.Manufacturer, _ args) { m.Table = table })(tx, a)
}

// definition changes a device definition of a table.
func definition(change func(*registry.Definition, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		table, err := a.id("tableId")
		if err != nil {
			return err
		}
		d, _ := tx.Definition(table, a.text("id"))
		d.Table, d.ID, d.SetAt = table, a.text("id"), tx.Block.Time
		change(&d, a)
		tx.PutDefinition(d)
		return nil
	}
}

func definitionDeleted(tx *registry.Tx, a args) error {
	table, err := a.id("tableId")
	if err == nil {
		tx.DeleteDefinition(table, a.text("id"))
	}
	return err
}

// stake changes a stake; the first event about one makes it.
func stake(id string, change func(*registry.Tx, *registry.Stake, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		n, err := a.id(id)
		if err != nil {
			return err
		}
		s, ok := tx.Stake(n)
		if s.ID = n; !ok {
			s.Owner, s.Amount, s.Points = a.address("user"), "0", "0"
		}
		change(tx, &s, a)
		tx.PutStake(s)
		return nil
	}
}

// staked begins a stake or raises one. A stake that changes hands is withdrawn
// and staked again at once, and goes on.
func staked(tx *registry.Tx, s *registry.Stake, a args) {
	if s.StakedAt == 0 || s.WithdrawnAt != 0 && s.WithdrawnAt != tx.Block.Time {
		s.StakedAt = tx.Block.Time
	}
	s.Owner, s.WithdrawnAt = a.address("user"), 0
	s.Level, s.Amount, s.Points, s.EndsAt = a.number("level").Uint64(), a.decimal("amount"), a.decimal("points"), a.seconds("lockEndTime")
}

func vehicleDetached(_ *registry.Tx, s *registry.Stake, a args) {
	if id, err := a.id("vehicleId"); err == nil && s.Vehicle == id {
		s.Vehicle = 0
	}
}

// stakeMoved gives a stake to its next owner. What was withdrawn stays whose it was.
func stakeMoved(tx *registry.Tx, a args) error {
	if a.address("from").IsZero() || a.address("to").IsZero() {
		return nil
	}
	return stake("tokenId", func(_ *registry.Tx, s *registry.Stake, a args) { s.Owner = a.address("to") })(tx, a)
}

// name changes a name; the first event about one makes it.
func name(change func(*registry.Name, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		n, ok := tx.Name(a.bytes32("node"))
		if !ok {
			n = registry.Name{Node: a.bytes32("node"), MintedAt: tx.Block.Time}
		}
		change(&n, a)
		tx.PutName(n)
		return nil
	}
}

// nameMoved gives a name to its next owner; the zero address ends it.
func nameMoved(tx *registry.Tx, a args) error {
	if a.address("from").IsZero() {
		return nil
	}
	var node [32]byte
	a.number("tokenId").FillBytes(node[:])
	if a.address("to").IsZero() {
		tx.DeleteName(registry.NameOf(node))
		return nil
	}
	a["node"] = node
	return name(func(n *registry.Name, a args) { n.Owner = a.address("to") })(tx, a)
}

// earning changes what somebody got for a vehicle in a week.
func earning(change func(*registry.Earning, args) error) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		p := registry.EarningPlace{User: a.address("user")}
		var err error
		if p.Week, err = a.id("week"); err != nil {
			return err
		}
		if p.Vehicle, err = a.id("vehicleNodeId"); err != nil {
			return err
		}
		if p.Week > 1<<62 || p.Vehicle > 1<<62 {
			return errSkip("a week or a vehicle beyond 62 bits")
		}
		e, _ := tx.Earning(p)
		e.Week, e.Vehicle, e.User, e.SentAt = p.Week, p.Vehicle, p.User, tx.Block.Time
		if err := change(&e, a); err != nil {
			return err
		}
		tx.PutEarning(e)
		return nil
	}
}

func deviceEarned(chain registry.ChainInfo) func(*registry.Earning, args) error {
	return func(e *registry.Earning, a args) error {
		id, err := a.id("deviceNode")
		switch proxy := a.address("deviceNftProxy"); {
		case err != nil || id > 1<<62:
			return errSkip("an earning of a device beyond 62 bits")
		case proxy == chain.AftermarketDevice:
			e.Device, e.DeviceTokens = id, a.decimal("_amount")
		case proxy == chain.SyntheticDevice:
			e.Synthetic, e.SyntheticTokens = id, a.decimal("_amount")
		default:
			return errSkip("an earning of a device of contract " + sayso.Address(proxy).String())
		}
		return nil
	}
}

func streakEarned(e *registry.Earning, a args) error {
	streak, err := a.id("connectionStreak")
	e.Streak, e.StreakTokens = &streak, a.decimal("_amount")
	return err
}

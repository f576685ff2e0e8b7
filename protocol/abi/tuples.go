package abi

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// AttributeInfoPair is an attribute of a node and its value. Vehicles know Make,
// Model, Year, DefinitionURI, ImageURI; devices Serial, IMEI, DefinitionURI,
// HardwareRevision, DevEUI; another name reverts.
type AttributeInfoPair struct {
	Attribute string
	Info      string
}

// AftermarketDeviceInfos is one device of mintAftermarketDeviceByManufacturerBatch.
type AftermarketDeviceInfos struct {
	Addr          common.Address // of the device's key
	AttrInfoPairs []AttributeInfoPair
}

// AftermarketDeviceOwnerPair is one device of claimAftermarketDeviceBatch.
type AftermarketDeviceOwnerPair struct {
	AftermarketDeviceNodeId *big.Int
	Owner                   common.Address
}

// SacdInput is a grant given with a mint. Expiration is in unix seconds.
type SacdInput struct {
	Grantee     common.Address
	Permissions *big.Int
	Expiration  *big.Int
	Source      string
}

// MintSyntheticDeviceInput is what mintSyntheticDeviceSign and
// mintSyntheticDeviceWithDeadline take.
type MintSyntheticDeviceInput struct {
	ConnectionId        *big.Int
	VehicleNode         *big.Int
	SyntheticDeviceSig  []byte
	VehicleOwnerSig     []byte
	SyntheticDeviceAddr common.Address
	AttrInfoPairs       []AttributeInfoPair
}

// MintVehicleAndSdInput is what mintVehicleAndSdWithDeviceDefinitionSign takes in
// its form with a storage node, and mintVehicleAndSdWithDeadline.
type MintVehicleAndSdInput struct {
	ManufacturerNode     *big.Int
	Owner                common.Address
	DeviceDefinitionId   string
	StorageNodeId        *big.Int
	AttrInfoPairsVehicle []AttributeInfoPair
	ConnectionId         *big.Int
	VehicleOwnerSig      []byte
	SyntheticDeviceSig   []byte
	SyntheticDeviceAddr  common.Address
	AttrInfoPairsDevice  []AttributeInfoPair
}

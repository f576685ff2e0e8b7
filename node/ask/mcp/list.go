package mcp

import (
	"strings"

	"sayso/car/catalogue"
)

// Selections of what the interfaces answer.
const (
	vehicleFields = `{ tokenId tokenDID name owner mintedAt definition { id make model year } aftermarketDevice { tokenId address serial } syntheticDevice { tokenId address } manufacturer { name } }`
	segmentFields = `{ start { timestamp value { latitude longitude hdop } } end { timestamp value { latitude longitude hdop } } duration isOngoing startedBeforeRange signals { name agg value } eventCounts { name count } }`
	dayFields     = `{ start { timestamp value { latitude longitude hdop } } end { timestamp value { latitude longitude hdop } } segmentCount duration signals { name agg value } eventCounts { name count } }`
	headerFields  = `header { id source producer specversion subject time type datacontenttype dataschema dataversion signature tags }`
	typesFields   = `{ type count firstSeen lastSeen }`
)

// identityTools ask about what is on the chain.
func identityTools() []tool {
	list := general("identity", identityPath, "who owns what, which devices and licences there are, who shares with whom. Public.", argument{}, nil)
	return append(list,
		tool{
			name: "identity_get_vehicle", about: "A vehicle: its owner, definition and devices.",
			args: []argument{
				{"tokenId", "integer", "Int", "Number of the vehicle; or give tokenDID.", false},
				{"tokenDID", "string", "String", "Its DID.", false},
			},
		}.asked(identityPath, "vehicle", vehicleFields),
		listVehicles(),
		tool{
			name: "identity_get_aftermarket_device", about: "A device that plugs into a car: its owner, maker and vehicle.",
			args: []argument{{"by", "object", "AftermarketDeviceBy!", "One of {\"tokenId\": 1}, {\"address\": \"0x...\"}, {\"serial\": \"...\"}.", true}},
		}.asked(identityPath, "aftermarketDevice", `{ tokenId tokenDID address owner serial imei hardwareRevision claimedAt pairedAt manufacturer { name } vehicle { tokenId tokenDID } }`),
	)
}

// listVehicles asks for a page, of twenty where no length is given.
func listVehicles() tool {
	t := tool{
		name: "identity_list_vehicles", about: "Vehicles, the newest first, a page at a time.",
		args: []argument{
			{"first", "integer", "Int", "How many, at most 100; 20 if not given.", false},
			{"after", "string", "String", "endCursor of the page before.", false},
			{"filterBy", "object", "VehiclesFilter", "Such as {\"owner\": \"0x...\"}, {\"privileged\": \"0x...\"} for those shared with an account, {\"make\": \"Toyota\"}.", false},
		},
	}
	t.ask = func(args map[string]any) (question, error) {
		if args["first"] == nil {
			args["first"] = 20
		}
		return t.build(identityPath, "vehicles", `{ totalCount nodes `+vehicleFields+` pageInfo { endCursor hasNextPage } }`, args), nil
	}
	return t
}

// window are the arguments of a span of time.
var window = []argument{
	{"from", "string", "Time!", "Begin, such as 2026-03-01T00:00:00Z.", true},
	{"to", "string", "Time!", "End, not included.", true},
}

// naming is how an interface names a vehicle.
func naming(path string) (argument, func(map[string]any) vehicle) {
	if path == telemetryPath {
		return argument{"tokenId", "integer", "Int!", "Number of the vehicle.", true}, func(args map[string]any) vehicle {
			n, _ := args["tokenId"].(float64)
			return vehicle{token: uint64(max(n, 0))}
		}
	}
	name := map[string]string{subjectPath: "subject", fetchPath: "did"}[path]
	return argument{name, "string", "String!", "DID of the vehicle, did:erc721:chain:contract:token.", true}, func(args map[string]any) vehicle {
		did, _ := args[name].(string)
		return vehicle{did: did}
	}
}

// vehicleTools ask about what a vehicle measured, in one of the two dialects.
func vehicleTools(prefix, path string, cat *catalogue.Catalogue) []tool {
	named, of := naming(path)
	mechanisms := "ignitionDetection, frequencyAnalysis, changePointDetection, idling, refuel or recharge"
	if path == subjectPath {
		mechanisms = "IGNITION_DETECTION, FREQUENCY_ANALYSIS, CHANGE_POINT_DETECTION, IDLING, REFUEL or RECHARGE"
	}
	make := func(name, about, field, selection string, args ...argument) tool {
		t := tool{name: prefix + "_" + name, about: about, args: append([]argument{named}, args...), vehicle: of}
		return t.asked(path, field, selection)
	}
	filter := argument{"filter", "object", "SignalFilter", "Such as {\"source\": \"did:ethr:...\"}.", false}
	mechanism := argument{"mechanism", "string", "DetectionMechanism!", "How they are found: " + mechanisms + ".", true}
	list := general(prefix, path, "readings, events, segments of one vehicle.", named, of)
	list = append(list,
		make("get_available_signals", "Names of the signals that there are for the caller.", "availableSignals", "", filter),
		make("get_signals_snapshot", "The latest value of every signal.", "signalsSnapshot",
			"{ lastSeen signals { name timestamp valueNumber valueString valueLocation { latitude longitude hdop } } }", filter),
		make("get_data_summary", "How much data there is, since when, of which signals and events.", "dataSummary",
			"{ numberOfSignals availableSignals firstSeen lastSeen signalDataSummary { name numberOfSignals firstSeen lastSeen } eventDataSummary { name numberOfEvents firstSeen lastSeen } }", filter),
		make("get_events", "Events in a span of time, the newest first.", "events", "{ timestamp name source durationNs metadata }",
			append(window, argument{"filter", "object", "EventFilter", "Such as {\"name\": {\"eq\": \"behavior.harshBraking\"}}.", false})...),
		make("get_trip_segments", "Trips, idling, refuelling or charging in a span of time.", "segments", segmentFields, append(window, mechanism)...),
		make("get_daily_activity", "What happened on each day.", "dailyActivity", dayFields,
			append(window, mechanism, argument{"timezone", "string", "String", "Such as Europe/Berlin.", false})...),
	)
	latest := make("get_latest_signals", "The latest values of the named signals.", "signalsLatest", "", argument{"signalNames", "strings", "", "Such as [\"speed\"].", true}, filter)
	latest.ask = func(args map[string]any) (question, error) {
		signals, err := signalNames(cat, args["signalNames"].([]any))
		if err != nil {
			return question{}, err
		}
		var b strings.Builder
		for _, s := range signals {
			b.WriteString(" " + s.Name + " { timestamp value" + parts(s) + " }")
		}
		return latest.build(path, "signalsLatest", "{ lastSeen"+b.String()+" }", args), nil
	}
	over := make("get_signals_time_series", "Signals over time, aggregated in intervals.", "signals", "",
		append([]argument{{"interval", "string", "String!", "Length of the intervals, such as 1h or 10m.", true}}, append(window,
			argument{"signalRequests", "requests", "", "Such as [{\"name\": \"speed\", \"agg\": \"AVG\"}].", true}, filter)...)...)
	over.ask = func(args map[string]any) (question, error) {
		selection, err := series(cat, args["signalRequests"].([]any))
		return over.build(path, "signals", selection, args), err
	}
	list = append(list, latest, over)
	if path == telemetryPath {
		return append(list,
			make("get_attestations", "Signed statements about the vehicle.", "attestations",
				"{ id vehicleTokenId time attestation type source dataVersion producer signature tags }", argument{"filter", "object", "AttestationFilter", "Such as {\"limit\": 10}.", false}),
			make("get_vin_credential", "The latest credential that states the vehicle identification number.", "vinVCLatest", "{ vin recordedBy recordedAt countryCode validFrom validTo rawVC }"))
	}
	return append(list, rawTools(prefix, path, false)...)
}

// rawTools ask for cloud events as they were received.
func rawTools(prefix, path string, indexes bool) []tool {
	named, of := naming(path)
	filter := argument{"filter", "object", "CloudEventFilter", "Such as {\"type\": \"dimo.status\"}.", false}
	limit := argument{"limit", "integer", "Int", "How many, at most 1000; 10 if not given.", false}
	make := func(name, about, field, selection string, args ...argument) tool {
		t := tool{name: prefix + "_" + name, about: about, args: append([]argument{named}, args...), vehicle: of}
		return t.asked(path, field, selection)
	}
	list := []tool{
		make("get_latest_cloud_event", "The newest message as it was received.", "latestCloudEvent", "{ "+headerFields+" data dataBase64 }", filter),
		make("list_cloud_events", "Messages as they were received, the newest first.", "cloudEvents", "{ "+headerFields+" data dataBase64 }", limit, filter),
		make("list_available_event_types", "Which types of messages there are, and how many.", "availableCloudEventTypes", typesFields, filter),
	}
	if indexes {
		list = append(list,
			make("get_latest_index", "Header and key of the newest message.", "latestIndex", "{ "+headerFields+" indexKey }", filter),
			make("list_indexes", "Headers and keys of messages, the newest first.", "indexes", "{ "+headerFields+" indexKey }", limit, filter))
	}
	return list
}

// fetchTools are those of the fetch interface.
func fetchTools() []tool {
	named, of := naming(fetchPath)
	return append(general("fetch", fetchPath, "the messages of a vehicle as they were received.", named, of), rawTools("fetch", fetchPath, true)...)
}

package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

func account(n byte) sayso.Address { return sayso.Address{0: 0xab, 19: n} }

var (
	chain = registry.ChainInfo{ID: 137, Vehicle: account(101), Manufacturer: account(102), AftermarketDevice: account(103), DevLicense: account(104)}
	now   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// world is a registry with a street of vehicles.
//
//	vehicle 1..5, 300: owner 1 has 1, 3, 5; owner 2 has 2, 4, 300; 6 is burned
//	grants of vehicle 1: to 9 (stands), 8 (expired), 7 (revoked), 10 (older, forever)
func world(t testing.TB) *registry.Registry {
	t.Helper()
	r, err := registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "registry.db"), Chain: chain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	err = r.Fold(registry.Block{Number: 1, Time: now.Unix() - 1000}, func(tx *registry.Tx) error {
		tx.PutManufacturer(registry.Manufacturer{ID: 41, Name: "Alpha Motors", Owner: account(50), MintedAt: 100})
		tx.PutManufacturer(registry.Manufacturer{ID: 42, Name: "Beta", Owner: account(51), MintedAt: 100})
		for _, id := range []uint64{1, 2, 3, 4, 5, 6, 300} {
			v := registry.Vehicle{ID: id, Manufacturer: 41, MintedAt: 1700000000, Definition: "alpha_one_2020",
				Attributes: map[string]string{"Make": "Alpha", "Model": "One", "Year": "2020"}}
			owner := account(byte(2 - id%2))
			if id == 300 {
				v.Attributes = map[string]string{"ImageURI": "https://example.org/car.png"}
				v.Definition, v.Manufacturer = "", 42
			}
			v.Owners, v.Burned = []registry.Ownership{{Owner: owner, From: 1700000000, Block: 1}}, id == 6
			if id == 1 {
				v.Device = 12
			}
			tx.PutVehicle(v)
		}
		tx.PutDevice(registry.Device{ID: 12, Manufacturer: 42, Address: account(60), Owner: account(1), MintedAt: 1700000000, ClaimedAt: 1700000001,
			Attributes: map[string]string{"Serial": "SN-1", "IMEI": "350000000000001"}, Pairings: []registry.Pairing{{Vehicle: 1, From: 1700000002}}})
		tx.PutDevice(registry.Device{ID: 13, Manufacturer: 42, Address: account(61), Owner: account(2), Beneficiary: account(3), MintedAt: 1700000000})
		at := now.Unix()
		for _, g := range []registry.Grant{
			{Grantee: account(9), Right: registry.Right{Permissions: "0x3fffc", Expires: at + 60}, CreatedAt: at - 10, Source: "ipfs://a"},
			{Grantee: account(8), Right: registry.Right{Permissions: "0x3fffc", Expires: at}, CreatedAt: at - 20},
			{Grantee: account(7), Right: registry.Right{Permissions: "0x0", Expires: at + 60}, CreatedAt: at - 30},
			{Grantee: account(10), Right: registry.Right{Permissions: "0xc", Expires: registry.Forever}, CreatedAt: at - 40},
		} {
			g.Vehicle, g.Block = 1, 1
			tx.PutGrant(g)
		}
		tx.PutLicence(registry.Licence{ID: 3, Owner: account(1), ClientID: account(20), Alias: "garage", MintedAt: 1700000000,
			Signers:      map[sayso.Address]int64{account(21): 1700000100, account(22): 1700000200, account(23): 1700000200},
			RedirectURIs: map[string]int64{"https://b.example": 1700000100, "https://a.example": 1700000100}})
		tx.PutLicence(registry.Licence{ID: 4, Owner: account(1), ClientID: account(30), MintedAt: 1700000000, Revoked: true})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func serve(t testing.TB) *graphql.Server {
	t.Helper()
	s, err := New(Config{Registry: world(t), Clock: clock.NewManual(now), BaseURL: "http://node"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// post sends a query and returns the answer with the error codes left in.
func post(t testing.TB, s *graphql.Server, query string, variables string) string {
	t.Helper()
	if variables == "" {
		variables = "null"
	}
	body := fmt.Sprintf(`{"query":%s,"variables":%s}`, quote(query), variables)
	r := httptest.NewRequest("POST", "/identity/query", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) {
		t.Fatalf("not JSON: %s", w.Body)
	}
	return w.Body.String()
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func hex(n byte) string { return account(n).String() }

func TestAnswers(t *testing.T) {
	s := serve(t)
	did := func(contract byte, id int) string { return fmt.Sprintf("did:erc721:137:%s:%d", hex(contract), id) }
	for _, c := range []struct{ name, query, want string }{
		{"vehicle", `{vehicle(tokenId:1){id tokenId tokenDID owner mintedAt name image imageURI dataURI manufacturer{id name tokenId tableId} definition{id make model year}}}`,
			`{"data":{"vehicle":{"id":"V_kQE=","tokenId":1,"tokenDID":"` + did(101, 1) + `","owner":"` + hex(1) + `","mintedAt":"2023-11-14T22:13:20Z","name":"vehicle 1","image":"http://node/vehicle/1/image","imageURI":"http://node/vehicle/1/image","dataURI":"http://node/vehicle/1","manufacturer":{"id":"M_kSk=","name":"Alpha Motors","tokenId":41,"tableId":null},"definition":{"id":"alpha_one_2020","make":"Alpha","model":"One","year":2020}}}}`},
		{"without a definition", `{vehicle(tokenDID:"` + did(101, 300) + `"){id imageURI definition{id make year}}}`,
			`{"data":{"vehicle":{"id":"V_kc0BLA==","imageURI":"https://example.org/car.png","definition":{"id":null,"make":null,"year":null}}}}`},
		{"what does not exist", `{vehicle(tokenId:1){syntheticDevice{address} dcn{name} stake{points} earnings{totalTokens} storageNode{label} privileges(first:1){totalCount nodes{id}}}}`,
			`{"data":{"vehicle":{"syntheticDevice":null,"dcn":null,"stake":null,"earnings":null,"storageNode":null,"privileges":{"totalCount":0,"nodes":[]}}}}`},
		{"unknown vehicle", `{vehicle(tokenId:123){owner}}`,
			`{"errors":[{"message":"No vehicle with token id 123.","path":["vehicle"],"extensions":{"code":"NOT_FOUND"}}],"data":{"vehicle":null}}`},
		{"burned vehicle", `{vehicle(tokenId:6){owner}}`,
			`{"errors":[{"message":"No vehicle with token id 6.","path":["vehicle"],"extensions":{"code":"NOT_FOUND"}}],"data":{"vehicle":null}}`},
		{"no selector", `{vehicle{owner}}`,
			"{\"errors\":[{\"message\":\"provide exactly one of `tokenID` or `tokenDID`\",\"path\":[\"vehicle\"],\"extensions\":{\"code\":\"BAD_REQUEST\"}}],\"data\":{\"vehicle\":null}}"},
		{"DID of another chain", `{vehicle(tokenDID:"did:erc721:1:` + hex(101) + `:1"){owner}}`,
			`{"errors":[{"message":"unknown chain id 1 in token did","path":["vehicle"],"extensions":{"code":"NOT_FOUND"}}],"data":{"vehicle":null}}`},
		{"DID of another contract", `{vehicle(tokenDID:"` + did(102, 1) + `"){owner}}`,
			`{"errors":[{"message":"invalid contract address '` + hex(102) + `' in token did","path":["vehicle"],"extensions":{"code":"NOT_FOUND"}}],"data":{"vehicle":null}}`},
		{"bad address", `{vehicles(first:1,filterBy:{owner:"zz"}){totalCount}}`,
			`{"errors":[{"message":"not a valid hex address","path":["vehicles","filterBy","owner"],"extensions":{"code":"BAD_REQUEST"}}],"data":null}`},
		{"grants that stand", `{vehicle(tokenId:1){sacds(first:10){totalCount nodes{grantee permissions source createdAt expiresAt}} a:sacd(grantee:"` + strings.ToLower(hex(9)) + `"){permissions} expired:sacd(grantee:"` + hex(8) + `"){permissions} revoked:sacd(grantee:"` + hex(7) + `"){permissions}}}`,
			`{"data":{"vehicle":{"sacds":{"totalCount":2,"nodes":[{"grantee":"` + hex(9) + `","permissions":"0x3fffc","source":"ipfs://a","createdAt":"2026-05-01T11:59:50Z","expiresAt":"2026-05-01T12:01:00Z"},{"grantee":"` + hex(10) + `","permissions":"0xc","source":"","createdAt":"2026-05-01T11:59:20Z","expiresAt":"9999-12-31T23:59:59Z"}]},"a":{"permissions":"0x3fffc"},"expired":null,"revoked":null}}}`},
		{"device of a vehicle", `{vehicle(tokenId:1){aftermarketDevice{id tokenId address serial imei devEUI beneficiary claimedAt pairedAt name image vehicle{tokenId} earnings{totalTokens}}}}`,
			`{"data":{"vehicle":{"aftermarketDevice":{"id":"AD_kQw=","tokenId":12,"address":"` + hex(60) + `","serial":"SN-1","imei":"350000000000001","devEUI":null,"beneficiary":"` + hex(1) + `","claimedAt":"2023-11-14T22:13:21Z","pairedAt":"2023-11-14T22:13:22Z","name":"device 12","image":"http://node/aftermarket/device/12/image","vehicle":{"tokenId":1},"earnings":null}}}}`},
		{"device by each name", `{a:aftermarketDevice(by:{tokenId:12}){tokenId} b:aftermarketDevice(by:{address:"` + hex(60) + `"}){tokenId} c:aftermarketDevice(by:{serial:"SN-1"}){tokenId} d:aftermarketDevice(by:{imei:"350000000000001"}){tokenId} e:aftermarketDevice(by:{tokenDID:"` + did(103, 12) + `"}){tokenId}}`,
			`{"data":{"a":{"tokenId":12},"b":{"tokenId":12},"c":{"tokenId":12},"d":{"tokenId":12},"e":{"tokenId":12}}}`},
		{"unknown device", `{aftermarketDevice(by:{tokenId:99}){tokenId}}`,
			`{"errors":[{"message":"No aftermarket device found.","path":["aftermarketDevice"],"extensions":{"code":"NOT_FOUND"}}],"data":{"aftermarketDevice":null}}`},
		{"manufacturers", `{manufacturers{totalCount nodes{name} pageInfo{hasNextPage hasPreviousPage}} a:manufacturer(by:{name:"Alpha Motors"}){tokenId} b:manufacturer(by:{slug:"alpha-motors"}){tokenId} c:manufacturer(by:{tokenDID:"` + did(102, 41) + `"}){tokenId owner}}`,
			`{"data":{"manufacturers":{"totalCount":2,"nodes":[{"name":"Alpha Motors"},{"name":"Beta"}],"pageInfo":{"hasNextPage":false,"hasPreviousPage":false}},"a":{"tokenId":41},"b":{"tokenId":41},"c":{"tokenId":41,"owner":"` + hex(50) + `"}}}`},
		{"devices of a manufacturer", `{manufacturer(by:{tokenId:42}){all:aftermarketDevices(first:5){nodes{tokenId}} some:aftermarketDevices(first:5,filterBy:{beneficiary:"` + hex(3) + `"}){nodes{tokenId}} none:aftermarketDevices(first:5,filterBy:{manufacturerId:41}){nodes{tokenId}}}}`,
			`{"data":{"manufacturer":{"all":{"nodes":[{"tokenId":13},{"tokenId":12}]},"some":{"nodes":[{"tokenId":13}]},"none":{"nodes":[]}}}}`},
		{"licence", `{developerLicense(by:{clientId:"` + hex(20) + `"}){tokenId tokenDID alias owner clientId signers(first:10){nodes{address enabledAt}} redirectURIs(first:10){nodes{uri}}}}`,
			`{"data":{"developerLicense":{"tokenId":3,"tokenDID":"` + did(104, 3) + `","alias":"garage","owner":"` + hex(1) + `","clientId":"` + hex(20) + `","signers":{"nodes":[{"address":"` + hex(22) + `","enabledAt":"2023-11-14T22:16:40Z"},{"address":"` + hex(23) + `","enabledAt":"2023-11-14T22:16:40Z"},{"address":"` + hex(21) + `","enabledAt":"2023-11-14T22:15:00Z"}]},"redirectURIs":{"nodes":[{"uri":"https://a.example"},{"uri":"https://b.example"}]}}}}`},
		{"licences", `{a:developerLicenses(first:5,filterBy:{signer:"` + hex(21) + `"}){nodes{tokenId}} b:developerLicenses(first:5,filterBy:{signer:"` + hex(99) + `"}){totalCount} c:developerLicense(by:{alias:"garage"}){tokenId} d:developerLicense(by:{tokenDID:"` + did(104, 3) + `"}){tokenId}}`,
			`{"data":{"a":{"nodes":[{"tokenId":3}]},"b":{"totalCount":0},"c":{"tokenId":3},"d":{"tokenId":3}}}`},
		{"revoked licence", `{developerLicense(by:{clientId:"` + hex(30) + `"}){tokenId}}`,
			`{"errors":[{"message":"No developer license with client id ` + hex(30) + `.","path":["developerLicense"],"extensions":{"code":"NOT_FOUND"}}],"data":{"developerLicense":null}}`},
		{"nodes by id", `{a:node(id:"V_kc0BLA=="){id __typename ...on Vehicle{tokenId}} b:node(id:"M_kSk="){__typename ...on Vehicle{tokenId} ...on Manufacturer{name}} c:node(id:"AD_kQw="){...on AftermarketDevice{tokenId}}}`,
			`{"data":{"a":{"id":"V_kc0BLA==","__typename":"Vehicle","tokenId":300},"b":{"__typename":"Manufacturer","name":"Alpha Motors"},"c":{"tokenId":12}}}`},
		{"bad id", `{node(id:"V_x"){id}}`,
			`{"errors":[{"message":"\"V_x\" is not an id","path":["node"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"node":null}}`},
		{"empty lists", `{dcns(first:1){totalCount} syntheticDevices(first:1){nodes{address}} stakes(first:1){totalCount} rewards(user:"` + hex(1) + `"){totalTokens}}`,
			`{"data":{"dcns":{"totalCount":0},"syntheticDevices":{"nodes":[]},"stakes":{"totalCount":0},"rewards":null}}`},
		{"fragments and directives", `query($no:Boolean!){vehicle(tokenId:1){...f owner @skip(if:true) name @include(if:$no)}} fragment f on Vehicle{tokenId ...g} fragment g on Vehicle{tokenId x:tokenId}`,
			`{"data":{"vehicle":{"tokenId":1,"x":1}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := post(t, s, c.query, `{"no":false}`); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// pages are what the listing of all vehicles, 300 5 4 3 2 1, gives for some
// arguments.
var pages = []struct {
	args, ids  string
	prev, next bool
	err        string
}{
	{`first:100`, "300 5 4 3 2 1", false, false, ""},
	{`first:2`, "300 5", false, true, ""},
	{`first:6`, "300 5 4 3 2 1", false, false, ""},
	{`first:2,after:"` + idCursor(5) + `"`, "4 3", true, true, ""},
	{`first:2,after:"` + idCursor(2) + `"`, "1", true, false, ""},
	{`first:2,after:"` + idCursor(100) + `"`, "5 4", true, true, ""},
	{`first:2,before:"` + idCursor(4) + `"`, "300 5", false, true, ""},
	{`first:1,before:"` + idCursor(4) + `"`, "300", false, true, ""},
	{`first:5,after:"` + idCursor(5) + `",before:"` + idCursor(2) + `"`, "4 3", true, true, ""},
	{`last:2`, "2 1", true, false, ""},
	{`last:2,before:"` + idCursor(2) + `"`, "4 3", true, true, ""},
	{`last:6`, "300 5 4 3 2 1", false, false, ""},
	{`last:2,after:"` + idCursor(3) + `"`, "2 1", true, false, ""},
	{`last:1,after:"` + idCursor(3) + `"`, "1", true, false, ""},
	{`first:0`, "", false, true, ""},
	{`last:0`, "", true, false, ""},
	{`first:3,after:null`, "300 5 4", false, true, ""},
	{`first:9,filterBy:{owner:"` + hex(1) + `"}`, "5 3 1", false, false, ""},
	{`first:9,filterBy:{privileged:"` + hex(9) + `"}`, "1", false, false, ""},
	{`first:9,filterBy:{privileged:"` + hex(8) + `"}`, "", false, false, ""},
	{`first:9,filterBy:{privileged:"` + hex(7) + `"}`, "", false, false, ""},
	{`first:9,filterBy:{privileged:"` + hex(2) + `"}`, "300 4 2", false, false, ""},
	{`first:9,filterBy:{owner:"` + hex(2) + `",make:"alpha"}`, "4 2", false, false, ""},
	{`first:9,filterBy:{make:"Alpha",model:"One",year:2020}`, "5 4 3 2 1", false, false, ""},
	{`first:9,filterBy:{year:2021}`, "", false, false, ""},
	{`first:9,filterBy:{manufacturerTokenId:42}`, "300", false, false, ""},
	{`first:9,filterBy:{deviceDefinitionId:"alpha_one_2020"}`, "5 4 3 2 1", false, false, ""},
	{`first:9,filterBy:{connection:"` + hex(1) + `"}`, "", false, false, ""},
	{``, "", false, false, "provide `first` or `last`"},
	{`first:1,last:1`, "", false, false, "pass `first` or `last`, but not both"},
	{`first:-1`, "", false, false, "the value for `first` cannot be negative"},
	{`last:101`, "", false, false, "the value 101 for `last` exceeds the limit 100"},
	{`first:1,after:"!"`, "", false, false, "illegal base64 data at input byte 0"},
	{`first:1,after:"eA=="`, "", false, false, "the cursor is not one of this list"},
}

func TestPaging(t *testing.T) {
	s := serve(t)
	for _, c := range pages {
		t.Run(c.args, func(t *testing.T) {
			args := "(" + c.args + ")"
			if c.args == "" {
				args = ""
			}
			var out struct {
				Errors []struct{ Message string }
				Data   struct {
					Vehicles struct {
						TotalCount int
						Nodes      []struct{ TokenID int }
						Edges      []struct {
							Cursor string
							Node   struct{ TokenID int }
						}
						PageInfo struct {
							StartCursor, EndCursor       *string
							HasPreviousPage, HasNextPage bool
						}
					}
				}
			}
			body := post(t, s, `{vehicles`+args+`{totalCount nodes{tokenId} edges{cursor node{tokenId}} pageInfo{startCursor endCursor hasPreviousPage hasNextPage}}}`, "")
			if err := json.Unmarshal([]byte(body), &out); err != nil {
				t.Fatal(err)
			}
			if c.err != "" {
				if len(out.Errors) != 1 || out.Errors[0].Message != c.err {
					t.Fatalf("got %s, want the error %s", body, c.err)
				}
				return
			}
			v, ids := out.Data.Vehicles, []string{}
			for i, n := range v.Nodes {
				ids = append(ids, fmt.Sprint(n.TokenID))
				if v.Edges[i].Node != n || v.Edges[i].Cursor != idCursor(uint64(n.TokenID)) {
					t.Errorf("edge %d is %v", i, v.Edges[i])
				}
			}
			if got := strings.Join(ids, " "); got != c.ids {
				t.Errorf("got %q, want %q", got, c.ids)
			}
			if v.PageInfo.HasPreviousPage != c.prev || v.PageInfo.HasNextPage != c.next {
				t.Errorf("pageInfo %+v, want prev %v next %v", v.PageInfo, c.prev, c.next)
			}
			if !strings.Contains(c.args, "filterBy") && v.TotalCount != 6 {
				t.Errorf("totalCount %d, want 6 whatever the cursors", v.TotalCount)
			}
			if n := len(ids); n > 0 && (*v.PageInfo.StartCursor != v.Edges[0].Cursor || *v.PageInfo.EndCursor != v.Edges[n-1].Cursor) {
				t.Errorf("cursors %v", v.PageInfo)
			}
		})
	}
}

// Cursors of lists within an object lead through them without a gap.
func TestCursorsWithinObjects(t *testing.T) {
	s := serve(t)
	for _, c := range []struct{ of, list, field, want string }{
		{`vehicle(tokenId:1)`, "sacds", "grantee", hex(9) + " " + hex(10)},
		{`developerLicense(by:{tokenId:3})`, "signers", "address", hex(22) + " " + hex(23) + " " + hex(21)},
		{`developerLicense(by:{tokenId:3})`, "redirectURIs", "uri", "https://a.example https://b.example"},
	} {
		var got []string
		after := "null"
		for range 5 {
			var out struct {
				Data map[string]map[string]struct {
					Nodes    []map[string]string
					PageInfo struct {
						EndCursor   string
						HasNextPage bool
					}
				}
			}
			body := post(t, s, `{`+c.of+`{`+c.list+`(first:1,after:`+after+`){nodes{`+c.field+`} pageInfo{endCursor hasNextPage}}}}`, "")
			if err := json.Unmarshal([]byte(body), &out); err != nil {
				t.Fatal(err)
			}
			for _, object := range out.Data {
				l := object[c.list]
				if len(l.Nodes) != 1 {
					t.Fatalf("page of %s: %s", c.list, body)
				}
				got, after = append(got, l.Nodes[0][c.field]), quote(l.PageInfo.EndCursor)
				if !l.PageInfo.HasNextPage {
					after = ""
				}
			}
			if after == "" {
				break
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.list, got, c.want)
		}
	}
	// fixarray(2), fixext4 of type -1 with the seconds, bin8 of 20 bytes
	if got, want := byCreation.cursor(&registry.Grant{CreatedAt: 1, Grantee: account(9)}), "ktb/AAAAAcQUqwAAAAAAAAAAAAAAAAAAAAAAAAk="; got != want {
		t.Errorf("SACD cursor %s, want %s", got, want)
	}
}

func TestNodeIDs(t *testing.T) {
	for id, want := range map[uint64]string{1: "V_kQE=", 300: "V_kc0BLA==", 70000: "V_kc4AARFw", 127: "V_kX8=", 128: "V_kcyA", 1 << 40: "V_kc8AAAEAAAAAAA=="} {
		if got := nodeID("V", id); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
		if prefix, back, err := parseNodeID(want); err != nil || prefix != "V" || uint64(back) != id {
			t.Errorf("%s reads back as %s %d %v", want, prefix, back, err)
		}
	}
	for _, bad := range []string{"", "V", "V_", "V_kQ==", "V_kc0B", "V_kaA=", "V_!"} {
		if _, _, err := parseNodeID(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// The queries that clients of the npm SDK send, as they send them (spec api 12.1).
func TestQueriesOfTheSDK(t *testing.T) {
	s := serve(t)
	for name, c := range map[string]struct{ query, want string }{
		"countDimoVehicles": {`{ vehicles (first: 100) { totalCount } }`, `{"data":{"vehicles":{"totalCount":6}}}`},
		"listVehicleDefinitionsPerAddress": {`{ vehicles(filterBy: {owner: "` + hex(1) + `"}, first: 1) { nodes { aftermarketDevice { tokenId address } syntheticDevice { address tokenId } definition { make model year } } } }`,
			`{"data":{"vehicles":{"nodes":[{"aftermarketDevice":null,"syntheticDevice":null,"definition":{"make":"Alpha","model":"One","year":2020}}]}}}`},
		"getVehicleJwt": {`{ vehicle(tokenId: 1) { sacds(first: 100, after: null) { nodes { permissions grantee } totalCount pageInfo { startCursor endCursor } } } }`,
			`{"data":{"vehicle":{"sacds":{"nodes":[{"permissions":"0x3fffc","grantee":"` + hex(9) + `"},{"permissions":"0xc","grantee":"` + hex(10) + `"}],"totalCount":2,"pageInfo":{"startCursor":"` + byCreation.cursor(&registry.Grant{CreatedAt: now.Unix() - 10, Grantee: account(9)}) + `","endCursor":"` + byCreation.cursor(&registry.Grant{CreatedAt: now.Unix() - 40, Grantee: account(10)}) + `"}}}}}`},
	} {
		if got := post(t, s, c.query, ""); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// Every type, field and argument of the reference is there with an equal type,
// and nothing else is.
func TestSchemaEqualsReference(t *testing.T) {
	type field struct {
		Type string            `json:"type"`
		Args map[string]string `json:"args"`
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "spec", "schema-skeleton-identity.json"))
	if err != nil {
		t.Skip("the skeleton of the reference's schema is not beside the repository")
	}
	var reference map[string]struct {
		Kind   string                     `json:"kind"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := json.Unmarshal(raw, &reference); err != nil {
		t.Fatal(err)
	}
	ours := serve(t).Schema()
	var differ []string
	for name, d := range ours.Types {
		ref, known := reference[name]
		if strings.HasPrefix(name, "__") || name == "Float" {
			continue
		}
		if !known || string(d.Kind) != ref.Kind && !(d.Kind == "INPUT_OBJECT" && ref.Kind == "INPUT") {
			differ = append(differ, "type "+name)
			continue
		}
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			want := field{}
			if ref.Kind == "INPUT" {
				json.Unmarshal(ref.Fields[f.Name], &want.Type)
			} else {
				json.Unmarshal(ref.Fields[f.Name], &want)
			}
			got := map[string]string{}
			for _, a := range f.Arguments {
				got[a.Name] = a.Type.String()
			}
			if f.Type.String() != want.Type || !maps.Equal(got, want.Args) {
				differ = append(differ, name+"."+f.Name)
			}
		}
		delete(reference, name)
		for f := range ref.Fields {
			if d.Fields.ForName(f) == nil {
				differ = append(differ, "missing "+name+"."+f)
			}
		}
	}
	for name := range reference {
		differ = append(differ, "missing type "+name)
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		t.Errorf("differs:\n%s", strings.Join(differ, "\n"))
	}
}

func BenchmarkVehicles(b *testing.B) {
	s := serve(b)
	body := []byte(`{"query":"{vehicles(first:100){totalCount nodes{tokenId owner definition{make model year}}}}"}`)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

package shelf

import "testing"

func TestOnlyPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "1.1.1.1:80": true, "[2606:4700::1111]:443": true,
		"127.0.0.1:80": false, "127.9.9.9:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "10.0.0.1:80": false, "172.16.0.1:80": false,
		"172.31.255.255:80": false, "192.168.1.1:80": false, "169.254.169.254:80": false, "100.64.0.1:80": false, "100.127.255.255:80": false,
		"192.0.0.8:80": false, "192.0.2.1:80": false, "198.18.0.1:80": false, "198.51.100.1:80": false, "203.0.113.1:80": false, "224.0.0.1:80": false,
		"240.0.0.1:80": false, "255.255.255.255:80": false, "[::]:80": false, "[::1]:80": false, "[fe80::1%eth0]:80": false, "[fc00::1]:80": false,
		"[fd12::1]:80": false, "[ff02::1]:80": false, "[fec0::1]:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[64:ff9b:1::1]:80": false, "[2002:7f00:1::]:80": false, "[2001::1]:80": false, "[2001:db8::1]:80": false,
		"[100::1]:80": false, "[::7f00:1]:80": false, "localhost:80": false, "": false, "1.1.1.1": false,
	} {
		if err := onlyPublic(address); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", address, err, want)
		}
	}
}

func TestGatewayURLs(t *testing.T) {
	for base, want := range map[string]bool{
		"https://assets.dimo.xyz/ipfs": true, "http://127.0.0.1:8080/ipfs/": true, "https://[::1]": true,
		"": false, "assets.dimo.xyz/ipfs": false, "ftp://a/ipfs": false, "https:///ipfs": false, "https://a/ipfs?x=1": false, "https://a/#x": false, "://": false,
	} {
		if g, err := newGateway(base); (err == nil) != want {
			t.Errorf("%q: %v, %v", base, g, err)
		}
	}
}

package attest

import (
	"fmt"
	"net/url"
	"strings"
)

// DIDDocument is what a node publishes of its key, as W3C DID core writes it. Who
// has it can verify a credential with nothing else: the address that signed the
// data is that of the verification method.
type DIDDocument struct {
	Context   []string             `json:"@context"`
	ID        string               `json:"id"`
	Aliases   []string             `json:"alsoKnownAs"`
	Methods   []VerificationMethod `json:"verificationMethod"`
	Assertion []string             `json:"assertionMethod"`
}

// VerificationMethod is a key as an account of a chain.
type VerificationMethod struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Controller string `json:"controller"`
	Account    string `json:"blockchainAccountId"` // CAIP-10
}

// Document is the DID document of a node that is reached at a URL. Its name is
// of the method did:web, so that it is found at /.well-known/did.json there.
func (i *Issuer) Document(baseURL string) (DIDDocument, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return DIDDocument{}, fmt.Errorf("attest: %q is no URL of a node", baseURL)
	}
	id := "did:web:" + strings.ReplaceAll(u.Host, ":", "%3A")
	key := id + "#attestations"
	return DIDDocument{
		Context: []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/secp256k1recovery-2020/v2"},
		ID:      id, Aliases: []string{i.DID().String()},
		Methods: []VerificationMethod{{
			ID: key, Type: "EcdsaSecp256k1RecoveryMethod2020", Controller: id,
			Account: fmt.Sprintf("eip155:%d:%s", i.Chain, i.Address()),
		}},
		Assertion: []string{key},
	}, nil
}

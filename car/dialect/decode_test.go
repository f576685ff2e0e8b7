package dialect

import (
	"errors"
	"strings"
	"testing"

	"sayso"
	"sayso/car/catalogue"
)

// TestPanicIsARefusal checks that a dialect that breaks costs its message only.
func TestPanicIsARefusal(t *testing.T) {
	broken := func(*catalogue.Catalogue, sayso.CloudEvent, Window) (Message, error) {
		var list []string
		list[len(t.Name())] = "x"
		return Message{VIN: "x"}, nil
	}
	m, err := guarded(broken, loadCatalogue(t), sayso.CloudEvent{}, Window{})
	if sayso.FaultOf(err) != sayso.Invalid || sayso.MessageOf(err) != "the payload cannot be read" || m.VIN != "" {
		t.Errorf("got %+v, %v", m, err)
	}
	if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), "index out of range") || !strings.Contains(cause.Error(), "decode_test.go") {
		t.Errorf("the cause does not say where: %v", cause)
	}
}

func TestDecodeOfBase64(t *testing.T) {
	ce, err := Envelope([]byte(with("data", "", "data_base64", `"eyJ2aW4iOiJXQkEwMDAwMDAwMDAwMDAwMSJ9"`, "datacontenttype", `"application/json"`)), Arrival{Source: sender, Time: arrived})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(loadCatalogue(t), ce, Window{Now: arrived})
	if err != nil || m.VIN != "WBA00000000000001" || len(m.Types) != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

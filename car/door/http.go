package door

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"sayso"
	"sayso/owner/token"
)

// Path is where devices post their events.
const Path = "/v1/devices/events"

// BackfillHeader asks for the back-fill lane, which takes readings older than
// the live window; it is open to devices that signed in.
const BackfillHeader = "Sayso-Backfill"

// ServeHTTP takes one cloud event per request. The answer is an empty 200, or
// the [Result] where the request accepts JSON.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := d.request(w, r)
	switch {
	case err != nil:
		d.Count(sayso.FaultOf(err).String())
		refuse(w, err)
	case result.Duplicate:
		d.Count("duplicate")
		answer(w, r, result)
	default:
		d.Count("kept")
		answer(w, r, result)
	}
}

func (d *Door) request(w http.ResponseWriter, r *http.Request) (Result, error) {
	if err := acceptable(r); err != nil {
		return Result{}, err
	}
	var device sayso.Address
	raw, err := token.Bearer(r.Header.Get("Authorization"))
	if err != nil {
		return Result{}, err
	}
	if raw != "" {
		if device, err = d.Device(raw); err != nil {
			return Result{}, err
		}
	}
	backfill := strings.EqualFold(r.Header.Get(BackfillHeader), "true")
	if backfill && device.IsZero() {
		return Result{}, sayso.Fail(sayso.Denied, op, "the back-fill lane is open to signed-in devices only: send the device's token as a bearer")
	}
	body, err := d.read(w, r)
	if err != nil {
		return Result{}, err
	}
	return d.Take(r.Context(), body, device, backfill)
}

// acceptable checks how the body is written.
func acceptable(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return sayso.Fail(sayso.Invalid, op, "Content-Encoding "+e+" is not supported: send the event uncompressed")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "":
		return nil
	case err != nil, kind == "application/cloudevents-batch+json", kind == "application/x-ndjson":
		return sayso.Fail(sayso.Invalid, op, "Content-Type "+r.Header.Get("Content-Type")+" is not supported: send one event as application/cloudevents+json")
	}
	return nil
}

// read takes the body up to the limit.
func (d *Door) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := sayso.Fail(sayso.TooLarge, op, "the message is over the limit of "+strconv.FormatInt(d.MaxBody, 10)+" bytes")
	if r.ContentLength > d.MaxBody {
		return nil, tooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, &sayso.Error{Op: op, Fault: sayso.Invalid, Message: "the message ended early", Err: err}
		}
		return body, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.MaxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &sayso.Error{Op: op, Fault: sayso.Invalid, Message: "the message ended early", Err: err}
	}
	return body, nil
}

func answer(w http.ResponseWriter, r *http.Request, result Result) {
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		w.WriteHeader(http.StatusOK)
		return
	}
	reply(w, http.StatusOK, result)
}

// refuse answers an error with its status and, where trying again helps, when.
func refuse(w http.ResponseWriter, err error) {
	f := sayso.FaultOf(err)
	switch f {
	case sayso.Busy:
		w.Header().Set("Retry-After", "1")
	case sayso.Full:
		w.Header().Set("Retry-After", "60")
	}
	reply(w, f.Status(), map[string]any{"code": f.Status(), "message": sayso.MessageOf(err)})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
